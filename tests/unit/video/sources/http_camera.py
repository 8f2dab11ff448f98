"""A camera on a local port that speaks HTTP, as cheap ones do."""

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


class HttpCamera(ThreadingHTTPServer):
    """Answers every GET by ``answer(handler)``; ``requests`` keeps their headers.

    ``login`` (``user:password``) turns away whoever does not give it, by ``scheme`` ``Basic`` or ``Digest`` (RFC 7617,
    RFC 2069).
    """

    daemon_threads = True

    def __init__(self, answer: Callable[["Exchange"], None], login: str | None = None, scheme="Basic") -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.answer, self.login, self.scheme = answer, login, scheme
        self.requests: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/picture.cgi"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Exchange(BaseHTTPRequestHandler):
    server: HttpCamera

    def do_GET(self) -> None:
        self.server.requests.append({name.lower(): value for name, value in self.headers.items()})
        if not self._may_watch(self.headers["Authorization"] or ""):
            nonce = ', nonce="once"' if self.server.scheme == "Digest" else ""
            self.whole(b"", "text/plain", 401, {"WWW-Authenticate": f'{self.server.scheme} realm="camera"{nonce}'})
        else:
            self.server.answer(self)

    def _may_watch(self, authorization: str) -> bool:
        login = self.server.login
        if login is None:
            return True
        if self.server.scheme == "Basic":
            return authorization == f"Basic {base64.b64encode(login.encode()).decode()}"
        given = dict(re.findall(r'(\w+)="([^"]*)"', authorization))
        user, _, password = login.partition(":")
        secret, request = _md5(f"{user}:camera:{password}"), _md5(f"GET:{self.path}")
        return (given.get("username"), given.get("response")) == (user, _md5(f"{secret}:once:{request}"))

    def whole(self, body: bytes, content_type="image/jpeg", status=200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": len(body), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def motion_jpeg(pictures: Sequence[bytes], *, boundary: str, in_header: str, lengths: bool):
    """An answer that sends the pictures one after another and then hangs up."""

    def answer(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={in_header}")
        exchange.end_headers()
        for picture in pictures:
            length = f"Content-Length: {len(picture)}\r\n" if lengths else ""
            exchange.wfile.write(f"{boundary}\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + picture + b"\r\n")
        exchange.wfile.write(f"{boundary}--\r\n".encode())

    return answer
