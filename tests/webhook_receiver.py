"""An HTTP server that webhooks may be sent to."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Keeps what it is sent, and answers as it is told."""

    def __init__(self):
        self.statuses: list[int] = []
        self.taken: list[dict] = []
        self.requests: list[tuple[dict, bytes]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append((dict(self.headers), body))
                receiver.may_answer.wait()
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                if status < 300:
                    receiver.taken.append(json.loads(body)["data"])
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def frames(self):
        return [event["frame"] for event in self.taken]

    def close(self):
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
