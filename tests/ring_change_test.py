#!/usr/bin/env python3
"""Goal: the C++ client, given one seed, gets no error while the cluster grows from three nodes to five
and shrinks to four under its load, blocking and asynchronous, and loses no acknowledged write; it
talks to each new node soon after that is a member, and forgets the one that has left."""

import os
import re
import subprocess
import time
import unittest

from cluster import HOST, die_with_parent, wait_until
from grow_test import Growing

BUILD = os.environ.get("GYRE_TEST_BUILD", os.path.join(os.path.dirname(__file__), "..", "build", "release"))
KNOWN_SECONDS_MAX = 10  # on a busy machine; what it took is printed
END_SECONDS_MAX = 120


class Load:
    """The program ring_change_load, running."""

    def __init__(self, seed):
        self.process = subprocess.Popen(
            [os.path.join(os.path.abspath(BUILD), "ring_change_load"), f"{HOST}:{seed.resp_port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def nodes(self):
        """The names of the nodes that the client is connected to; a seed's with a star."""
        self.process.stdin.write("nodes\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the load has ended: " + self.process.stderr.read())
        return set(line.split())

    def end(self):
        """(counts, complaints)"""
        out, complaints = self.process.communicate("end\n", timeout=END_SECONDS_MAX)
        return {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", out)}, complaints


class RingChangeTest(unittest.TestCase):
    def test_no_error_while_nodes_come_and_go(self):
        with Growing() as cluster:
            n1 = cluster.add("n1")
            nodes = [n1, cluster.add("n2", n1), cluster.add("n3", n1)]
            cluster.await_settled(n1)
            with Load(n1) as load:
                wait_until(lambda: load.nodes() >= {"n1*", "n2", "n3"}, KNOWN_SECONDS_MAX,
                           "one seed leads to all nodes")
                for name in ("n4", "n5"):
                    node = cluster.add(name, n1)
                    nodes.append(node)
                    self.await_known(load, lambda: name in load.nodes(), f"{name} is used")
                    before = node.metric("gyre_commands_total")
                    wait_until(lambda: node.metric("gyre_commands_total") > before + 100, KNOWN_SECONDS_MAX,
                               f"{name} gets requests")
                    cluster.await_members(nodes)
                    cluster.await_settled(n1)

                cluster.change(n1, {"change": "leave", "node": "n3"})
                self.await_known(load, lambda: "n3" not in load.nodes(), "n3 is forgotten")
                cluster.await_settled(n1)
                cluster.nodes["n3"].stop()
                time.sleep(1)
                self.assertEqual(load.nodes(), {"n1*", "n2", "n4", "n5"})
                counts, complaints = load.end()
            print(counts, flush=True)
            self.assertEqual((counts["errors"], counts["wrong"], counts["missing"]), (0, 0, 0),
                             complaints[-4000:])
            self.assertGreater(counts["blocking"], 500)
            self.assertGreater(counts["async"], 500)

    @staticmethod
    def await_known(load, condition, what):
        start = time.monotonic()
        wait_until(condition, KNOWN_SECONDS_MAX, what, 0.02)
        print(f"{what} after {time.monotonic() - start:.2f} s", flush=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
