"""The stores that bench/compare and bench/repair measure: each is started once, answers to the same
load generator, and tells its processes, so that CPU time and memory are summed over all of them. And
the machine."""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
from cluster import (HOST, Cluster, binary, die_with_parent, free_ports,  # noqa: E402
                     process_cpu_seconds, process_rss_bytes, wait_until)

SERVER_CORE = "0"
LOAD_CORE = "1"


def busy_seconds():
    """CPU time that the whole machine has spent."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq = map(int, stat.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def children_cpu():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def raise_scheduling_group():
    """Own session's share of the CPUs against other sessions'. Needs root; worth trying."""
    try:
        with open("/proc/self/autogroup", "w") as file:
            file.write("-10")
    except OSError:
        pass


def fdatasync_p50_us(folder):
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(300):
            os.write(file.fileno(), bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


class Subject:
    """One store under test. `pinned`: its processes share one core and the generator has another;
    else all processes, the generator's too, spread over all cores as the kernel likes."""

    protocol = "resp"
    wait = 0             # replicas that WAIT asks for behind every SET
    check_values = True
    loads = True         # keeps keys at all

    def __init__(self, name, pinned):
        self.name = name
        self.pinned = pinned
        self.ports = []      # those that take load
        self.processes = []
        self.folder = tempfile.mkdtemp(prefix=f"{name.split()[0]}-")

    def prefix(self):
        return ["taskset", "-c", SERVER_CORE] if self.pinned else []

    def spawn(self, command):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            process = subprocess.Popen(self.prefix() + command, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, cwd=self.folder, preexec_fn=die_with_parent)
        self.processes.append(process)

    def pids(self):
        return [process.pid for process in self.processes]

    def start(self):
        raise NotImplementedError

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cpu_seconds(self):
        return sum(process_cpu_seconds(pid) for pid in self.pids())

    def rss_bytes(self):
        return sum(process_rss_bytes(pid) for pid in self.pids())

    def load_prefix(self):
        return ["taskset", "-c", LOAD_CORE] if self.pinned else []

    def bench(self, *options, code=0):
        """One run of the generator; its report. Errors end the run: they are not speed."""
        command = self.load_prefix() + [
            binary(), "bench", "--json", "--protocol", self.protocol,
            "--server", ",".join(f"{HOST}:{port}" for port in self.ports)]
        command += [] if self.check_values else ["--no-check"]
        result = subprocess.run(command + [str(option) for option in options],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        if result.returncode != code:
            raise RuntimeError(f"{self.name}: {' '.join(command)} {options} ended with "
                               f"{result.returncode}:\n{result.stdout}{result.stderr}")
        return json.loads(result.stdout)

    def wait_listening(self):
        def listens(port):
            for process in self.processes:
                if process.poll() is not None:
                    with open(os.path.join(self.folder, "log"), errors="replace") as log:
                        raise RuntimeError(f"{self.name} ended:\n{log.read()[-2000:]}")
            try:
                socket.create_connection((HOST, port), timeout=1).close()
                return True
            except OSError:
                return False
        for port in self.ports:
            wait_until(lambda: listens(port), 30, f"{self.name} listens on {port}")


class Gyre(Subject):
    def __init__(self, name, pinned, nodes, engine, durability="sync", flags=()):
        super().__init__(name, pinned)
        self.cluster = Cluster(nodes, engine=engine, shards=1,
                               flags=["--durability", durability, *flags],
                               prefix=self.prefix())

    def start(self):
        self.cluster.start()
        self.ports = [node.resp_port for node in self.cluster]

    def pids(self):
        return [node.pid for node in self.cluster if node.process is not None]

    def stop(self):
        self.cluster.__exit__(None, None, None)
        super().stop()


class Redis(Subject):
    """redis-server: alone, with fsync for every write, or with two replicas and WAIT 1."""

    def __init__(self, name, pinned, replicas=0, append_always=False):
        super().__init__(name, pinned)
        self.replicas = replicas
        self.append_always = append_always
        self.wait = 1 if replicas else 0

    def start(self):
        ports = free_ports(1 + self.replicas)
        for i, port in enumerate(ports):
            folder = os.path.join(self.folder, str(i))
            os.makedirs(folder)
            command = ["redis-server", "--bind", HOST, "--port", str(port), "--save", "",
                       "--dir", folder, "--appendonly", "yes" if self.append_always else "no",
                       "--appendfsync", "always"]
            if i > 0:
                command += ["--replicaof", HOST, str(ports[0])]
            self.spawn(command)
        self.ports = ports
        self.wait_listening()
        self.ports = ports[:1]
        if self.replicas:
            def replicas_online():
                info = subprocess.run(["redis-cli", "-p", str(ports[0]), "info", "replication"],
                                      capture_output=True, text=True, timeout=10).stdout
                return info.count("state=online") == self.replicas
            wait_until(replicas_online, 60, "redis replicas in sync")


class Memcached(Subject):
    protocol = "memcached"

    def start(self):
        self.ports = free_ports(1)
        user = ["-u", "root"] if os.getuid() == 0 else []
        self.spawn(["memcached", "-l", HOST, "-p", str(self.ports[0]), "-t", "1", "-m", "1024",
                    "-c", "1024"] + user)
        self.wait_listening()


class Echo(Subject):
    """The bare limit: the same event loop and no store."""

    check_values = False
    loads = False

    def start(self):
        self.ports = free_ports(1)
        self.spawn([os.path.join(os.path.dirname(binary()), "gyre-echo"), "--port",
                    str(self.ports[0])])
        self.wait_listening()


class Etcd(Subject):
    protocol = "etcd"

    def start(self):
        ports = free_ports(6)
        names = ["e1", "e2", "e3"]
        peers = ",".join(f"{name}=http://{HOST}:{ports[3 + i]}" for i, name in enumerate(names))
        for i, name in enumerate(names):
            client, peer = (f"http://{HOST}:{port}" for port in (ports[i], ports[3 + i]))
            self.spawn(["etcd", "--name", name, "--data-dir", os.path.join(self.folder, name),
                        "--listen-client-urls", client, "--advertise-client-urls", client,
                        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                        "--initial-cluster", peers, "--initial-cluster-state", "new",
                        "--log-level", "error", "--logger", "zap"])
        self.ports = ports[:3]
        self.wait_listening()

        def healthy():
            result = subprocess.run(
                ["etcdctl", "--endpoints", ",".join(f"{HOST}:{port}" for port in self.ports),
                 "endpoint", "health"], env={**os.environ, "ETCDCTL_API": "3"},
                capture_output=True, timeout=30)
            return result.returncode == 0
        wait_until(healthy, 60, "etcd healthy")
