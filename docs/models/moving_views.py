"""The views of moving.py: what may follow a view, who proposes it, how it is decided, who adopts it."""
N, NODES = 3, range(7)


class View:
    """Who owns the partition. Immutable, but for the rules without a decision, which give each proposer views of its own."""

    def __init__(self, order, members, leaving, old, new, since, with_since=True):
        self.order = order  # (generation, founder, number), compared so
        self.members, self.leaving = members, leaving  # leaving: (node, number of the view since which it leaves)
        self.old, self.new, self.since = old, new, since
        self.sets = (old,) if old == new else (old, new)
        self.owners = old | new
        self.shape = (order[:2], since if with_since else None, old, new)
        self.leavers = frozenset(node for node, _ in leaving)

    def moving(self):
        return self.old != self.new

    def __repr__(self):
        sets = " ".join("".join(map(str, sorted(s))) for s in self.sets)
        return f"<{self.order} {''.join(map(str, sorted(self.members)))} owners {sets} since {self.since}>"


class Views:
    """The part of a History (moving.py) in which views are made, proposed and adopted."""

    def first(self, members, owners=None):
        owners = frozenset(owners or members[:N])
        return View((0, members[0], 1), frozenset(members), frozenset(), owners, owners, 1, self.rule != "shape-of-sets")

    def next(self, view, members=None, leaving=None, old=None, new=None):
        members = view.members if members is None else members
        old, new = view.old if old is None else old, view.new if new is None else new
        leaving = view.leaving if leaving is None else leaving
        if self.rule == "switch":
            old = new
        order = (*view.order[:2], view.order[2] + 1)
        # A partition that another change leaves as it is keeps its shape, and who has arrived there.
        since = view.since if (old, new) == (view.old, view.new) else order[2]
        return View(order, members, leaving, old, new, since, self.rule != "shape-of-sets")

    def linked(self, i, j):
        return i == j or (min(i, j), max(i, j)) not in self.cuts

    def reach(self, node, among):
        return [i for i in among if self.nodes[i].up and self.linked(node.index, i)]

    def propose(self, node, make):
        """Proposes what `make` makes of the newest view; a node that loses begins anew on top of what won."""
        for _ in range(3):
            view = node.view
            value = make(node, view) if node.index in view.members else None
            if value is None:
                return
            most = 2 * len(self.reach(node, view.members)) > len(view.members)
            key = value.order
            if self.rule == "no-register":
                value.order = (*value.order, node.index)
                value.shape = (value.shape[0], (value.since, node.index), value.old, value.new)
                self.adopt(node, value)
                return
            if not most:
                if self.rule != "minority":
                    return
                key = (*key, node.index)
                value.order = (*value.order, node.index)
            won = self.chosen.setdefault(key, value)
            if won is value:  # requests soon after a change are the most telling
                for index in self.random.choices(sorted(value.owners | view.owners), k=5):
                    self.soon.setdefault(self.now + self.random.randrange(1, 60), []).append(index)
            if self.random.random() < self.silence:
                return  # nobody has heard
            self.adopt(node, won)
            if won is value:
                return

    def adopt(self, node, view):
        if view.order <= node.view.order:
            return
        if view.old == view.new and node.view.new == view.new and node.view.moving():
            self.settled += 1
        node.view = view
        if self.rule == "drop-surplus" and not node.owner():
            node.row = 0
        if self.rule == "drop-hints":
            for target in [t for t in node.hints if t not in view.owners]:
                del node.hints[target]

    def active(self, view):
        return view.members - view.leavers

    def claim(self, view, members, leavers, change):
        """Another target: `change` owners differ, and more where owners are not to be had."""
        usable = [i for i in sorted(members) if i not in leavers]
        if not usable:
            return None
        self.random.shuffle(usable)
        count = min(N, len(usable))
        if self.random.random() < 0.2 and len(view.old) == count and view.old <= set(usable):
            return view.old  # abort
        base = view.new if self.random.random() < 0.6 else view.old
        kept = [i for i in usable if i in base][:max(0, count - change)]
        others = [i for i in usable if i not in kept]
        return frozenset((kept + others)[:count])

    def make_target(self, node, view):
        if view.moving() and self.random.random() < 0.6:
            return None
        new = self.claim(view, view.members, view.leavers, self.random.choice((1, 2, 2, 3)))
        return self.next(view, new=new) if new and new != view.new else None

    def make_settle(self, node, view):
        if not view.moving():
            return None
        who = self.arrivers(view)
        there = {i for i in who if self.has_arrived(node, i, view)}
        if there == who or (there and self.rule == "one-arrival"):
            return self.next(view, old=view.new)
        return None

    def has_arrived(self, node, index, view):
        if (index, view.shape) in node.facts:
            return True
        if self.rule == "back-as-owner" and index in self.removed:
            return True
        return self.rule == "arrival-kept" and any(
            fact[0] == index and fact[1][2] == view.old and index in fact[1][3] for fact in node.facts)

    def arrivers(self, view):
        """Who must have arrived before the move settles."""
        if len(view.new) < len(view.old) and self.rule != "newcomers-only":
            return view.new
        return view.new - view.old

    def sources(self, view, index):
        """With whom `index` does an exchange to arrive."""
        old = view.old - view.new if self.rule == "leavers-only" else view.old
        return (old if self.rule == "dead-waited-for" else old & view.members) - {index}

    def make_drop(self, node, view):
        for index, since in sorted(view.leaving):
            if index in view.owners:
                continue
            if self.rule == "leave-at-settle" or ("empty", index, since) in node.facts or (
                    self.rule == "empty-kept" and any(f[:2] == ("empty", index) for f in node.facts)):
                self.left.add(index)
                return self.next(view, members=view.members - {index}, leaving=view.leaving - {(index, since)})
        return None

    def change(self, node, make):
        if node is not None and self.rule != "still":
            self.propose(node, make)

    def do_target(self):
        self.change(self.any_up(), self.make_target)

    def do_settle(self):
        able = [n for n in self.nodes if n.up and n.index in n.view.members and self.make_settle(n, n.view) is not None]
        if able:
            node = self.random.choice(able)
            self.actor = node.index
            self.change(node, self.make_settle)

    def do_drop(self):
        self.change(self.any_up(), self.make_drop)

    def do_join(self):
        joiner = self.any_up()
        if joiner is None or not self.reach(joiner, joiner.view.members) or joiner.index in joiner.view.members:
            return

        def make(node, view):
            if joiner.index in view.members:
                return None
            members = view.members | {joiner.index}
            new = view.new
            if self.random.random() < 0.7 or len(new) < min(N, len(members - view.leavers)):
                new = self.with_one(view, members, joiner.index)
            return self.next(view, members=members, new=new)
        self.change(self.nodes[self.random.choice(self.reach(joiner, joiner.view.members))], make)

    def with_one(self, view, members, index):
        usable = [i for i in sorted(members - view.leavers) if i != index]
        self.random.shuffle(usable)
        usable.sort(key=lambda i: i not in view.new)
        count = min(N, len(usable) + 1)
        return frozenset([index, *usable[:count - 1]])

    def do_leave(self):
        leaver = self.random.choice(NODES)

        def make(node, view):
            if leaver not in view.members or len(self.active(view)) < 2:
                return None
            if leaver in view.leavers:  # it stays after all
                return self.next(view, leaving=frozenset(l for l in view.leaving if l[0] != leaver))
            leaving = view.leaving | {(leaver, view.order[2] + 1)}
            new = view.new
            if leaver in new:
                new = self.claim(view, view.members, view.leavers | {leaver}, 0)
            return self.next(view, leaving=leaving, new=new)
        self.change(self.any_up(), make)

    def do_remove(self):
        dead = next((i for i in self.random.sample(NODES, 7) if not self.nodes[i].up), None)
        if dead is not None and len(self.removed) < max(1, self.write_need - 1):
            self.change(self.any_up(), lambda node, view: self.make_remove(view, dead))

    def make_remove(self, view, dead):
        if dead not in view.members or len(self.active(view) - {dead}) < 1:
            return None
        self.removed.add(dead)
        members, leaving = view.members - {dead}, frozenset(l for l in view.leaving if l[0] != dead)
        new = view.new
        if dead in new or len(new) > len(members):
            new = self.claim(view, members, view.leavers, 0)
        return self.next(view, members=members, leaving=leaving, new=new)

    def do_force(self):
        """Most members are away for good, thinks an operator."""
        node = self.any_up()
        if not self.forcing or node is None or node.index not in node.view.members or self.rule == "still":
            return
        view, there = node.view, self.reach(node, node.view.members)
        if 2 * len(there) > len(view.members) or self.random.random() < 0.5:
            return
        self.forced = True
        members = frozenset(there)
        self.removed |= view.members - members
        new = self.claim(view, members, frozenset(), 0)
        self.adopt(node, View((view.order[0] + 1, node.index, 1), members, frozenset(), view.old, new, 1,
                              self.rule != "shape-of-sets"))
