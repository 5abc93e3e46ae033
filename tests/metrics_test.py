#!/usr/bin/env python3
"""Goal: /metrics is what Prometheus expects (promtool lints it), counts what happened, and the
health pages tell a node that serves from one that cannot."""

import re
import subprocess
import unittest

from cluster import Cluster, wait_until
from resp import Resp


class MetricsTest(unittest.TestCase):
    def test_promtool_finds_nothing(self):
        with Cluster(3, engine="memory", shards=2) as cluster:
            with Resp(cluster[0].resp_port) as resp:
                for i in range(100):
                    resp.command("SET", f"k{i}", "v")
                    resp.command("GET", f"k{i}")

            def page():
                status, headers, body = cluster[0].http("GET", "/metrics")
                self.assertEqual(status, 200)
                self.assertTrue(headers["Content-Type"].startswith("text/plain"))
                return body.decode()
            self.assertEqual(page().count("\n# EOF"), 0)

            def counted():
                return re.search(r'^gyre_operation_duration_seconds_count\{[^}]*operation="put"[^}]*\} '
                                 r'100$', page(), re.M)
            wait_until(counted, 5, "100 puts counted in\n" + page()[:3000])
            lint = subprocess.run(["promtool", "check", "metrics"], input=page(), text=True,
                                  capture_output=True, timeout=60)
            self.assertEqual((lint.returncode, lint.stdout + lint.stderr), (0, ""))

    def test_health(self):
        with Cluster(3, engine="memory") as cluster:
            self.assertEqual(cluster[0].http("GET", "/livez")[0], 200)
            self.assertEqual(cluster[0].http("GET", "/readyz")[0], 200)
            self.assertEqual(cluster[0].http("GET", "/nothing")[0], 404)


if __name__ == "__main__":
    unittest.main(verbosity=2)
