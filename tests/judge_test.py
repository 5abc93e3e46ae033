#!/usr/bin/env python3
"""Goal: the judge of the test of faults sees each kind of broken promise, and no other. No processes:
histories written by hand."""

import unittest

from judge import judge, resurfaced
from load import Op


def history(*lines):
    """Operations one after another: (kind, id, outcome, ids seen)."""
    ops = []
    for at, (kind, id, outcome, *seen) in enumerate(lines):
        op = Op(kind, "k", id, 0, tuple(seen))
        op.start, op.end, op.outcome = at, at + 0.5, outcome
        ops.append(op)
    return ops


class JudgeTest(unittest.TestCase):
    def assert_breaks(self, promise, ops, shown):
        problems = judge(ops, shown)
        self.assertTrue(problems, f"{shown} passed")
        for problem in problems:
            self.assertTrue(problem.startswith(promise), problem)

    def assert_holds(self, ops, shown):
        self.assertEqual(judge(ops, shown), [])

    def test_the_last_acknowledged_set_shows(self):
        ops = history(("SET", "a:1", "ok"), ("SET", "a:2", "ok"))
        self.assert_holds(ops, ["a:2"])
        self.assert_breaks("G1", ops, ["a:1"])
        self.assert_breaks("G1", ops, [])
        self.assertEqual(resurfaced(ops, ["a:1", "a:2"]), ["a:1"])

    def test_an_unknown_outcome_may_have_happened(self):
        ops = history(("SET", "a:1", "ok"), ("SET", "a:2", "unknown"))
        self.assert_holds(ops, ["a:1"])
        self.assert_holds(ops, ["a:2"])
        self.assert_breaks("G1", ops, [])
        self.assert_holds(history(("SET", "a:1", "ok"), ("DEL", "a:2", "unknown")), [])

    def test_a_refused_write_shows_nowhere(self):
        ops = history(("SET", "a:1", "ok"), ("SET", "a:2", "refused"))
        self.assert_holds(ops, ["a:1"])
        self.assert_breaks("G2", ops, ["a:1", "a:2"])
        self.assert_breaks("G2", ops, ["a:1", "b:9"])

    def test_what_getdel_returned_is_gone(self):
        ops = history(("SET", "a:1", "ok"), ("GETDEL", "a:2", "ok", "a:1"))
        self.assert_holds(ops, [])
        self.assert_breaks("G2", ops, ["a:1"])

    def test_a_value_shows_or_is_superseded(self):
        ops = history(("KV.PUT", "a:1", "ok"), ("KV.PUT", "b:1", "ok"),
                      ("KV.PUT", "a:2", "ok", "a:1"))
        self.assert_holds(ops, ["a:2", "b:1"])
        self.assert_breaks("G1", ops, ["a:2"])
        self.assert_breaks("G1", ops, ["b:1"])
        self.assert_breaks("G3", ops, ["a:1", "a:2", "b:1"])

    def test_an_unknown_put_supersedes_only_if_it_shows_or_is_superseded_itself(self):
        ops = history(("KV.PUT", "a:1", "ok"), ("KV.PUT", "a:2", "unknown", "a:1"))
        self.assert_holds(ops, ["a:1"])
        self.assert_holds(ops, ["a:2"])
        self.assert_breaks("G1", ops, [])
        self.assert_breaks("G3", ops, ["a:1", "a:2"])
        self.assert_holds(ops + history(("KV.PUT", "b:1", "ok", "a:2")), ["b:1"])

    def test_a_deletion_covers_what_it_saw_and_no_more(self):
        ops = history(("KV.PUT", "a:1", "ok"), ("KV.PUT", "b:1", "ok"),
                      ("KV.DEL", "a:2", "ok", "a:1"))
        self.assert_holds(ops, ["b:1"])
        self.assert_breaks("G2", ops, ["a:1", "b:1"])
        self.assert_breaks("G1", ops, [])

    def test_a_read_of_what_was_never_sent(self):
        self.assert_breaks("G2", history(("KV.PUT", "a:1", "ok", "x:1")), ["a:1"])

    def test_one_value_twice(self):
        self.assert_breaks("G3", history(("KV.PUT", "a:1", "ok")), ["a:1", "a:1"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
