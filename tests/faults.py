"""Faults done to real nodes, one at a time: each ends before it returns, with its node serving again.
What was done, to whom and when is kept as a Fault, by which the outcomes of operations are judged."""

import errno
import json
import os
import shutil
import signal
import time

from cluster import wait_until
from namespaces import run


RECOVERY_SECONDS_MAX = 60
DISK_RECOVERY_SECONDS_MAX = 30
TMPFS_BYTES = 768 << 20  # more than a node's ballast, its floor of free space and this test's data
SST_BYTES_MIN = 64 << 10
LOG_BYTES_MIN = 16 << 10

DESTRUCTIVE = ("wipe", "flip-sst", "flip-log")
SPLITS = ("split-2-3", "split-1-4", "split-one-way")


class Fault:
    """`down`: nodes that cannot serve from start to end. `sides`: of a split that leaves both sides
    able to write. `whole`: when the cluster was whole again, if that was waited for."""

    def __init__(self, kind, nodes):
        self.kind, self.nodes = kind, nodes
        self.down, self.sides, self.note = [], [], ""
        self.deaths = []  # when its node was killed
        self.start = time.monotonic()
        self.end = self.whole = None

    def __str__(self):
        nodes = "+".join(f"n{i + 1}" for i in self.nodes)
        whole = f", whole {self.whole - self.end:.1f} s later" if self.whole else ""
        return f"{self.kind} {nodes}: {self.end - self.start:.1f} s{whole}{self.note and '; ' + self.note}"


class Faults:
    """`disk_node` is the one whose folder is a small tmpfs, or None; `network` None without splits."""

    def __init__(self, cluster, network, disk_node, random):
        self._cluster, self._network = cluster, network
        self._disk_node, self._random = disk_node, random
        self.done = []

    def do(self, kind):
        """Raises if a node does not come back in time."""
        fault = Fault(kind, [self._disk_node if kind == "full-disk"
                             else self._random.randrange(len(self._cluster.nodes))])
        self.done.append(fault)
        getattr(self, "_" + kind.replace("-", "_"))(fault)
        fault.end = time.monotonic()
        return fault

    def _node(self, fault):
        return self._cluster[fault.nodes[0]]

    @staticmethod
    def _end(fault, node):
        fault.deaths.append(time.monotonic())
        node.kill()

    def _restart(self, node):
        node.start()
        node.wait_ready()
        self._wait_linked()

    def _wait_linked(self):
        nodes = self._cluster.nodes
        for node in nodes:
            wait_until(lambda: self._linked(node, [n for n in nodes if n is not node]),
                       RECOVERY_SECONDS_MAX, f"{node.name} linked")

    @staticmethod
    def _linked(node, others):
        if node.process.poll() is not None:
            raise RuntimeError(f"{node.name} ended with {node.process.returncode}, not by this test:"
                               f"\n{node.log_tail()}")
        try:
            return node.is_linked(others)
        except OSError:
            return False

    # ---- of one node

    def _kill(self, fault):
        fault.down = fault.nodes
        self._end(fault, self._node(fault))
        time.sleep(self._random.uniform(2.5, 5))  # the fault lasts
        self._restart(self._node(fault))

    def _freeze(self, fault):
        fault.down = fault.nodes
        seconds = self._random.uniform(1, 8)
        fault.note = f"stopped {seconds:.1f} s"
        process = self._node(fault).process
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)  # the fault lasts
        finally:
            process.send_signal(signal.SIGCONT)
        self._wait_linked()

    def _full_disk(self, fault):
        node = self._node(fault)
        filler = os.path.join(node.folder, "filler")
        try:
            with open(filler, "wb") as file:
                fill(file.fileno())
            time.sleep(self._random.uniform(4, 8))  # the fault lasts
            if node.process.poll() is not None:
                raise RuntimeError(f"{node.name} died of a full disk:\n{node.log_tail()}")
            ready = node.http("GET", "/readyz")
            fault.note = f"readyz {ready[0]} meanwhile"
        finally:
            if os.path.exists(filler):
                os.remove(filler)
        freed = time.monotonic()
        wait_until(lambda: self._writable(node), DISK_RECOVERY_SECONDS_MAX,
                   f"{node.name} takes writes with its disk freed")
        fault.note += f", writable {time.monotonic() - freed:.1f} s after"

    @staticmethod
    def _writable(node):
        return node.is_ready()

    def _wipe(self, fault):
        fault.down = fault.nodes
        node = self._node(fault)
        self._end(fault, node)
        for name in os.listdir(node.folder):
            path = os.path.join(node.folder, name)
            (shutil.rmtree if os.path.isdir(path) else os.remove)(path)
        with open(node.log_path, "rb") as log:
            log.seek(0, os.SEEK_END)
            began = time.monotonic()
            self._restart(node)
            fault.note = f"filled and linked after {time.monotonic() - began:.1f} s"
            repair = json.loads(node.http("GET", "/v1/status")[2])["repair"]
            if repair["unfilled"] > 0 or repair["exchanges"] == 0:
                raise RuntimeError(f"{node.name} was ready with an empty disk: {repair}")
            said = b""

            def is_filled():
                nonlocal said
                said += log.read()
                return b'"disk_empty"' in said and b'"disk_filled"' in said
            wait_until(is_filled, RECOVERY_SECONDS_MAX, f"{node.name} says that its disk is filled")

    def _flip_sst(self, fault):
        fault.down = fault.nodes
        node = self._node(fault)
        self._end(fault, node)
        if not self._files(node, ".sst", SST_BYTES_MIN):
            self._restart(node)  # which writes what its log holds to a table
            self._end(fault, node)
        files = self._files(node, ".sst", SST_BYTES_MIN)
        assert files, f"{node.name} has no table file"
        fault.note = flip_middle(max(files, key=os.path.getsize))
        self._restart(node)

    def _flip_log(self, fault):
        fault.down = fault.nodes
        node = self._node(fault)
        wait_until(lambda: self._files(node, ".log", LOG_BYTES_MIN), RECOVERY_SECONDS_MAX,
                   "a log file with something in it")
        self._end(fault, node)
        fault.note = flip_middle(max(self._files(node, ".log", LOG_BYTES_MIN),
                                     key=os.path.getmtime))
        self._restart(node)
        aside = [name for name in os.listdir(node.folder) if name.startswith("quarantine-")]
        if not aside:
            raise RuntimeError(f"{node.name} opened a damaged log without a word: {fault.note}\n"
                               f"{node.log_tail()}")

    @staticmethod
    def _files(node, suffix, bytes_min):
        folder = os.path.join(node.folder, "db")
        files = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(suffix)]
        return [file for file in files if os.path.getsize(file) >= bytes_min]

    # ---- of the network

    def _hold_split(self, fault, cuts):
        try:
            for source, target in cuts:
                self._network.cut(source, target)
            fault.start = time.monotonic()
            time.sleep(self._random.uniform(5, 9))  # the fault lasts
        finally:
            self._network.heal()
        self._wait_linked()

    def _split_2_3(self, fault):
        order = list(range(len(self._cluster.nodes)))
        self._random.shuffle(order)
        fault.nodes = sorted(order[:2])
        fault.sides = [fault.nodes, sorted(order[2:])]
        self._hold_split(fault, both_ways(*fault.sides))

    def _split_1_4(self, fault):
        rest = [i for i in range(len(self._cluster.nodes)) if i not in fault.nodes]
        fault.down = fault.nodes  # alone it reaches no W
        fault.sides = [rest]
        self._hold_split(fault, both_ways(fault.nodes, rest))

    def _split_one_way(self, fault):
        """What one node sends to two others is lost; what they send to it arrives."""
        source = fault.nodes[0]
        targets = self._random.sample([i for i in range(len(self._cluster.nodes)) if i != source], 2)
        fault.nodes = [source, *sorted(targets)]
        fault.sides = [[source], sorted(targets)]
        fault.note = f"n{source + 1} not heard by {' '.join(f'n{t + 1}' for t in sorted(targets))}"
        self._hold_split(fault, [(source, target) for target in targets])


def both_ways(left, right):
    return [pair for a in left for b in right for pair in ((a, b), (b, a))]


def mount_small_disk(folder):
    run("mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "gyre-faults", folder)


def fill(file):
    """Takes every block that is left."""
    offset, step = 0, 16 << 20
    while step >= 4096:
        try:
            os.posix_fallocate(file, offset, step)
            offset += step
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            step //= 2


def flip_middle(path):
    """Turns one byte over; says where."""
    at = os.path.getsize(path) // 2
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))
    return f"byte {at} of {os.path.basename(path)}"
