"""A broker's front that refuses some records, as brokers with a smaller limit or other permissions do.

A produce request (Kafka protocol, API key 0) that holds certain bytes is not handed on: it is answered with an error.
"""

import socket
import struct
import threading
from contextlib import suppress

MESSAGE_TOO_LARGE = 10
TOPIC_AUTHORIZATION_FAILED = 29
"""Error codes (Kafka protocol, "Error Codes")."""
_PRODUCE = 0
_FLEXIBLE_FROM = 9
"""Version of produce requests from which on lengths are varints (KIP-482)."""


class RefusingRelay:
    """Listens on ``address`` once it is made; :meth:`forward_to` a broker before clients come.

    Attributes:
        refused: requests so far.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.refused = 0
        self._marks: dict[tuple[bytes, bytes], int] = {}
        self._broker = ("", 0)

    def forward_to(self, broker: str) -> None:
        """Begin; ``broker`` is ``host:port``."""
        host, _, port = broker.rpartition(":")
        self._broker = (host, int(port))
        threading.Thread(target=self._accept, daemon=True).start()

    def refuse(self, mark: bytes, code: int, topic: str) -> None:
        """From now on refuse requests for a topic that hold these bytes."""
        self._marks[topic.encode(), mark] = code

    def allow(self, topic: str) -> None:
        """Hand everything on that is for a topic."""
        self._marks = {mark: code for mark, code in self._marks.items() if mark[0] != topic.encode()}

    def refuse_nothing(self) -> None:
        """Hand everything on."""
        self._marks = {}

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                broker = socket.create_connection(self._broker)
                threading.Thread(target=self._requests, args=(client, broker), daemon=True).start()
                threading.Thread(target=_copy, args=(broker, client), daemon=True).start()

    def _requests(self, client: socket.socket, broker: socket.socket) -> None:
        with suppress(OSError, EOFError), client, broker:
            while True:
                (size,) = struct.unpack(">i", _exactly(client, 4))
                request = _exactly(client, size)
                key, version, correlation = struct.unpack_from(">hhi", request)
                topic, partition = _target(request, version) if key == _PRODUCE else (b"", 0)
                codes = [c for (of, mark), c in self._marks.items() if of == topic and mark in request]
                if not codes:
                    broker.sendall(struct.pack(">i", size) + request)
                else:
                    self.refused += 1
                    answer = struct.pack(">i", correlation) + _refusal(topic, partition, version, codes[0])
                    client.sendall(struct.pack(">i", len(answer)) + answer)


def _target(request: bytes, version: int) -> tuple[bytes, int]:
    """Topic and partition of a produce request, which are one each in all that is sent here."""
    at = 8
    (length,) = struct.unpack_from(">h", request, at)  # client id, a short string in every version
    at += 2 + max(0, length)
    if version < _FLEXIBLE_FROM:
        (length,) = struct.unpack_from(">h", request, at)  # transactional id
        at += 2 + max(0, length) + 2 + 4 + 4  # acks, timeout, number of topics
        (length,) = struct.unpack_from(">h", request, at)
        begin = at + 2
        numbers = 4
    else:
        at += 1  # no tagged fields
        at += 1 + max(0, request[at] - 1)  # transactional id
        at += 2 + 4 + 1  # acks, timeout, number of topics
        length = request[at] - 1
        begin = at + 1
        numbers = 1
    topic = request[begin : begin + length]
    (partition,) = struct.unpack_from(">i", request, begin + length + numbers)
    return topic, partition


def _refusal(topic: bytes, partition: int, version: int, code: int) -> bytes:
    """The rest of a produce response for one partition of one topic."""
    if version < _FLEXIBLE_FROM:
        body = struct.pack(">ih", 1, len(topic)) + topic + struct.pack(">iihq", 1, partition, code, -1)
        body += struct.pack(">q", -1) if version >= 2 else b""
        body += struct.pack(">q", -1) if version >= 5 else b""
        body += struct.pack(">ih", 0, -1) if version >= 8 else b""
        return body + struct.pack(">i", 0)
    tags = b"\0"
    one = b"\2"  # an array of one, as a varint
    body = tags + one + bytes([len(topic) + 1]) + topic + one + struct.pack(">ihqqq", partition, code, -1, -1, -1)
    no_errors_and_no_text = b"\1\0"
    return body + no_errors_and_no_text + tags + tags + struct.pack(">i", 0) + tags


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = source.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
