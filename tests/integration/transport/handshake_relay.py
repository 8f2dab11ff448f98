"""A TCP relay that lets kcat with librdkafka 2.0 talk to the embedded broker.

Tansu answers the first request of a connection, ApiVersions v3, with optional tagged fields, as the protocol
allows. librdkafka 2.0 (Debian's kcat 1.7.1) fails to skip them and hangs up. A broker older than Kafka 2.4
answers that request with UNSUPPORTED_VERSION, whereupon every client asks again with version 0. The relay gives that
answer and passes every other byte through, both ways, unchanged.
"""

import socket
import struct
import threading
from contextlib import suppress

_API_VERSIONS = 18
_FIRST_TAGGED_VERSION = 3
_UNSUPPORTED_VERSION = 35


class HandshakeRelay:
    """Listens on ``address``; connect it to a broker with :meth:`forward_to` before clients come."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._broker = ("", 0)

    def forward_to(self, address):
        host, port = address.split(":")
        self._broker = (host, int(port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                broker = socket.create_connection(self._broker)
                threading.Thread(target=self._requests, args=(client, broker), daemon=True).start()
                threading.Thread(target=self._answers, args=(broker, client), daemon=True).start()

    def _requests(self, client, broker):
        with client, broker, client.makefile("rb") as stream, suppress(OSError):
            while size := stream.read(4):
                request = stream.read(struct.unpack(">i", size)[0])
                api, version, correlation_id = struct.unpack(">hhi", request[:8])
                if api == _API_VERSIONS and version >= _FIRST_TAGGED_VERSION:
                    client.sendall(struct.pack(">iihi", 10, correlation_id, _UNSUPPORTED_VERSION, 0))
                else:
                    broker.sendall(size + request)

    def _answers(self, broker, client):
        with suppress(OSError):
            while data := broker.recv(65536):
                client.sendall(data)
