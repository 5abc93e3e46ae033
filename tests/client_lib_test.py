#!/usr/bin/env python3
"""Goal: the C++ client library, through its examples, on a real cluster: carts that cross are merged,
and while a node is killed and comes back, gets and puts go on, with no error but those that
docs/client.md names (a write in flight to the killed node may be unknown)."""

import json
import os
import re
import subprocess
import unittest

from cluster import HOST, Cluster, die_with_parent, wait_until
from resp import Resp

BUILD = os.environ.get("GYRE_TEST_BUILD", os.path.join(os.path.dirname(__file__), "..", "build", "release"))
RUN_SECONDS = 6
WAIT_SECONDS_MAX = 60


def example(name):
    return os.path.join(os.path.abspath(BUILD), "examples", name)


def addresses(nodes):
    return ",".join(f"{HOST}:{node.resp_port}" for node in nodes)


class ClientLibTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3, engine="memory", shards=2)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)

    def setUp(self):
        self.cluster.start()

    def run_example(self, name, *arguments, nodes=None):
        done = subprocess.run([example(name), addresses(nodes or self.cluster), *arguments],
                              capture_output=True, text=True, timeout=WAIT_SECONDS_MAX,
                              preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def run_with_a_kill(self, name, *arguments, begun):
        """Kills a node in the middle of the run, and starts it again before its end."""
        process = subprocess.Popen([example(name), addresses(self.cluster), *arguments],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=die_with_parent)
        try:
            self.assertEqual(process.stdout.readline(), begun + "\n")
            self.cluster[1].kill()
            self.cluster[1].start()
            out, err = process.communicate(timeout=WAIT_SECONDS_MAX)
        finally:
            process.kill()
            process.wait()
        self.assertEqual(process.returncode, 0, out + err)
        return out

    def test_two_carts_are_merged(self):
        out = self.run_example("shopping_cart", "cart:1", "+apples", "+plums", "fork", "+pears",
                               "show", "-plums", "show")
        # The plums and the pears were put by writers that had both seen the apples only.
        self.assertEqual(out.splitlines(), ["2 sibling(s): apples pears plums",
                                            "1 sibling(s): apples pears"])

    def test_cart_goes_on_with_one_node_down(self):
        self.cluster[1].kill()
        out = self.run_example("shopping_cart", "cart:2", "+a", "+b", "fork", "+c", "show", "-a",
                               "show")
        self.assertEqual(out.splitlines(), ["2 sibling(s): a b c", "1 sibling(s): b c"])

    def test_sessions_go_on_while_a_node_is_killed(self):
        out = self.run_with_a_kill("sessions", str(RUN_SECONDS), begun="visiting")
        visits, failed, unknown = map(int, re.search(r"visits (\d+), failed (\d+), unknown (\d+)",
                                                     out).groups())
        print(out, flush=True)
        self.assertGreater(visits, 100)
        self.assertEqual(failed, 0)
        self.assertLessEqual(unknown, 5)  # one thread has one write in flight; others time out

    def test_best_sellers(self):
        self.assertIn("W=all", self.run_example("best_sellers", "publish", "Ulysses", "Emma"))
        out = self.run_with_a_kill("best_sellers", "read", str(RUN_SECONDS), begun="reading")
        self.assertIn("failed 0\nUlysses\nEmma\n", out)
        self.cluster.start()
        self.run_example("best_sellers", "publish", "Walden")
        self.assertIn("Walden\n", self.run_example("best_sellers", "read"))

    def test_preferences(self):
        self.run_example("preferences", "ann", "theme=dark", "lang=fi")
        self.assertEqual(self.run_example("preferences", "ann", "theme=light"),
                         "lang=fi\ntheme=light\n")
        # One address of three, and another node than before.
        self.assertEqual(self.run_example("preferences", "ann", nodes=[self.cluster[2]]),
                         "lang=fi\ntheme=light\n")

    def test_requests_go_to_owners(self):
        """N = 1 shows it: a node that gets what it does not own forwards it."""
        with Cluster(3, engine="memory", flags=["--n", "1", "--r", "1", "--w", "1"]) as cluster:
            before = self.forwards(cluster)
            self.run_example("sessions", nodes=cluster)
            self.assertEqual(self.forwards(cluster), before)
            with Resp(cluster[0].resp_port) as resp:  # and this is how it looks otherwise
                for i in range(20):
                    resp.command("SET", f"session:{i}", "v")
            wait_until(lambda: self.forwards(cluster) > before, 10, "forwards are counted")

    @staticmethod
    def forwards(cluster):
        return sum(json.loads(node.http("GET", "/v1/status")[2])["counters"]["forwards"]
                   for node in cluster)


if __name__ == "__main__":
    unittest.main(verbosity=2)
