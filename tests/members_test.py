#!/usr/bin/env python3
"""Goal: where the members are and how they fare is known by gossip: who comes back at another address
is found, two halves of a cluster that know nothing but old addresses of each other find together, and
what only people can mend is told to them. Real processes, sockets and RocksDB."""

import json
import os
import re
import shutil
import time
import unittest

from cluster import HOST, Node, free_ports, wait_until
from grow_test import Growing
from history import missing, start_clients, stop_clients
from notice_test import Receiver, log_events
from resp import Resp

FOLLOWED_SECONDS_MAX = 30
TOGETHER_SECONDS_MAX = 60
ALARM_SECONDS_MAX = 30
WHOLE_SECONDS_MAX = 60


def members(node):
    """By name, as `node` shows them."""
    return {m["name"]: m for m in json.loads(node.http("GET", "/v1/cluster")[2])["members"]}


def show_each_other(nodes):
    """Does each of `nodes` show all of them alive, linked, and where they are?"""
    for node in nodes:
        shown = members(node)
        for other in nodes:
            m = shown.get(other.name)
            if (m is None or m["life"] != "alive" or not m["linked"]
                    or m["address"] != f"{HOST}:{other.peer_port}"
                    or m["resp"] != f"{HOST}:{other.resp_port}"
                    or m["http"] != f"{HOST}:{other.http_port}"):
                return False
    return True


def wait_together(nodes, seconds):
    """Returns how long it took."""
    began = time.monotonic()
    try:
        wait_until(lambda: show_each_other(nodes), seconds, "all show all alive and linked", 0.1)
    except TimeoutError:
        for node in nodes:
            print(node.name, {n: (m["life"], m["linked"], m["address"], m["incarnation"])
                              for n, m in members(node).items()}, flush=True)
        raise
    return time.monotonic() - began


def move(node, flags=None):
    """Other ports at its next start; `flags` in place of those it had."""
    node.resp_port, node.http_port, node.peer_port = free_ports(3)
    if flags is not None:
        node.flags = flags


class MembersTest(unittest.TestCase):
    def await_equal(self, nodes, keys):
        """Until each key reads the same, and as written, at every node with R=all."""
        def whole():
            for node in nodes:
                with Resp(node.resp_port, timeout=30) as resp:
                    for key, value in keys.items():
                        if resp.siblings(key, "R", "all")[1] != [value.encode()]:
                            return False
            return True
        wait_until(whole, WHOLE_SECONDS_MAX, "all that was written is everywhere", 0.5)

    def test_whoever_moves_is_followed(self):
        """Whatever its place among the ids: the smaller of two dials. By the links of each shard."""
        with Growing() as cluster:
            cluster.flags[cluster.flags.index("--shards") + 1] = "2"
            n1 = cluster.add("n1")
            nodes = [n1, cluster.add("n2", n1), cluster.add("n3", n1)]
            cluster.await_settled(n1)
            wait_together(nodes, FOLLOWED_SECONDS_MAX)
            for node in nodes:
                incarnation = members(node)[node.name]["incarnation"]
                node.stop()
                others = [other for other in nodes if other is not node]
                wait_until(lambda: all(members(o)[node.name]["life"] == "down" for o in others),
                           FOLLOWED_SECONDS_MAX, f"{node.name} is down for the others", 0.1)
                wait_until(lambda: others[0].metric('gyre_members{life="down"}') == 1, 5,
                           "the metric tells so")
                move(node)
                node.start()
                node.wait_ready()
                wait_together(nodes, FOLLOWED_SECONDS_MAX)
                for shown in map(members, nodes):
                    self.assertGreater(shown[node.name]["incarnation"], incarnation)
                for other in others:
                    wait_until(lambda: other.is_linked([node]), FOLLOWED_SECONDS_MAX,
                               f"all shards of {other.name} follow", 0.1)
            # The layout has other addresses for all of them by now; what is stored beside it leads
            # to those that are there, and those lead to the one that has moved meanwhile.
            time.sleep(2)  # a change is stored within a second
            nodes[0].stop()
            nodes[1].stop()
            move(nodes[0])
            for node in nodes[:2]:
                node.start()
                node.wait_ready()
            wait_together(nodes, FOLLOWED_SECONDS_MAX)
            for node in nodes:
                self.assertEqual(log_events(node, "double_identity"), [])

    def test_halves_that_lost_each_other_find_together(self):
        with Growing() as cluster:
            a1 = cluster.add("a1")
            half_a = [a1, cluster.add("a2", a1), cluster.add("a3", a1)]
            half_b = [cluster.add(name, a1) for name in ("b1", "b2", "b3")]
            nodes = half_a + half_b
            cluster.await_settled(a1)
            wait_together(nodes, FOLLOWED_SECONDS_MAX)
            time.sleep(2)  # a change is stored within a second
            for node in nodes:
                node.stop()
            # Each node of a half is told where its first one is, and nothing of the other half.
            for half in (half_a, half_b):
                for node in half:
                    seed = ["--join", f"{HOST}:{half[0].peer_port}"]
                    move(node, [*cluster.flags, *(["--found", "yes"] if node is half[0] else seed)])
            for node in nodes:
                node.start()
            for node in nodes:
                node.wait_ready()
            for half, other in ((half_a, half_b), (half_b, half_a)):
                wait_together(half, TOGETHER_SECONDS_MAX)
                wait_until(lambda: all(members(n)[o.name]["life"] == "down"
                                       for n in half for o in other),
                           FOLLOWED_SECONDS_MAX, "each half holds the other for down", 0.1)
            written = {}
            for half in (half_a, half_b):
                for node in half:
                    with Resp(node.resp_port) as resp:
                        for i in range(50):
                            key, value = f"{node.name}:{i}", f"by {node.name}, {i}"
                            resp.command("KV.PUT", key, "", value, "W", "1")
                            written[key] = value
            # One of them is told of one of the others.
            half_b[2].stop()
            half_b[2].flags[-1] += f",{HOST}:{half_a[1].peer_port}"
            half_b[2].start()
            half_b[2].wait_ready()
            took = wait_together(nodes, TOGETHER_SECONDS_MAX)
            print(f"together after {took:.1f} s", flush=True)
            self.await_equal([half_a[0], half_b[0]], written)

    def test_clusters_founded_apart_refuse_each_other_aloud(self):
        with Receiver() as receiver, Growing(flags=["--webhook", receiver.url]) as cluster:
            n1 = cluster.add("n1")
            n2 = cluster.add("n2", n1)
            cluster.await_settled(n1)
            m1 = Node("m1", free_ports(3), os.path.join(cluster.folder, "m1"),
                      [*cluster.flags, "--found", "yes"])
            cluster.nodes["m1"] = m1
            m1.start()
            m1.wait_ready()
            with Resp(n1.resp_port) as ours, Resp(m1.resp_port) as theirs:
                ours.command("SET", "k", "of n1")
                theirs.command("SET", "k", "of m1")
            self.assertEqual(n1.metric("gyre_other_lineages"), 0)
            m1.stop()
            m1.flags += ["--join", f"{HOST}:{n1.peer_port}"]
            m1.start()
            m1.wait_ready()
            wait_until(lambda: all(n.metric("gyre_other_lineages") == 1 for n in (n1, m1)),
                       ALARM_SECONDS_MAX, "both tell of the other", 0.1)
            for node, other in ((n1, "m1"), (m1, "n1")):
                events = log_events(node, "other_lineage")
                self.assertEqual([(e["level"], e["node"]) for e in events], [("error", other)])
                self.assertIn("founded apart", events[0]["message"])
                self.assertIn("gyre serve", events[0]["next"])
                self.assertEqual(node.metric("gyre_alarm_notices_total"), 1)
            wait_until(lambda: len(receiver.taken) >= 2, 20, "the webhook is told by both")
            told = [notice for _, _, notice in receiver.taken]
            self.assertEqual(sorted(n["told_by"] for n in told), ["m1", "n1"])
            self.assertEqual({(n["event"], n["cluster"]) for n in told},
                             {("other_lineage", "test")})
            self.assertIn("gyre serve", told[0]["next"])
            # The greater founding is named, the same one by both.
            ends = {re.search(r"by their order (this|that)", n["detail"])[1] for n in told}
            self.assertEqual(ends, {"this", "that"})
            for node, names, value in ((n1, {"n1", "n2"}, b"of n1"), (m1, {"m1"}, b"of m1")):
                self.assertEqual(set(members(node)), names)
                with Resp(node.resp_port) as resp:
                    self.assertEqual(resp.command("GET", "k"), value)
            self.assertEqual(log_events(n2, "other_lineage"), [])

    def test_clusters_of_other_ids_never_meet(self):
        with Growing() as cluster:
            n1 = cluster.add("n1")
            cluster.flags[cluster.flags.index("test")] = "other"
            m1 = cluster.add("m1")
            m1.stop()
            m1.flags += ["--join", f"{HOST}:{n1.peer_port}"]
            m1.start()
            m1.wait_ready()
            wait_until(lambda: log_events(m1, "seed_unreachable"), FOLLOWED_SECONDS_MAX,
                       "m1 says why", 0.1)
            self.assertIn("it belongs to cluster 'test', this node to 'other'",
                          log_events(m1, "seed_unreachable")[0]["message"])
            self.assertIn("it belongs to cluster 'other', this node to 'test'",
                          log_events(n1, "stranger_refused")[0]["message"])
            for node in (n1, m1):
                self.assertEqual(set(members(node)), {node.name})
                self.assertEqual(node.metric("gyre_other_lineages"), 0)

    def test_a_layout_that_stays_behind_is_told(self):
        """Of a member that takes part in all, but cannot store what was decided."""
        with Growing() as cluster:
            n1 = cluster.add("n1")
            n2, n3 = cluster.add("n2", n1), cluster.add("n3", n1)
            cluster.await_settled(n1)
            cluster.await_members([n1, n2, n3])
            os.mkdir(os.path.join(n3.folder, "layout.part"))  # where it would be written first
            cluster.change(n1, {"change": "weight", "node": "n2", "weight": 2})
            wait_until(lambda: log_events(n3, "layout_not_stored"), 20, "n3 cannot store it", 0.1)
            time.sleep(30)
            self.assertEqual(n1.metric("gyre_other_layouts"), 0)
            wait_until(lambda: n1.metric("gyre_other_layouts") == 1, 60, "n1 tells of it", 0.5)
            event = log_events(n1, "other_layout")[0]
            self.assertEqual((event["level"], event["node"]), ("error", "n3"))
            self.assertIn("layout_not_stored", event["next"])

    def test_a_copied_folder_is_told_and_loses_nothing(self):
        with Growing() as cluster:
            n1 = cluster.add("n1")
            n2, n3 = cluster.add("n2", n1), cluster.add("n3", n1)
            cluster.await_settled(n1)
            clients = start_clients([n1, n2], per_node=3)
            time.sleep(1)
            n3.stop()
            clone = Node("n3", free_ports(3), os.path.join(cluster.folder, "clone"), n3.flags)
            shutil.copytree(n3.folder, clone.folder, dirs_exist_ok=True)
            os.truncate(clone.log_path, 0)
            cluster.nodes["clone"] = clone
            n3.start()
            clone.start()
            n3.wait_ready()
            nodes = [n1, n2, n3, clone]

            def told():
                return [n for n in nodes if log_events(n, "double_identity")]
            began = time.monotonic()
            wait_until(told, ALARM_SECONDS_MAX, "somebody tells of two nodes under one name", 0.1)
            print(f"told after {time.monotonic() - began:.1f} s", flush=True)
            event = log_events(told()[0], "double_identity")[0]
            self.assertEqual((event["level"], event["node"]), ("error", "n3"))
            self.assertIn("--data-dir EMPTY-FOLDER", event["next"])
            wait_until(lambda: told()[0].metric("gyre_double_identities") == 1, 5, "the metric")
            time.sleep(5)
            stop_clients(clients)
            clone.kill()
            wait_together([n1, n2, n3], FOLLOWED_SECONDS_MAX)
            for client in clients:
                self.assertEqual(client.wrong_reads[:3], [], client.name)
                self.assertGreater(client.writes, 50)
            for node in (n1, n2, n3):
                wait_until(lambda: not missing(clients, node, "R", "all"), WHOLE_SECONDS_MAX,
                           f"all that was acknowledged is read through {node.name}", 0.5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
