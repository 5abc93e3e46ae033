#!/usr/bin/env python3
"""Goal: what was deleted is forgotten once every node is there to forget it, and stays deleted
whatever comes back: a node that was away, killed nodes, a disk restored from a backup. Real
processes and RocksDB; docs/adr/0006-safe-deletes.md."""

import json
import os
import shutil
import subprocess
import time
import unittest

from cluster import Cluster, binary, wait_until
from resp import Resp

FLAGS = ["--purge-after", "1s", "--repair-cycle", "2s"]
KEYS = 300


class PurgeTest(unittest.TestCase):
    def setUp(self):
        self.cluster = self.enterContext(Cluster(3, flags=FLAGS))

    @staticmethod
    def deleted(i):
        return i % 2 == 0

    def write(self, node, first, last):
        with Resp(node.resp_port, timeout=60) as resp:
            for i in range(first, last):
                self.assertEqual(resp.command("SET", f"key{i}", f"value{i}"), "OK")

    def delete(self, node, first, last):
        with Resp(node.resp_port, timeout=60) as resp:
            for i in range(first, last):
                if self.deleted(i):
                    self.assertEqual(resp.command("DEL", f"key{i}"), 1)

    def purge_of(self, node):
        return json.loads(node.http("GET", "/v1/status")[2])["purge"]

    def wait_purged(self, rows):
        """Until so many rows are gone from each node that has been up all the time."""
        wait_until(lambda: all(self.purge_of(node)["rows"] >= rows for node in self.cluster), 60,
                   f"{rows} rows are purged everywhere", every=0.2)

    def assert_right_everywhere(self, keys):
        for node in self.cluster:
            with Resp(node.resp_port, timeout=60) as resp:
                for i in range(keys):
                    value = None if self.deleted(i) else f"value{i}".encode()
                    self.assertEqual(resp.command("GET", f"key{i}"), value, f"{node.name}, key{i}")

    def assert_everywhere_at_last(self, keys):
        """At once, and after the owners have had the time to give each other what they hold."""
        self.assert_right_everywhere(keys)
        time.sleep(3)
        self.assert_right_everywhere(keys)

    def test_an_owner_away_brings_nothing_back(self):
        self.write(self.cluster[0], 0, KEYS)
        self.cluster[2].kill()
        self.delete(self.cluster[0], 0, KEYS)
        time.sleep(4)
        self.assertEqual(self.purge_of(self.cluster[0])["rows"], 0, "while a member is away")
        self.cluster[2].start()
        self.cluster[2].wait_ready()
        self.wait_purged(KEYS // 2)
        self.assert_everywhere_at_last(KEYS)
        for node in self.cluster:
            node.kill()
        for node in self.cluster:
            node.start()
        for node in self.cluster:
            node.wait_ready()
        self.assert_everywhere_at_last(KEYS)

    def test_a_restored_backup_brings_nothing_back(self):
        self.write(self.cluster[0], 0, KEYS)
        node = self.cluster[1]
        node.stop()
        backup = node.folder + ".backup"
        shutil.copytree(node.folder, backup)
        node.start()
        node.wait_ready()
        self.delete(self.cluster[0], 0, KEYS)
        self.wait_purged(KEYS // 2)
        self.write(self.cluster[0], KEYS, KEYS + 50)
        node.stop()
        shutil.rmtree(node.folder)
        os.rename(backup, node.folder)
        node.start()
        node.wait_ready()
        wait_until(lambda: node.is_linked([self.cluster[0], self.cluster[2]]), 30, "the restored node has met the others")
        self.delete(self.cluster[0], KEYS, KEYS + 50)
        self.assertGreater(self.purge_of(node)["partitions_set_aside"], 0)
        self.assert_everywhere_at_last(KEYS + 50)
        done = subprocess.run([binary(), "repair", "--wait", "--port", str(node.resp_port)],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout.splitlines()[-1], r"^compared (\d+) of \1 .*, 0 differ$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
