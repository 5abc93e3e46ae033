#!/usr/bin/env python3
"""Goal: three machines, each with an address of its own, and three commands make a cluster, as an
operator sees it with `gyre cluster status`; one that is cut off is shown as down, and as alive again
once it is back. Each machine is a network namespace: without root, ip and nft the test is skipped."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import namespaces
from cluster import Node, binary, wait_until

UP_SECONDS_MAX = 60
NOTICED_SECONDS_MAX = 30
RESP_PORT, HTTP_PORT, PEER_PORT = 7379, 7380, 7381  # as by default: the addresses differ


class NamespacesTest(unittest.TestCase):
    def test_three_commands_make_a_cluster(self):
        reason = namespaces.why_not()
        if reason is not None:
            self.skipTest(f"no network namespaces here: {reason}")
        folder = tempfile.mkdtemp(prefix="gyre-test-")
        nodes = []
        with namespaces.Network(3) as network:
            try:
                self.run_cluster(network, folder, nodes)
            except BaseException:
                for node in nodes:
                    print(f"--- log of {node.name}, its end:\n{node.log_tail()}", flush=True)
                raise
            finally:
                for node in nodes:
                    node.kill()
                shutil.rmtree(folder, ignore_errors=True)

    def run_cluster(self, network, folder, nodes):
        for i, host in enumerate(network.hosts):
            how = ["--found", "yes"] if i == 0 else ["--join", f"{network.hosts[0]}:{PEER_PORT}"]
            node = Node(f"n{i + 1}", (RESP_PORT, HTTP_PORT, PEER_PORT),
                        os.path.join(folder, f"n{i + 1}"), ["--shards", "1", *how], host)
            node.enter = network.enter(i)
            nodes.append(node)
            node.start()
            node.wait_ready()
        for node in nodes:
            self.await_lives(node, ["alive"] * 3, UP_SECONDS_MAX)
        for host in network.hosts:
            self.assertIn(f"{host}:{PEER_PORT}", self.status(nodes[1]))

        for other in (0, 1):
            network.cut(2, other)
            network.cut(other, 2)
        for node in nodes[:2]:
            self.await_lives(node, ["alive", "alive", "down"], NOTICED_SECONDS_MAX)
        self.await_lives(nodes[2], ["down", "down", "alive"], NOTICED_SECONDS_MAX)
        network.heal()
        for node in nodes:
            self.await_lives(node, ["alive"] * 3, NOTICED_SECONDS_MAX)

    def status(self, node):
        """What an operator sees, from any machine."""
        done = subprocess.run([binary(), "cluster", "status", "--host", node.host, "--port",
                               str(RESP_PORT)], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def lives(self, node):
        """Of n1, n2 and n3."""
        rows = re.findall(r"^(n\d) +member +(\w+)", self.status(node), re.M)
        return [life for _, life in sorted(rows)]

    def await_lives(self, node, lives, seconds):
        try:
            wait_until(lambda: self.lives(node) == lives, seconds, f"{node.name} shows {lives}", 0.2)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.status(node)}") from None


if __name__ == "__main__":
    unittest.main(verbosity=2)
