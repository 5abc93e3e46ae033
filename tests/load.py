"""The load of the test of faults: clients that write, merge, delete and read at a set pace, and keep a
record of every operation, so that judge.py can tell afterwards what the store may show.

- Plain keys have one writer each and see SET, DEL and GETDEL. A key whose last operation came to an
  unknown end is given up and followed by a new one: that operation may still be applied, whenever.
- Context keys, a client's own and those shared by all, see KV.PUT and KV.DEL over what a KV.GET
  showed, siblings merged: each operation knows which values it supersedes.
- Cold keys are written once, before the faults, and must be read back at any time.

A value is `key|writer:number|filling`; `writer:number` is its id, used once."""

import random
import threading
import time

from resp import Resp, RespError

PLAIN_KEYS = 20
CONTEXT_KEYS = 6
SHARED_KEYS = 24
STEPS_PER_SECOND = 40
TIMEOUT_SECONDS = 4   # more than limits.request: the node answers first, if it lives
AWAY_SECONDS = 2      # how long a client stays away from its node after the connection broke
SURELY_NOT_APPLIED = ("UNAVAILABLE", "BUSY")


class Op:
    """One write. `seen`: ids that it supersedes, for KV.*; the id that GETDEL answered."""
    __slots__ = ("kind", "key", "id", "node", "start", "end", "outcome", "error", "seen")

    def __init__(self, kind, key, id, node, seen=()):
        self.kind, self.key, self.id, self.node, self.seen = kind, key, id, node, seen
        self.start = self.end = time.monotonic()
        self.outcome, self.error = "unknown", ""

    def __str__(self):
        seen = f" over {list(self.seen)}" if self.seen else ""
        return (f"{self.start:.3f}..{self.end:.3f} {self.kind} {self.id}{seen} at n{self.node + 1}: "
                f"{self.outcome} {self.error}")


def value_of(key, id):
    return f"{key}|{id}|{'.' * 60}".encode()


def id_of(key, value):
    """The id in a value of `key`, None if it is not one."""
    parts = bytes(value).decode(errors="replace").split("|")
    return parts[1] if len(parts) == 3 and parts[0] == key else None


def number_of(id):
    return int(id.rpartition(":")[2])


class ColdKeys:
    def __init__(self, count, bytes_each, name="cold"):
        self.keys = [f"{name}:{i}" for i in range(count)]
        self._filling = "c" * bytes_each

    def value(self, key):
        return f"{key}={self._filling}".encode()

    def load(self, node):
        with Resp(node.resp_port, node.host, timeout=30) as resp:
            for at in range(0, len(self.keys), 100):
                some = self.keys[at:at + 100]
                resp.send(b"".join(Resp.encode("SET", key, self.value(key)) for key in some))
                for _ in some:
                    resp.read()


class Client(threading.Thread):
    def __init__(self, name, nodes, home, shared, cold, seed):
        super().__init__(name=name, daemon=True)
        self.nodes, self.home, self.at = nodes, home, home
        self.ops = []
        self.wrong = []        # sentences: what no fault excuses
        self.cold_misses = []  # (time, node, key, what came)
        self.reads = {"ok": 0, "failed": 0}
        self.stop_asked = threading.Event()
        self._shared, self._cold = shared, cold
        self._random = random.Random(f"{seed} {name}")
        self._number = 0
        self._generations = [0] * PLAIN_KEYS
        self._own = [f"{name}:ctx{i}" for i in range(CONTEXT_KEYS)]
        self._resp = None
        self._home_again = 0.0

    def run(self):
        due = time.monotonic()
        try:
            while not self.stop_asked.is_set():
                # The pace: two cores carry five nodes and this.
                due = max(due + 1 / STEPS_PER_SECOND, time.monotonic())
                self.stop_asked.wait(due - time.monotonic())
                if self._connected():
                    self._step()
        except Exception as error:  # a bug of the test: shown, not lost with the thread
            self.wrong.append(f"{self.name} ended: {error!r}")
            raise
        finally:
            self._drop()

    # ---- the connection

    def _connected(self):
        now = time.monotonic()
        if self.at != self.home and now >= self._home_again:
            self._drop()
            self.at = self.home
        if self._resp is None:
            node = self.nodes[self.at]
            try:
                self._resp = Resp(node.resp_port, node.host, timeout=TIMEOUT_SECONDS)
            except OSError:
                self._go_elsewhere()
        return self._resp is not None

    def _drop(self):
        if self._resp is not None:
            self._resp.close()
            self._resp = None

    def _go_elsewhere(self):
        self._drop()
        self.at = (self.at + self._random.randrange(1, len(self.nodes))) % len(self.nodes)
        self._home_again = time.monotonic() + AWAY_SECONDS

    def _write(self, op, *command):
        """Runs `command`; the answer, or None if it came to no good end (see op.outcome)."""
        self.ops.append(op)
        op.start = time.monotonic()
        try:
            answer = self._resp.command(*command)
            op.outcome = "ok"
            return answer
        except RespError as error:
            op.error = str(error)
            if error.code in SURELY_NOT_APPLIED:
                op.outcome = "refused"
            elif error.code == "ERR":
                self.wrong.append(f"{command[0]} {op.key}: {error}")
        except OSError as error:
            op.error = repr(error)
            self._go_elsewhere()
        finally:
            op.end = time.monotonic()
        return None

    def _read(self, call):
        try:
            answer = call()
            self.reads["ok"] += 1
            return answer
        except RespError as error:
            if error.code == "ERR":
                self.wrong.append(f"read: {error}")
        except OSError:
            self._go_elsewhere()
        self.reads["failed"] += 1
        return None

    # ---- what it does

    def _next_id(self):
        self._number += 1
        return f"{self.name}:{self._number}"

    def _step(self):
        draw = self._random.random()
        if draw < 0.45:
            self._plain_step()
        elif draw < 0.65:
            self._context_step(self._random.choice(self._own))
        elif draw < 0.90:
            self._context_step(self._random.choice(self._shared))
        else:
            self._cold_step()

    def _plain_step(self):
        slot = self._random.randrange(PLAIN_KEYS)
        key = f"{self.name}:plain{slot}.{self._generations[slot]}"
        draw, id = self._random.random(), self._next_id()
        if draw < 0.85:
            op = Op("SET", key, id, self.at)
            self._write(op, "SET", key, value_of(key, id))
        elif draw < 0.92:
            op = Op("DEL", key, id, self.at)
            self._write(op, "DEL", key)
        else:
            op = Op("GETDEL", key, id, self.at)
            value = self._write(op, "GETDEL", key)
            if value is not None:
                op.seen = (id_of(key, value) or repr(value),)
        if op.outcome == "unknown":
            self._generations[slot] += 1

    def _context_step(self, key):
        # Contexts of reads only: that of a write covers what its coordinator knew as well, which this
        # client may never have seen.
        answer = self._read(lambda: self._resp.siblings(key))
        if answer is None:
            return
        context, values = answer
        seen = tuple(id_of(key, value) or repr(value) for value in values)
        id = self._next_id()
        if seen and self._random.random() < 0.08:
            self._write(Op("KV.DEL", key, id, self.at, seen), "KV.DEL", key, context)
            return
        self._write(Op("KV.PUT", key, id, self.at, seen), "KV.PUT", key, context,
                    value_of(key, id))

    def _cold_step(self):
        key = self._random.choice(self._cold.keys)
        node, start = self.at, time.monotonic()
        answer = self._read(lambda: (self._resp.command("GET", key),))
        if answer is not None and answer[0] != self._cold.value(key):
            self.cold_misses.append((start, node, key, answer[0]))


def start_clients(nodes, per_node, cold, seed):
    shared = [f"shared:{i}" for i in range(SHARED_KEYS)]
    clients = [Client(f"c{home + 1}{chr(97 + i)}", nodes, home, shared, cold, seed)
               for home in range(len(nodes)) for i in range(per_node)]
    for client in clients:
        client.start()
    return clients


def stop_clients(clients):
    for client in clients:
        client.stop_asked.set()
    for client in clients:
        client.join(30)
        assert not client.is_alive(), f"{client.name} hangs"
