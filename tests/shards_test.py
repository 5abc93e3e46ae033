#!/usr/bin/env python3
"""Goal: the number of shards is a node's own affair: nodes with one, two and three of them form one
cluster, any connection reaches any key, order on a connection holds across shards, and a node may
come back with another number. Also: the memory engine."""

import unittest

from cluster import Cluster
from resp import Resp, RespError

KEYS = 500


def pairs():
    return [(f"k{i}", f"v{i}".encode()) for i in range(KEYS)]


class ShardsTest(unittest.TestCase):
    def assert_all_there(self, node):
        with Resp(node.resp_port) as resp:
            # One pipeline over keys of every shard: answers come in the order of the requests.
            resp.send(b"".join(Resp.encode("GET", key) for key, _ in pairs()))
            self.assertEqual([resp.read() for _ in range(KEYS)], [value for _, value in pairs()])
            keys, cursor = set(), b"0"
            while True:
                cursor, page = resp.command("SCAN", cursor, "COUNT", 100)
                keys.update(page)
                if cursor == b"0":
                    break
            self.assertEqual(keys, {key.encode() for key, _ in pairs()})
            self.assertEqual(resp.command("DBSIZE"), KEYS)

    def write_all(self, node):
        with Resp(node.resp_port) as resp:
            resp.send(b"".join(Resp.encode("SET", key, value) for key, value in pairs()))
            self.assertEqual([resp.read() for _ in range(KEYS)], ["OK"] * KEYS)

    def test_nodes_with_different_numbers_of_shards(self):
        with Cluster(3, shards=[1, 2, 3]) as cluster:
            self.write_all(cluster[1])
            for node in cluster:
                self.assert_all_there(node)

    def test_a_node_comes_back_with_another_number_of_shards(self):
        with Cluster(1, shards=2) as cluster:
            self.write_all(cluster[0])
            for count in ("3", "1"):
                cluster.stop()
                flags = cluster[0].flags
                flags[flags.index("--shards") + 1] = count
                cluster.start()
                self.assert_all_there(cluster[0])

    def test_memory_engine(self):
        with Cluster(3, engine="memory", shards=2) as cluster:
            self.write_all(cluster[0])
            for node in cluster:
                self.assert_all_there(node)
            # One node forgets everything; the quorum does not, and reading mends it.
            cluster[2].kill()
            cluster.start()
            for node in cluster:
                with Resp(node.resp_port) as resp:
                    for key, value in pairs():
                        self.assertEqual(resp.command("GET", key), value)

    def test_two_nodes_of_three_are_a_quorum_one_is_not(self):
        with Cluster(3, engine="memory") as cluster:
            self.write_all(cluster[0])
            cluster[1].kill()
            with Resp(cluster[0].resp_port) as resp:
                self.assertEqual(resp.command("SET", "k0", "v0"), "OK")
                cluster[2].kill()
                with self.assertRaises(RespError):
                    resp.command("SET", "k0", "lost")
                with self.assertRaises(RespError):
                    resp.command("GET", "k0")
                # What asks for less than a quorum still works.
                self.assertEqual(resp.siblings("k1", "R", "one")[1], [b"v1"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
