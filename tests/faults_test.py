#!/usr/bin/env python3
"""Goal: under load, through kills, freezes, splits, a full disk, a wiped and damaged disks, five real
nodes lose nothing that was acknowledged, invent and revive nothing, keep accepting writes, and end
with equal copies. Without root, ip and nft: on loopback, without splits and without the full disk.

    tests/faults_test.py [--long] [--seed N]

--seed draws the same faults in the same order again; the machine's timing is its own."""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from contextlib import ExitStack

import namespaces
from cluster import Cluster
from faults import DESTRUCTIVE, SPLITS, Faults, mount_small_disk
from judge import by_key, judge, read_all, read_cold, resurfaced, unequal
from load import ColdKeys, start_clients, stop_clients

NODES = 5
SHARDS = [1, 2, 1, 3, 2]
CLIENTS_PER_NODE = 2
SHORT = {"kill": 2, "freeze": 1, "wipe": 1, "flip-log": 1, "flip-sst": 1}  # and one split
LONG = {"kill": 12, "freeze": 7, "split-2-3": 5, "split-1-4": 3, "split-one-way": 4, "full-disk": 2,
        "wipe": 2, "flip-sst": 2, "flip-log": 2}
COLD_KEYS = {False: 1000, True: 3000}
COLD_BYTES = 400
CALM_SECONDS = {False: (1, 2), True: (2, 6)}
WHOLE_SECONDS_MAX = 120
ACCEPTED_MIN = 0.999
ACCEPTED_MIN_WITH_THOSE_UNDER_WAY = 0.99
# Until a silent node is given up (its link is cut after 2 s without a ping), requests for keys that it
# owns may have to wait for it; and what was under way at a node when it died has an unknown outcome,
# since a write is never given to a second coordinator. Those are counted apart: how many there are is
# up to the machine, not to the number of writes.
NOTICED_SECONDS = 2.5
KILL_NOTICED_SECONDS = 1
PROBLEMS_SHOWN = 20
LOG_LINES_SHOWN = 30


def say(text):
    print(f"{time.monotonic() - BEGIN:7.1f}  {text}", flush=True)


BEGIN = time.monotonic()


def draw_faults(long, network, rng):
    """A drawn order; what the machine does not allow is left out."""
    order = [kind for kind, count in (LONG if long else SHORT).items() for _ in range(count)]
    if not long:
        order.append(rng.choice(SPLITS))
    rng.shuffle(order)
    return [kind for kind in order if network or kind not in (*SPLITS, "full-disk")]


# ---- is the cluster whole?

def not_said_whole(cluster):
    """What keeps nodes from saying that all is well, or None."""
    said = [(node.name, json_status(node)) for node in cluster]
    return " ".join(f"{name}: {status['summary']}" for name, status in said
                    if not status["whole"] or not status["ready"] or status["peers_down"]) or None


def json_status(node):
    return json.loads(node.http("GET", "/v1/status")[2])


def wait_whole(cluster, keys, seconds, under_load):
    """Until each node has said so, and of each key all owners were seen with equal copies. Under load
    that is once for each key: what is written later goes to all owners anyway."""
    deadline = time.monotonic() + seconds
    pending = list(keys)
    while True:
        trouble = not_said_whole(cluster)
        differing = {}
        if trouble is None or pending:
            differing = unequal(cluster[0], pending)
            pending = list(differing) if under_load else (list(keys) if differing else [])
        if trouble is None and not pending:
            return
        if time.monotonic() > deadline:
            shown = "\n".join(f"  {key}: {how}" for key, how in list(differing.items())[:5])
            raise TimeoutError(f"G6: not whole after {seconds} s: {trouble or 'nodes say it is'}; "
                               f"{len(differing)} keys differ\n{shown}")
        time.sleep(0.2)  # between looks


def show_state(cluster):
    """For a failure: what each node says of itself, and what it logged beside its links' ups and downs."""
    for node in cluster:
        try:
            status = json_status(node)
            print(f"--- {node.name}: {status['summary']}\n  engine {status['engine']}\n"
                  f"  repair {status['repair']}\n  counters {status['counters']}")
        except (OSError, ValueError) as error:
            print(f"--- {node.name}: no status: {error!r}")
        with open(node.log_path, errors="replace") as log:
            lines = [line for line in log if '"level":"info"' not in line and '"peer_' not in line]
        print("".join("  " + line for line in lines[-LOG_LINES_SHOWN:]), flush=True)


def keys_written(clients, cold):
    return sorted({op.key for client in clients for op in list(client.ops)}) + cold.keys


# ---- figures

class Share:
    def __init__(self):
        self.ok = self.all = 0
        self.missed = []

    def add(self, op):
        self.all += 1
        if op.outcome == "ok":
            self.ok += 1
        else:
            self.missed.append(op)

    @classmethod
    def of(cls, *shares):
        both = cls()
        both.ok, both.all = sum(share.ok for share in shares), sum(share.all for share in shares)
        return both

    @property
    def value(self):
        return self.ok / self.all if self.all else 1.0

    def __str__(self):
        return f"{100 * self.value:.3f} % of {self.all}"


def is_unnoticed(fault, op):
    if any(op.start <= death + KILL_NOTICED_SECONDS and op.end >= death for death in fault.deaths):
        return True
    if fault.kind == "freeze" or fault.kind in SPLITS:
        return op.start <= fault.start + NOTICED_SECONDS
    return False


def shares(ops, faults):
    """Accepted writes of those sent to nodes that are up: in all, with one node killed, while a dead or
    silent node was not yet given up (apart from the first two), and for each side of each split."""
    total, killed, unnoticed, sides = Share(), Share(), Share(), {}
    for op in ops:
        now = [f for f in faults if op.end >= f.start and op.start <= f.end]
        if any(op.node in f.down for f in now):
            continue
        if any(is_unnoticed(f, op) for f in now):
            unnoticed.add(op)
            continue
        total.add(op)
        for f in now:
            if f.kind == "kill":
                killed.add(op)
            for side in f.sides:
                if op.node in side:
                    name = f"{f.kind} {'+'.join(f'n{i + 1}' for i in side)}"
                    sides.setdefault(name, Share()).add(op)
    return total, killed, unnoticed, sides


def cold_misses(clients):
    """Reads of cold keys that came wrong. Who cannot ask an owner has to say so."""
    return [f"G1: {key} read as {str(got)[:40]!r} through n{node + 1} at {at - BEGIN:.1f}"
            for client in clients for at, node, key, got in client.cold_misses]


# ---- the run

def run_faults(cluster, network, disk_node, order, long, rng, clients, cold):
    faults = Faults(cluster, network, disk_node, rng)
    for kind in order:
        time.sleep(rng.uniform(*CALM_SECONDS[long]))  # the moment of calm
        if kind in DESTRUCTIVE:
            wait_whole(cluster, keys_written(clients, cold), WHOLE_SECONDS_MAX, under_load=True)
        say(f"{kind} ...")
        fault = faults.do(kind)
        if kind in DESTRUCTIVE:
            if kind == "flip-sst":
                # A scrub would find the damage within a day. Reading finds it now, and mends it.
                read_all(cluster[0], keys_written(clients, cold), "quorum")
                engine = json_status(cluster[fault.nodes[0]])["engine"]
                fault.note += f", {engine['corruptions']} reads met it"
            wait_whole(cluster, keys_written(clients, cold), WHOLE_SECONDS_MAX, under_load=True)
            fault.whole = time.monotonic()
        say(str(fault))
    return faults


def final_problems(cluster, clients, cold):
    keys = by_key(op for client in clients for op in client.ops)
    problems, concerned, old = [], set(), 0
    for node in cluster:
        problems += read_cold(node, cold)
        for r in ("quorum", "one"):
            shown = read_all(node, list(keys), r)
            for key, ids in shown.items():
                if not isinstance(ids, list):
                    found = [f"cannot be read: {ids}"]
                else:
                    found = judge(keys[key], ids)
                    if node is cluster[0] and r == "quorum" and keys[key][0].kind[:3] != "KV.":
                        old += len(resurfaced(keys[key], ids))
                problems += [f"{key} through {node.name} R={r}: {text}" for text in found]
                if found:
                    concerned.add(key)
    return problems, {key: keys[key] for key in sorted(concerned)}, old


def print_report(seed, faults, clients, recovered_seconds, old):
    ops = [op for client in clients for op in client.ops]
    outcomes = {}
    for op in ops:
        outcomes.setdefault(op.kind, {}).setdefault(op.outcome, 0)
        outcomes[op.kind][op.outcome] += 1
    total, killed, unnoticed, sides = shares(ops, faults)
    print(f"\nseed {seed}")
    for fault in faults:
        print(f"  at {fault.start - BEGIN:6.1f} s  {fault}")
    for kind, counts in sorted(outcomes.items()):
        print(f"  {kind:8} " + "  ".join(f"{k} {v}" for k, v in sorted(counts.items())))
    print(f"  reads    ok {sum(c.reads['ok'] for c in clients)}  "
          f"failed {sum(c.reads['failed'] for c in clients)}")
    print(f"  accepted, of writes to nodes that are up: {total}")
    print(f"  accepted with one node killed:            {killed}")
    print(f"  under way until a fault was noticed:      {unnoticed}")
    both = Share.of(total, unnoticed)
    print(f"  all together:                             {both}")
    for name, share in sides.items():
        print(f"  accepted, {name}: {share}")
    print(f"  older values beside the last one (sloppy quorum): {old}")
    slowest = max([f for f in faults if f.whole], key=lambda f: f.whole - f.end, default=None)
    if slowest:
        print(f"  slowest recovery: {slowest.whole - slowest.end:.1f} s after {slowest.kind}")
    print(f"  whole at the end after {recovered_seconds:.1f} s")
    problems = []
    if total.value < ACCEPTED_MIN:
        problems.append(f"only {total} writes were accepted")
    if both.value < ACCEPTED_MIN_WITH_THOSE_UNDER_WAY:
        problems.append(f"only {both} writes were accepted, with those under way")
    if killed.value < 1:
        problems.append(f"with one node killed only {killed} writes were accepted")
    for name, share in sides.items():
        if share.ok == 0:
            problems.append(f"{name}: no write was accepted")
    for op in total.missed[:PROBLEMS_SHOWN]:
        print(f"  not accepted, at {op.start - BEGIN:.2f} s: {op.key} {op}")
    return problems


def tell_verdict(seed, nodes, problems, concerned):
    """Raises if there are problems, and shows what may tell why."""
    if not problems:
        print("verdict: held")
        return
    show_state(nodes)
    print(f"verdict: BROKEN, {len(problems)} problems")
    for text in problems[:PROBLEMS_SHOWN]:
        print(f"  {text}")
    for key, ops in list(concerned.items())[:PROBLEMS_SHOWN]:
        print(f"--- history of {key}\n" + "\n".join(f"  {op}" for op in ops))
    raise AssertionError(f"{problems[0]} (seed {seed})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    options = parser.parse_args()
    # A test that ctest or a person ends cleans up as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    signal.signal(signal.SIGINT, lambda *_: sys.exit("ended by SIGINT"))
    rng = random.Random(options.seed)
    say(f"seed {options.seed}")
    reason = namespaces.why_not()
    if reason:
        print(f"faults: no namespaces here ({reason}): on loopback, without splits and a full disk")
    with ExitStack() as stack:
        network = None if reason else stack.enter_context(namespaces.Network(NODES))
        order = draw_faults(options.long, network, rng)
        cluster = Cluster(NODES, shards=SHARDS, flags=["--durability", "sync", "--founding-grace", "0"],
                          hosts=network and network.hosts)
        # What a mount in it kept from being removed goes once that is gone.
        stack.callback(shutil.rmtree, cluster.folder, ignore_errors=True)
        disk_node = rng.randrange(NODES) if "full-disk" in order else None
        for i, node in enumerate(cluster):
            # Beside the folder, which may be wiped or full.
            node.log_path = node.folder + ".log"
            if network:
                node.enter = network.enter(i)
            if i == disk_node:
                mount_small_disk(node.folder)
                stack.callback(namespaces.run, "umount", "-l", node.folder)
        stack.enter_context(cluster)
        return run(options, cluster, network, disk_node, order, rng)


def run(options, cluster, network, disk_node, order, rng):
    cold = ColdKeys(COLD_KEYS[options.long], COLD_BYTES)
    cold.load(cluster[0])
    clients = start_clients(cluster.nodes, CLIENTS_PER_NODE, cold, options.seed)
    try:
        faults = run_faults(cluster, network, disk_node, order, options.long, rng, clients, cold)
        time.sleep(rng.uniform(*CALM_SECONDS[options.long]))  # writes with all nodes there
        stop_clients(clients)
        say("healing")
        start = time.monotonic()
        wait_whole(cluster, keys_written(clients, cold), WHOLE_SECONDS_MAX, under_load=False)
        recovered = time.monotonic() - start
    except BaseException:
        print(f"verdict: BROKEN OFF, seed {options.seed}")
        show_state(cluster)
        raise
    finally:
        stop_clients(clients)
    say("judging")
    problems, concerned, old = final_problems(cluster, clients, cold)
    problems += cold_misses(clients)
    problems += [text for client in clients for text in client.wrong]
    problems += print_report(options.seed, faults.done, clients, recovered, old)
    tell_verdict(options.seed, cluster, problems, concerned)


if __name__ == "__main__":
    main()
