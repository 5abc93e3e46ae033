#!/usr/bin/env python3
"""Goal: three times the load that a cluster can take is refused early and cheaply: most of what it
could do is still done, and in time; memory stays bounded; and a moment later it is as if nothing had
been. One client that just sends as fast as it can is slowed down, and not refused. Clients without
number leave storage the files that it needs.

Figures are printed; their limits leave room for a machine that others use too (and the load itself
takes half a core)."""

import json
import subprocess
import threading
import time
import unittest

from cluster import HOST, Cluster, binary
from resp import Resp, RespError

CONNECTIONS = 100
OVERLOAD = 3
OVERLOAD_SECONDS = 6
ATTEMPTS = 3
GIVE_UP_SECONDS = 2          # later answers are not wanted any more
GOODPUT_MIN = 0.5            # of the peak; on a quiet machine: 1.05
RSS_MAX = 700 * 2**20        # measured: 190 MiB, of them 128 MiB caches
RECOVERED_SECONDS_MAX = 10
LOADER_COMMANDS = 100_000
LOADER_BATCH = 1_000
OPEN_FILES = 1024            # what a login shell or a service begins with
IDLE_CLIENTS = 1100
LARGE_VALUES = 400           # of 64 KiB: a few log files of storage's


def bench(cluster, *options):
    servers = ",".join(f"{HOST}:{node.resp_port}" for node in cluster)
    result = subprocess.run(
        [binary(), "bench", "--server", servers, "--json", "--connections", str(CONNECTIONS),
         "--keys", "20000", "--timeout", str(GIVE_UP_SECONDS), *map(str, options)],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    return json.loads(result.stdout)


class Watch(threading.Thread):
    """The most memory that each node took while `with` lasted."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.most, self.over = cluster, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, *(node.rss_bytes() for node in self.cluster))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


class OverloadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster(3))

    def test_three_times_the_load(self):
        peak = bench(self.cluster, "--pipeline", 16, "--duration", 3)
        self.assertEqual(peak["errors"], {})
        could = peak["ops_per_second"]
        for attempt in range(ATTEMPTS):
            rate = int(OVERLOAD * could)
            with Watch(self.cluster) as watch:
                over = bench(self.cluster, "--no-load", "--rate", rate, "--pipeline", 10_000,
                             "--warmup", 0, "--duration", OVERLOAD_SECONDS)
            if over["ops_per_second"] < 2 * could:
                break
            # It was no overload: something else slowed the peak down.
            could = over["ops_per_second"]
        else:
            self.skipTest("other programs come and go: what the machine can do is not known")
        began = time.monotonic()
        while True:
            after = bench(self.cluster, "--no-load", "--rate", int(could / 10),
                          "--warmup", 0, "--duration", 0.5)
            recovered = time.monotonic() - began
            if not after["errors"] and after["latency"]["p99_us"] < 200_000:
                break
            self.assertLess(recovered, RECOVERED_SECONDS_MAX, after)
        goodput = over["ops_per_second"] / could
        print(f"peak {could:.0f}/s; at {rate}/s: in time {goodput:.2f} of it, "
              f"p99 {over['latency']['p99_us'] / 1e6:.2f} s, errors {over['errors']}; "
              f"at most {watch.most / 2**20:.0f} MiB a node; as before after {recovered:.1f} s",
              flush=True)
        self.assertGreater(over["errors"].get("BUSY", 0), 0)
        self.assertLessEqual(set(over["errors"]), {"BUSY", "late", "no_answer_in_time"})
        self.assertGreater(goodput, GOODPUT_MIN)
        self.assertLess(watch.most, RSS_MAX)

    def test_a_loader_is_slowed_and_not_refused(self):
        with Resp(self.cluster[0].resp_port, timeout=60) as resp:
            def send():
                for first in range(0, LOADER_COMMANDS, LOADER_BATCH):
                    resp.send(b"".join(Resp.encode("SET", f"loader:{i}", b"v" * 100)
                                       for i in range(first, first + LOADER_BATCH)))
            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            answers = {resp.read() for _ in range(LOADER_COMMANDS)}
            sender.join()
        self.assertEqual(answers, {"OK"})


class OpenFilesTest(unittest.TestCase):
    def test_clients_without_number_leave_storage_its_files(self):
        with Cluster(1, prefix=["prlimit", f"--nofile={OPEN_FILES}:{OPEN_FILES}"]) as cluster:
            port = cluster[0].resp_port
            clients = [Resp(port) for _ in range(IDLE_CLIENTS)]
            taken = []
            for client in clients:
                try:
                    client.send(Resp.encode("PING"))
                    self.assertEqual(client.read(), "PONG")
                    taken.append(client)
                except RespError as error:
                    self.assertEqual(str(error), "ERR max number of clients reached")
                except OSError:  # closed, and the reason was lost with it
                    pass
            self.assertGreater(len(taken), OPEN_FILES // 2)
            self.assertLess(len(taken), IDLE_CLIENTS)
            for i in range(LARGE_VALUES):
                taken[0].send(Resp.encode("SET", f"large:{i}", bytes(65536)))
                self.assertEqual(taken[0].read(), "OK")
            self.assertIn("clients_limited", cluster[0].log_tail(10**6))
            for client in clients:
                client.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
