"""Real Gyre nodes for the black-box tests and for bench/compare: processes of one binary on free
ports of 127.0.0.1, with their data in one folder. Standard library only.

Every process dies with this one (parent-death signal), is ended by its own pid, and every wait has
a limit.
"""

import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOST = "127.0.0.1"
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """For Popen's preexec_fn."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def binary():
    """The gyre under test: $GYRE_BINARY, else the release build."""
    default = os.path.join(os.path.dirname(__file__), "..", "build", "release", "gyre")
    return os.path.abspath(os.environ.get("GYRE_BINARY", default))


def free_ports(count):
    """Ports that were free a moment ago; all are held while they are chosen, so they differ."""
    sockets = []
    try:
        for _ in range(count):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((HOST, 0))
            sockets.append(s)
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def wait_until(condition, seconds, what, every=0.02):
    """Calls `condition` until it is true. Raises with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds} s still not: {what}")
        time.sleep(every)


class Node:
    """One node: start, stop (SIGTERM), kill (SIGKILL), and start again on the same data and ports."""

    def __init__(self, name, ports, folder, flags, host=HOST):
        self.name = name
        self.resp_port, self.http_port, self.peer_port = ports
        self.folder = folder
        self.flags = flags
        self.host = host
        self.process = None
        self.binary = binary()
        self.prefix = []  # such as ["taskset", "-c", "0"]
        self.enter = None  # called in the new process, such as to join a network namespace
        self.log_path = os.path.join(folder, "log")
        os.makedirs(folder, exist_ok=True)

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        assert self.process is None, f"{self.name} runs already"
        command = self.prefix + [
            self.binary, "serve", "--name", self.name, "--listen", self.host,
            "--resp-port", str(self.resp_port), "--http-port", str(self.http_port),
            "--peer-port", str(self.peer_port), "--data-dir", self.folder] + self.flags
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=self._in_child)

    def _in_child(self):
        die_with_parent()
        if self.enter is not None:
            self.enter()

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.log_tail()}")
        try:
            return self.http("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def is_linked(self, others):
        """Do its links to all of `others` stand?"""
        peers = json.loads(self.http("GET", "/v1/status")[2])["peers"]
        up = {peer["name"] for peer in peers if peer["up"]}
        return up >= {node.name for node in others}

    def wait_ready(self):
        try:
            wait_until(self.is_ready, READY_SECONDS_MAX, f"{self.name} ready")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log_tail()}") from None

    def stop(self):
        """Clean end. Raises if it does not come in time or is not clean."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"{self.name} did not stop:\n{self.log_tail()}") from None
        self.process = None
        if status != 0:
            raise RuntimeError(f"{self.name} ended with {status} on SIGTERM:\n{self.log_tail()}")

    def kill(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None

    def http(self, method, path, body=None, headers=None, timeout=10):
        """(status, headers, body) of one request on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.http_port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def metric(self, name):
        """The value of a metric: with its labels if the name has them, else the sum over all; 0 if there
        is none."""
        page = self.http("GET", "/metrics", timeout=30)[2].decode()
        labels = "" if "{" in name else r"(?:{.*})?"
        values = re.findall(rf"^{re.escape(name)}{labels} (\S+)$", page, re.M)
        return sum(map(float, values))

    def log_tail(self, size=4000):
        with open(self.log_path, "rb") as log:
            log.seek(max(0, os.path.getsize(self.log_path) - size))
            return log.read().decode(errors="replace")

    def cpu_seconds(self):
        return process_cpu_seconds(self.pid)

    def rss_bytes(self):
        return process_rss_bytes(self.pid)


class Cluster:
    """`with Cluster(3) as cluster:` starts the nodes, waits until all are ready, and ends them.

    engine: "rocksdb" or "memory"; shards: one number, or one for each node; flags: more of `gyre
    serve` for every node; hosts: an address for each node, of this machine; places: for each node
    what stands behind its address in --peers, such as "/zone-a/eu".
    """

    def __init__(self, nodes, engine="rocksdb", shards=1, flags=(), prefix=(), hosts=None, places=None):
        self.folder = tempfile.mkdtemp(prefix="gyre-test-")
        ports = free_ports(3 * nodes)
        triples = [ports[3 * i:3 * i + 3] for i in range(nodes)]
        hosts = hosts or [HOST] * nodes
        places = places or [""] * nodes
        peers = ",".join(f"n{i + 1}={hosts[i]}:{triples[i][2]}{places[i]}" for i in range(nodes))
        per_node = [shards] * nodes if isinstance(shards, int) else list(shards)
        assert len(per_node) == nodes
        self.nodes = []
        for i in range(nodes):
            node = Node(f"n{i + 1}", triples[i], os.path.join(self.folder, f"node{i}"), [
                "--peers", peers, "--cluster-id", "test", "--engine", engine,
                "--shards", str(per_node[i]), *flags], hosts[i])
            node.prefix = list(prefix)
            self.nodes.append(node)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(*([None] * 3))
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            for node in self.nodes:
                if kind is not None and node.process is not None:
                    print(f"--- log of {node.name}, its end:\n{node.log_tail()}", flush=True)
        finally:
            for node in self.nodes:
                node.kill()
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Starts those that do not run; waits until all are ready and linked with each other (a
        node is ready with a quorum, but R=all, or another kill at once, wants every link)."""
        for node in self.nodes:
            if node.process is None:
                node.start()
        for node in self.nodes:
            node.wait_ready()
        for node in self.nodes:
            others = [other for other in self.nodes if other is not node]
            wait_until(lambda: node.is_linked(others), READY_SECONDS_MAX, f"{node.name} linked")

    def stop(self):
        for node in self.nodes:
            if node.process is not None:
                node.process.send_signal(signal.SIGTERM)
        for node in self.nodes:
            node.stop()

    def __getitem__(self, index):
        return self.nodes[index]

    def __iter__(self):
        return iter(self.nodes)


def process_cpu_seconds(pid):
    """User and system time of a process, all its threads."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def process_rss_bytes(pid):
    with open(f"/proc/{pid}/statm", "rb") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
