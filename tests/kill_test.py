#!/usr/bin/env python3
"""Goal: kill -9 loses nothing that was acknowledged, and at R=W=quorum of three nodes any one may
die without anybody else noticing. Real processes, sockets and RocksDB with durability=sync."""

import time
import unittest

from cluster import Cluster, wait_until
from history import missing, start_clients, stop_clients


def load_for(seconds, clients):
    """Lets the load run, and insists that it does something."""
    before = [client.writes for client in clients]
    time.sleep(seconds)
    wait_until(lambda: all(c.writes > b for c, b in zip(clients, before)), 20,
               "every client writes")


class KillTest(unittest.TestCase):
    def assert_clean(self, clients):
        for client in clients:
            self.assertEqual(client.errors, [], client.name)
            self.assertEqual(client.wrong_reads, [], client.name)

    def assert_nothing_missing(self, clients, cluster):
        for node in cluster:
            self.assertEqual(missing(clients, node), [], f"read through {node.name}")
        self.assertEqual(missing(clients, cluster[0], "R", "all"), [])

    def test_any_one_node_dies(self):
        with Cluster(3, flags=["--durability", "sync"]) as cluster:
            for victim in cluster:
                clients = start_clients(cluster, per_node=2)
                load_for(1, clients)
                victim.kill()
                others = [c for c in clients if c.node is not victim]
                load_for(1.5, others)
                stop_clients(clients)
                for client in others:
                    self.assertIsNone(client.cut_off, client.name)
                self.assert_clean(others)
                for client in set(clients) - set(others):
                    # Its one request in flight broke with the connection; no wrong answer.
                    self.assertIsNotNone(client.cut_off, client.name)
                    self.assert_clean([client])
                # Two of three hold everything, and so do all three after the restart.
                survivors = [node for node in cluster if node is not victim]
                for node in survivors:
                    self.assertEqual(missing(clients, node), [])
                cluster.start()
                self.assert_nothing_missing(clients, cluster)

    def test_all_nodes_die_at_once(self):
        with Cluster(3, flags=["--durability", "sync"]) as cluster:
            for _ in range(2):
                clients = start_clients(cluster, per_node=3)
                load_for(1.5, clients)
                for node in cluster:
                    node.process.kill()
                for node in cluster:
                    node.kill()
                stop_clients(clients)
                for client in clients:
                    self.assertEqual(client.wrong_reads, [], client.name)
                cluster.start()
                self.assert_nothing_missing(clients, cluster)

    def test_one_node_alone_dies(self):
        with Cluster(1, flags=["--durability", "sync"]) as cluster:
            clients = start_clients(cluster, per_node=4)
            load_for(1, clients)
            cluster[0].kill()
            stop_clients(clients)
            self.assert_clean(clients)
            cluster.start()
            self.assert_nothing_missing(clients, cluster)


if __name__ == "__main__":
    unittest.main(verbosity=2)
