#!/usr/bin/env python3
"""When may a tombstone be dropped? Random histories of one key, under several rules.

    docs/models/safe_deletes.py [--histories N] [--rule NAME]

Nodes 0 to 2 own the key, 3 and 4 do not: they take hints for owners that are down, and coordinate writes then. Steps, drawn at
random: put and delete with a context that a read gave, at an owner or, with owners down, at a hint holder; reads that push what
they joined to owners later (read repair); hints replayed and dropped; messages delivered late, in the order of their link;
crashes (what is in memory is lost, what is on disk stays), nodes away for long, disks lost, disks restored from an old copy;
and purges. A history ends with every node up and every copy delivered and joined.

Broken is a history that ends with a value which a visible or acknowledged write had replaced (undead), or without one that
nothing replaced (lost). The rules:

  never      nothing is purged: the histories themselves break nothing
  time       an owner purges a tombstone some steps after it got it (grace period, as Cassandra's)
  owners     ... once every owner holds it
  settled    ... and every member has said, since then, that it holds no hint for the key
  round      ... in one round that every member takes part in: it begins with all owners holding the tombstone; in it, no
             member holds a hint for the key at any time; work that began before it is over, and each link has carried
             a marker behind what was sent before the round
  fenced     the same, and a disk that took part in fewer rounds than its peers remember is set aside when it returns
  hints-once, no-work, no-markers
             fenced, but a round asks for hints at its beginning only, does not wait for work, sends no markers: what each
             part is for
"""
import argparse
import collections
import random

OWNERS, NODES = (0, 1, 2), range(5)
RULES = ("never", "time", "owners", "settled", "round", "fenced", "hints-once", "no-work", "no-markers")
FENCED = ("fenced", "hints-once", "no-work", "no-markers")
GRACE = 12


def seen(clock, dot):
    return clock.get(dot[:2], 0) >= dot[2]


def join(left, right):
    if left is None or right is None:
        return left or right
    (clock_l, sibs_l), (clock_r, sibs_r) = left, right
    clock = dict(clock_l)
    for counter, n in clock_r.items():
        clock[counter] = max(clock.get(counter, 0), n)
    sibs = {d: v for d, v in sibs_l.items() if d in sibs_r or not seen(clock_r, d)}
    sibs.update({d: v for d, v in sibs_r.items() if d in sibs_l or not seen(clock_l, d)})
    return clock, sibs


def covers(left, right):
    """Has `left` seen all that `right` has?"""
    return all(left[0].get(counter, 0) >= n for counter, n in right[0].items())


def is_tombstone(row):
    return row is not None and all(value is None for value in row[1].values())


class Disk:
    """What a crash leaves."""

    def __init__(self, actor):
        self.actor, self.epochs = actor, 0
        self.row = None
        self.hints = {}  # target -> row
        self.own = {}  # None (its own row) or a hint's target -> (actor, epoch, n) of what it began there
        self.rounds = 0  # purge rounds it took part in

    def copy(self):
        other = Disk(self.actor)
        other.__dict__.update(self.__dict__, hints=dict(self.hints), own=dict(self.own))
        return other


class Node:
    def __init__(self, index):
        self.index, self.up = index, True
        self.disk = Disk((index, 0))
        self.backups = []
        self.repairs = []  # (target, row): reads that are not over
        self.got_at = None  # when it got its tombstone
        self.markers = set()  # members whose marker of this round has come
        self.marked = False  # its own have been sent
        self.work_before = []  # repairs that were under way when the round began
        self.round_ok = True


class History:
    def __init__(self, seed, rule, steps=600):
        self.random, self.rule = random.Random(seed), rule
        self.nodes = [Node(i) for i in NODES]
        self.links = collections.defaultdict(list)  # (from, to) -> messages in order
        self.contexts = [({}, frozenset())]
        self.replaced_by = {}  # value -> values its writer had seen
        self.acknowledged = set()
        self.lives, self.now, self.purges = 0, 0, 0
        self.round = None  # (number, the tombstone)
        self.round_number = 0
        self.remembered = {}  # node -> rounds that its peers know it took part in
        for self.now in range(steps):
            self.step()
        self.settle()

    # ---- what nodes do ----

    def fresh_actor(self, index):
        self.lives += 1
        return index, self.lives

    def write(self, node, context, value, target=None):
        """The coordinator's new row, or its hint's: joined with the context and a fresh dot."""
        disk = node.disk
        base = disk.row if target is None else disk.hints.get(target)
        clock, sibs = base or ({}, {})
        kept = {d: v for d, v in sibs.items() if not seen(context, d)}
        clock = {c: max(clock.get(c, 0), context.get(c, 0)) for c in {*clock, *context}}
        own = disk.own.get(target)
        if base is None or own is None or own[0] != disk.actor:
            disk.epochs += 1
            own = (disk.actor, disk.epochs, 0)
        dot = disk.own[target] = (*own[:2], own[2] + 1)
        clock[dot[:2]] = dot[2]
        kept[dot] = value
        return clock, kept

    def set_row(self, node, row):
        if is_tombstone(row) and not is_tombstone(node.disk.row):
            node.got_at = self.now
        node.disk.row = row

    def take(self, node, row):
        if node.index in OWNERS:
            self.set_row(node, join(node.disk.row, row))

    def send(self, source, target, *message):
        self.links[source, target].append(message)

    def add_hint(self, node, target, row):
        node.disk.hints[target] = join(node.disk.hints.get(target), row)
        if self.rule != "hints-once":
            node.round_ok = False

    def put(self):
        up_owners = [n for n in self.nodes if n.up and n.index in OWNERS]
        others = [n for n in self.nodes if n.up and n.index not in OWNERS]
        context, values = self.random.choice(self.contexts[-5:])
        delete = self.random.random() < 0.5
        value = None if delete else len(self.replaced_by) + 1
        if up_owners and self.random.random() < 0.8:
            node = self.random.choice(up_owners)
            row = self.write(node, context, value)
            self.set_row(node, row)
        elif others:  # a hint holder, for owners that it takes to be down
            node = self.random.choice(others)
            target = self.random.choice(OWNERS)
            row = self.write(node, context, value, target)
            self.add_hint(node, target, row)
        else:
            return
        name = value if value is not None else ("delete", len(self.replaced_by))
        self.replaced_by[name] = set(values).union(*(self.replaced_by[v] for v in values))
        self.acknowledged.add(name)
        for owner in OWNERS:
            if owner == node.index:
                continue
            if self.nodes[owner].up:
                self.send(node.index, owner, "row", row)
            elif others and self.random.random() < 0.7:
                self.send(node.index, self.random.choice(others).index, "hint", owner, row)

    def read(self):
        """Copies of some nodes, hints too, joined; what was joined goes to owners later."""
        node = self.random.choice([n for n in self.nodes if n.up] or [None])
        if node is None:
            return
        joined = None
        for peer in self.nodes:
            if peer.up and self.random.random() < 0.6:
                for row in (peer.disk.row, *peer.disk.hints.values()):
                    joined = join(joined, row)
        if joined is None:
            return
        values = frozenset(v for v in joined[1].values() if v is not None)
        self.contexts.append((dict(joined[0]), values))
        target = self.random.choice(OWNERS)
        node.repairs.append((target, joined))

    def deliver(self):
        ready = [link for link, queue in self.links.items() if queue and self.nodes[link[1]].up]
        if not ready:
            return
        link = self.random.choice(ready)
        kind, *rest = self.links[link].pop(0)
        node = self.nodes[link[1]]
        if kind == "row":
            self.take(node, rest[0])
        elif kind == "hint":
            if node.index not in OWNERS:
                self.add_hint(node, *rest)
        elif kind == "marker" and self.round is not None and rest[0] == self.round[0]:
            node.markers.add(link[0])

    def end_repair(self, node):
        target, row = node.repairs.pop(self.random.randrange(len(node.repairs)))
        self.send(node.index, target, "row", row)

    def replay(self, node):
        target = self.random.choice(sorted(node.disk.hints))
        if self.nodes[target].up:  # acknowledged, then dropped
            self.take(self.nodes[target], node.disk.hints.pop(target))
            node.disk.own.pop(target, None)  # the counter goes with the row

    # ---- what befalls them ----

    def crash(self, node):
        node.up = False
        node.repairs.clear()
        node.round_ok = False
        for source, target in list(self.links):
            if target == node.index or (source == node.index and self.random.random() < 0.5):
                self.links[source, target].clear()

    def restart(self, node):
        node.up = True
        # Peers take no more from its old connections.
        for target in NODES:
            self.links[node.index, target].clear()
        if self.rule in FENCED and node.disk.rounds < self.remembered.get(node.index, 0):
            node.disk = Disk(self.fresh_actor(node.index))
            node.disk.rounds = self.remembered.get(node.index, 0)

    def lose_disk(self, node):
        """Only as long as no acknowledged write goes with it."""
        others = [n.disk.row for n in self.nodes if n is not node and n.index in OWNERS]
        mine = [row for row in (node.disk.row, *node.disk.hints.values()) if row is not None]
        if all(any(other is not None and covers(other, row) for other in others) for row in mine):
            self.crash(node)
            rounds = node.disk.rounds
            node.disk = Disk(self.fresh_actor(node.index))
            node.disk.rounds = rounds  # an empty disk has nothing to bring back
            node.up = True

    def restore(self, node):
        others = [n.disk.row for n in self.nodes if n is not node and n.index in OWNERS]
        mine = [row for row in (node.disk.row, *node.disk.hints.values()) if row is not None]
        if not node.backups or not all(
                any(other is not None and covers(other, row) for other in others) for row in mine):
            return
        self.crash(node)
        node.disk = self.random.choice(node.backups).copy()
        node.disk.actor = self.fresh_actor(node.index)  # a restored disk writes as another
        node.disk.own = {}
        self.restart(node)

    # ---- purging ----

    def drop(self, node, row):
        if node.up and node.disk.row is not None and node.disk.row[0] == row[0] and \
                is_tombstone(node.disk.row):
            node.disk.row = node.got_at = None
            node.disk.own.pop(None, None)
            self.purges += 1

    def all_owners_hold(self, row):
        return all(self.nodes[o].up and self.nodes[o].disk.row is not None and
                   self.nodes[o].disk.row[0] == row[0] for o in OWNERS)

    def purge(self):
        node = self.nodes[self.random.choice(OWNERS)]
        row = node.disk.row
        if self.rule == "never" or not node.up or not is_tombstone(row):
            return
        if self.rule == "time":
            if node.got_at is not None and self.now - node.got_at >= GRACE:
                self.drop(node, row)
        elif self.rule == "owners":
            if self.all_owners_hold(row):
                for owner in OWNERS:
                    self.drop(self.nodes[owner], row)
        elif self.rule == "settled":
            if self.all_owners_hold(row) and all(n.up and not n.disk.hints for n in self.nodes):
                for owner in OWNERS:
                    self.drop(self.nodes[owner], row)
        elif self.round is None:
            self.begin_round(row)

    def begin_round(self, row):
        if not self.all_owners_hold(row) or not all(n.up for n in self.nodes):
            return
        self.round_number += 1
        self.round = (self.round_number, row)
        for node in self.nodes:
            node.round_ok = not node.disk.hints
            node.markers = set(NODES) if self.rule == "no-markers" else {node.index}
            node.disk.rounds = self.round_number  # durable before it answers
            node.work_before = list(node.repairs)
            node.marked = False
        self.remembered = {n.index: self.round_number for n in self.nodes}

    def go_on_with_round(self):
        if self.round is None:
            return
        number, row = self.round
        if not all(n.up and n.round_ok for n in self.nodes):
            self.round = None  # tried again later
            return
        for node in self.nodes:
            works = any(r is w for r in node.repairs for w in node.work_before)
            if not node.marked and (not works or self.rule == "no-work"):
                node.marked = True
                for target in NODES:
                    if target != node.index:
                        self.send(node.index, target, "marker", number)
        if all(node.marked and node.markers == set(NODES) for node in self.nodes):
            self.round = None
            for owner in OWNERS:
                if self.random.random() < 0.9:  # else told in vain: it keeps its tombstone
                    self.drop(self.nodes[owner], row)

    # ---- the history ----

    def step(self):
        node = self.random.choice(self.nodes)
        what = self.random.choices(
            ("put", "read", "deliver", "repair", "replay", "crash", "restart", "lose", "backup",
             "restore", "purge", "round"),
            (3, 3, 120, 10, 10, 0.3, 6, 0.15, 1.5, 0.8, 12, 60))[0]
        if what == "put":
            self.put()
        elif what == "read":
            self.read()
        elif what == "deliver":
            self.deliver()
        elif what == "repair" and node.up and node.repairs:
            self.end_repair(node)
        elif what == "replay" and node.up and node.disk.hints:
            self.replay(node)
        elif what == "crash" and node.up:
            self.crash(node)
        elif what == "restart" and not node.up:
            self.restart(node)
        elif what == "lose" and node.up:
            self.lose_disk(node)
        elif what == "backup":
            node.backups = (node.backups + [node.disk.copy()])[-3:]
        elif what == "restore" and node.up:
            self.restore(node)
        elif what == "purge":
            self.purge()
        elif what == "round":
            self.go_on_with_round()

    def settle(self):
        for node in self.nodes:
            if not node.up:
                self.restart(node)
        for node in self.nodes:
            while node.repairs:
                self.end_repair(node)
        while any(self.links.values()):
            self.deliver()
        rows = [row for n in self.nodes for row in (n.disk.row, *n.disk.hints.values())]
        joined = None
        for row in rows:
            joined = join(joined, row)
        visible = set() if joined is None else {v for v in joined[1].values() if v is not None}
        replaced = set().union(*self.replaced_by.values()) if self.replaced_by else set()
        self.undead = bool(visible & replaced)
        wanted = {v for v in self.acknowledged if not isinstance(v, tuple)} - replaced
        self.lost = bool(wanted - visible)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=20_000)
    parser.add_argument("--rule", choices=RULES)
    options = parser.parse_args()
    print(f"{'rule':11} {'histories':>9} {'with purges':>11} {'undead':>7} {'lost':>6}")
    for rule in [options.rule] if options.rule else RULES:
        purged = undead = lost = 0
        for seed in range(options.histories):
            history = History(seed, rule)
            purged += history.purges > 0
            undead += history.undead
            lost += history.lost
        print(f"{rule:11} {options.histories:9} {purged:11} {undead:7} {lost:6}", flush=True)


if __name__ == "__main__":
    main()
