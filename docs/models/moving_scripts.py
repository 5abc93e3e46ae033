"""Scripted histories for moving.py: for each part of the joint rule one that breaks without it."""
from moving import History, Node
from moving_views import NODES


class Script(History):
    """Nodes 0 to 2 own the key, all seven are members. Nothing is lost or late unless the script says so."""

    def __init__(self, rule):
        super().__init__(0, rule, steps=0)
        self.loss = self.lag = self.vain = self.silence = self.back = 0
        self.straight, self.forcing = 1, False
        self.set_up((0, 1, 2))

    def found(self):
        pass

    def set_up(self, owners, members=NODES, quorums=(2, 2)):
        self.read_need, self.write_need = quorums
        view = self.first(list(members), owners)
        self.nodes = [Node(i, view) for i in NODES]

    # ---- views ----

    def view(self, by, **changes):
        """The node `by` has the next view decided; nobody else hears of it."""
        self.propose(self.nodes[by], lambda node, view: self.next(view, **changes))

    def target(self, by, *new):
        self.view(by, new=frozenset(new))

    def tell(self, source, *others):
        node = self.nodes[source]
        for other in others:
            self.on_gossip(self.nodes[other], source, node.view, frozenset(node.facts))
        self.bag.clear()

    def move(self, by, *new):
        """Another target, of which all hear that are up."""
        self.target(by, *new)
        self.tell(by, *self.reach(self.nodes[by], NODES))

    def settle(self, by, *told):
        for node in self.nodes:
            self.nodes[by].facts |= node.facts
        self.propose(self.nodes[by], self.make_settle)
        self.tell(by, *told)

    def remove(self, by, dead):
        self.crash(self.nodes[dead])
        self.propose(self.nodes[by], lambda node, view: self.make_remove(view, dead))

    def leave(self, by, leaver):
        view = self.nodes[by].view
        self.view(by, leaving=view.leaving | {(leaver, view.order[2] + 1)})

    def stay(self, by):
        self.view(by, leaving=frozenset())

    def drop(self, by):
        self.propose(self.nodes[by], self.make_drop)
        for node in self.left - self.newest().members:
            self.crash(self.nodes[node])

    # ---- messages ----

    def among(self, *some):
        """What these nodes have for each other comes, and answers too, until there is nothing; the rest is lost."""
        while True:
            bag, self.bag = [m for m in self.bag if m[1] in some and m[2] in some], []
            for message in bag:
                self.deliver(message)
            for i in some:
                while self.nodes[i].pending:
                    self.sync(self.nodes[i], 0)
            if not self.bag:
                return

    def put_at(self, by, *owners, hints=()):
        """A put that only these owners hear of, and holders of hints: (owner, holder)."""
        node = self.nodes[by]
        op = self.put(node)
        if by not in owners:
            node.pending.clear()
        self.among(by, *owners)
        for owner, holder in hints:
            self.send(node, holder, "hint", op.view.shape, op.name, op.bits, owner)
            self.among(by, holder)
        node.ops.pop(op.name, None)
        return op

    def get_at(self, by, *owners):
        node = self.nodes[by]
        op = self.get(node)
        op.replies.pop(by, None) if by not in owners else None
        self.among(by, *owners)
        node.ops.pop(op.name, None)

    def exchange_with(self, index, *sources):
        for source in sources:
            self.open(self.nodes[index], source)
            self.among(index, source)
            if self.bag == [] and self.with_whom(self.nodes[index]).isdisjoint((source,)):
                self.open(self.nodes[index], source)  # once more: the other side has the view now
                self.among(index, source)
        self.arrive(self.nodes[index])

    def fill(self, *newcomers, sources=(0, 1, 2)):
        for newcomer in newcomers:
            self.exchange_with(newcomer, *sources)

    def hand_over(self, source, *owners):
        for owner in owners:
            self.hand(self.nodes[source], owner)
            self.among(source, owner)

    def end(self):
        self.quiet()
        return self.broken()


def put_to_old_half(h):
    """Both new owners have arrived; a put has W in the old set only."""
    h.move(0, 0, 3, 4)
    h.fill(3, 4)
    h.put_at(1, 1, 2)
    h.settle(0, 3, 4)
    h.get_at(3, 3, 4)


def get_from_old_half(h):
    """The move has settled, two old owners have not heard of it, and one is asked for a get."""
    h.move(0, 0, 3, 4)
    h.fill(3, 4)
    h.settle(0, 3, 4)
    h.put_at(3, 3, 4)
    h.get_at(1, 1, 2)


def get_from_new_half(h):
    """New owners are asked that have not arrived."""
    h.put_at(1, 1, 2)
    h.move(0, 0, 3, 4)
    h.get_at(3, 3, 4)


def put_in_old_view(h):
    """Two old owners have not heard of the move, and take a put."""
    h.target(0, 0, 3, 4)
    h.tell(0, 3, 4)
    h.fill(3, 4)
    h.settle(0, 3, 4)
    h.tell(0, 3, 4)
    h.put_at(1, 1, 2)
    h.get_at(3, 3, 4)


def same_target_again(h):
    """The new owners arrive, the move is aborted, and begun again after a put."""
    h.move(0, 0, 3, 4)
    h.fill(3, 4)
    h.move(0, 0, 1, 2)
    h.put_at(1, 1, 2)
    h.move(0, 0, 3, 4)
    h.settle(0, 3, 4)
    h.get_at(3, 3, 4)


def durable_late(h):
    """Old owners take a put, hear of the move, do the exchange, and then the put becomes durable."""
    node = h.nodes[1]
    h.put(node)
    for message in [m for m in h.bag if m[2] == 2]:
        h.deliver(message)
    h.bag.clear()
    held = [h.nodes[i].pending for i in (1, 2)]
    for i in (1, 2):
        h.nodes[i].pending = []
    h.move(0, 0, 3, 4)
    h.fill(3, 4)
    for i, pending in zip((1, 2), held):
        h.nodes[i].pending = pending
    h.among(1, 2)
    node.ops.clear()
    h.settle(0, 3, 4)
    h.get_at(3, 3, 4)


def reply_of_before(h):
    """A get has the answer of a new owner from before it arrived, and begins anew when the move has settled."""
    h.put_at(1, 1, 2)
    h.move(0, 0, 3, 4)
    op = h.get(h.nodes[5])
    h.among(5, 3)
    h.fill(3, 4)
    h.settle(0, 3, 4, 5)
    h.begin(h.nodes[5], op)
    h.among(5, 0)
    h.nodes[5].ops.clear()


def one_exchange(h):
    """The new owners ask an old one that has missed a put."""
    h.put_at(1, 1, 2)
    h.move(0, 0, 3, 4)
    h.fill(3, 4, sources=(0,))
    h.settle(0, 3, 4)
    h.get_at(3, 3, 4)


def from_one_to_three(h):
    """A cluster of one node grows: no old owner leaves."""
    h.set_up((0,), members=(0, 1, 2))
    h.put_at(0, 0)
    h.move(0, 0, 1, 2)
    h.fill(1, 2, sources=())
    h.settle(0, 1, 2)
    h.get_at(1, 1, 2)


def dead_and_departing(h):
    """The only old owner that does not stay is dead and removed; one that stays holds what it knew."""
    h.put_at(0, 0, 2)
    h.remove(1, 2)
    h.target(1, 0, 1, 3)
    h.tell(1, 0, 3)
    h.arrive(h.nodes[3])
    h.settle(1, 0, 3)
    h.get_at(1, 1, 3)


def from_three_to_two(h):
    """A cluster of three nodes shrinks: nobody is a new owner. W = 1."""
    h.set_up((0, 1, 2), members=(0, 1, 2), quorums=(3, 1))
    h.put_at(2, 2)
    h.leave(0, 2)
    h.target(0, 0, 1)
    h.tell(0, 1, 2)
    h.settle(0, 1, 2)
    h.get_at(0, 0, 1)


def put_after_exchange(h):
    """Old owners do the exchange before they hear of the move, and take a put then."""
    h.target(0, 0, 3, 4)
    h.tell(0, 3, 4)
    for newcomer in (3, 4):
        for source in (0, 1, 2):
            h.open(h.nodes[newcomer], source)
            for message in [m for m in h.bag if m[3] == "open"]:
                h.bag.remove(message)
                h.deliver(message)
            for message in [m for m in h.bag if m[3] == "sums"]:
                h.bag.remove(message)
                h.deliver(message)
            h.bag.clear()
    h.put_at(1, 1, 2)
    h.settle(0, 3, 4)
    h.get_at(3, 3, 4)


def answer_of_before(h):
    """An exchange begins; the move is aborted, and begun again after a put; now the answer comes."""
    h.move(0, 0, 3, 4)
    for newcomer in (3, 4):
        for source in (0, 1, 2):
            h.open(h.nodes[newcomer], source)
    for message in [m for m in h.bag if m[3] == "open"]:
        h.bag.remove(message)
        h.deliver(message)
    answers = list(h.bag)
    h.move(0, 0, 1, 2)
    h.put_at(1, 1, 2)
    h.move(0, 0, 3, 4)
    for message in answers:
        h.deliver(message)
    h.settle(0, 3, 4)
    h.get_at(3, 3, 4)


def next_target(h):
    """A new owner arrives, misses a put, and is a new owner of the next target too."""
    h.move(0, 3, 4, 6)
    h.fill(3)
    h.put_at(0, 0, 1, 4, 6)
    h.move(0, 2, 3, 5)
    h.fill(5)
    h.settle(0, 2, 3, 5)
    h.get_at(2, 2, 3)


def crash_after_arrival(h):
    """New owners crash before what they got is durable."""
    h.put_at(1, 1, 2)
    h.move(0, 0, 3, 4)
    for newcomer in (3, 4):
        for source in (0, 1, 2):
            h.open(h.nodes[newcomer], source)
            while h.bag:
                h.deliver(h.bag.pop())
    h.settle(0, 3, 4)
    for newcomer in (3, 4):
        h.crash(h.nodes[newcomer])
        h.nodes[newcomer].up = True
    h.tell(0, 3, 4)
    h.get_at(3, 3, 4)


def one_has_arrived(h):
    """One of two new owners has arrived."""
    h.put_at(1, 1, 2)
    h.move(0, 0, 3, 4)
    h.fill(3)
    h.settle(0, 3, 4)
    h.get_at(4, 0, 4)


def two_targets(h):
    """A node that has not heard of a move begins moves of its own, while the first one settles."""
    h.target(0, 0, 3, 4)
    h.tell(0, 1, 2, 3, 4)
    h.cuts = {(i, 6) for i in range(6)} if h.rule in ("minority", "joint") else set()
    for new in ((0, 5, 6), (0, 2, 6), (2, 5, 6)):
        h.target(6, *new)
    h.fill(3, 4)
    h.settle(0, 1, 2, 3, 4)
    h.put_at(3, 3, 4)
    h.cuts.clear()
    h.tell(6, 0, 1, 2, 3, 4, 5)
    h.get_at(5, 0, 1, 2, 5)


def crash_after_exchange(h):
    """Old owners crash after the exchange and take a put."""
    h.move(0, 0, 3, 4)
    h.fill(3, 4)
    for i in (1, 2):
        h.crash(h.nodes[i])
        h.nodes[i].up = True
    h.put_at(1, 1, 2)
    h.settle(0, 3, 4)
    h.get_at(3, 3, 4)


def back_from_the_dead(h):
    """W = 1: what a dead owner knew alone comes back with it, after it was removed."""
    h.set_up((0, 1, 2), quorums=(3, 1))
    h.put_at(1, 1)
    h.remove(0, 1)
    h.target(0, 0, 2, 3)
    h.tell(0, 2, 3)
    h.fill(3, sources=(0, 2))
    h.settle(0, 2, 3)
    h.nodes[1].up = True
    h.tell(0, 1)


def back_and_gone(h):
    """The same; the owner that it gave it to dies and is removed before the others have it."""
    back_from_the_dead(h)
    h.hand_over(1, 0)
    h.remove(2, 0)


def owner_again(h):
    """Two old owners have handed over; the answers come when they are owners again."""
    h.put_at(1, 1, 2)
    h.move(0, 0, 3, 4)
    h.fill(3, 4)
    h.settle(0, 1, 2, 3, 4)
    answers = []
    for source in (1, 2):
        for owner in (0, 3, 4):
            h.hand(h.nodes[source], owner)
            for message in h.bag:
                h.deliver(message)
            h.bag.clear()
            for i in (0, 3, 4):
                while h.nodes[i].pending:
                    h.sync(h.nodes[i], 0)
            answers += h.bag
            h.bag.clear()
    h.move(0, 1, 2, 5)
    h.fill(1, 2, 5, sources=(0, 3, 4))
    h.settle(0, 1, 2, 5)
    for message in answers:
        h.deliver(message)
    h.get_at(1, 1, 2)


def hints_for_old_owners(h):
    """A put is acknowledged by two hints; then their owners are owners no more."""
    h.put_at(0, hints=((1, 5), (2, 6)))
    h.move(0, 0, 3, 4)
    h.fill(3, 4)
    h.settle(0, 3, 4, 5, 6)


def hint_to_leaver(h):
    """W = 1: a coordinator that does not know that a fallback leaves gives it a hint; the partition does not move."""
    h.set_up((0, 1, 2), quorums=(3, 1))
    h.leave(0, 5)
    h.tell(0, 5)
    h.report_empty(h.nodes[5])
    h.put_at(6, hints=((1, 5),))
    h.tell(5, 0)
    h.drop(0)


def leaver_with_hint(h):
    """W = 1: a fallback has a hint and leaves."""
    h.set_up((0, 1, 2), quorums=(3, 1))
    h.put_at(6, hints=((1, 5),))
    h.leave(0, 5)
    h.drop(0)


def leaver_twice(h):
    """W = 1: a member leaves and is empty, stays after all, takes a hint, leaves again."""
    h.set_up((0, 1, 2), quorums=(3, 1))
    h.leave(0, 5)
    h.tell(0, 5)
    h.report_empty(h.nodes[5])
    h.tell(5, 0)
    h.stay(0)
    h.tell(0, 5, 6)
    h.put_at(6, hints=((1, 5),))
    h.leave(0, 5)
    h.drop(0)


def owner_comes_back(h):
    """A dead owner is removed, comes back, joins, and is an owner by the next target."""
    h.remove(0, 2)
    h.target(0, 0, 1, 3)
    h.tell(0, 1, 3)
    h.fill(3, sources=(0, 1))
    h.settle(0, 1, 3)
    h.put_at(0, 0, 3)
    h.nodes[2].up = True
    h.view(0, members=frozenset(NODES), new=frozenset((1, 2, 4)))
    h.tell(0, *NODES)
    h.fill(4, sources=(0, 1, 3))
    h.settle(0, 1, 2, 4)
    h.get_at(1, 1, 2)


SCRIPTS = {
    put_to_old_half: ("writes-to-union",), get_from_old_half: ("reads-of-old",), get_from_new_half: ("reads-of-new",),
    put_in_old_view: ("any-shape",), same_target_again: ("shape-of-sets",), durable_late: ("ack-unchecked",),
    reply_of_before: ("replies-kept",), one_exchange: ("one-source",), from_one_to_three: ("leavers-only",),
    dead_and_departing: ("leavers-only", "dead-waited-for"), from_three_to_two: ("newcomers-only",), put_after_exchange: ("early-exchange",),
    answer_of_before: ("late-exchange",), next_target: ("arrival-kept",), crash_after_arrival: ("arrival-early",),
    one_has_arrived: ("one-arrival",), two_targets: ("no-register", "minority"), crash_after_exchange: ("view-in-memory",),
    back_from_the_dead: ("drop-surplus",), back_and_gone: ("drop-at-one",), owner_again: ("drop-unchecked",),
    hints_for_old_owners: ("drop-hints", "hints-wait"), hint_to_leaver: ("hints-at-leaver",), leaver_with_hint: ("leave-at-settle",),
    leaver_twice: ("empty-kept",), owner_comes_back: ("back-as-owner",),
}


def breaks(script, rule):
    history = Script(rule)
    script(history)
    return history.end()
