"""What a store may show after the load of load.py: pure functions over the recorded operations, and
the reads that they want. The promises' names (G1 to G6) are those of the comments below."""

import base64
import json

from load import id_of, number_of
from resp import Resp, RespError

PIPELINE = 100


def by_key(ops):
    keys = {}
    for op in ops:
        keys.setdefault(op.key, []).append(op)
    for some in keys.values():
        some.sort(key=lambda op: op.start)
    return keys


def judge(ops, shown):
    """What the values `shown` (ids) of one key break, as sentences. `ops`: all writes of it."""
    if any(op.kind.startswith("KV.") for op in ops):
        return _invented(ops, shown) + _judge_contexts(ops, shown)
    return _invented(ops, shown) + _judge_plain(ops, shown)


def _invented(ops, shown):
    """G2: every value was sent, and not refused; each shows once."""
    outcomes = {op.id: op.outcome for op in ops if op.kind in ("SET", "KV.PUT")}
    problems = [f"G2: {id} shows and was {outcomes.get(id, 'never sent')}" for id in shown
                if outcomes.get(id) not in ("ok", "unknown")]
    if len(set(shown)) != len(shown):
        problems.append(f"G3: one value twice: {sorted(shown)}")
    return problems


def _judge_plain(ops, shown):
    """One writer, operations one after another; only the last may have an unknown outcome."""
    problems = []
    acknowledged = [op for op in ops if op.outcome == "ok"]
    if not acknowledged:
        return problems
    last = acknowledged[-1]
    pending = [op for op in ops if op.outcome == "unknown"]
    # G1: the last acknowledged value, or what an operation of unknown outcome made of it.
    if last.kind == "SET" and last.id not in shown and not any(
            op.kind != "SET" or op.id in shown for op in pending):
        problems.append(f"G1: {last.id} was acknowledged last, and it shows {sorted(shown)}")
    # G2: what a GETDEL has returned is gone.
    for op in acknowledged:
        for id in op.seen:
            if id in shown:
                problems.append(f"G2: {op.id} deleted {id}, and it shows")
    return problems


def resurfaced(ops, shown):
    """Ids of a plain key that are older than its last acknowledged write and yet show: a node that
    was cut off from them when it coordinated that write could not supersede them."""
    numbers = [number_of(op.id) for op in ops if op.outcome == "ok"]
    return [id for id in shown if numbers and number_of(id) < numbers[-1]]


def _judge_contexts(ops, shown):
    shown = set(shown)
    visible = shown.union(*(op.seen for op in ops))
    puts = {op.id: op for op in ops if op.kind == "KV.PUT"}
    took_effect = [op for op in ops if op.outcome == "ok" or op.id in visible]
    covered = set().union(*(op.seen for op in took_effect))
    problems = []
    # G3, and G2 for deletions: what a write superseded that took effect does not show.
    for id in sorted(shown & covered):
        by = next(op for op in took_effect if id in op.seen)
        problems.append(f"{'G2' if by.kind == 'KV.DEL' else 'G3'}: {id} shows, "
                        f"superseded by {by.kind} {by.id}")
    # G1: every acknowledged value shows or is superseded; by a write of unknown outcome only if
    # that one, in turn, shows or is superseded.
    superseders = {}
    for op in ops:
        if op.outcome == "unknown":
            for id in op.seen:
                superseders.setdefault(id, []).append(op)
    settled = set()

    def is_settled(id):
        stack, met = [id], set()
        while stack:
            at = stack.pop()
            if at in shown or at in covered or at in settled:
                return True
            if at in met:
                continue
            met.add(at)
            for op in superseders.get(at, ()):
                if op.kind == "KV.DEL":
                    return True
                stack.append(op.id)
        return False

    for id, op in puts.items():
        if op.outcome == "ok":
            if is_settled(id):
                settled.add(id)
            else:
                problems.append(f"G1: {id} was acknowledged, does not show, and nothing supersedes it")
    # What was read was written (a read during the faults, too).
    for op in ops:
        for id in op.seen:
            if id not in puts or puts[id].outcome == "refused":
                problems.append(f"G2: {op.id} read {id}, which was "
                                f"{puts[id].outcome if id in puts else 'never sent'}")
    return problems


# ---- reads

def _pipelined(node, commands):
    """Answers of all `commands`, errors as values."""
    answers = []
    with Resp(node.resp_port, node.host, timeout=30) as resp:
        for at in range(0, len(commands), PIPELINE):
            some = commands[at:at + PIPELINE]
            resp.send(b"".join(Resp.encode(*command) for command in some))
            for _ in some:
                try:
                    answers.append(resp.read())
                except RespError as error:
                    answers.append(error)
    return answers


def read_all(node, keys, r):
    """{key: ids that show, or the error} through one node."""
    shown = {}
    for key, answer in zip(keys, _pipelined(node, [("KV.GET", key, "R", r) for key in keys])):
        if isinstance(answer, RespError):
            shown[key] = answer
        else:
            fields = dict(zip(answer[::2], answer[1::2]))
            shown[key] = sorted(id_of(key, value) or repr(value) for value in fields[b"values"])
    return shown


def read_cold(node, cold):
    """Cold keys that are not what was written, as sentences."""
    answers = _pipelined(node, [("GET", key) for key in cold.keys])
    return [f"G1: {key} through {node.name}: {str(answer)[:60]!r}"
            for key, answer in zip(cold.keys, answers) if answer != cold.value(key)]


def unequal(node, keys):
    """{key: how the owners' copies differ}, of those that do (G6)."""
    differing = {}
    for key, answer in zip(keys, _pipelined(node, [("KV.EXPLAIN", key) for key in keys])):
        if isinstance(answer, RespError):
            differing[key] = str(answer)
            continue
        copies = {}
        for copy in json.loads(answer)["copies"]:
            content = str(copy["error"]) if "error" in copy else _content(copy)
            copies.setdefault(content, []).append(copy["node"])
        if len(copies) != 1 or any("error" in copy for copy in json.loads(answer)["copies"]):
            differing[key] = "; ".join(f"{'+'.join(nodes)}: {content}"
                                       for content, nodes in copies.items())
    return differing


def _content(copy):
    clock = sorted((e["actor"], e["epoch"], e["n"]) for e in copy["clock"])
    siblings = sorted(
        (s["dot"]["actor"], s["dot"]["epoch"], s["dot"]["n"], s["state"], s.get("checksum", ""),
         base64.b64decode(s.get("value_base64", "")).decode(errors="replace")[:40])
        for s in copy["siblings"])
    return f"clock {clock} siblings {siblings}"
