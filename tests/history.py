"""A load that remembers what it was told, so that a test can ask afterwards whether everything
acknowledged is still there.

Every key has one writer. A writer numbers its operations; the number is part of the value. So of a
key whose last acknowledged operation is number A, a correct store may show only values that were
attempted, and at least one numbered A or later if A was a SET; if A was a DEL, nothing older. What
was in flight when a node died may have been applied: a DEL sent after A may have taken it away."""

import threading

from resp import Resp, RespError

KEYS_PER_CLIENT = 40


class KeyHistory:
    def __init__(self):
        self.acknowledged = -1       # number of the last acknowledged operation
        self.acknowledged_delete = False
        self.attempts = set()        # numbers of all SETs sent
        self.last_delete = -1        # number of the last DEL sent


class Client(threading.Thread):
    """Writes, deletes and reads its own keys through one node until told to stop or cut off."""

    def __init__(self, name, node):
        super().__init__(name=name, daemon=True)
        self.node = node
        self.keys = {f"{name}:{i}": KeyHistory() for i in range(KEYS_PER_CLIENT)}
        self.stop_asked = threading.Event()
        self.errors = []         # the store answered with an error
        self.cut_off = None      # the connection broke
        self.wrong_reads = []
        self.writes = self.reads = 0

    def run(self):
        try:
            with Resp(self.node.resp_port) as resp:
                number = 0
                while not self.stop_asked.is_set():
                    self.one_step(resp, number)
                    number += 1
        except (ConnectionError, OSError, EOFError) as error:
            self.cut_off = error

    def one_step(self, resp, number):
        names = list(self.keys)
        name = names[number % len(names)]
        history = self.keys[name]
        is_delete = number % 11 == 10
        try:
            if is_delete:
                history.last_delete = number
                resp.command("DEL", name)
            else:
                history.attempts.add(number)
                resp.command("SET", name, value_of(name, number))
            history.acknowledged = number
            history.acknowledged_delete = is_delete
            self.writes += 1
            # R + W > N: a client reads its own writes (history G8).
            seen = resp.command("GET", name)
            self.reads += 1
            expected = None if is_delete else value_of(name, number)
            if seen != expected:
                self.wrong_reads.append((name, number, seen, expected))
        except RespError as error:
            self.errors.append(str(error))


def value_of(name, number):
    return f"{name}={number}".encode()


def start_clients(nodes, per_node):
    clients = [Client(f"c{i}-{node.name}", node) for node in nodes for i in range(per_node)]
    for client in clients:
        client.start()
    return clients


def stop_clients(clients):
    for client in clients:
        client.stop_asked.set()
    for client in clients:
        client.join(30)
        assert not client.is_alive(), f"{client.name} hangs"


def missing(clients, node, *read_options):
    """Reads every key through `node` and returns what breaks the promise, as sentences."""
    problems = []
    with Resp(node.resp_port, timeout=30) as resp:
        for client in clients:
            for name, history in client.keys.items():
                _, values = resp.siblings(name, *read_options)
                numbers = set()
                for value in values:
                    key, _, number = bytes(value).partition(b"=")
                    if key != name.encode() or int(number) not in history.attempts:
                        problems.append(f"{name}: {value!r} was never written")
                    else:
                        numbers.add(int(number))
                if history.acknowledged_delete:
                    if any(number < history.acknowledged for number in numbers):
                        problems.append(f"{name}: deleted at {history.acknowledged}, "
                                        f"yet it holds {sorted(numbers)}")
                elif history.last_delete > history.acknowledged >= 0 and not numbers:
                    pass
                elif history.acknowledged >= 0 and not any(
                        number >= history.acknowledged for number in numbers):
                    problems.append(f"{name}: {history.acknowledged} was acknowledged, "
                                    f"yet it holds {sorted(numbers)}")
    return problems
