#!/usr/bin/env python3
"""Goal: people are told of a dead node once by each node that misses it, and once when it is back:
in the log, the metrics, /v1/status and by the webhook, which is tried again until it takes it."""

import http.server
import json
import threading
import unittest
from datetime import datetime, timezone

from cluster import HOST, Cluster, wait_until
from resp import Resp


class Receiver:
    """An operator's webhook: keeps what it took, and fails as often as it is told."""

    def __init__(self):
        self.taken = []
        self.fail_next = 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.fail_next > 0:
                    receiver.fail_next -= 1
                    return self.send_error(500)
                receiver.taken.append((self.path, self.headers["Content-Type"], json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def metrics(node):
    """Those of notices."""
    return {"dead": node.metric("gyre_nodes_dead"), "told": node.metric("gyre_dead_notices_total"),
            **{result: node.metric(f'gyre_webhook_posts_total{{result="{result}"}}')
               for result in ("ok", "failed", "dropped")}}


def status(node):
    return json.loads(node.http("GET", "/v1/status")[2])


def peer(node, name):
    return next(p for p in status(node)["peers"] if p["name"] == name)


def log_events(node, event):
    with open(node.log_path, encoding="utf-8") as log:
        lines = [json.loads(line) for line in log if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


class NoticeTest(unittest.TestCase):
    def test_dead_and_back_are_told_once_by_each(self):
        with Receiver() as receiver, Cluster(3, engine="memory", shards=2, flags=[
                "--dead-notice-after", "1s", "--webhook", receiver.url]) as cluster:
            n1, n2, n3 = cluster
            others = [n1, n2]

            def quiet():
                """A slow machine may take longer than a second to start three nodes."""
                for node in cluster:
                    m = metrics(node)
                    if m["dead"] > 0 or m["ok"] != 2 * m["told"]:
                        return False
                return True
            wait_until(quiet, 30, "whatever was told at the start is over")
            before = {node.name: metrics(node) for node in others}
            logged = {node.name: len(log_events(node, "node_dead")) for node in others}
            receiver.taken.clear()
            self.assertEqual((peer(n1, "n3")["away_ms"], peer(n1, "n3")["dead"]), (0, False))

            receiver.fail_next = 1
            n3.kill()
            with Resp(n1.resp_port) as resp:  # nothing else hangs on it
                resp.command("SET", "k", "v")
                self.assertEqual(resp.command("GET", "k"), b"v")
            wait_until(lambda: len(receiver.taken) >= 2, 20, "both others told of the dead node")
            self.assertEqual(sorted(n["told_by"] for _, _, n in receiver.taken), ["n1", "n2"])
            for path, content_type, notice in receiver.taken:
                self.assertEqual((path, content_type), ("/hook", "application/json"))
                self.assertEqual((notice["event"], notice["cluster"], notice["node"]),
                                 ("node_dead", "test", "n3"))
                self.assertEqual(notice["address"], f"{HOST}:{n3.peer_port}")
                self.assertGreaterEqual(notice["away_ms"], 1000)
                self.assertIn("gyre status", notice["next"])
                told_at = datetime.strptime(notice["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
                age = datetime.now(timezone.utc) - told_at.replace(tzinfo=timezone.utc)
                self.assertLess(abs(age.total_seconds()), 60)

            def agrees(dead, posts):
                for node in others:
                    m, b = metrics(node), before[node.name]
                    if (m["dead"], m["told"] - b["told"], m["ok"] - b["ok"]) != (dead, 1, posts):
                        return False
                return True
            wait_until(lambda: agrees(1, 1), 5, "the metrics agree that n3 is dead")
            for node in others:
                self.assertTrue(peer(node, "n3")["dead"])
                self.assertGreaterEqual(peer(node, "n3")["away_ms"], 1000)
                self.assertRegex(status(node)["summary"], r"^Node n3 is not reachable, for \d+ s now\.")
                event = log_events(node, "node_dead")[-1]
                self.assertEqual((event["level"], event["node"]), ("warning", "n3"))
                self.assertIn("gyre status", event["next"])
            failures = sum(metrics(node)["failed"] - before[node.name]["failed"] for node in others)
            self.assertEqual(failures, 1)

            n3.start()
            wait_until(lambda: len(receiver.taken) >= 4, 30, "both others told that it is back")
            wait_until(lambda: agrees(0, 2), 5, "the metrics agree that n3 is back")
            back = [n for _, _, n in receiver.taken if n["told_by"] != "n3"][2:]
            self.assertEqual(sorted((n["told_by"], n["event"], n["node"]) for n in back),
                             [("n1", "node_back", "n3"), ("n2", "node_back", "n3")])
            for node in others:
                self.assertEqual((peer(node, "n3")["away_ms"], peer(node, "n3")["dead"]), (0, False))
                self.assertEqual(len(log_events(node, "node_dead")) - logged[node.name], 1)
                self.assertEqual(log_events(node, "node_back")[-1]["node"], "n3")
                self.assertEqual(metrics(node)["dropped"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
