#!/usr/bin/env python3
"""When may a tombstone be dropped? Random histories of one key, under several rules.

    docs/models/safe_deletes.py [--histories N] [--rule NAME]
    docs/models/safe_deletes.py --check      a test: the ballot must hold, what is weaker must break

Nodes 0 to 2 own the key, 3 and 4 do not: they take hints for owners that are down, and coordinate writes then. Steps, drawn
at random: put and delete with a context that a read gave, at an owner or, with owners out of reach, at a hint holder; reads
that gather copies from several nodes, hints too, over some time, and then push what they joined to owners (read repair) or
join it into their own row and write on it (read-first put); copies sent some time after they were read; hints replayed and
dropped; whole rows exchanged by owners; messages delivered late, in the order of their link, also after the link is cut;
links cut and made anew; crashes (what is in memory is lost, what is on disk stays), nodes away for long, disks lost, disks
restored from an old copy; and purges, several at a time, also of other keys of the partition. A history ends with every node
up, every link up, every copy delivered, every hint replayed.

At most one disk at a time is lost or restored and has not met a member since. No disk goes that alone holds an acknowledged
write.

Broken is a history that ends with a value which a visible or acknowledged write had replaced (undead), without one that
nothing replaced (lost), or with hints, puts or differences between owners that never end (stuck). "In a row" is how often one
put was refused for its stamp, at most. "Seeds" are the first broken histories. The rules:

  never      nothing is purged: the histories themselves break nothing
  time       an owner purges a tombstone some steps after it got it (grace period, as Cassandra's)
  owners     ... once every owner holds it
  settled    ... and every member has said, since then, that it holds no hint for the key
  ballot     docs/adr/0006-safe-deletes.md
and those in WEAKER, each of which is the ballot without one part. For each of these there is also a scripted history that
breaks without it, below; a few parts matter so rarely that drawn histories do not find it out. Those in AS_GOOD hold as well.
"""
import argparse
import random
import sys

OWNERS, HOLDERS, NODES = (0, 1, 2), (3, 4), range(5)
PLAIN = ("never", "time", "owners", "settled")
WEAKER = {
    "stamp-at-send": "a copy's stamp is taken when it is sent, not when it was read",
    "max-of-stamps": "a joined record bears the highest stamp of its sources",
    "join-unchecked": "a coordinator joins what it read elsewhere into its own row, or hint, at any stamp",
    "rows-unchecked": "an owner takes rows at any stamp",
    "hints-unchecked": "a holder takes hints at any stamp",
    "hints-by-purged": "a holder refuses hints below purged, not below promised",
    "hints-ignored": "a member promises though it holds a hint",
    "owners-only": "only owners are asked",
    "rows-ignored": "an owner promises though its row is another",
    "drop-any": "an owner drops its row though it is not the listed one any more",
    "promise-in-memory": "a promise is forgotten in a crash",
    "promise-again": "a member promises a number that it has promised already, or been raised to",
    "raise-in-memory": "a raise is forgotten in a crash",
    "no-raise": "who is refused a hint does not raise its promised",
    "no-floor": "who is asked for a read by a coordinator that needs a stamp does not raise its promised",
    "no-set-aside": "a disk that went back is not set aside",
    "no-adopt": "promised and purged are not raised to a peer's at link up",
    "adopt-purged-only": "only purged is raised at link up, promised no further than that",
    "one-phase": "owners set purged and drop at once when all have promised",
    "owners-commit": "only owners, not all members, set purged before the drop",
    "no-runs": "runs are not compared",
    "runs-at-promise": "runs are compared for a promise only",
    "runs-at-commit": "runs are compared for a commit only",
    "tell-before-hello": "a member tells its numbers at link up before it knows the peer's run",
    "serve-unmet": "a node serves after a start before it has met a member",
}
# What the ballot can do without.
AS_GOOD = {
    "old-frames": "all but greetings is still taken from an earlier connection, before or behind the new one's greeting",
}
RULES = (*PLAIN, "ballot", *AS_GOOD, *WEAKER)
GRACE, PATIENCE = 30, 150
PUT_REFUSED_MAX = 10  # times in a row
MOVES = {"put": 3, "read": 3, "gather": 14, "end": 7, "job": 25, "deliver": 130, "replay": 9, "exchange": 7, "crash": 0.25,
         "restart": 9, "connect": 25, "cut": 0.4, "weather": 1, "lose": 0.3, "backup": 2, "restore": 1, "purge": 9}
MOVE_NAMES = tuple(MOVES)
MOVE_WEIGHTS = [sum(list(MOVES.values())[:i + 1]) for i in range(len(MOVES))]


def seen(clock, dot):
    return clock.get(dot[:2], 0) >= dot[2]


def join(left, right):
    if left is None or right is None or left is right:
        return left or right
    (clock_l, sibs_l), (clock_r, sibs_r) = left, right
    clock = dict(clock_l)
    for counter, n in clock_r.items():
        if clock.get(counter, 0) < n:
            clock[counter] = n
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
        self.promised = self.purged = 0

    def copy(self):
        other = Disk(self.actor)
        other.__dict__.update(self.__dict__, hints=dict(self.hints), own=dict(self.own))
        return other


class Node:
    def __init__(self, index):
        self.index, self.up = index, True
        self.disk = Disk((index, 0))
        self.backups = []
        self.got_at = None  # when it got its tombstone
        self.sound = True  # not (lost or restored and alone since); the history's knowledge, not the node's
        self.start(0)

    def start(self, run):
        self.run = run
        self.promised = self.disk.promised  # in memory
        self.met = False  # has any member told it its numbers since this start?
        self.open = set()  # peers that have, on the present link: it sends to these
        self.runs = {}  # peer -> its run as its last hello told it
        self.reads = []  # under way
        self.jobs = []  # copies that have been read and are still to be sent
        self.ballot = None

    def owner(self):
        return self.index in OWNERS


class History:
    def __init__(self, seed, rule, steps=450):
        self.random, self.rule = random.Random(seed), rule
        self.balloting = rule not in PLAIN
        self.nodes = [Node(i) for i in NODES]
        self.links = {(i, j): [] for i in NODES for j in NODES if i != j}  # messages in order
        self.slow, self.trouble_at, self.vain = set(), 0, 0.1
        self.connected = set()
        self.contexts = [({}, frozenset())]
        self.replaced_by = {}  # value -> values its writer had seen
        self.acknowledged = set()
        self.lives, self.now, self.purges, self.refusals, self.worst = 0, 0, 0, 0, 0
        for i in NODES:
            for j in range(i):
                self.connect(self.nodes[i], self.nodes[j])
        self.deliver_all()
        moves = {name: getattr(self, "do_" + name) for name in MOVE_NAMES}
        choices = self.random.choices
        for name in choices(MOVE_NAMES, cum_weights=MOVE_WEIGHTS, k=steps):
            self.now += 1
            moves[name]()
            if self.now == self.trouble_at:
                moves[self.random.choice(("crash", "crash", "lose", "restore", "restore", "restore"))]()
        if steps:
            self.settle()

    # ---- rows, stamps ----

    def fresh(self):
        self.lives += 1
        return self.lives

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

    def rows_from(self, stamp, node):
        """May an owner take a row of this stamp?"""
        return stamp >= node.disk.purged or self.rule == "rows-unchecked"

    def hints_from(self, stamp, node):
        """May a holder take a hint of this stamp?"""
        if self.rule == "hints-by-purged":
            return stamp >= node.disk.purged
        return stamp >= node.promised or self.rule == "hints-unchecked"

    def promise(self, node, number, in_memory="promise-in-memory"):
        if number > node.promised:
            node.promised = number
            if self.rule != in_memory:
                node.disk.promised = number

    def raise_to(self, node, number):
        self.promise(node, number, "raise-in-memory")

    def copy_for(self, node, target):
        """What `node` holds for the owner `target`."""
        return node.disk.row if node.owner() else node.disk.hints.get(target)

    def send(self, node, target, *message):
        if target in node.open:
            self.links[node.index, target].append(message)

    # ---- requests ----

    def serving(self, indices=NODES):
        return [n for n in self.nodes if n.up and n.index in indices and (n.met or self.rule == "serve-unmet")]

    def put(self, node, context, values, joined=None, stamp=0, target=None, delete=False):
        """False if what was joined is too old for it."""
        value = None if delete and (values or self.random.random() < 0.2) else len(self.replaced_by) + 1
        if target is None:
            if joined is not None:
                if stamp < node.disk.purged and self.rule != "join-unchecked":
                    return False
                self.set_row(node, join(node.disk.row, joined))
            row = self.write(node, context, value)
            self.set_row(node, row)
        else:
            if joined is not None:
                if not self.hints_from(stamp, node) and self.rule != "join-unchecked":
                    return False
                node.disk.hints[target] = join(node.disk.hints.get(target), joined)
            row = self.write(node, context, value, target)
            node.disk.hints[target] = row
        name = value if value is not None else ("delete", len(self.replaced_by))
        self.replaced_by[name] = set(values).union(*(self.replaced_by[v] for v in values))
        self.acknowledged.add(name)
        for owner in OWNERS:
            if owner == node.index:
                continue
            holders = [h for h in HOLDERS if h in node.open]
            if owner in node.open and self.random.random() < 0.9:
                self.begin_job(node, (owner, "row", owner, row, node.promised, 0))
            elif holders and self.random.random() < 0.7:  # takes it to be down
                self.begin_job(node, (self.random.choice(holders), "hint", owner, row, node.promised, 0))
        return True

    def do_put(self):
        if self.now % 350 > 100:  # a quiet time
            return
        node = self.pick(self.serving(OWNERS)) if self.random.random() < 0.8 else None
        target = None
        if node is None:
            node, target = self.pick(self.serving(HOLDERS)), self.random.choice(OWNERS)
        if node is None:
            return
        if self.random.random() < 0.6:  # a client that has just read from all it could reach
            joined = None
            for peer in self.nodes:
                if peer is node or peer.index in node.open:
                    for row in (peer.disk.row, *peer.disk.hints.values()):
                        joined = join(joined, row)
            context = self.context_of(joined)
            delete = self.random.random() < 0.8
        else:
            context = self.random.choice(self.contexts[-5:])
            delete = self.random.random() < 0.3
        self.put(node, *context, target=target, delete=delete)

    def context_of(self, row):
        if row is None:
            return {}, frozenset()
        return row[0], frozenset(v for v in row[1].values() if v is not None)

    def pick(self, things):
        return self.random.choice(things) if things else None

    def do_read(self):
        node = self.pick(self.serving())
        if node is not None:
            self.begin_read(node, 0, 0)

    def begin_read(self, node, floor, tries, as_put=None):
        read = {"row": None, "stamp": node.promised, "floor": floor, "tries": tries, "put": as_put, "end": self.end_of()}
        for row in (node.disk.row, *node.disk.hints.values()):
            read["row"] = join(read["row"], row)
        node.reads.append(read)
        return read

    def do_gather(self):
        node = self.random.choice(self.nodes)
        if node.reads and node.open:
            self.gather(node, self.random.choice(node.reads), self.nodes[self.random.choice(sorted(node.open))])

    def gather(self, node, read, peer):
        """A reply of `peer` comes. The reading node may ask for a stamp, and the peer raises its own to that."""
        if not peer.up or node.index not in peer.open:
            return
        if peer.promised < read["floor"] and self.rule != "no-floor":
            self.raise_to(peer, read["floor"])
        rows = [row for row in (peer.disk.row, *peer.disk.hints.values()) if row is not None]
        for row in rows:
            read["row"] = join(read["row"], row)
        if rows:
            read["stamp"] = (max if self.rule == "max-of-stamps" else min)(read["stamp"], peer.promised)

    def do_end(self):
        node = self.random.choice(self.nodes)
        if node.reads:
            at = self.random.randrange(len(node.reads))
            if node.reads[at]["end"] <= self.now:
                self.end_read(node, node.reads.pop(at))

    def end_of(self):
        """When work that begins now may end: mostly at once, sometimes late."""
        return self.now + (self.random.randrange(50, 500) if self.random.random() < 0.2 else 0)

    def end_read(self, node, read):
        row, stamp = read["row"], read["stamp"]
        if self.rule == "stamp-at-send":
            stamp = node.promised
        context = self.context_of(row)
        if row is not None:
            self.contexts.append(context)
        if read["put"] is not None or self.random.random() < 0.4:  # a read-first put
            target = None if node.owner() else self.random.choice(OWNERS)
            if self.random.random() < 0.5:
                context = self.random.choice(self.contexts[-5:])
            if not self.put(node, *context, joined=row, stamp=stamp, target=target,
                            delete=self.random.random() < 0.4):
                self.refusals += 1
                self.worst = max(self.worst, read["tries"] + 1)
                self.begin_read(node, node.promised, read["tries"] + 1, as_put=True)
        elif row is not None:
            for owner in self.random.sample(OWNERS, 2):
                if owner != node.index:
                    if self.nodes[owner].disk.row == row:
                        continue
                    self.begin_job(node, (owner, "row", owner, row, stamp, None))
                elif stamp >= node.disk.purged or self.rule == "join-unchecked":
                    self.set_row(node, join(node.disk.row, row))

    def do_job(self):
        node = self.random.choice(self.nodes)
        if node.jobs:
            at = self.random.randrange(len(node.jobs))
            if node.jobs[at][0] <= self.now:
                self.end_job(node, node.jobs.pop(at))

    def begin_job(self, node, job):
        node.jobs.append((self.end_of(), *job))

    def end_job(self, node, job):
        _, peer, kind, target, row, stamp, tries = job
        if self.rule == "stamp-at-send":
            stamp = node.promised
        self.send(node, peer, kind, target, row, stamp, tries)

    def do_replay(self):
        node = self.nodes[self.random.choice(HOLDERS)]
        if node.disk.hints:
            target = self.random.choice(sorted(node.disk.hints))
            self.begin_job(node, (target, "replay", target, node.disk.hints[target], node.promised, None))

    def do_exchange(self):
        left, right = self.random.sample(OWNERS, 2)
        if self.nodes[left].disk.row == self.nodes[right].disk.row:
            return
        for index, peer in ((left, right), (right, left)):
            node = self.nodes[index]
            if node.disk.row is not None:
                self.begin_job(node, (peer, "row", peer, node.disk.row, node.promised, None))

    # ---- messages ----

    def do_deliver(self):
        ready = [link for link, queue in self.links.items() if queue and self.nodes[link[1]].up]
        if ready:
            link = self.random.choice(ready)
            if link not in self.slow or self.random.random() < 0.03:
                self.deliver(link)

    def do_weather(self):
        self.slow = set(self.random.sample(sorted(self.links), self.random.choice((0, 0, 1, 2, 3))))

    def deliver(self, link):
        kind, *rest = self.links[link].pop(0)
        getattr(self, "on_" + kind)(self.nodes[link[1]], link[0], *rest)

    def deliver_all(self, *held):
        while True:
            ready = [link for link, queue in self.links.items() if queue and link not in held]
            if not ready:
                return
            self.deliver(self.random.choice(ready))

    def on_row(self, node, source, target, row, stamp, tries):
        if self.rows_from(stamp, node):
            self.set_row(node, join(node.disk.row, row))
        elif tries is not None:
            self.refusals += 1
            self.send(node, source, "row_refused", tries + 1)

    def on_row_refused(self, node, source, tries):
        self.worst = max(self.worst, tries)
        row = self.copy_for(node, source)
        if row is not None:
            self.begin_job(node, (source, "row", source, row, node.promised, tries))

    def on_hint(self, node, source, target, row, stamp, tries):
        if node.owner():
            return
        if self.hints_from(stamp, node):
            node.disk.hints[target] = join(node.disk.hints.get(target), row)
        else:
            self.refusals += 1
            self.send(node, source, "hint_refused", target, node.promised, tries + 1)

    def on_hint_refused(self, node, source, target, promised, tries):
        self.worst = max(self.worst, tries)
        if self.rule != "no-raise":
            self.raise_to(node, promised)
        row = self.copy_for(node, target)
        if row is not None:
            self.begin_job(node, (source, "hint", target, row, node.promised, tries))

    def on_replay(self, node, source, target, row, stamp, tries):
        if self.rows_from(stamp, node):
            self.set_row(node, join(node.disk.row, row))
            self.send(node, source, "taken", target, row)

    def on_taken(self, node, source, target, row):
        if node.disk.hints.get(target) == row:
            del node.disk.hints[target]
            node.disk.own.pop(target, None)  # the counter goes with the row

    # ---- links ----

    def do_connect(self):
        left, right = self.random.sample(self.nodes, 2)
        if left.up and right.up:
            self.connect(left, right)

    def connect(self, left, right):
        pair = frozenset((left.index, right.index))
        if pair in self.connected:
            return
        self.connected.add(pair)
        for node, peer in ((left, right), (right, left)):
            node.open.discard(peer.index)
            # Nothing of an old connection is taken any more.
            link, greeting = self.links[node.index, peer.index], ("hello", node.run, node.promised, node.disk.purged)
            old = []
            if self.rule == "old-frames":
                old = [message for message in link if message[0] not in ("hello", "welcome")]
            link[:] = [*old, greeting] if old and self.random.random() < 0.5 else [greeting, *old]

    def on_hello(self, node, source, run, promised, purged):
        if frozenset((node.index, source)) not in self.connected:
            return
        node.runs[source] = run
        if self.rule == "tell-before-hello":
            self.numbers(node, source, promised, purged)
        else:
            self.links[node.index, source].append(("welcome", node.promised, node.disk.purged))

    def on_welcome(self, node, source, promised, purged):
        if frozenset((node.index, source)) in self.connected:
            self.numbers(node, source, promised, purged)

    def numbers(self, node, source, promised, purged):
        """What a peer tells at link up, once it knows this node's run."""
        if node.promised < purged and self.rule != "no-set-aside" and node.index in self.members():
            self.replace_disk(node, Disk((node.index, self.fresh())))
        if self.rule == "adopt-purged-only":
            self.raise_to(node, purged)
        elif self.rule != "no-adopt":
            self.raise_to(node, promised)
        if self.rule != "no-adopt":
            node.disk.purged = max(node.disk.purged, purged)
        node.met = True
        node.sound = node.sound or self.nodes[source].sound
        node.open.add(source)

    def replace_disk(self, node, disk):
        node.disk, node.promised = disk, disk.promised
        node.reads.clear()
        node.jobs.clear()
        node.ballot = None

    def do_cut(self):
        left, right = self.random.sample(self.nodes, 2)
        self.cut(left, right)

    def cut(self, left, right):
        self.connected.discard(frozenset((left.index, right.index)))
        left.open.discard(right.index)
        right.open.discard(left.index)

    # ---- what befalls nodes ----

    def do_crash(self):
        self.crash(self.random.choice(self.nodes))

    def crash(self, node):
        if not node.up:
            return
        node.up = False
        for peer in self.nodes:
            if peer is not node:
                self.cut(node, peer)
                self.links[peer.index, node.index].clear()
                if self.random.random() < 0.5:
                    self.links[node.index, peer.index].clear()
        node.start(None)

    def do_restart(self):
        node = self.random.choice(self.nodes)
        if not node.up:
            self.restart(node)

    def restart(self, node):
        node.up = True
        node.start(self.fresh())

    def covered(self, node):
        """Does no acknowledged write go with this disk? Are all the others what they were?"""
        if not all(n.sound for n in self.nodes if n is not node):
            return False
        others = [n.disk.row for n in self.nodes if n is not node and n.owner()]
        mine = [row for row in (node.disk.row, *node.disk.hints.values()) if row is not None]
        return all(any(other is not None and covers(other, row) for other in others) for row in mine)

    def do_lose(self):
        node = self.random.choice(self.nodes)
        if self.covered(node):
            self.new_disk(node, Disk(None))

    def do_backup(self):
        node = self.random.choice(self.nodes)
        node.backups = (node.backups + [node.disk.copy()])[-3:]

    def do_restore(self):
        node = self.random.choice(self.nodes)
        if node.backups and self.covered(node):
            self.new_disk(node, self.random.choice(node.backups).copy())

    def new_disk(self, node, disk):
        self.crash(node)
        disk.actor, disk.own = (node.index, self.fresh()), {}  # writes as another
        node.disk = disk
        node.sound = False
        self.restart(node)

    # ---- purging ----

    def drop(self, node, row):
        if node.up and row is not None and node.disk.row is not None and (
                node.disk.row == row or self.rule == "drop-any"):
            node.disk.row = node.got_at = None
            node.disk.own.pop(None, None)
            self.purges += 1

    def all_owners_hold(self, row):
        return all(self.nodes[o].up and self.nodes[o].disk.row == row for o in OWNERS)

    def do_purge(self):
        node = self.nodes[self.random.choice(OWNERS)]
        row = node.disk.row
        if self.rule == "never" or not node.up:
            return
        if self.balloting:
            if node.ballot is not None:
                if self.now - node.ballot["since"] > PATIENCE:
                    node.ballot = None
            elif self.random.random() < 0.03:
                self.begin_ballot(node, None)  # of other keys
            elif is_tombstone(row) and (self.all_owners_hold(row) or self.random.random() < 0.1):
                self.begin_ballot(node, row)
        elif not is_tombstone(row):
            return
        elif self.rule == "time":
            if node.got_at is not None and self.now - node.got_at >= GRACE:
                self.drop(node, row)
        elif self.all_owners_hold(row) and (
                self.rule == "owners" or all(n.up and not n.disk.hints for n in self.nodes)):
            for owner in OWNERS:
                self.drop(self.nodes[owner], row)

    def may_promise(self, node, number, row, runs):
        if number < node.promised or (number == node.promised and self.rule != "promise-again"):
            return False
        if self.rule not in ("no-runs", "runs-at-commit") and runs != {**node.runs, node.index: node.run}:
            return False
        if node.disk.hints and self.rule != "hints-ignored":
            return False
        return not node.owner() or row is None or node.disk.row == row or self.rule == "rows-ignored"

    def members(self):
        return OWNERS if self.rule == "owners-only" else NODES

    def begin_ballot(self, node, row):
        if len(node.open) < len(NODES) - 1:
            return
        number, runs = node.promised + 1, {**node.runs, node.index: node.run}
        if not self.may_promise(node, number, row, runs):
            return
        self.promise(node, number)
        if self.random.random() < 0.4:
            self.trouble_at = self.now + self.random.randrange(1, 60)
        node.ballot = {"number": number, "row": row, "runs": runs, "since": self.now, "promises": {node.index},
                       "commits": set()}
        for member in self.members():
            self.send(node, member, "ask", number, row, runs)

    def on_ask(self, node, source, number, row, runs):
        if self.may_promise(node, number, row, runs):
            self.promise(node, number)
            self.send(node, source, "promise", number)
        else:
            self.send(node, source, "no", number, node.promised)

    def on_no(self, node, source, number, promised):
        if node.ballot is not None and node.ballot["number"] == number:
            node.ballot = None
            self.raise_to(node, promised)

    def on_promise(self, node, source, number):
        ballot = node.ballot
        if ballot is None or ballot["number"] != number:
            return
        ballot["promises"].add(source)
        if ballot["promises"] != set(self.members()):
            return
        if self.rule == "one-phase":
            self.end_ballot(node)
            return
        members = OWNERS if self.rule == "owners-commit" else self.members()
        ballot["waits"] = set(members)
        for member in members:
            self.send(node, member, "commit", number, ballot["runs"])
        if self.commits(node, number, ballot["runs"]):
            self.on_committed(node, node.index, number)

    def commits(self, node, number, runs):
        if self.rule not in ("no-runs", "runs-at-promise") and runs != {**node.runs, node.index: node.run}:
            return False
        node.disk.purged = max(node.disk.purged, number)
        return True

    def on_commit(self, node, source, number, runs):
        if self.commits(node, number, runs):
            self.send(node, source, "committed", number)

    def on_committed(self, node, source, number):
        ballot = node.ballot
        if ballot is None or ballot["number"] != number:
            return
        ballot["commits"].add(source)
        if ballot["commits"] == ballot["waits"]:
            self.end_ballot(node)

    def end_ballot(self, node):
        number, row = node.ballot["number"], node.ballot["row"]
        node.ballot = None
        for owner in OWNERS:
            if owner == node.index:
                self.on_drop(node, node.index, number, row)
            elif self.random.random() >= self.vain:  # else told in vain: it keeps its tombstone
                self.send(node, owner, "drop", number, row)

    def on_drop(self, node, source, number, row):
        if self.rule == "one-phase":
            node.disk.purged = max(node.disk.purged, number)
        self.drop(node, row)

    # ---- the end ----

    def settle(self):
        for node in self.nodes:
            if not node.up:
                self.restart(node)
        for i in NODES:
            for j in range(i):
                self.connect(self.nodes[i], self.nodes[j])
        for turn in range(40):
            self.deliver_all()
            if not any(n.jobs or n.reads for n in self.nodes):
                if turn and all(not n.disk.hints for n in self.nodes) and \
                        all(self.nodes[o].disk.row == self.nodes[0].disk.row for o in OWNERS):
                    break
                for holder in HOLDERS:
                    node = self.nodes[holder]
                    for target, row in node.disk.hints.items():
                        self.begin_job(node, (target, "replay", target, row, node.promised, None))
                for node in self.nodes:
                    for owner in OWNERS:
                        if node.owner() and owner != node.index and node.disk.row is not None:
                            self.begin_job(node, (owner, "row", owner, node.disk.row, node.promised, None))
            for node in self.nodes:
                for read in [node.reads.pop() for _ in range(len(node.reads))]:
                    if read["put"]:
                        self.gather(node, read, self.random.choice(self.nodes))
                    self.end_read(node, read)
                while node.jobs:
                    self.end_job(node, node.jobs.pop(0))
        self.judge()

    def judge(self):
        self.stuck = any(n.disk.hints or n.jobs or n.reads for n in self.nodes) or \
            any(self.nodes[o].disk.row != self.nodes[0].disk.row for o in OWNERS)
        joined = None
        for node in self.nodes:
            if node.owner():
                joined = join(joined, node.disk.row)
        visible = set() if joined is None else {v for v in joined[1].values() if v is not None}
        replaced = set().union(*self.replaced_by.values()) if self.replaced_by else set()
        self.undead = bool(visible & replaced)
        wanted = {v for v in self.acknowledged if not isinstance(v, tuple)} - replaced
        self.lost = bool(wanted - visible)


def check():
    # Scripted histories: for each weaker rule one that it breaks, and that the ballot survives.
    from safe_deletes_scripts import SCRIPTS, breaks
    failures = []
    for script, rules in SCRIPTS.items():
        if breaks(script, "ballot"):
            failures.append(f"ballot breaks in {script.__name__}")
        failures += [f"{rule} does not break in {script.__name__}" for rule in rules if not breaks(script, rule)]
    missing = set(WEAKER) - {rule for rules in SCRIPTS.values() for rule in rules}
    failures += [f"{rule} has no script" for rule in missing]
    for rule, histories in (("ballot", 3000), ("old-frames", 1000)):
        purged = 0
        for seed in range(histories):
            history = History(seed, rule)
            purged += history.purges > 0
            if history.undead or history.lost or history.stuck or history.worst > PUT_REFUSED_MAX:
                failures.append(f"{rule} breaks with seed {seed}")
        if purged < histories // 75:
            failures.append(f"only {purged} of {histories} histories of {rule} purge")
    print(*failures or ["ok"], sep="\n")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--rule", choices=RULES, action="append")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a rule does not do what is said of it")
    options = parser.parse_args()
    if options.check:
        sys.exit(check())
    print(f"{'rule':18} {'histories':>9} {'with a purge':>12} {'undead':>7} {'lost':>6} {'stuck':>6} {'refused':>8} "
          f"{'in a row':>8}  seeds")
    for rule in options.rule or RULES:
        purged = undead = lost = stuck = refusals = worst = 0
        seeds = []
        for seed in range(options.first, options.first + options.histories):
            history = History(seed, rule)
            purged += history.purges > 0
            undead += history.undead
            lost += history.lost
            stuck += history.stuck
            refusals += history.refusals
            worst = max(worst, history.worst)
            if len(seeds) < 3 and (history.undead or history.lost or history.stuck):
                seeds.append(seed)
        print(f"{rule:18} {options.histories:9} {purged:12} {undead:7} {lost:6} {stuck:6} {refusals:8} {worst:8}  {seeds}",
              flush=True)


if __name__ == "__main__":
    main()
