#!/usr/bin/env python3
"""Goal: values of 0 B, 1 MiB and 8 MiB and keys of arbitrary bytes come back equal through RESP,
HTTP and the CLI, whichever way they came in; what is too large gets a clear error; what rotted on
disk is never served."""

import glob
import os
import random
import subprocess
import unittest
import urllib.parse

from cluster import Cluster, binary, wait_until
from resp import Resp, RespError

MIB = 1024 * 1024
VALUE_MAX = 8 * MIB
KEYS = [b"plain", b"with space", b"a/b//c", b"100%", b"%2F", b"..", b"line\nbreak\r\n", b"\x00",
        b"\xff\xfe\x00tail\x00", "schl\u00fcssel".encode(), b"?q=1&x#frag", b"-dash", b"k" * 1000]


def content(size, seed):
    return random.Random(seed).randbytes(size)


def http_path(key):
    return "/v1/kv/default/" + urllib.parse.quote(key, safe="")


class ValuesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster(3, flags=["--durability", "interval"]))

    # Each way in and out: (put, get), on any node.
    def resp_put(self, node, key, value):
        with Resp(node.resp_port, timeout=60) as resp:
            self.assertEqual(resp.command("SET", key, value), "OK")

    def resp_get(self, node, key):
        with Resp(node.resp_port, timeout=60) as resp:
            return resp.command("GET", key)

    def http_put(self, node, key, value):
        # With the context of what is there, so that this replaces it.
        context = node.http("GET", http_path(key), timeout=60)[1].get("X-Gyre-Context")
        headers = {} if context is None else {"X-Gyre-Context": context}
        status, _, body = node.http("PUT", http_path(key), value, headers, timeout=60)
        self.assertIn(status, (200, 201, 204), body)

    def http_get(self, node, key):
        status, headers, body = node.http("GET", http_path(key), timeout=60)
        self.assertEqual(status, 200, body[:300])
        self.assertTrue(headers["X-Gyre-Context"])
        return body

    def cli(self, node, *arguments, value=None):
        # argv cannot hold every key; as hex it can.
        return subprocess.run([binary(), *arguments, "--port", str(node.resp_port)],
                              input=value, capture_output=True, timeout=60)

    def cli_put(self, node, key, value):
        result = self.cli(node, "put", "--key-hex", key.hex(), "--file", "-", value=value)
        self.assertEqual(result.returncode, 0, result.stderr)

    def cli_get(self, node, key):
        result = self.cli(node, "get", "--key-hex", key.hex())
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def assert_everywhere(self, key, value):
        for get in (self.resp_get, self.http_get, self.cli_get):
            for node in self.cluster:
                seen = get(node, key)
                self.assertEqual(len(seen), len(value))
                self.assertTrue(seen == value, f"{get.__name__} of {key!r} at {node.name}")

    def test_sizes(self):
        for size in (0, 1, MIB, VALUE_MAX):
            for number, put in enumerate((self.resp_put, self.http_put, self.cli_put)):
                with self.subTest(size=size, put=put.__name__):
                    key = b"size-%d-%d" % (size, number)
                    value = content(size, seed=size + number)
                    put(self.cluster[number], key, value)
                    self.assert_everywhere(key, value)

    def test_keys(self):
        for number, key in enumerate(KEYS):
            for put in (self.resp_put, self.http_put, self.cli_put):
                with self.subTest(key=key, put=put.__name__):
                    value = b"%s of %b" % (put.__name__.encode(), key)
                    put(self.cluster[number % 3], key, value)
                    self.assert_everywhere(key, value)
        with Resp(self.cluster[0].resp_port) as resp:
            found, cursor = set(), b"0"
            while True:
                cursor, page = resp.command("SCAN", cursor)
                found.update(page)
                if cursor == b"0":
                    break
            self.assertLessEqual(set(KEYS), found)

    def test_too_large_is_refused_with_a_reason(self):
        node, key, value = self.cluster[0], b"too-large", bytes(VALUE_MAX + 1)
        with Resp(node.resp_port, timeout=60) as resp:
            with self.assertRaisesRegex(RespError, "8388608|8 ?MiB"):
                resp.command("SET", key, value)
        with Resp(node.resp_port) as resp:
            self.assertIsNone(resp.command("GET", key))
            with self.assertRaises(RespError):
                resp.command("SET", b"k" * (64 * 1024 + 1), "v")
        try:
            status, _, body = node.http("PUT", http_path(key), value, timeout=60)
        except (BrokenPipeError, ConnectionResetError):
            self.fail("the connection was cut before the answer could be read")
        self.assertEqual(status, 413)
        self.assertRegex(body.decode(), "8388608|8 ?MiB")
        result = self.cli(node, "put", "--key-hex", key.hex(), "--file", "-", value=value)
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stderr.decode(), "8388608|8 ?MiB")
        self.assertEqual(node.http("GET", http_path(key))[0], 404)


class CorruptionTest(unittest.TestCase):
    """Bytes flipped in one node's SST files (failures 7 and 8)."""

    ROWS = 3000

    def write_rows(self, cluster):
        with Resp(cluster[0].resp_port, timeout=60) as resp:
            resp.send(b"".join(Resp.encode("SET", f"row{i}", self.value(i))
                               for i in range(self.ROWS)))
            for _ in range(self.ROWS):
                self.assertEqual(resp.read(), "OK")

    @staticmethod
    def value(i):
        return b"%d:" % i + content(200, seed=i)

    def flip_bytes(self, cluster, node):
        # A second start replays the log into SST files.
        node.stop()
        node.start()
        node.wait_ready()
        node.stop()
        # The large ones hold the rows; the first half of such a file is data blocks only.
        files = [path for path in glob.glob(os.path.join(node.folder, "**", "*.sst"), recursive=True)
                 if os.path.getsize(path) > 100_000]
        self.assertTrue(files, "no SST files to damage")
        flipped = 0
        for path in files:
            size = os.path.getsize(path)
            with open(path, "r+b") as file:
                for at in range(1000, size // 2, 20_000):
                    file.seek(at)
                    byte = file.read(1)[0]
                    file.seek(at)
                    file.write(bytes([byte ^ 0x40]))
                    flipped += 1
        self.assertGreater(flipped, 3)
        node.start()
        node.wait_ready()
        # Until its links stand it may need the very copies that rotted.
        others = [each for each in cluster if each is not node]
        wait_until(lambda: node.is_linked(others), 30, f"{node.name} is linked to the others")

    def test_other_owners_answer_for_a_rotten_one(self):
        with Cluster(3) as cluster:
            self.write_rows(cluster)
            self.flip_bytes(cluster, cluster[1])
            for node in cluster:
                with Resp(node.resp_port, timeout=60) as resp:
                    for i in range(self.ROWS):
                        self.assertEqual(resp.command("GET", f"row{i}"), self.value(i))

    def test_alone_it_is_an_error_not_an_absence(self):
        with Cluster(1) as cluster:
            self.write_rows(cluster)
            self.flip_bytes(cluster, cluster[0])
            errors = 0
            with Resp(cluster[0].resp_port, timeout=60) as resp:
                for i in range(self.ROWS):
                    try:
                        self.assertEqual(resp.command("GET", f"row{i}"), self.value(i))
                    except RespError:
                        errors += 1
            self.assertGreater(errors, 0, "no block was hit: this test proved nothing")


if __name__ == "__main__":
    unittest.main(verbosity=2)
