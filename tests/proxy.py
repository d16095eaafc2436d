"""A reverse proxy in a few lines, as nginx or Caddy would stand before the app: /studio/… goes to the app's /…"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

PREFIX = "/studio"
_HOP = {"connection", "transfer-encoding", "keep-alive", "host", "content-length"}


@contextmanager
def proxied(url: str) -> Iterator[str]:
    """The address under which the app at ``url`` is reached through the proxy."""
    upstream = urlparse(url)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                # A browser looks for an icon at the root of the site, which is not ours.
                self.send_response(204 if self.path == "/favicon.ico" else 404)
                self.end_headers()
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            there = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=120)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            headers |= {
                "host": self.headers["host"],
                "x-forwarded-host": self.headers["host"],
                "x-forwarded-proto": "http",
            }
            there.request(self.command, self.path[len(PREFIX) :], body, headers)
            answer = there.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("connection", "close")
            self.end_headers()
            while part := answer.read1(65536):
                self.wfile.write(part)
                self.wfile.flush()
            there.close()

        do_GET = do_POST = do_HEAD = handle_any  # noqa: N815 the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{PREFIX}/"
    finally:
        server.shutdown()
        server.server_close()
