"""A camera in a thread: just enough RTSP (RFC 2326) and RTP over TCP (RFC 6184) for a real client."""

import base64
import hashlib
import re
import socket
import socketserver
import struct
import threading
import time

_FRAGMENT_BYTES = 1200


def split_nal_units(stream: bytes) -> list[bytes]:
    return [unit.rstrip(b"\0") for unit in re.split(b"\0\0\1", stream) if unit.strip(b"\0")]


class RtspCamera(socketserver.ThreadingTCPServer):
    """Serves ``segment`` (Annex B, one slice per picture) at ``fps`` to each client, then hangs up.

    ``login`` (``user:password``) turns every request without it away, by ``scheme`` ``Basic`` or ``Digest`` (RFC 7617,
    RFC 2069); ``status`` is the answer to DESCRIBE; ``silent`` accepts and then says nothing.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        segment: bytes,
        fps: int,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        login: str | None = None,
        scheme: str = "Basic",
        status: str = "200 OK",
        silent: bool = False,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Session)
        self.units, self.fps, self.login, self.silent = split_nal_units(segment), fps, login, silent
        self.scheme, self.status = scheme, status
        self.sessions = 0
        self.port = self.server_address[1]
        self.url = f"rtsp://{f'[{host}]' if ':' in host else host}:{self.port}/camera"

    def with_user(self, userinfo: str) -> str:
        """The URL with ``userinfo`` as it is written there."""
        return self.url.replace("rtsp://", f"rtsp://{userinfo}@")

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


class _Session(socketserver.StreamRequestHandler):
    server: RtspCamera

    def handle(self) -> None:
        self.sequence = 0
        if self.server.silent:
            self.rfile.read()
            return None
        while (line := self.rfile.readline()) not in (b"", b"\r\n"):
            headers = {}
            while (field := self.rfile.readline()) not in (b"", b"\r\n"):
                name, _, value = field.decode().partition(":")
                headers[name.lower()] = value.strip()
            method = line.split()[0].decode()
            allowed = self._may(method, headers.get("authorization", ""))
            self._answer(method, headers["cseq"], allowed=allowed)
            if method == "PLAY" and allowed:
                self.server.sessions += 1
                return self._play()
        return None

    def _may(self, method: str, authorization: str) -> bool:
        if self.server.login is None or method == "OPTIONS":
            return True
        if self.server.scheme == "Basic":
            return authorization == f"Basic {base64.b64encode(self.server.login.encode()).decode()}"
        given = dict(re.findall(r'(\w+)="([^"]*)"', authorization))
        user, _, password = self.server.login.partition(":")
        secret, request = _md5(f"{user}:camera:{password}"), _md5(f"{method}:{given.get('uri')}")
        return (given.get("username"), given.get("response")) == (user, _md5(f"{secret}:once:{request}"))

    def _answer(self, method: str, sequence: str, *, allowed: bool) -> None:
        status, extra, body = "200 OK", "", ""
        if not allowed:
            nonce = ', nonce="once"' if self.server.scheme == "Digest" else ""
            status, extra = "401 Unauthorized", f'WWW-Authenticate: {self.server.scheme} realm="camera"{nonce}\r\n'
        elif method == "DESCRIBE" and self.server.status != "200 OK":
            status = self.server.status
        elif method == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = self._description()
            extra = f"Content-Type: application/sdp\r\nContent-Base: {self.server.url}/\r\n"
        else:
            extra = "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        self.wfile.write(
            f"RTSP/1.0 {status}\r\nCSeq: {sequence}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def _description(self) -> str:
        parameters = [base64.b64encode(unit).decode() for unit in self.server.units if unit[0] & 31 in (7, 8)]
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
            "a=rtpmap:96 H264/90000\r\na=control:track\r\n"
            f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={','.join(parameters)}\r\n"
        )

    def _play(self) -> None:
        picture = 0
        for unit in self.server.units:
            is_picture = unit[0] & 31 in (1, 5)
            try:
                self._send(unit, 90000 * picture // self.server.fps, marker=is_picture)
            except OSError:
                return  # the client has gone
            if is_picture:
                picture += 1
                time.sleep(1 / self.server.fps)

    def _send(self, unit: bytes, timestamp: int, *, marker: bool) -> None:
        if len(unit) <= _FRAGMENT_BYTES:
            return self._send_packet(unit, timestamp, marker=marker)
        pieces = [unit[at : at + _FRAGMENT_BYTES] for at in range(1, len(unit), _FRAGMENT_BYTES)]
        for index, piece in enumerate(pieces):
            edges = (0x80 if index == 0 else 0) | (0x40 if index == len(pieces) - 1 else 0)
            header = bytes([unit[0] & 0xE0 | 28, edges | unit[0] & 31])  # FU-A
            self._send_packet(header + piece, timestamp, marker=marker and index == len(pieces) - 1)
        return None

    def _send_packet(self, payload: bytes, timestamp: int, *, marker: bool) -> None:
        kind = 96 | (0x80 if marker else 0)
        packet = struct.pack(">BBHII", 0x80, kind, self.sequence & 0xFFFF, timestamp, 7) + payload
        self.sequence += 1
        self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
