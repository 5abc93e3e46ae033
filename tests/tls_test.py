#!/usr/bin/env python3
"""Goal: links between nodes are encrypted where it is asked for, by certificates of one authority and nobody
else's; a running cluster changes over node by node, and takes renewed certificates, without a failed request."""

import json
import os
import tempfile
import threading
import time
import unittest

from certificates import Authority
from cluster import READY_SECONDS_MAX, Cluster, wait_until
from resp import Resp, RespError


class Load:
    """Sets and reads back keys through those of `nodes` that are not in `away`; keeps what failed."""

    def __init__(self, nodes):
        self.nodes, self.away = list(nodes), set()
        self.done, self.failed, self.written = 0, [], {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(60)

    def _run(self):
        number = 0
        while not self._ended.is_set():
            for node in self.nodes:
                if node in self.away:
                    continue
                number += 1
                self._one(node, f"k{number % 500}", f"v{number}")
            time.sleep(0.005)

    def _one(self, node, key, value):
        try:
            with Resp(node.resp_port, node.host, timeout=10) as resp:
                resp.command("SET", key, value)
                self.written[key] = value
                read = resp.command("GET", key)
                if read != value.encode():
                    self.failed.append(f"{node.name}: {key} is {read}, not {value}")
                self.done += 1
        except (OSError, RespError) as error:
            if node not in self.away:
                self.failed.append(f"{node.name}: {error!r}")

    def more(self, count=50):
        wanted = self.done + count
        wait_until(lambda: self.done >= wanted or self.failed, 60, "more requests")


def peers_of(node):
    return {peer["name"]: peer for peer in json.loads(node.http("GET", "/v1/status")[2])["peers"]}


def log_of(node):
    with open(node.log_path, encoding="utf-8", errors="replace") as log:
        return log.read()


def linked(node, others, tls):
    peers = peers_of(node)
    return all(peers[other.name]["up"] and peers[other.name]["tls"] == tls for other in others)


class TlsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="gyre-tls-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.ca = Authority(self.folder, "ca")

    def others(self, cluster, node):
        return [other for other in cluster if other is not node and other.process is not None]

    def wait_tls(self, cluster, tls=True):
        for node in cluster:
            if node.process is not None:
                others = self.others(cluster, node)
                wait_until(lambda: linked(node, others, tls), READY_SECONDS_MAX,
                           f"{node.name} linked, tls {tls}")

    def restart(self, cluster, load, node, flags):
        load.away.add(node)
        time.sleep(0.1)  # what is on its way to it is answered
        node.stop()
        node.flags = flags
        node.start()
        node.wait_ready()
        for each in cluster:
            others = self.others(cluster, each)
            wait_until(lambda: each.is_linked(others), READY_SECONDS_MAX, f"{each.name} linked")
        load.away.discard(node)
        load.more()

    def test_load_and_kill(self):
        cluster = Cluster(3, shards=[1, 2, 2])
        for node in cluster:
            node.flags += self.ca.issue(node.name) + ["--tls-links", "all", "--tls-verify", "name"]
        with cluster, Load(cluster) as load:
            self.wait_tls(cluster)
            load.more(200)
            victim = cluster[1]
            load.away.add(victim)
            victim.kill()
            load.more(200)
            victim.start()
            victim.wait_ready()
            self.wait_tls(cluster)
            load.away.discard(victim)
            load.more(200)
            # Large values leave in many records.
            big = os.urandom(4 << 20)
            with Resp(cluster[0].resp_port) as resp:
                resp.command("SET", "big", big)
            with Resp(cluster[2].resp_port) as resp:
                self.assertEqual(resp.command("GET", "big"), big)
            self.assertEqual(load.failed, [])
            metrics = cluster[0].http("GET", "/metrics")[2].decode()
            self.assertRegex(metrics, r'gyre_peer_links_encrypted\{peer="n2"\} [1-9]')

    def test_regions(self):
        cluster = Cluster(3)
        ports = [node.peer_port for node in cluster]
        peers = ",".join(f"n{i + 1}=127.0.0.1:{port}/z{i}/{region}"
                         for i, (port, region) in enumerate(zip(ports, ["eu", "eu", "us"])))
        for node in cluster:
            node.flags[node.flags.index("--peers") + 1] = peers
            node.flags += self.ca.issue(node.name) + ["--tls-links", "regions"]
        with cluster:
            self.assertEqual({name: peer["tls"] for name, peer in peers_of(cluster[0]).items()},
                             {"n2": False, "n3": True})
            self.assertEqual({name: peer["tls"] for name, peer in peers_of(cluster[2]).items()},
                             {"n1": True, "n2": True})

    def test_strangers_stay_out(self):
        """One with a certificate of another authority, and one that speaks plain text."""
        stranger = Authority(self.folder, "stranger")
        cluster = Cluster(5)
        for node in list(cluster)[:3]:
            node.flags += self.ca.issue(node.name) + ["--tls-links", "all"]
        forged, plain = cluster[3], cluster[4]
        forged.flags += stranger.issue(forged.name) + ["--tls-links", "all"]
        try:
            for node in cluster:
                node.start()
            members = list(cluster)[:3]
            for node in members:
                node.wait_ready()
                others = [other for other in members if other is not node]
                wait_until(lambda: linked(node, others, True), READY_SECONDS_MAX, "linked")
            # Of two nodes one dials: whichever it is, there is a line on this side or that.
            told = [("certificate", forged, members), ("plain text", plain, members)]
            for words, node, others in told:
                wait_until(lambda: any(words in log_of(other) for other in others), 30,
                           f"a member tells of {node.name}: {words}")
            wait_until(lambda: "certificate" in log_of(forged) or "alert" in log_of(forged), 30,
                       "the stranger tells why")
            wait_until(lambda: "TLS" in log_of(plain) or "instead of a handshake" in log_of(plain), 30,
                       "the plain one tells why")
            for node in members:
                peers = peers_of(node)
                self.assertFalse(peers[forged.name]["up"] or peers[plain.name]["up"])
        finally:
            cluster.__exit__(None)

    def test_change_over_and_renewal(self):
        cluster = Cluster(3)
        plain = {node: list(node.flags) for node in cluster}
        tls = {node: self.ca.issue(node.name) + ["--tls-links", "all"] for node in cluster}
        with cluster, Load(cluster) as load:
            load.more()
            self.wait_tls(cluster, tls=False)
            for node in cluster:
                self.restart(cluster, load, node, plain[node] + tls[node] + ["--tls-accept-plain", "yes"])
            self.wait_tls(cluster)
            for node in cluster:
                self.restart(cluster, load, node, plain[node] + tls[node])
            self.wait_tls(cluster)
            self.assertEqual(load.failed, [])

            # Renewed: the next link shows the new certificate.
            node = cluster[0]
            self.ca.issue(node.name)
            load.away.add(cluster[1])
            time.sleep(0.1)
            cluster[1].kill()
            cluster[1].start()
            cluster[1].wait_ready()
            self.wait_tls(cluster)
            self.assertIn("certificates_read", log_of(node))
            load.away.discard(cluster[1])
            load.more()
            self.assertEqual(load.failed, [])

    def test_bad_files_are_told_at_the_start(self):
        cluster = Cluster(1)
        flags = self.ca.issue("n1")
        flags[3] = self.ca.path("key")  # the authority's
        cluster[0].flags += flags
        cluster[0].start()
        try:
            self.assertNotEqual(cluster[0].process.wait(30), 0)
            self.assertIn("ca.key", log_of(cluster[0]))
        finally:
            cluster.__exit__(None)


if __name__ == "__main__":
    unittest.main(verbosity=2)
