#!/usr/bin/env python3
"""Goal: a cluster goes from one protocol version to the next, node by node, under load: no
acknowledged write is lost and no read misses one, both versions run side by side, also with a node
that joins meanwhile, and a step can be taken back. What the older version could not read is refused
until all members have the newer. Real processes, sockets and RocksDB with durability=sync.

GYRE_OLD_BINARY: a gyre of the release before, instead of this one with --protocol-max."""

import json
import os
import time
import unittest

from cluster import HOST, Node, binary, free_ports, wait_until
from grow_test import Growing
from history import missing, start_clients, stop_clients

OLD = 3
NEW = 4
OLD_BINARY = os.environ.get("GYRE_OLD_BINARY")


class Upgrading(Growing):
    """Nodes of either version, which a restart changes."""

    def set_version(self, node, version):
        """From the node's next start on."""
        flags = [f for f in node.flags if not f.startswith("--protocol-max=")]
        node.binary = binary()
        if version == OLD and OLD_BINARY:
            node.binary = OLD_BINARY
        elif version == OLD:
            flags.append(f"--protocol-max={OLD}")
        node.flags = flags

    def add_at(self, version, name, *seeds):
        node = Node(name, free_ports(3), os.path.join(self.folder, name), [
            *self.flags,
            *(["--join", ",".join(f"{HOST}:{seed.peer_port}" for seed in seeds)] if seeds
              else ["--found", "yes"])])
        self.set_version(node, version)
        self.nodes[name] = node
        node.start()
        node.wait_ready()
        return node

    def restart(self, node, version, cleanly):
        node.stop() if cleanly else node.kill()
        self.set_version(node, version)
        node.start()
        node.wait_ready()
        others = [n for n in self.nodes.values() if n is not node and n.process is not None]
        wait_until(lambda: node.is_linked(others), 20, f"{node.name} has its links", 0.1)

    def cluster_version(self, node):
        return self.status(node)["protocol"]["version"]

    def refusal(self, node, path, body=None):
        status, _, answer = node.http("POST", path, json.dumps(body) if body else None, timeout=70)
        return status, answer.decode()


class UpgradeTest(unittest.TestCase):
    def assert_clean(self, clients):
        """Of each, one request may have been on its way through a node that was killed."""
        for client in clients:
            self.assertLessEqual(len(client.errors), 3, client.errors[:3])
            self.assertEqual([e for e in client.errors if not e.startswith("UNKNOWN")], [])
            self.assertEqual(client.wrong_reads[:3], [], client.name)
            self.assertGreater(client.writes, 0, client.name)

    def assert_split_refused(self, cluster, node, *names):
        status, answer = cluster.refusal(node, "/v1/cluster/stage", {"change": "split"})
        self.assertEqual(status, 501, answer)
        for name in names:
            self.assertIn(f"{name} ({OLD})", answer)

    def test_node_by_node_under_load(self):
        with Upgrading() as cluster:
            n1 = cluster.add_at(OLD, "n1")
            n2, n3 = cluster.add_at(OLD, "n2", n1), cluster.add_at(OLD, "n3", n1)
            cluster.await_settled(n1)
            clients = start_clients([n1], per_node=3)
            time.sleep(1)

            cluster.restart(n2, NEW, cleanly=False)
            time.sleep(1)
            self.assertEqual(cluster.cluster_version(n2), OLD)
            self.assert_split_refused(cluster, n2, "n1", "n3")

            # Side by side, for a while, and one more comes in; then a step back, and forward again.
            n4 = cluster.add_at(NEW, "n4", n1, n2)
            cluster.await_settled(n1)
            cluster.restart(n2, OLD, cleanly=True)
            time.sleep(1)
            self.assert_split_refused(cluster, n4, "n1", "n2", "n3")
            cluster.restart(n2, NEW, cleanly=True)

            # One that is down is not forgotten.
            n3.stop()
            self.assert_split_refused(cluster, n2, "n1", "n3")
            cluster.set_version(n3, NEW)
            n3.start()
            n3.wait_ready()
            time.sleep(1)
            clients += start_clients([n2, n3], per_node=2)
            stop_clients(clients[:3])
            self.assert_split_refused(cluster, n2, "n1")
            cluster.restart(n1, NEW, cleanly=True)

            wait_until(lambda: {cluster.cluster_version(n) for n in (n1, n2, n3, n4)} == {NEW}, 20,
                       "all know that all are new", 0.1)
            before = json.loads(n2.http("GET", "/v1/ring")[2])["partition_count"]
            cluster.change(n2, {"change": "split"})
            wait_until(lambda: {json.loads(n.http("GET", "/v1/ring")[2])["partition_count"]
                                for n in (n1, n2, n3, n4)} == {2 * before}, 20, "split", 0.1)
            time.sleep(1)
            stop_clients(clients)
            self.assert_clean(clients)
            for node in (n1, n2, n3, n4):
                self.assertEqual(missing(clients, node), [], f"read through {node.name}")

    def test_no_way_back_once_it_is_used(self):
        with Upgrading() as cluster:
            n1 = cluster.add_at(NEW, "n1")
            n2 = cluster.add_at(NEW, "n2", n1)
            cluster.await_settled(n1)
            wait_until(lambda: cluster.cluster_version(n1) == NEW, 20, "both are new", 0.1)
            cluster.change(n1, {"change": "split"})
            wait_until(lambda: cluster.status(n2)["protocol"]["needed"] == NEW, 10, "known", 0.1)
            n2.stop()
            n2.flags.append(f"--protocol-max={OLD}")
            n2.start()
            self.assertEqual(n2.process.wait(30), 1)
            n2.process = None
            self.assertIn("needs protocol version 4", n2.log_tail())

            # A stranger of the old version is told why, on both sides.
            late = Node("late", free_ports(3), os.path.join(cluster.folder, "late"), [
                *cluster.flags, "--join", f"{HOST}:{n1.peer_port}", f"--protocol-max={OLD}"])
            cluster.nodes["late"] = late
            late.start()
            wait_until(lambda: "versions 4 to 4, this node 3 to 3" in late.log_tail(), 20, "told")
            wait_until(lambda: "versions 3 to 3, this node 4 to 4" in n1.log_tail(20_000), 20, "told")


if __name__ == "__main__":
    unittest.main(verbosity=2)
