#!/usr/bin/env python3
"""Goal: a cluster goes from one protocol version to the next, node by node, under load: no
acknowledged write is lost and no read misses one, both versions run side by side, also with a node
that joins meanwhile, and a step can be taken back. What the older version could not read is refused
until all members have the newer. Real processes, sockets and RocksDB with durability=sync.

GYRE_OLD_BINARY: a gyre of the release before, instead of this one with --protocol-max."""

import json
import os
import subprocess
import threading
import time
import unittest

from cluster import HOST, Node, binary, free_ports, wait_until
from grow_test import Growing
from history import missing, start_clients, stop_clients
from resp import Resp, RespError

OLD = 3
NEW = 5
SPLITS = 4  # the lowest that knows `gyre cluster split`
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
            wait_until(lambda: cluster.status(n2)["protocol"]["needed"] == SPLITS, 10, "known", 0.1)
            n2.stop()
            n2.flags.append(f"--protocol-max={OLD}")
            n2.start()
            self.assertEqual(n2.process.wait(30), 1)
            n2.process = None
            self.assertIn(f"needs protocol version {SPLITS}", n2.log_tail())

            # A stranger of the old version is told why, on both sides.
            late = Node("late", free_ports(3), os.path.join(cluster.folder, "late"), [
                *cluster.flags, "--join", f"{HOST}:{n1.peer_port}", f"--protocol-max={OLD}"])
            cluster.nodes["late"] = late
            late.start()
            wait_until(lambda: f"versions {SPLITS} to {NEW}, this node {OLD} to {OLD}" in late.log_tail(), 20, "told")
            wait_until(lambda: f"versions {OLD} to {OLD}, this node {SPLITS} to {NEW}" in n1.log_tail(20_000), 20, "told")


class BalancedClient(threading.Thread):
    """Writes a key of its own and reads it back, through any node that is ready, as a balancer would have it: /readyz is
    asked every 50 ms, and a connection goes on until its node is not ready."""

    def __init__(self, key, nodes):
        super().__init__(daemon=True)
        self.key = key
        self.nodes = nodes
        self.ready = list(nodes)
        self.stop_asked = threading.Event()
        self.errors = []
        self.done = 0

    def probe(self):
        while not self.stop_asked.wait(0.05):
            def is_ready(node):
                try:
                    return node.http("GET", "/readyz", timeout=5)[0] == 200
                except OSError:
                    return False
            self.ready = [node for node in self.nodes if is_ready(node)]

    def run(self):
        threading.Thread(target=self.probe, daemon=True).start()
        turn = 0
        while not self.stop_asked.is_set():
            turn += 1
            ready = self.ready
            if not ready:
                self.errors.append("no node is ready")
                return
            node = ready[turn % len(ready)]
            try:
                with Resp(node.resp_port) as resp:
                    while node in self.ready and not self.stop_asked.is_set():
                        self.done += 1
                        value = f"v{self.done}".encode()
                        resp.command("SET", self.key, value)
                        if resp.command("GET", self.key) != value:
                            self.errors.append("a read missed a write")
            except (RespError, OSError, EOFError) as error:
                self.errors.append(f"{node.name}: {error!r}")


class DrainTest(unittest.TestCase):
    def drain(self, node, *flags):
        return subprocess.run([binary(), "drain", "--port", str(node.resp_port), *flags],
                              capture_output=True, text=True, timeout=60)

    def test_no_request_fails_in_a_rolling_restart(self):
        with Growing() as cluster:
            n1 = cluster.add("n1")
            nodes = [n1, cluster.add("n2", n1), cluster.add("n3", n1)]
            cluster.await_settled(n1)
            clients = [BalancedClient(f"key{i}", nodes) for i in range(3)]
            for client in clients:
                client.start()
            for node in nodes:
                time.sleep(0.5)
                drained = self.drain(node, "--seconds", "20")
                self.assertEqual(drained.returncode, 0, drained.stderr)
                self.assertIn("can be stopped", drained.stdout)
                node.stop()
                node.start()
                node.wait_ready()
                others = [n for n in nodes if n is not node]
                wait_until(lambda: node.is_linked(others), 20, "links", 0.1)
            for client in clients:
                client.stop_asked.set()
                client.join(20)
                self.assertEqual(client.errors[:5], [])
                self.assertGreater(client.done, 0)

    def test_clients_that_stay_are_sent_away_and_undo(self):
        with Growing(shards=2) as cluster:
            node = cluster.add("n1")
            with Resp(node.resp_port) as stays:
                stays.command("SET", "a", "1")
                started = time.monotonic()
                drained = self.drain(node, "--seconds", "2")
                self.assertEqual(drained.returncode, 0, drained.stderr)
                self.assertGreater(time.monotonic() - started, 1.5)
                self.assertEqual(node.http("GET", "/readyz")[0], 503)
                with self.assertRaises((OSError, EOFError)):
                    stays.command("GET", "a")
            with Resp(node.resp_port) as late:
                with self.assertRaisesRegex(RespError, "UNAVAILABLE.*drained"):
                    late.command("SET", "a", "2")
            self.assertEqual(self.drain(node, "--undo").returncode, 0)
            wait_until(node.is_ready, 5, "ready again")
            with Resp(node.resp_port) as back:
                self.assertEqual(back.command("GET", "a"), b"1")

    def test_refuses_nonsense(self):
        with Growing() as cluster:
            node = cluster.add("n1")
            for body in ("", "{}", '{"seconds": -1}', '{"seconds": 3601}'):
                self.assertEqual(node.http("POST", "/v1/cluster/drain", body)[0], 400, body)
            self.assertEqual(node.http("GET", "/readyz")[0], 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
