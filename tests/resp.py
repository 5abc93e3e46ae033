"""A RESP2 client in the standard library, for what real clients do not offer: commands of our own,
errors as values, pipelines cut where a test wants. Binary-safe."""

import socket


class RespError(Exception):
    @property
    def code(self):
        return str(self).split(" ", 1)[0]


class Resp:
    def __init__(self, port, host="127.0.0.1", timeout=10):
        self._socket = socket.create_connection((host, port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._in.close()
        self._socket.close()

    @staticmethod
    def encode(*arguments):
        parts = [b"*%d\r\n" % len(arguments)]
        for argument in arguments:
            if not isinstance(argument, bytes):
                argument = str(argument).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
        return b"".join(parts)

    def send(self, data):
        self._socket.sendall(data)

    def read(self):
        """The next answer; an error is raised, inside an array it is returned."""
        line = self._in.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("connection closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RespError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            data = self._in.read(size + 2)
            if len(data) != size + 2:
                raise ConnectionError("connection closed")
            return data[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self._element() for _ in range(int(rest))]
        raise ValueError(f"not RESP2: {line!r}")

    def _element(self):
        try:
            return self.read()
        except RespError as error:
            return error

    def command(self, *arguments):
        self.send(self.encode(*arguments))
        return self.read()

    def siblings(self, key, *options):
        """KV.GET as (context, [values])."""
        answer = self.command("KV.GET", key, *options)
        fields = dict(zip([name.decode() for name in answer[::2]], answer[1::2]))
        return fields["context"], fields["values"]
