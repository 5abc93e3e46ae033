#!/usr/bin/env python3
"""How may the owners of a partition change? Random histories of one key, under several rules.

    docs/models/moving.py [--histories N] [--rule NAME]
    docs/models/moving.py --check      a test: the joint rule must hold, what is weaker must break

Seven nodes, one to all of them members at first; a key with N = 3 (fewer where there are fewer members) and (R, W) one of
(2, 2), (1, 3), (3, 1). Its partition moves from owner set to owner set. Steps, drawn at random: puts and gets at any member, which may
have an old view; copies not sent, lost, late, in any order; copies that become durable some time after they came; hints for owners that
are out of reach, or taken to be, given back later; owners that repair each other; links cut and healed; crashes (what is on disk stays); views told or
not told; several nodes that propose a next view at once: another target, the old one again (abort), a joiner, a leaver or that it stays, a
dead node removed, a leaver dropped (and switched off), a move settled; exchanges of several messages, during which anything else happens; surplus
handed over and dropped; removed nodes that come back with their old view and join; in a few histories two clusters that were founded
apart, or recovery by force when most members are away. Some histories go message by message; others in bursts, in which a few nodes hear all that
they have for each other, and the rest hears nothing: so coordinators with old views and copies on just W owners are frequent. A history ends with
every node up but for those switched off and, sometimes, removed ones, every link up, and time enough for everything to end.

Views are decided by Paxos, which is abstracted here: one register for each number, which takes the first value proposed, and
can be used by a node that has view n and reaches most members of view n. A proposer may crash after that, and nobody has heard.
A row is the set of the writes it has seen; no write replaces another (for that, and for deletes: safe_deletes.py).

Broken is a history in which
  lost    an acknowledged write is on no owner at the end;
  missed  a strict get (R owners of each set, no fallback) does not show a write that was acknowledged before the get began, by owners
          only (W of each set), or, where 2R > N, what such a get showed before;
  stuck   something never ends: a move, surplus, a hint, a leaver, a request, or one that is begun when all is quiet.
Excused is what only dead nodes knew: a write that was acknowledged (or shown), in some set, by nodes only that an operator has removed as dead, may be
missed, and lost if they do not come back; a get whose answers came, in some set, only from such nodes may miss. With
W = 2 one node is removed as dead at most, with W = 3 two: so this excuses only histories with W = 1 or R = 1. After recovery by force and while two
clusters become one, gets may miss; nothing may be lost. "Seeds" are the first broken histories. The rules:

  still      the target never changes: the histories themselves break nothing
  switch     new owners take over as soon as a view is known; old ones hand over what they hold
  joint      docs/adr/0008-moving-partitions.md
and those in WEAKER, each of which is the joint rule without one part. For each of these there is also a scripted history that breaks
without it (moving_scripts.py); some parts matter so rarely that drawn histories do not find it out. Those in AS_GOOD hold as well.
"""
import argparse
import random
import sys

from moving_views import N, NODES, View, Views

PLAIN = ("still", "switch")
WEAKER = {
    "writes-to-union": "W is counted over the union of both sets",
    "reads-of-old": "gets ask the settled set only",
    "reads-of-new": "gets ask the target set only",
    "any-shape": "shapes are not compared",
    "shape-of-sets": "a shape is the sets only, without the number of the view in which they came to be",
    "ack-unchecked": "the shape is not compared again when a copy has become durable",
    "replies-kept": "a get that begins anew in a newer view keeps the replies it has",
    "one-source": "a new owner has arrived after an exchange with one old owner",
    "leavers-only": "... with those old owners only that do not stay",
    "dead-waited-for": "... with all old owners, removed ones too",
    "newcomers-only": "only new owners arrive, also where the target set is the smaller one",
    "early-exchange": "an old owner takes part in an exchange whatever its view",
    "late-exchange": "a new owner finishes an exchange that it began in another view",
    "arrival-kept": "who has arrived has arrived for the next target too",
    "arrival-early": "it says so before what it got is durable",
    "one-arrival": "a move settles when one new owner has arrived",
    "no-register": "views of one number are not decided: the greater one wins where they meet",
    "minority": "the register of a number is one for each proposer that cannot reach most members",
    "view-in-memory": "a view is forgotten in a crash",
    "drop-surplus": "who is no owner any more drops what it has",
    "drop-at-one": "... when one of today's owners has it",
    "drop-unchecked": "... when all of them had it, without a look at its present view",
    "drop-hints": "hints for who is no owner any more are dropped",
    "hints-wait": "... are kept for it",
    "hints-at-leaver": "a leaving member still takes hints",
    "leave-at-settle": "a leaving member is dropped when it owns nothing, whatever it holds",
    "empty-kept": "... if it was empty at any time",
    "back-as-owner": "who was removed, comes back and joins counts as arrived",
}
# What the rule can do without, or do instead.
AS_GOOD = {
    "hints-in-both": "a hint counts in each set, whoever it is for",
    "acks-kept": "a put that begins anew in a newer view keeps the acknowledgements of owners",
    "arrival-in-memory": "who has arrived is forgotten in a crash",
    "hand-to-both": "surplus of a moving partition is handed to the owners of both sets",
    "quorum-arrival": "a new owner has arrived after exchanges with so many old owners that each quorum is met",
}
RULES = (*PLAIN, "joint", *AS_GOOD, *WEAKER)
QUORUMS = ((2, 2), (2, 2), (2, 2), (1, 3), (3, 1))
MOVES = {"put": 16, "get": 14, "tend": 12, "deliver": 170, "sync": 60, "exchange": 55, "gossip": 4, "target": 5, "settle": 30,
         "join": 0.8, "leave": 0.6, "remove": 1, "drop": 2, "empty": 3, "replay": 8, "repair": 1, "hand": 9, "crash": 0.7,
         "restart": 6, "cut": 1, "heal": 3, "force": 3}
BURSTS = {"put": 10, "get": 8, "tend": 4, "flow": 6, "exchange": 22, "gossip": 3, "target": 5, "settle": 7, "join": 0.8, "leave": 0.8,
          "remove": 0.6, "drop": 1.5, "empty": 2, "replay": 1.5, "repair": 0.5, "hand": 3, "crash": 2, "restart": 4, "cut": 0.2, "heal": 1,
          "force": 0.5}
BAG_MAX = 40  # messages under way, in bursts
ROUNDS_MAX = 60  # of the quiet end


class Op:
    """A client's request, at its coordinator, in memory."""

    def __init__(self, name, kind, bits, must):
        self.name, self.kind, self.bits, self.must = name, kind, bits, must
        self.view = None  # the plan
        self.acks, self.hints, self.replies, self.tries = set(), {}, {}, 0


class Node:
    def __init__(self, index, view):
        self.index, self.up = index, True
        # on disk
        self.view = self.first_view = view
        self.row, self.hints, self.facts = 0, {}, set()
        self.start()

    def start(self):
        self.ops = {}
        self.pending = []  # taken, and not durable yet
        self.done = (None, frozenset())  # shape, with whom the exchange has been done
        self.handed = (None, 0, frozenset())  # shape, what, to whom

    def owner(self):
        return self.index in self.view.owners


class History(Views):
    def __init__(self, seed, rule, steps=1000):
        self.random, self.rule = random.Random(seed), rule
        draw = self.random
        self.read_need, self.write_need = draw.choice(QUORUMS)
        self.bag, self.cuts = [], set()
        self.now, self.names, self.writes = 0, 0, 0
        self.acked = {}  # bit -> (quorum of each set, holders)
        self.strict = self.shown = 0
        self.pledged = {}  # bit -> (name of the newest request by then, quorum of each set) of each strict ack and each show
        self.chosen, self.removed, self.forced = {}, set(), False
        self.missed = self.lost = self.stuck = False
        self.actor = 0
        self.soon = {}  # time -> nodes that get a request then
        self.left = set()  # leavers that were dropped, and are switched off at some time
        self.settled = 0
        self.silence, self.back = 0.1, 0.5  # how often nobody hears what was chosen; who was removed comes back
        self.loss, self.lag = draw.choice((0, 0.05, 0.2)), draw.choice((0, 0.05, 0.15))
        self.forcing = draw.random() < 0.05  # recovery by force, or two clusters
        self.vain, self.reading = draw.choice((0, 0.3, 0.5)), draw.choice((0.2, 0.5, 1))  # copies not sent, gets begun
        self.straight = draw.choice((0.7, 0.9, 1))  # how often a reachable owner is not taken for down
        self.found()
        self.bursts = draw.random() < 0.6
        if steps:
            if self.bursts:  # what is not heard in time is lost or late anyway
                self.loss = self.lag = self.vain = 0
            table = BURSTS if self.bursts else MOVES
            moves = {name: getattr(self, "do_" + name) for name in table}
            for name in draw.choices(tuple(table), tuple(table.values()), k=steps // 5 if self.bursts else steps):
                self.now += 1
                moves[name]()
                if self.bursts:
                    self.do_flow()
                for index in self.soon.pop(self.now, ()):
                    if self.nodes[index].up:
                        self.get(self.nodes[index]) if draw.random() < 0.6 else self.put(self.nodes[index])
            self.quiet()

    def found(self):
        draw = self.random
        members = draw.sample(NODES, draw.choice((1, 2, 3, 5, 6, 6, 7, 7)))
        halves = [members]
        if self.forcing and len(members) > 1 and draw.random() < 0.4:  # two clusters that have not met
            self.forced = True
            half = draw.randrange(1, len(members))
            halves = [members[:half], members[half:]]
        views = [self.first(half) for half in halves]
        self.nodes = [Node(i, next((v for v in views if i in v.members), views[0])) for i in NODES]

    # ---- messages ----

    def any_up(self):
        node = self.random.choice(self.nodes)
        self.actor = node.index
        return node if node.up else None

    def send(self, node, target, kind, *rest):
        if target == node.index:
            getattr(self, "on_" + kind)(node, target, *rest)
        elif self.linked(node.index, target) and self.nodes[target].up and self.random.random() >= self.loss:
            at = self.now + (self.random.randrange(20, 400) if self.random.random() < self.lag else 0)
            self.bag.append((at, node.index, target, kind, rest))

    def do_deliver(self):
        for _ in range(3):
            if self.bag:
                at = self.random.randrange(len(self.bag))
                if self.bag[at][0] <= self.now:
                    self.bag[at], self.bag[-1] = self.bag[-1], self.bag[at]
                    self.deliver(self.bag.pop())

    def do_flow(self):
        """Some nodes, among them the one that acted last, hear all that they have for each other; the rest waits."""
        draw = self.random
        some = set(draw.sample(NODES, draw.choice((1, 2, 3, 4, 5)))) | {self.actor}
        for _ in range(8):
            bag, self.bag = self.bag, []
            for message in bag:
                if message[1] in some and message[2] in some:
                    self.deliver(message)
                else:
                    self.bag.append(message)
            for index in sorted(some):
                node = self.nodes[index]
                while node.pending and draw.random() < 0.9:
                    self.sync(node, draw.randrange(len(node.pending)))
        if len(self.bag) > BAG_MAX:
            self.bag = draw.sample(self.bag, BAG_MAX // 2)

    def deliver(self, message):
        _, source, target, kind, rest = message
        node = self.nodes[target]
        if node.up:
            getattr(self, "on_" + kind)(node, source, *rest)

    def same(self, node, shape):
        return node.view.shape == shape or self.rule == "any-shape"

    def do_gossip(self):
        node = self.any_up()
        if node is not None:
            self.send(node, self.random.choice(NODES), "gossip", node.view, frozenset(node.facts))

    def on_gossip(self, node, source, view, facts):
        self.adopt(node, view)
        node.facts |= facts
        if view.order < node.view.order:
            self.send(node, source, "gossip", node.view, frozenset(node.facts))

    def differs(self, node, source, name=None):
        self.send(node, source, "differs", node.view, name)

    def on_differs(self, node, source, view, name):
        self.adopt(node, view)
        if view.order < node.view.order:
            self.send(node, source, "gossip", node.view, frozenset())
        op = node.ops.get(name)
        if op is not None and op.view.shape != node.view.shape:
            self.begin(node, op)

    # ---- requests ----

    def need(self, count, owners):
        return min(count, len(owners))

    def do_put(self):
        node = self.any_up()
        if node is not None and node.index in node.view.members and (node.owner() or self.random.random() < 0.3):
            self.put(node)

    def put(self, node):
        self.writes += 1
        return self.request(node, "put", 1 << self.writes)

    def do_get(self):
        node = self.any_up()
        if node is not None and node.index in node.view.members and self.random.random() < self.reading:
            self.get(node)

    def get(self, node):
        return self.request(node, "get", 0)

    def request(self, node, kind, bits):
        self.names += 1
        op = node.ops[self.names] = Op(self.names, kind, bits, self.strict | self.shown)
        self.begin(node, op)
        return op

    def begin(self, node, op):
        """Plans the request by the present view; anew if the view has changed."""
        if node.index not in node.view.members:
            node.ops.pop(op.name, None)  # it coordinates nothing
            return
        if op.kind == "back":
            op.kind = "get"
        op.view = node.view
        if self.rule != "replies-kept":
            op.replies = {}
        if self.rule != "acks-kept":
            op.acks = set()
        op.hints = {}
        if op.kind == "get":
            for owner in sorted(op.view.owners - set(op.replies)):
                self.send(node, owner, "get", op.view.shape, op.name)
            if self.rule == "replies-kept" and op.kind == "get" and op.name in node.ops:
                self.tally_get(node, op)
        else:
            if not node.owner() and node.index not in node.view.leavers:
                target = self.random.choice(sorted(op.view.owners))
                self.on_hint(node, node.index, op.view.shape, op.name, op.bits, target)
            self.push(node, op, sorted(op.view.owners), self.straight)
            self.tally(node, op)

    def push(self, node, op, owners, straight):
        for owner in owners:
            if owner in op.acks or owner in op.hints or (self.random.random() < self.vain and owner != node.index):
                continue
            if self.reach(node, (owner,)) and self.random.random() < straight:
                self.send(node, owner, "put", op.view.shape, op.name, op.bits)
            elif op.kind == "put" and self.random.random() < 0.7:
                holders = [h for h in self.reach(node, sorted(op.view.members)) if h != node.index and
                           h not in op.hints.values() and all(h not in s for s in op.view.sets if owner in s)]
                if holders:
                    self.send(node, self.random.choice(holders), "hint", op.view.shape, op.name, op.bits, owner)

    def do_tend(self):
        node = self.any_up()
        if node is not None and node.ops:
            op = node.ops[self.random.choice(list(node.ops))]
            op.tries += 1
            if op.tries > 5:
                del node.ops[op.name]  # the client has given up: outcome unknown
            else:
                self.tend(node, op)

    def tend(self, node, op):
        if op.view.shape != node.view.shape:
            self.begin(node, op)
        elif op.kind == "get":
            for owner in sorted(op.view.owners - set(op.replies)):
                self.send(node, owner, "get", op.view.shape, op.name)
        else:
            self.push(node, op, sorted(op.view.owners), 1 if op.kind == "back" else self.straight)

    def on_put(self, node, source, shape, name, bits):
        if self.same(node, shape):
            node.pending.append(("put", source, shape, name, bits))
        else:
            self.differs(node, source, name)

    def on_hint(self, node, source, shape, name, bits, target):
        if not self.same(node, shape):
            self.differs(node, source, name)
        elif node.index in node.view.members and (
                node.index not in node.view.leavers or self.rule == "hints-at-leaver"):
            node.pending.append(("hint", source, shape, name, bits, target))

    def on_get(self, node, source, shape, name):
        if self.same(node, shape):
            self.send(node, source, "got", shape, name, node.row)
        else:
            self.differs(node, source, name)

    def do_sync(self):
        for node in self.nodes:
            if node.pending and self.random.random() < 0.6:
                self.sync(node, self.random.randrange(len(node.pending)))

    def sync(self, node, at):
        """What was taken becomes durable, and is answered."""
        kind, source, shape, *rest = node.pending.pop(at)
        if kind == "hint":
            name, bits, target = rest
            node.hints[target] = node.hints.get(target, 0) | bits
        else:
            bits = rest[-1]
            node.row |= bits
        if kind == "rows":
            self.exchanged(node, source, shape)
        elif kind != "row":
            if self.same(node, shape) or self.rule == "ack-unchecked":
                self.send(node, source, {"put": "acked", "hint": "hinted", "hand": "handed", "replay": "taken"}[kind], shape, *rest)
            else:
                self.differs(node, source, rest[0] if kind in ("put", "hint") else None)

    def on_acked(self, node, source, shape, name, bits):
        op = node.ops.get(name)
        if op is not None and op.bits == bits and (op.view.shape == shape or self.rule in ("any-shape", "acks-kept")):
            op.acks.add(source)
            self.tally(node, op)

    def on_hinted(self, node, source, shape, name, bits, target):
        op = node.ops.get(name)
        if op is not None and op.view.shape == shape and op.kind == "put" and source not in op.hints.values():
            op.hints[target] = source
            self.tally(node, op)

    def write_sets(self, op):
        if self.rule == "writes-to-union":
            return (op.view.owners,)
        return op.view.sets

    def tally(self, node, op):
        if op.kind == "back":
            if all(len(op.acks & s) >= len(s) - self.need(self.read_need, s) + 1 for s in op.view.sets):
                self.show(node, op)
            return
        if op.kind != "put":
            return
        quorums, strict = [], True
        for owners in self.write_sets(op):
            count = self.need(self.write_need, owners)
            by_owners = op.acks & owners
            strict = strict and len(by_owners) >= count
            counts = owners if self.rule != "hints-in-both" else op.view.owners
            holders = {h for o, h in op.hints.items() if o in counts and o not in by_owners and h not in owners}
            if len(by_owners) + len(holders) < count:
                return
            quorums.append(frozenset(by_owners | holders))
        del node.ops[op.name]
        self.acked[op.bits] = (quorums, frozenset().union(*quorums))
        if strict:
            self.strict |= op.bits
            self.pledge(op.bits, quorums)

    def pledge(self, bits, quorums):
        while bits:
            bit = bits & -bits
            bits ^= bit
            self.pledged.setdefault(bit, []).append((self.names, quorums))

    def on_got(self, node, source, shape, name, row):
        op = node.ops.get(name)
        if op is None or op.kind != "get" or (op.view.shape != shape and self.rule != "any-shape"):
            return
        op.replies[source] = row
        self.tally_get(node, op)

    def tally_get(self, node, op):
        sets = op.view.sets
        if self.rule == "reads-of-old":
            sets = sets[:1]
        elif self.rule == "reads-of-new":
            sets = sets[-1:]
        if any(len(s & op.replies.keys()) < self.need(self.read_need, s) for s in sets):
            return
        op.bits = 0
        for reply in op.replies.values():
            op.bits |= reply
        if any(s & op.replies.keys() <= self.removed for s in sets) or self.forced:
            del node.ops[op.name]
            return
        op.missing = op.must & ~op.bits
        while op.missing:
            bit = op.missing & -op.missing
            op.missing ^= bit
            if not self.excused(bit, op.name):
                self.missed = True
        if self.read_need == 1:
            del node.ops[op.name]
            return
        # ADR 3: what the replies do not agree on is written back, in each set, before it is shown.
        op.kind = "back"
        op.acks = {i for i, reply in op.replies.items() if reply == op.bits and i in op.view.owners}
        self.tally(node, op)
        if op.name in node.ops:
            self.push(node, op, sorted(op.view.owners), 1)

    def show(self, node, op):
        del node.ops[op.name]
        self.shown |= op.bits
        self.pledge(op.bits, [frozenset(op.acks & s) for s in op.view.sets])

    def excused(self, bit, name):
        """Was all that this get must show of it known, in some set, to dead nodes only?"""
        return all(any(quorum <= self.removed for quorum in quorums)
                   for names, quorums in self.pledged[bit] if names < name)

    # ---- moving ----

    def do_exchange(self):
        coming = [n for n in self.nodes if n.up and n.view.moving() and n.index in self.arrivers(n.view) and
                  (n.index, n.view.shape) not in n.facts]
        if coming:
            node = self.random.choice(coming)
            self.actor = node.index
            self.exchange(node)

    def exchange(self, node):
        for source in sorted(self.sources(node.view, node.index) - self.with_whom(node)):
            if self.random.random() < 0.7:
                self.open(node, source)
        self.arrive(node)

    def open(self, node, source):
        self.send(node, source, "open", node.view.shape)

    def with_whom(self, node):
        shape, done = node.done
        return done if shape == node.view.shape else frozenset()

    def on_open(self, node, source, shape):
        if self.same(node, shape) or self.rule == "early-exchange":
            self.send(node, source, "sums", shape, node.row)
        else:
            self.differs(node, source)

    def on_sums(self, node, source, shape, row):
        if not self.same(node, shape) and self.rule != "late-exchange":
            return
        if row & ~node.row:
            self.send(node, source, "want", shape)
        else:
            self.exchanged(node, source, shape)

    def on_want(self, node, source, shape):
        if self.same(node, shape) or self.rule in ("early-exchange", "late-exchange"):
            self.send(node, source, "rows", shape, node.row)
        else:
            self.differs(node, source)

    def on_rows(self, node, source, shape, bits):
        node.pending.append(("rows", source, shape, bits))
        if self.rule == "arrival-early":
            self.exchanged(node, source, shape)

    def exchanged(self, node, source, shape):
        if self.same(node, shape) or self.rule == "late-exchange":
            node.done = (node.view.shape, self.with_whom(node) | {source})
            self.arrive(node)

    def arrive(self, node):
        view, done = node.view, self.with_whom(node)
        if not view.moving() or node.index not in self.arrivers(view):
            return
        left = self.sources(view, node.index) - done
        if self.rule == "one-source" and done:
            left = ()
        if self.rule == "quorum-arrival":
            there = len((done | {node.index}) & view.old)
            reads, writes = self.need(self.read_need, view.old), self.need(self.write_need, view.old)
            size = len(view.old)
            if there >= max(size - writes + 1, size - reads + 1, reads):
                left = ()
        if not left and (node.index, view.shape) not in node.facts:
            node.facts.add((node.index, view.shape))
            for member in sorted(view.members):
                self.send(node, member, "facts", frozenset(node.facts))

    def on_facts(self, node, source, facts):
        node.facts |= facts

    # ---- what is owed, and what nobody asked for ----

    def do_repair(self):
        node = self.any_up()
        if node is not None and node.owner():
            self.repair(node, self.random.choice(sorted(node.view.owners)))

    def repair(self, node, owner):
        if owner != node.index and node.row:
            self.send(node, owner, "row", node.view.shape, node.row)

    def on_row(self, node, source, shape, bits):
        if not self.same(node, shape):
            self.differs(node, source)
        elif bits & ~node.row:
            node.pending.append(("row", source, shape, bits))

    def do_replay(self):
        node = self.any_up()
        if node is not None and node.hints:
            self.replay(node, self.random.choice(sorted(node.hints)))

    def replay(self, node, target):
        if target in node.view.owners:
            self.send(node, target, "replay", node.view.shape, target, node.hints[target])
        elif self.rule != "hints-wait":  # what was owed to it is owed to the owners of today: the holder's own, or surplus
            node.row |= node.hints.pop(target)

    def on_replay(self, node, source, shape, target, bits):
        if self.same(node, shape):
            node.pending.append(("replay", source, shape, target, bits))
        else:
            self.differs(node, source)

    def on_taken(self, node, source, shape, target, bits):
        if node.hints.get(target) == bits:
            del node.hints[target]

    def do_hand(self):
        node = self.any_up()
        if node is not None and node.row and not node.owner():
            self.hand(node, self.random.choice(sorted(node.view.owners)))

    def hand(self, node, owner):
        self.send(node, owner, "hand", node.view.shape, node.row)

    def on_hand(self, node, source, shape, bits):
        if self.same(node, shape):
            node.pending.append(("hand", source, shape, bits))
        else:
            self.differs(node, source)

    def on_handed(self, node, source, shape, bits):
        unchecked = self.rule == "drop-unchecked"
        if not self.same(node, shape) and not unchecked:
            return
        was, what, to = node.handed
        to = (to if what == bits and was == shape else frozenset()) | {source}
        node.handed = (shape, bits, to)
        owners = shape[2] | shape[3] if self.rule == "hand-to-both" else shape[3]
        if owners <= to or self.rule == "drop-at-one":
            if node.row == bits and (not node.owner() or unchecked):
                node.row = 0

    def do_empty(self):
        node = self.any_up()
        if node is not None:
            self.report_empty(node)

    def report_empty(self, node):
        """A leaving member that holds nothing says so. It takes nothing any more."""
        for index, since in node.view.leaving:
            if index == node.index and not node.owner() and not (node.row or node.hints or node.pending):
                node.facts.add(("empty", index, since))

    # ---- what befalls nodes ----

    def do_crash(self):
        self.crash(self.random.choice(self.nodes))

    def crash(self, node):
        node.up = False
        node.start()
        if self.rule == "view-in-memory":
            node.view = node.first_view
        if self.rule == "arrival-in-memory":
            node.facts.clear()

    def do_restart(self):
        self.random.choice(self.nodes).up = True

    def do_cut(self):
        if self.random.random() < 0.3:  # a part of the cluster
            part = set(self.random.sample(NODES, self.random.choice((1, 2, 3))))
            self.cuts |= {(i, j) for i in NODES for j in NODES if i < j and (i in part) != (j in part)}
        else:
            self.cuts.add(tuple(sorted(self.random.sample(NODES, 2))))

    def do_heal(self):
        if self.cuts:
            if self.random.random() < 0.5:
                self.cuts.clear()
            else:
                self.cuts.remove(self.random.choice(sorted(self.cuts)))

    # ---- the end ----

    def newest(self):
        return max((n.view for n in self.nodes if n.up), key=lambda view: view.order)

    def deliver_all(self):
        while self.bag or any(n.pending for n in self.nodes):
            bag, self.bag = self.bag, []
            self.random.shuffle(bag)
            for message in bag:
                self.deliver(message)
            for node in self.nodes:
                while node.pending:
                    self.sync(node, 0)

    def quiet(self):
        self.cuts.clear()
        self.loss, self.lag, self.vain, self.straight = 0, 0, 0, 1
        members = self.newest().members
        for node in self.nodes:
            node.up = node.up or node.index in members or node.index not in self.removed or self.random.random() < self.back
        for turn in range(ROUNDS_MAX):
            self.deliver_all()
            if turn and self.is_quiet():
                break
            self.turn()
        else:
            self.stuck = True
        if not self.stuck:
            self.last_requests()
        self.judge()

    def turn(self):
        newest = self.newest()
        facts = frozenset().union(*(n.facts for n in self.nodes if n.up))
        for node in self.nodes:
            if node.index in newest.members:
                node.up = True
            elif node.index in self.left:
                self.crash(node)  # switched off
            if node.up:
                self.on_gossip(node, node.index, newest, facts)
        for node in self.nodes:
            if not node.up:
                continue
            for op in list(node.ops.values()):
                self.tend(node, op)
            if node.view.moving() and node.index in self.arrivers(node.view):
                self.exchange(node)
            for target in sorted(node.hints):
                self.replay(node, target)
            for owner in sorted(node.view.owners):
                if node.owner():
                    self.repair(node, owner)
                elif node.row:
                    self.hand(node, owner)
            self.report_empty(node)
        for make in (self.make_settle, self.make_drop):
            node = self.nodes[self.random.choice(sorted(newest.members))]
            if node.up:
                self.change(node, make)

    def is_quiet(self):
        view = self.newest()
        for node in self.nodes:
            if not node.up:
                continue
            if node.view is not view and node.view.order != view.order:
                return False
            if node.hints or node.ops or (node.row and not node.owner()):
                return False
        rows = {self.nodes[i].row for i in view.owners}
        return not view.moving() and not view.leaving and len(rows) == 1

    def last_requests(self):
        members = sorted(self.newest().members)
        self.put(self.nodes[self.random.choice(members)])
        self.get(self.nodes[self.random.choice(members)])
        for _ in range(5):
            self.deliver_all()
            for node in self.nodes:
                for op in list(node.ops.values()):
                    self.tend(node, op)
        self.deliver_all()
        self.stuck = any(n.ops for n in self.nodes)

    def judge(self):
        view = self.newest()
        there = 0
        for index in view.owners:
            there |= self.nodes[index].row
        for bit, (_, holders) in self.acked.items():
            if not bit & there and any(self.nodes[i].up or i not in self.removed for i in holders):
                self.lost = True

    def broken(self):
        return self.missed or self.lost or self.stuck


def check():
    # Scripted histories: for each weaker rule one that it breaks, and that the joint rule survives.
    from moving_scripts import SCRIPTS, breaks
    failures = []
    for script, rules in SCRIPTS.items():
        if breaks(script, "joint"):
            failures.append(f"joint breaks in {script.__name__}")
        failures += [f"{rule} does not break in {script.__name__}" for rule in rules if not breaks(script, rule)]
    missing = set(WEAKER) - {rule for rules in SCRIPTS.values() for rule in rules}
    failures += [f"{rule} has no script" for rule in sorted(missing)]
    for rule, histories in (("joint", 1000), *((rule, 100) for rule in AS_GOOD)):
        settled = 0
        for seed in range(histories):
            history = History(seed, rule)
            settled += history.settled > 0
            if history.broken():
                failures.append(f"{rule} breaks with seed {seed}")
        if settled < histories // 4:
            failures.append(f"only {settled} of {histories} histories of {rule} settle a move")
    print(*failures or ["ok"], sep="\n")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--rule", choices=RULES, action="append")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a rule does not do what is said of it")
    options = parser.parse_args()
    if options.check:
        sys.exit(check())
    print(f"{'rule':18} {'histories':>9} {'with a move':>11} {'lost':>6} {'missed':>7} {'stuck':>6}  seeds")
    for rule in options.rule or RULES:
        settled = lost = missed = stuck = 0
        seeds = []
        for seed in range(options.first, options.first + options.histories):
            history = History(seed, rule)
            settled += history.settled > 0
            lost += history.lost
            missed += history.missed
            stuck += history.stuck
            if len(seeds) < 4 and history.broken():
                seeds.append(seed)
        print(f"{rule:18} {options.histories:9} {settled:11} {lost:6} {missed:7} {stuck:6}  {seeds}", flush=True)


if __name__ == "__main__":
    main()
