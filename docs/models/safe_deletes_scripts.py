"""Scripted histories for safe_deletes.py: for each part of the ballot one that breaks without it."""
from safe_deletes import Disk, History, OWNERS, PUT_REFUSED_MAX


class Script(History):
    def __init__(self, rule):
        super().__init__(0, rule, steps=0)
        self.vain = 0
        self.old = self.value(self.nodes[0])
        for owner in OWNERS[1:]:
            self.nodes[owner].disk.row = self.old

    def value(self, node, target=None, context=({}, frozenset()), delete=False):
        """A put, acknowledged at once, whose copies are not sent."""
        self.put(node, *context, target=target, delete=delete)
        node.jobs.clear()
        return node.disk.row if target is None else node.disk.hints[target]

    def old_hint(self, holder):
        self.nodes[holder].disk.hints[0] = self.old

    def delete(self, owners=OWNERS):
        self.dead = self.value(self.nodes[0], context=(self.old[0], frozenset((1,))), delete=True)
        for owner in owners:
            self.nodes[owner].disk.row = self.dead

    def begin(self):
        self.begin_ballot(self.nodes[0], self.dead)

    def ballot(self):
        self.begin()
        self.deliver_all()

    def flow(self, source, target):
        while self.links[source, target]:
            self.deliver((source, target))

    def asked(self, *members):
        """The ask comes to these and their answer back."""
        for member in members:
            self.flow(0, member)
            self.flow(member, 0)

    def meet(self, i, j):
        self.connect(self.nodes[i], self.nodes[j])
        for _ in range(2):
            self.flow(i, j)
            self.flow(j, i)

    def gone_back(self, index, disk):
        self.new_disk(self.nodes[index], disk)
        return self.nodes[index]

    def send_copy(self, source, kind, target, row, stamp, owner=None):
        self.begin_job(self.nodes[source], (target, kind, target if owner is None else owner, row, stamp, None))

    def replay(self, holder, target):
        node = self.nodes[holder]
        if target in node.disk.hints:
            self.send_copy(holder, "replay", target, node.disk.hints[target], node.promised)

    def end(self):
        self.settle()
        return self.undead or self.lost or self.stuck or self.worst > PUT_REFUSED_MAX


def late_copy(h):
    """Read before the delete, sent after the purge."""
    h.delete()
    h.send_copy(1, "row", 0, h.old, 0)
    h.ballot()


def late_join(h):
    """As before, but a coordinator joins what it read into its own row, and writes on it."""
    h.delete()
    h.ballot()
    h.put(h.nodes[1], {}, frozenset(), joined=h.old, stamp=0)


def mixed_read(h):
    """A read begins before the delete and goes on after the purge."""
    read = h.begin_read(h.nodes[3], 0, 0)
    h.gather(h.nodes[3], read, h.nodes[1])
    h.delete()
    h.ballot()
    h.value(h.nodes[1])
    h.gather(h.nodes[3], read, h.nodes[1])
    h.nodes[3].reads.clear()
    h.send_copy(3, "row", 0, read["row"], read["stamp"])


def late_hint(h):
    """A hint comes to a holder that has promised."""
    h.delete()
    h.begin()
    h.asked(1, 2, 3)
    h.links[1, 3].append(("hint", 0, h.old, 0, 0))
    h.flow(1, 3)
    h.nodes[1].jobs.clear()
    h.deliver_all()
    h.nodes[1].jobs.clear()


def kept_hint(h):
    """A holder has a hint all the time."""
    h.old_hint(3)
    h.delete()
    h.ballot()
    h.cut(h.nodes[0], h.nodes[3])
    h.meet(0, 3)


def other_row(h):
    """An owner has not got the tombstone."""
    h.delete(owners=(0, 2))
    h.ballot()


def new_row(h):
    """An owner takes a new put between its promise and the drop."""
    h.delete()
    h.begin()
    h.asked(1)
    h.value(h.nodes[1])
    h.deliver_all()


def same_number(h):
    """Two initiators take the same number; an owner has an old row when the one asks, the tombstone when the other asks."""
    h.delete(owners=(0, 2))
    h.begin()
    h.begin_ballot(h.nodes[1], None)
    h.send_copy(1, "row", 0, h.old, h.nodes[1].promised)
    h.nodes[1].disk.row = h.dead
    h.deliver_all()


def crash_after(h):
    """A holder promises, the ballot ends, the holder takes a put and crashes."""
    h.delete()
    h.ballot()
    h.value(h.nodes[3], target=0)
    h.crash(h.nodes[3])
    h.restart(h.nodes[3])


def lost_and_crash(h):
    """An owner loses its disk, meets a peer, takes a put, crashes."""
    h.delete()
    h.ballot()
    h.gone_back(1, Disk(None))
    h.meet(1, 0)
    h.value(h.nodes[1])
    h.crash(h.nodes[1])
    h.restart(h.nodes[1])


def lost_and_put(h):
    """An owner loses its disk, meets a peer, takes a put, meets another."""
    h.delete()
    h.ballot()
    h.gone_back(1, Disk(None))
    h.meet(1, 0)
    h.value(h.nodes[1])


def given_up(h):
    """A holder has promised, the ballot comes to nothing, and an owner that was not asked has a hint for the holder."""
    h.delete(owners=(0, 1))
    h.begin()
    h.asked(3)
    h.links[0, 1].clear()
    row = h.value(h.nodes[1])
    h.begin_job(h.nodes[1], (3, "hint", 0, row, h.nodes[1].promised, 0))


def given_up_read(h):
    """A holder has promised, the ballot comes to nothing, and the holder would join into a hint what owners reply."""
    h.delete()
    h.begin()
    h.asked(3)
    for member in (1, 2, 4):
        h.links[0, member].clear()
    node = h.nodes[3]
    h.begin_read(node, 0, 0, as_put=True)
    while node.reads and h.worst <= PUT_REFUSED_MAX:
        read = node.reads.pop()
        h.gather(node, read, h.nodes[1])
        h.end_read(node, read)


def back_with_hint(h):
    """A disk with an old hint is restored after the purge; it meets the other holder first."""
    h.old_hint(4)
    disk = h.nodes[4].disk.copy()
    h.nodes[4].disk.hints.clear()
    h.delete()
    h.ballot()
    h.gone_back(4, disk)
    h.meet(4, 3)
    h.meet(4, 0)


def back_amid_commit(h):
    """The same while one member has not got its commit yet, and that one it meets first."""
    h.old_hint(4)
    disk = h.nodes[4].disk.copy()
    h.nodes[4].disk.hints.clear()
    h.delete()
    h.begin()
    h.asked(1, 2, 3, 4)  # now all have promised, the commits are on the links
    h.asked(1, 2, 4)
    h.gone_back(4, disk)
    h.meet(4, 3) if h.rule != "tell-before-hello" else h.connect(h.nodes[4], h.nodes[3])
    h.flow(3, 4)
    h.deliver_all((4, 3))
    h.meet(4, 0)


def lost_amid_promise(h):
    """An owner promises, loses its disk, and meets one that is asked after that."""
    h.delete()
    h.begin()
    h.asked(1, 4, 3)
    h.gone_back(1, Disk(None))
    h.meet(1, 2)
    h.value(h.nodes[1])
    h.asked(2, 4)
    h.meet(1, 0)


def lost_amid_commit(h):
    """An owner loses its disk when one has committed, and meets one that has only promised."""
    h.delete()
    h.begin()
    h.asked(1, 2, 3, 4)
    h.gone_back(1, Disk(None))
    h.meet(1, 2)
    h.value(h.nodes[1])
    h.meet(1, 0)


def back_and_alone(h):
    """A restored disk takes a put before it meets anybody."""
    disk = h.nodes[1].disk.copy()
    h.delete()
    h.ballot()
    node = h.gone_back(1, disk)
    if node in h.serving():
        h.value(node)


SCRIPTS = {
    late_copy: ("stamp-at-send", "rows-unchecked"), late_join: ("join-unchecked",), mixed_read: ("max-of-stamps",),
    late_hint: ("hints-unchecked", "hints-by-purged"), kept_hint: ("hints-ignored", "owners-only"),
    other_row: ("rows-ignored",), new_row: ("drop-any",), same_number: ("promise-again",), crash_after: ("promise-in-memory",),
    lost_and_crash: ("raise-in-memory",), lost_and_put: ("no-adopt",), given_up: ("no-raise",), given_up_read: ("no-floor",),
    back_with_hint: ("no-set-aside", "one-phase", "owners-commit"),
    back_amid_commit: ("no-runs", "runs-at-promise", "tell-before-hello"), lost_amid_promise: ("runs-at-commit",),
    lost_amid_commit: ("adopt-purged-only",), back_and_alone: ("serve-unmet",),
}


def breaks(script, rule):
    history = Script(rule)
    script(history)
    return history.end()
