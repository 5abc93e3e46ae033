#!/usr/bin/env python3
"""Goal: a cluster grows and shrinks under load without losing an acknowledged write, without a read
that misses one, and without an error to a client; each change is known everywhere soon after its
commit. Real processes, sockets and RocksDB with durability=sync."""

import json
import os
import shutil
import tempfile
import time
import unittest

from cluster import HOST, Node, free_ports, wait_until
from history import missing, start_clients, stop_clients
from resp import Resp

SETTLED_SECONDS_MAX = 120
KNOWN_SECONDS_MAX = 10
COLD_KEYS = 3_000            # which nobody writes while they move


class Growing:
    """Nodes that come and go: the first founds the cluster, the others join it."""

    def __init__(self, flags=(), shards=1):
        self.folder = tempfile.mkdtemp(prefix="gyre-test-")
        self.flags = ["--cluster-id", "test", "--shards", str(shards), "--durability", "sync", *flags]
        self.nodes = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for node in self.nodes.values():
            if kind is not None and node.process is not None:
                print(f"--- log of {node.name}, its end:\n{node.log_tail(8000)}", flush=True)
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, name, *seeds, flags=()):
        """Starts a node that joins through `seeds`, or founds the cluster; returns once it is ready."""
        node = Node(name, free_ports(3), os.path.join(self.folder, name), [
            *self.flags, *flags,
            *(["--join", ",".join(f"{HOST}:{seed.peer_port}" for seed in seeds)] if seeds
              else ["--found", "yes"])])
        self.nodes[name] = node
        node.start()
        node.wait_ready()
        return node

    def ask(self, node, method, path, body=None):
        status, _, answer = node.http(method, path, json.dumps(body) if body else None, timeout=70)
        if status != 200:
            raise RuntimeError(f"{method} {path} {body}: {status} {answer}")
        return json.loads(answer)

    def status(self, node):
        return self.ask(node, "GET", "/v1/cluster")

    def change(self, node, *changes):
        """Stages, commits, and returns the plan."""
        plan = None
        for change in changes:
            plan = self.ask(node, "POST", "/v1/cluster/stage", change)
        self.ask(node, "POST", "/v1/cluster/commit")
        return plan

    def await_members(self, nodes):
        """Each of `nodes` knows just these as members, and the same layout."""
        def known():
            statuses = [self.status(node) for node in nodes]
            names = [{m["name"] for m in s["members"] if m["state"] == "member"} for s in statuses]
            return (all(n == {node.name for node in nodes} for n in names)
                    and len({(s["number"], s["digest"]) for s in statuses}) == 1)
        wait_until(known, KNOWN_SECONDS_MAX, f"{[n.name for n in nodes]} know of each other", 0.1)

    def await_settled(self, node):
        """`node` knows the change: it decided it."""
        wait_until(lambda: self.is_settled(node), SETTLED_SECONDS_MAX, "nothing moves", 0.1)

    def is_settled(self, node):
        status = self.status(node)
        return (status["moving"]["partitions"] == 0
                and all(member["state"] == "member" for member in status["members"]))


class GrowTest(unittest.TestCase):
    def assert_clean(self, clients, in_flight=0):
        """`in_flight`: so many requests of each may have been on their way through a node that died."""
        for client in clients:
            errors = [e for e in client.errors if not e.startswith("UNKNOWN")]
            self.assertEqual(errors[:3], [], client.name)
            self.assertLessEqual(len(client.errors), in_flight, f"{client.name}: {client.errors[:3]}")
            self.assertEqual(client.wrong_reads[:3], [], client.name)
            self.assertIsNone(client.cut_off, client.name)

    def assert_nothing_missing(self, clients, nodes):
        for node in nodes:
            self.assertEqual(missing(clients, node), [], f"read through {node.name}")
        self.assertEqual(missing(clients, nodes[0], "R", "all"), [])

    def test_grows_and_shrinks_under_load(self):
        with Growing() as cluster:
            n1 = cluster.add("n1")
            n2 = cluster.add("n2", n1)
            n3 = cluster.add("n3", n1, n2)
            cluster.await_settled(n1)
            with Resp(n1.resp_port) as resp:
                resp.command("MSET", *(word for i in range(COLD_KEYS) for word in (f"cold:{i}", i)))
            clients = start_clients([n1, n2, n3], per_node=2)
            time.sleep(1)

            nodes = [n1, n2, n3]
            for name in ("n4", "n5", "n6"):
                before = sum(client.writes for client in clients)
                nodes.append(cluster.add(name, n1))
                cluster.await_members(nodes)
                cluster.await_settled(n1)
                self.assertGreater(sum(client.writes for client in clients), before)
                # What arrived was looked up by batches, not row by row.
                self.assertGreater(nodes[-1].metric("gyre_expected_misses_total"), 0, name)
            self.assert_clean(clients)

            # Two leave, one after the other, while the others work.
            for leaver in ("n5", "n6"):
                plan = cluster.change(n2, {"change": "leave", "node": leaver})
                self.assertLessEqual(plan["transfers"], 1.1 * plan["transfers_least"] + 1)
                cluster.await_settled(n2)
                cluster.nodes[leaver].stop()
                nodes = [node for node in nodes if node.name != leaver]
                cluster.await_members(nodes)
            self.assert_clean(clients)
            stop_clients(clients)
            self.assert_nothing_missing(clients, nodes)
            with Resp(nodes[-1].resp_port) as resp:
                values = resp.command("MGET", *(f"cold:{i}" for i in range(COLD_KEYS)))
            self.assertEqual(values, [b"%d" % i for i in range(COLD_KEYS)])

    def test_a_dead_node_is_replaced_and_one_removed(self):
        with Growing(flags=["--open", "no"]) as cluster:
            n1 = cluster.add("n1")
            for name in ("n2", "n3", "n4"):
                node = self.start_waiting(cluster, name, n1)
                cluster.change(n1, {"change": "join", "node": name})
                node.wait_ready()
                cluster.await_settled(n1)
            nodes = cluster.nodes
            clients = start_clients([nodes["n1"], nodes["n2"]], per_node=3)
            time.sleep(1)
            nodes["n4"].kill()
            time.sleep(1)
            self.start_waiting(cluster, "n5", n1)
            cluster.change(n1, {"change": "replace", "node": "n4", "by": "n5", "dead": True})
            nodes["n5"].wait_ready()
            cluster.await_settled(n1)
            nodes["n3"].kill()
            time.sleep(1)
            cluster.change(n1, {"change": "remove", "node": "n3"})
            cluster.await_settled(n1)
            left = [nodes["n1"], nodes["n2"], nodes["n5"]]
            cluster.await_members(left)
            time.sleep(1)
            stop_clients(clients)
            self.assert_clean(clients, in_flight=2)
            self.assert_nothing_missing(clients, left)

    def start_waiting(self, cluster, name, seed):
        """Starts a node that asks to join, and waits until it is known to wait."""
        node = Node(name, free_ports(3), os.path.join(cluster.folder, name),
                    [*cluster.flags, "--join", f"{HOST}:{seed.peer_port}"])
        cluster.nodes[name] = node
        node.start()
        wait_until(lambda: name in {w["name"] for w in cluster.status(seed)["waiting"]}, 20,
                   f"{name} waits to be let in", 0.1)
        return node

    def test_killed_while_partitions_move(self):
        with Growing() as cluster:
            n1 = cluster.add("n1")
            n2 = cluster.add("n2", n1)
            n3 = cluster.add("n3", n1)
            cluster.await_settled(n1)
            clients = start_clients([n1, n2], per_node=3)
            time.sleep(1)
            n4 = cluster.add("n4", n1)
            for victim in (n4, n3):
                victim.kill()
                time.sleep(0.5)
                victim.start()
                victim.wait_ready()
            cluster.await_settled(n1)
            cluster.await_members([n1, n2, n3, n4])
            time.sleep(0.5)
            stop_clients(clients)
            self.assert_clean(clients, in_flight=2)
            self.assert_nothing_missing(clients, [n1, n2, n3, n4])


if __name__ == "__main__":
    unittest.main(verbosity=2)
