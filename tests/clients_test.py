#!/usr/bin/env python3
"""Goal: the clients people have work unchanged against any of three nodes: redis-cli,
redis-benchmark, Debian's python3-redis, npm's `redis` and `ioredis`: get, set, delete, expire,
scan, pipelines of 10,000."""

import os
import shutil
import subprocess
import unittest

import redis

from cluster import Cluster, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
PIPELINE = 10_000


def run(command, seconds=120, **options):
    """Standard output of a command that must succeed."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            stdin=options.pop("stdin", subprocess.DEVNULL),
                            timeout=seconds, **options)
    if result.returncode != 0:
        raise AssertionError(f"{command} ended with {result.returncode}:\n"
                             f"{result.stdout.decode()}\n{result.stderr.decode()}")
    return result.stdout


class ClientsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster(3))

    def test_redis_cli(self):
        for node in self.cluster:
            cli = ["redis-cli", "-p", str(node.resp_port)]
            key = f"cli:{node.name}"
            self.assertEqual(run(cli + ["set", key, "hello"]), b"OK\n")
            for other in self.cluster:
                self.assertEqual(run(["redis-cli", "-p", str(other.resp_port), "get", key]),
                                 b"hello\n")
            self.assertEqual(run(["redis-cli", "-3", "-p", str(node.resp_port), "get", key]),
                             b"hello\n")
            self.assertEqual(run(cli + ["expire", key, "100"]), b"1\n")
            self.assertIn(int(run(cli + ["ttl", key])), range(90, 101))
            self.assertIn(key.encode(), run(cli + ["--scan", "--pattern", "cli:*"]).split())
            self.assertEqual(run(cli + ["del", key]), b"1\n")
            self.assertEqual(run(cli + ["get", key]), b"\n")
            self.assertIn(b"ERR", run(cli + ["incr", key]))

    def test_redis_cli_pipe_mode(self):
        node = self.cluster[1]
        commands = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\npipe:%d\r\n$1\r\nx\r\n"
                            % (len(b"pipe:%d" % i), i) for i in range(PIPELINE))
        result = subprocess.run(["redis-cli", "-p", str(node.resp_port), "--pipe"], input=commands,
                                capture_output=True, timeout=120, check=True)
        self.assertIn(b"errors: 0, replies: %d" % PIPELINE, result.stdout)

    def test_redis_benchmark(self):
        for node in self.cluster:
            for options in (["-n", "5000"], ["-n", "20000", "-P", "16"], ["-n", "2000", "-3"]):
                output = run(["redis-benchmark", "-p", str(node.resp_port), "-t", "ping,set,get,mset",
                              "-r", "1000", "-c", "20", "--csv"] + options).decode()
                for test in ("SET", "GET", "PING_INLINE", "MSET (10 keys)"):
                    self.assertIn(f'"{test}"', output)
                self.assertNotIn("rror", output)

    def test_python3_redis(self):
        for node in self.cluster:
            with redis.Redis(port=node.resp_port, socket_timeout=30) as client:
                prefix = f"py:{node.name}:"
                self.assertTrue(client.set(prefix + "a", b"\x00\xff\r\n"))
                self.assertEqual(client.get(prefix + "a"), b"\x00\xff\r\n")
                self.assertEqual(client.delete(prefix + "a", prefix + "none"), 1)
                self.assertIsNone(client.get(prefix + "a"))

                client.set(prefix + "short", "x", px=60)
                client.set(prefix + "long", "x", ex=100)
                self.assertIn(client.ttl(prefix + "long"), range(90, 101))
                wait_until(lambda: client.get(prefix + "short") is None, 5, "expiry")
                self.assertEqual(client.exists(prefix + "short", prefix + "long"), 1)

                pipe = client.pipeline(transaction=False)
                for i in range(PIPELINE):
                    pipe.set(f"{prefix}p{i}", i)
                self.assertEqual(pipe.execute(), [True] * PIPELINE)
                pipe = client.pipeline(transaction=False)
                for i in range(PIPELINE):
                    pipe.get(f"{prefix}p{i}")
                self.assertEqual(pipe.execute(), [b"%d" % i for i in range(PIPELINE)])

                found = set(client.scan_iter(match=prefix + "p*", count=1000))
                self.assertEqual(found, {f"{prefix}p{i}".encode() for i in range(PIPELINE)})
                self.assertEqual(client.mget([prefix + "p1", prefix + "none"]), [b"1", None])
                # What needs a leader says so instead of pretending.
                with self.assertRaises(redis.ResponseError) as caught:
                    client.set(prefix + "nx", "x", nx=True)
                self.assertGreater(len(str(caught.exception)), 20)
                with self.assertRaises(redis.ResponseError):
                    client.pipeline(transaction=True).set(prefix + "t", 1).execute()

    def test_node_redis_and_ioredis(self):
        folder = os.path.join(os.environ.get("GYRE_TEST_BUILD", os.path.join(HERE, "../build")),
                              "clients")
        os.makedirs(folder, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc", "session.js"):
            shutil.copy(os.path.join(HERE, "clients", name), folder)
        install = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                                 cwd=folder, capture_output=True, stdin=subprocess.DEVNULL,
                                 timeout=300)
        self.assertEqual(install.returncode, 0, "npm could not fetch the clients under test; this "
                         "test needs npm's registry:\n" + install.stderr.decode())
        ports = [str(node.resp_port) for node in self.cluster]
        output = run(["node", "session.js"] + ports, seconds=240, cwd=folder).decode()
        self.assertEqual(output.count(": ok\n"), 9, output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
