#!/usr/bin/env python3
"""Goal: the number of partitions doubles while a cluster works. No data move, no tree changes, no
client notices, also with a node that dies meanwhile and after a restart. Real processes, sockets and
RocksDB with durability=sync."""

import json
import time
import unittest

from cluster import wait_until
from grow_test import Growing
from history import missing, start_clients, stop_clients
from resp import Resp

KEYS = 3_000
# What nodes give each other outside of clients' requests.
MOVED = ("gyre_exchange_records_sent_total", "gyre_exchange_records_received_total",
         "gyre_transfer_records_received_total")


def counted(node, *names):
    return sum(map(node.metric, names))


def tree_sum(node):
    return json.loads(node.http("GET", "/v1/status")[2])["repair"]["tree_sum"]


def partitions(node):
    return json.loads(node.http("GET", "/v1/ring")[2])["partition_count"]


class SplitTest(unittest.TestCase):
    def start(self, cluster, names=("n1", "n2", "n3")):
        nodes = [cluster.add(names[0])]
        for name in names[1:]:
            nodes.append(cluster.add(name, nodes[0]))
        n1 = nodes[0]
        cluster.await_settled(n1)
        with Resp(n1.resp_port) as resp:
            for i in range(KEYS):
                resp.command("SET", f"key:{i}", f"value:{i}")
        return nodes

    def await_partitions(self, nodes, count):
        wait_until(lambda: {partitions(node) for node in nodes} == {count}, 10,
                   f"all know of {count} partitions", 0.05)

    def await_equal(self, nodes):
        """Three nodes, N = 3: each holds the same."""
        wait_until(lambda: len({tree_sum(node) for node in nodes}) == 1, 30, "equal trees", 0.2)
        return tree_sum(nodes[0])

    def split(self, cluster, node):
        plan = cluster.change(node, {"change": "split"})
        self.assertEqual(plan["transfers"], 0)
        self.assertEqual(plan["partition_count_after"], 2 * plan["partition_count_before"])
        return plan["partition_count_after"]

    def scanned(self, resp):
        """By cursors, some of which lie in partitions that only others own."""
        keys, cursor = set(), b"0"
        while True:
            cursor, page = resp.command("SCAN", cursor, "COUNT", 7)
            keys.update(key.decode() for key in page)
            if cursor == b"0":
                return keys

    def check_quiet_split(self, shards):
        """Nobody writes: sums stay to the bit, and nothing is sent."""
        with Growing(shards=shards) as cluster:
            nodes = self.start(cluster)
            sums = self.await_equal(nodes)
            time.sleep(1)
            moved = [counted(node, *MOVED) for node in nodes]
            for asked in nodes[:2]:
                self.await_partitions(nodes, self.split(cluster, asked))
                self.assertEqual({tree_sum(node) for node in nodes}, {sums})
            time.sleep(2)
            self.assertEqual([counted(node, *MOVED) for node in nodes], moved)
            # The disk's sums are those of before too: nothing is found to be wrong, or counted anew.
            nodes[2].kill()
            nodes[2].start()
            nodes[2].wait_ready()
            self.assertEqual(partitions(nodes[2]), partitions(nodes[0]))
            self.assertEqual({tree_sum(node) for node in nodes}, {sums})
            self.assertEqual(counted(nodes[2], "gyre_leaves_corrected_total"), 0)
            with Resp(nodes[2].resp_port) as resp:
                self.assertEqual(resp.command("DBSIZE"), KEYS)
                for i in range(0, KEYS, 7):
                    self.assertEqual(resp.command("GET", f"key:{i}"), f"value:{i}".encode())
            # What comes after is decided with the halves.
            nodes.append(cluster.add("n4", nodes[0]))
            cluster.await_settled(nodes[0])
            with Resp(nodes[3].resp_port) as resp:
                self.assertEqual(resp.command("DBSIZE"), KEYS)

    def test_moves_nothing(self):
        self.check_quiet_split(1)

    def test_moves_nothing_with_two_shards(self):
        self.check_quiet_split(2)

    def test_under_load_with_a_death(self):
        with Growing() as cluster:
            nodes = self.start(cluster)
            clients = start_clients(nodes[:2], per_node=3)
            time.sleep(1)
            self.await_partitions(nodes, self.split(cluster, nodes[0]))
            time.sleep(0.5)
            nodes[2].kill()
            self.await_partitions(nodes[:2], self.split(cluster, nodes[1]))
            time.sleep(0.5)
            nodes[2].start()
            nodes[2].wait_ready()
            self.await_partitions(nodes, 1024)
            time.sleep(0.5)
            stop_clients(clients)
            for client in clients:
                errors = [e for e in client.errors if not e.startswith("UNKNOWN")]
                self.assertEqual(errors[:3], [], client.name)
                self.assertLessEqual(len(client.errors), 2, client.errors[:3])
                self.assertEqual(client.wrong_reads[:3], [], client.name)
                self.assertIsNone(client.cut_off, client.name)
            for node in nodes:
                self.assertEqual(missing(clients, node), [], f"read through {node.name}")
            self.await_equal(nodes)

    def test_scans_go_on(self):
        """Through a node that owns a part only: most cursors lie amid partitions of others."""
        with Growing() as cluster:
            nodes = self.start(cluster, ("n1", "n2", "n3", "n4", "n5"))
            everything = {f"key:{i}" for i in range(KEYS)}
            for _ in range(2):
                with Resp(nodes[4].resp_port) as resp:
                    self.assertEqual(self.scanned(resp), everything)
                self.await_partitions(nodes, self.split(cluster, nodes[0]))

    def test_refusals(self):
        with Growing() as cluster:
            node = cluster.add("n1")
            cluster.ask(node, "POST", "/v1/cluster/stage", {"change": "weight", "node": "n1",
                                                            "weight": 2})
            status, _, answer = node.http("POST", "/v1/cluster/stage",
                                          json.dumps({"change": "split"}))
            self.assertEqual(status, 400)
            self.assertIn(b"goes alone", answer)
            cluster.ask(node, "POST", "/v1/cluster/abort")
            count = partitions(node)
            for _ in range(8):
                count = self.split(cluster, node)
                self.await_partitions([node], count)
            self.assertEqual(count, 65_536)
            status, _, answer = node.http("POST", "/v1/cluster/stage",
                                          json.dumps({"change": "split"}))
            self.assertEqual(status, 400)
            self.assertIn(b"more are not possible", answer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
