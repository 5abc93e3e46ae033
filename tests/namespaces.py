"""A small network of its own for a test: one namespace for each node, joined by a bridge in one more,
where the test itself moves to. Nothing outside is touched or reachable: the bridge's namespace has no
way out. Links are cut by dropping packets where they arrive, one direction at a time.

The names carry the test's pid. They live in a mount namespace of the test's own, so that they, and
what else it mounts, are gone with its last process, whatever ended it. Standard library only."""

import ctypes
import os
import re
import shutil
import subprocess

SUBNET = "10.231.77"  # private, and known in these namespaces only
COMMAND_SECONDS_MAX = 20
NAMES = "/run/netns"
PREFIX = "gyre-faults"

_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def run(*command, namespace=None):
    """Runs a tool; raises with what it said."""
    prefix = ["ip", "netns", "exec", namespace] if namespace else []
    done = subprocess.run([*prefix, *command], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=COMMAND_SECONDS_MAX)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def own_mounts():
    """From now on what this process mounts is seen by it and its children only, and goes with them."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "private mounts")


def why_not():
    """Why there can be no namespaces and mounts here, or None."""
    if os.geteuid() != 0:
        return "not root"
    missing = [tool for tool in ("ip", "nft", "mount") if shutil.which(tool) is None]
    if missing:
        return f"no {', '.join(missing)} (Debian: iproute2, nftables, mount)"
    probe = f"{PREFIX}-{os.getpid()}-probe"
    try:
        own_mounts()
        run("ip", "netns", "add", probe)
        try:
            run("nft", "add", "table", "inet", "probe", namespace=probe)
        finally:
            run("ip", "netns", "del", probe)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None


def sweep():
    """Removes the names that a test left behind when it was ended by SIGKILL."""
    for name in os.listdir(NAMES) if os.path.isdir(NAMES) else []:
        match = re.fullmatch(rf"{PREFIX}-(\d+)-\w+", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True,
                           timeout=COMMAND_SECONDS_MAX)


class Network:
    """`with Network(5) as network`: this thread, and those it starts, are then at the bridge.

    REQUIRES: why_not() returned None.
    """

    def __init__(self, count):
        self.hosts = [f"{SUBNET}.{i + 1}" for i in range(count)]
        self._pid = os.getpid()
        self._names = [f"{PREFIX}-{self._pid}-n{i + 1}" for i in range(count)]
        self._hub = f"{PREFIX}-{self._pid}-hub"
        self._made = []
        self._files = []
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    def __enter__(self):
        try:
            sweep()
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _build(self):
        for name in [self._hub, *self._names]:
            run("ip", "netns", "add", name)
            self._made.append(name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self._hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self._hub, "address", "add", f"{SUBNET}.254/24", "dev", "br0")
        run("ip", "-n", self._hub, "link", "set", "br0", "up")
        for i, name in enumerate(self._names):
            # Made inside the bridge's namespace, so that the machine's own never holds it.
            port = f"port{i + 1}"
            run("ip", "-n", self._hub, "link", "add", port, "type", "veth", "peer", "name", "eth0",
                "netns", name)
            run("ip", "-n", self._hub, "link", "set", port, "master", "br0", "up")
            run("ip", "-n", name, "address", "add", f"{self.hosts[i]}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("nft", "add table inet cut; "
                "add chain inet cut in { type filter hook input priority 0; }", namespace=name)
            self._files.append(os.open(f"{NAMES}/{name}", os.O_RDONLY))
        hub = os.open(f"{NAMES}/{self._hub}", os.O_RDONLY)
        try:
            _check(_libc.setns(hub, _CLONE_NEWNET), "setns")
        finally:
            os.close(hub)

    def enter(self, index):
        """What a new process calls to be in the namespace of a node."""
        file = self._files[index]
        return lambda: _check(_libc.setns(file, _CLONE_NEWNET), "setns")

    def cut(self, source, target):
        """Nothing that `source` sends reaches `target` any more. Not the other way round."""
        run("nft", f"add rule inet cut in ip saddr {self.hosts[source]} drop",
            namespace=self._names[target])

    def heal(self):
        for name in self._names:
            run("nft", "flush chain inet cut in", namespace=name)

    def close(self):
        """REQUIRES: the processes inside have ended."""
        if self._outside is None:
            return
        _libc.setns(self._outside, _CLONE_NEWNET)
        os.close(self._outside)
        self._outside = None
        for file in self._files:
            os.close(file)
        for name in self._made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True,
                           timeout=COMMAND_SECONDS_MAX)
