#!/usr/bin/env python3
"""Goal: while members of a cluster under load join, leave, are replaced, lose their data or split
their partitions, others are killed, frozen and cut off; and nothing acknowledged is lost, nothing is
invented or comes back, no read takes for absent what is there, and all ends with equal copies. Without
root, ip and nft: on loopback, and nobody is cut off.

    tests/churn_test.py [--seconds S] [--seed N]

Each kind of change comes once, in a drawn order; with --seconds they are drawn for that long. --seed
draws the same again; the machine's timing is its own."""

import argparse
import itertools
import os
import random
import shutil
import signal
import sys
import time
from contextlib import ExitStack

import namespaces
from cluster import HOST, Node, free_ports, wait_until
from faults_test import (BEGIN, WHOLE_SECONDS_MAX, cold_misses, final_problems, keys_written, say,
                         show_state, tell_verdict, wait_whole)
from grow_test import Growing
from judge import read_cold
from load import ColdKeys, start_clients, stop_clients

# Nodes with clients: these stay, whatever else happens to them.
STEADY = 3
MEMBERS_MAX = 6
HOSTS = 16  # so many nodes there can have been, in the course of time
CLIENTS_PER_NODE = 3
COLD_KEYS = 1000
BALLAST_KEYS = {False: 8000, True: 30_000}  # what there is to move beside those; read at the end
COLD_BYTES = 900
SETTLED_SECONDS_MAX = 180
DECIDED_SECONDS_MAX = 60
SPLITS_MAX = 2


class Churn:
    def __init__(self, cluster, network, rng):
        self.cluster, self.network, self.rng = cluster, network, rng
        self.members = []
        self.index = {}  # by name: the host
        self.splits = 0

    # ---- nodes

    def start_node(self, *seeds):
        at = len(self.index)
        name = f"n{at + 1}"
        self.index[name] = at
        flags = list(self.cluster.flags)
        flags[flags.index("--shards") + 1] = str(self.rng.choice([1, 1, 2]))
        flags += (["--join", ",".join(f"{seed.host}:{seed.peer_port}" for seed in seeds)] if seeds
                  else ["--found", "yes"])
        node = Node(name, free_ports(3), os.path.join(self.cluster.folder, name), flags,
                    self.network.hosts[at] if self.network else HOST)
        node.log_path = node.folder + ".log"  # beside the folder, which may be wiped
        if self.network:
            node.enter = self.network.enter(at)
        self.cluster.nodes[name] = node
        node.start()
        return node

    def at_the_door(self):
        """A new node, which asks to be let in."""
        node = self.start_node(*self.members[:STEADY])
        wait_until(lambda: node.name in {w["name"] for w in self.status()["waiting"]}, 30,
                   f"{node.name} waits to be let in", 0.1)
        return node

    def found(self, count):
        self.members = [self.start_node()]
        self.members[0].wait_ready()
        while len(self.members) < count:
            node = self.at_the_door()
            self.decide({"change": "join", "node": node.name})
            node.wait_ready()
            self.members.append(node)
            self.await_settled()

    def status(self):
        for node in self.members[:STEADY]:
            try:
                return self.cluster.status(node)
            except (OSError, RuntimeError) as error:
                last = error
        raise last

    def decide(self, change):
        """Stages and commits it, by another node if one cannot: it may be frozen or cut off."""
        deadline = time.monotonic() + DECIDED_SECONDS_MAX
        for node in itertools.cycle(self.rng.sample(self.members[:STEADY], STEADY)
                                    if len(self.members) > STEADY else self.members[:1]):
            try:
                self.cluster.change(node, change)
                return
            except (OSError, RuntimeError) as error:
                if self.is_decided(change):
                    return
                if time.monotonic() > deadline:
                    raise
                say(f"    {change} at {node.name}: {error}")
            try:
                self.cluster.ask(node, "POST", "/v1/cluster/abort")
            except (OSError, RuntimeError):
                pass
            time.sleep(0.5)  # between tries

    def is_decided(self, change):
        states = {member["name"]: member["state"] for member in self.status()["members"]}
        if change["change"] == "join":
            return change["node"] in states
        return "node" in change and states.get(change["node"]) != "member"

    def await_settled(self, gone=None):
        """Nothing moves; who leaves has left, and is stopped."""
        stay = [node for node in self.members if node is not gone]

        def settled():
            for node in stay:
                if node.process.poll() is not None:
                    raise RuntimeError(f"{node.name} ended with {node.process.returncode}, not by "
                                       f"this test:\n{node.log_tail()}")
            try:
                return all(self.cluster.is_settled(node) and (
                    gone is None or
                    gone.name not in {m["name"] for m in self.cluster.status(node)["members"]})
                    for node in stay)
            except (OSError, RuntimeError):
                return False
        wait_until(settled, SETTLED_SECONDS_MAX, "nothing moves", 0.1)
        if gone is not None and gone in self.members:
            gone.stop()
        self.members = stay

    # ---- changes; each returns who is to be gone afterwards, or None

    def possible(self):
        more = len(self.index) < HOSTS
        some = len(self.members) > STEADY
        return [kind for kind, can in (
            ("join", more and len(self.members) < MEMBERS_MAX),
            ("leave", len(self.members) > STEADY + 1),
            ("replace", more and some), ("replace-dead", more and some), ("wipe", True),
            ("split", self.splits < SPLITS_MAX)) if can]

    def _join(self):
        node = self.at_the_door()
        self.decide({"change": "join", "node": node.name})
        self.members.append(node)

    def _leave(self):
        gone = self.rng.choice(self.members[STEADY:])
        self.decide({"change": "leave", "node": gone.name})
        return gone

    def _replace(self):
        gone, node = self.rng.choice(self.members[STEADY:]), self.at_the_door()
        self.decide({"change": "replace", "node": gone.name, "by": node.name})
        self.members.append(node)
        return gone

    def _replace_dead(self):
        gone = self.rng.choice(self.members[STEADY:])
        gone.kill()
        self.members.remove(gone)
        node = self.at_the_door()
        self.decide({"change": "replace", "node": gone.name, "by": node.name, "dead": True})
        self.members.append(node)
        return gone

    def _wipe(self):
        """Its name is what is left to it."""
        node = self.rng.choice(self.members)
        node.kill()
        shutil.rmtree(os.path.join(node.folder, "db"))
        node.start()
        node.wait_ready()

    def _split(self):
        self.splits += 1
        self.decide({"change": "split"})

    # ---- what happens meanwhile

    def disturb(self):
        kinds = ["kill", "kill-two", "restart", "freeze"] + ["cut", "cut-one-way"] * bool(self.network)
        kind = self.rng.choice(kinds)
        nodes = self.rng.sample(self.members, len(self.members))
        say(f"    {kind} {nodes[0].name}")
        getattr(self, "_" + kind.replace("-", "_"))(nodes)

    def _kill(self, nodes):
        nodes[0].kill()
        time.sleep(self.rng.choice([0.1, 0.5, 2.5, 4]))  # the fault lasts
        nodes[0].start()
        nodes[0].wait_ready()

    def _kill_two(self, nodes):
        for node in nodes[:2]:
            node.kill()
            time.sleep(self.rng.uniform(0, 1))  # the fault lasts
        for node in nodes[:2]:
            node.start()
        for node in nodes[:2]:
            node.wait_ready()

    def _restart(self, nodes):
        nodes[0].stop()
        nodes[0].start()
        nodes[0].wait_ready()

    def _freeze(self, nodes):
        nodes[0].process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(self.rng.uniform(0.5, 6))  # the fault lasts
        finally:
            nodes[0].process.send_signal(signal.SIGCONT)

    def _cut(self, nodes):
        at = self.rng.randrange(1, len(nodes))
        self._hold_cuts([pair for a in nodes[:at] for b in nodes[at:] for pair in ((a, b), (b, a))])

    def _cut_one_way(self, nodes):
        self._hold_cuts([(nodes[0], other) for other in nodes[1:3]])

    def _hold_cuts(self, pairs):
        try:
            for source, target in pairs:
                self.network.cut(self.index[source.name], self.index[target.name])
            time.sleep(self.rng.uniform(2, 8))  # the fault lasts
        finally:
            self.network.heal()

    # ---- the run

    def kinds(self, seconds):
        if seconds is None:
            first = self.rng.sample(["join", "replace", "replace-dead", "wipe", "split"], 5)
            at = self.rng.randrange(first.index("join") + 1, len(first) + 1)  # there are enough then
            yield from [*first[:at], "leave", *first[at:]]
        while seconds is not None and time.monotonic() < BEGIN + seconds:
            yield self.rng.choice(self.possible())

    def run(self, seconds, clients, cold):
        for kind in self.kinds(seconds):
            say(f"{kind}, {len(self.members)} members")
            gone = getattr(self, "_" + kind.replace("-", "_"))()
            for _ in range(self.rng.choice([0, 1, 1, 2, 3]) if seconds else 1):
                time.sleep(self.rng.uniform(0, 1.5))  # somewhere in the course of the change
                self.disturb()
            self.await_settled(gone)
            say("    settled")
            wait_whole(self.members, keys_written(clients, cold), WHOLE_SECONDS_MAX, under_load=True)
            say("    whole")


def run(options, cluster, network, rng):
    churn = Churn(cluster, network, rng)
    churn.found(STEADY + 1)
    cold, ballast = (ColdKeys(COLD_KEYS, COLD_BYTES, "cold"),
                     ColdKeys(BALLAST_KEYS[options.seconds is not None], COLD_BYTES, "ballast"))
    for keys in (cold, ballast):
        keys.load(churn.members[0])
    clients = start_clients(churn.members[:STEADY], CLIENTS_PER_NODE, cold, options.seed)
    try:
        churn.run(options.seconds, clients, cold)
        stop_clients(clients)
        wait_whole(churn.members, keys_written(clients, cold), WHOLE_SECONDS_MAX, under_load=False)
    except BaseException:
        print(f"verdict: BROKEN OFF, seed {options.seed}")
        show_state(churn.members)
        raise
    finally:
        stop_clients(clients)
    say("judging")
    problems, concerned, old = final_problems(churn.members, clients, cold)
    problems += [text for node in churn.members for text in read_cold(node, ballast)]
    problems += cold_misses(clients) + [text for client in clients for text in client.wrong]
    outcomes = [op.outcome for client in clients for op in client.ops]
    print("  writes   " + "  ".join(f"{kind} {outcomes.count(kind)}" for kind in sorted(set(outcomes))))
    print(f"  reads    ok {sum(c.reads['ok'] for c in clients)}  "
          f"failed {sum(c.reads['failed'] for c in clients)}")
    print(f"  older values beside the last one (sloppy quorum): {old}")
    tell_verdict(options.seed, churn.members, problems, concerned)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    options = parser.parse_args()
    # A test that ctest or a person ends cleans up as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    signal.signal(signal.SIGINT, lambda *_: sys.exit("ended by SIGINT"))
    say(f"seed {options.seed}")
    reason = namespaces.why_not()
    if reason:
        print(f"churn: no namespaces here ({reason}): on loopback, and nobody is cut off")
    with ExitStack() as stack:
        network = None if reason else stack.enter_context(namespaces.Network(HOSTS))
        cluster = stack.enter_context(Growing(flags=["--open", "no"]))
        run(options, cluster, network, random.Random(options.seed))


if __name__ == "__main__":
    main()
