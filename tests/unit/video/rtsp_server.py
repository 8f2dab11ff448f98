"""A camera in a thread: just enough RTSP (RFC 2326) and RTP over TCP (RFC 6184) for a real client."""

import base64
import re
import socketserver
import struct
import threading
import time

_FRAGMENT_BYTES = 1200


def split_nal_units(stream: bytes) -> list[bytes]:
    return [unit.rstrip(b"\0") for unit in re.split(b"\0\0\1", stream) if unit.strip(b"\0")]


class RtspCamera(socketserver.ThreadingTCPServer):
    """Serves ``segment`` (Annex B, one slice per picture) at ``fps`` to each client, then hangs up.

    ``password`` turns every request without it away; ``silent`` accepts and then says nothing.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, segment: bytes, fps: int, *, port: int = 0, locked: bool = False, silent: bool = False) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.units, self.fps, self.locked, self.silent = split_nal_units(segment), fps, locked, silent
        self.sessions = 0
        self.url = f"rtsp://127.0.0.1:{self.server_address[1]}/camera"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


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
            self._answer(method, headers["cseq"])
            if method == "PLAY":
                self.server.sessions += 1
                return self._play()
        return None

    def _answer(self, method: str, sequence: str) -> None:
        status, extra, body = "200 OK", "", ""
        if self.server.locked and method != "OPTIONS":
            status, extra = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
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
