#!/usr/bin/env python3
"""Goal: two regions of three nodes, `n = {eu = 3, us = 2}`, R = W = local_quorum. A region is not
slowed down by one that is silent; cut off from each other both go on to read and write, and once
the links are back all owners are equal and nobody is owed anything.
docs/adr/0012-copies-per-region.md."""

import json
import re
import signal
import sys
import time
from contextlib import ExitStack

import namespaces
from cluster import Cluster, wait_until
from faults import both_ways
from judge import unequal
from resp import Resp, RespError

EU, US = [0, 1, 2], [3, 4, 5]
COPIES = {"eu": 3, "us": 2}
KEYS = [f"key:{i}" for i in range(200)]
BOTH = [f"both:{i}" for i in range(50)]
LINKS_DOWN_SECONDS_MAX = 30
WHOLE_SECONDS_MAX = 60
# A silent region is waited for until hints.after (500 ms) where it is needed; where it is not, an
# answer takes milliseconds, and this leaves room for a machine that others use too.
LOCAL_SECONDS_MAX = 0.25


def check(right, what):
    if not right:
        raise AssertionError(what)


def client(node):
    return Resp(node.resp_port, node.host)


def hints_owed(cluster):
    return sum(node.metric("gyre_hints") for node in cluster)


def check_placement(cluster):
    """Each key has its copies where they were asked for, whoever is asked."""
    region = {node.name: "eu" if i in EU else "us" for i, node in enumerate(cluster)}
    for node in (cluster[0], cluster[5]):
        with client(node) as resp:
            for key in KEYS[:50]:
                owners = json.loads(resp.command("KV.EXPLAIN", key))["owners"]
                held = {r: sum(region[owner] == r for owner in owners) for r in COPIES}
                check(held == COPIES, f"{key}: {owners}")
    keyspace = json.loads(cluster[0].http("GET", "/v1/keyspaces")[2])["keyspaces"][0]
    check(keyspace["n_by_region"] == COPIES and keyspace["n"] == 5, keyspace)


def check_quorums(cluster):
    """Each way to write a quorum is taken for one request; another is refused with what is."""
    with client(cluster[0]) as resp:
        for quorum in ("local_quorum", "each_quorum", "one", "quorum", "all", "5"):
            resp.command("KV.PUT", "quorums", "", quorum, "W", quorum)
            check(quorum.encode() in resp.siblings("quorums", "R", quorum)[1], quorum)
        try:
            resp.command("KV.GET", "quorums", "R", "far_quorum")
            check(False, "far_quorum was taken")
        except RespError as error:
            check("local_quorum" in str(error), str(error))


def check_compression(cluster):
    """What goes to the other region is compressed, and nothing else."""
    for i, node in enumerate(cluster):
        page = node.http("GET", "/metrics")[2].decode()
        found = dict(re.findall(r'^gyre_peer_links_compressed{peer="n(\d)"} (\d+)$', page, re.M))
        others = {str(j + 1): (i in EU) != (j in EU) for j in EU + US if j != i}
        check({peer: int(links) > 0 for peer, links in found.items()} == others, f"n{i + 1}: {found}")
    before, after = (sum(node.metric(f"gyre_peer_{when}_compression_bytes_total") for node in cluster)
                     for when in ("before", "after"))
    print(f"regions: {before:,.0f} bytes to the other region were sent as {after:,.0f}")
    check(after < before, "nothing was gained")


def check_silent_region(cluster):
    """`us` says nothing, and nobody knows yet: `eu` answers as always, `quorum` has to wait."""
    with ExitStack() as stack:
        for i in US:
            cluster[i].process.send_signal(signal.SIGSTOP)
            stack.callback(cluster[i].process.send_signal, signal.SIGCONT)
        with client(cluster[0]) as resp:
            slowest = 0
            for key in KEYS[:40]:
                start = time.monotonic()
                resp.command("SET", key, "silent")
                check(resp.command("GET", key) == b"silent", key)
                slowest = max(slowest, time.monotonic() - start)
            print(f"regions: a put and a get beside a silent region took {slowest * 1e3:.0f} ms at most")
            check(slowest < LOCAL_SECONDS_MAX, f"{slowest} s")
    wait_whole(cluster)


def wait_cut(cluster):
    for side, other in ((EU, US), (US, EU)):
        for i in side:
            wait_until(lambda: not any(cluster[i].is_linked([cluster[j]]) for j in other),
                       LINKS_DOWN_SECONDS_MAX, f"n{i + 1} sees the cut")


def wait_whole(cluster):
    for node in cluster:
        wait_until(lambda: node.is_linked([other for other in cluster if other is not node]),
                   WHOLE_SECONDS_MAX, f"{node.name} linked")
    wait_until(lambda: hints_owed(cluster) == 0, WHOLE_SECONDS_MAX, "no hints are left")


def write_both(cluster, step):
    """Every node of both regions writes keys of its region, and both write the same keys."""
    for side, name in ((EU, "eu"), (US, "us")):
        for i in side:
            with client(cluster[i]) as resp:
                for key in KEYS[i::6]:
                    resp.command("SET", key, f"{step}-{name}")
                    check(resp.command("GET", key) == f"{step}-{name}".encode(), f"{key} at n{i + 1}")
                for key in BOTH[side.index(i)::3]:
                    resp.command("KV.PUT", key, "", f"{step}-{name}")
        # What one node of the region wrote the others read.
        for i in side:
            with client(cluster[i]) as resp:
                for key in BOTH:
                    values = resp.siblings(key)[1]
                    check(f"{step}-{name}".encode() in values, f"{key} at n{i + 1}: {values}")


def check_across(cluster):
    """What needs both regions is refused, and says what is missing."""
    with client(cluster[4]) as resp:
        for command in (("KV.PUT", "across", "", "x", "W", "each_quorum", "SLOPPY", "no"),
                        ("KV.GET", "across", "R", "all", "SLOPPY", "no")):
            try:
                resp.command(*command)
                check(False, f"{command} was answered across a cut")
            except RespError as error:
                check("needed" in str(error), str(error))


def main():
    reason = namespaces.why_not()
    if reason:
        print(f"regions: no namespaces here ({reason}): without the cut")
    with ExitStack() as stack:
        network = None if reason else stack.enter_context(namespaces.Network(6))
        copies = ",".join(f"{region}={count}" for region, count in COPIES.items())
        cluster = Cluster(6, flags=["--n", copies, "--r", "local_quorum", "--w", "local_quorum",
                                    "--compress-links", "regions"],
                          hosts=network and network.hosts,
                          places=["//eu"] * 3 + ["//us"] * 3)
        if network:
            for i, node in enumerate(cluster):
                node.enter = network.enter(i)
        stack.enter_context(cluster)
        check_placement(cluster)
        check_quorums(cluster)
        write_both(cluster, "before")
        check(sum(node.metric("gyre_near_reads_total") for node in cluster) > 0, "no near reads")
        check_compression(cluster)
        check_silent_region(cluster)
        if network is None:
            return 0

        for source, target in both_ways(EU, US):
            network.cut(source, target)
        start = time.monotonic()
        write_both(cluster, "unnoticed")  # before the nodes know
        wait_cut(cluster)
        write_both(cluster, "cut")
        check_across(cluster)
        print(f"regions: both wrote and read for {time.monotonic() - start:.1f} s of a cut")
        network.heal()

        start = time.monotonic()
        wait_whole(cluster)
        keys = KEYS + BOTH
        wait_until(lambda: not any(unequal(cluster[i], keys) for i in (0, 5)), WHOLE_SECONDS_MAX,
                   f"all owners equal: {unequal(cluster[0], keys)}", every=0.5)
        print(f"regions: whole {time.monotonic() - start:.1f} s after the cut")
        for node in (cluster[0], cluster[5]):
            with client(node) as resp:
                for key in BOTH:
                    values = set(resp.siblings(key)[1])
                    check({b"cut-eu", b"cut-us"} <= values, f"{key} at {node.name}: {values}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
