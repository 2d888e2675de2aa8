"""A proxy in front of a local HTTP server that delays answers, refuses requests and cuts connections on demand."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_NOT_PASSED_ON = {"connection", "content-length", "transfer-encoding", "keep-alive", "server", "date"}


@dataclass
class Faults:
    """What the proxy does to requests whose path has `where` in it."""

    delay_s: float = 0.0
    refuse: int = 0
    """So many of the next requests are answered with `status`."""
    status: int = 503
    cut: int = 0
    """So many of the next answers end in the middle, and the connection with them."""
    where: str = ""
    before: Callable[[str, str], None] = lambda _method, _path: None
    """Called with the method and path before a request is passed on."""
    requests: list[str] = field(default_factory=list)
    """"METHOD PATH RANGE" of each request so far."""
    authorizations: list[str] = field(default_factory=list)
    """The header of each of them; empty if it had none."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, name: str, path: str) -> bool:
        """Count one of the faults `refuse` or `cut` down. False: there is none left."""
        with self.lock:
            left = getattr(self, name) if self.where in path else 0
            if left:
                setattr(self, name, left - 1)
            return bool(left)


class _Server(ThreadingHTTPServer):
    """Knows the server behind it and its own faults."""

    daemon_threads = True

    def __init__(self, upstream: tuple[str, int], faults: Faults) -> None:
        self.upstream, self.faults = upstream, faults
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def answer(self) -> None:
        faults = self.server.faults
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with faults.lock:
            faults.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
            faults.authorizations.append(self.headers.get("Authorization") or "")
        if faults.where in self.path:
            time.sleep(faults.delay_s)
        if faults.take("refuse", self.path):
            self.begin(faults.status, [], "0")
            return
        faults.before(self.command, self.path)
        upstream = http.client.HTTPConnection(*self.server.upstream, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers))
        reply = upstream.getresponse()
        content = reply.read()
        upstream.close()
        length = reply.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.begin(reply.status, reply.getheaders(), length or "0")
        if self.command == "GET" and faults.take("cut", self.path):
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def begin(self, status: int, headers: Sequence[tuple[str, str]], length: str) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


@contextmanager
def faulty_proxy(host: str, port: int) -> Iterator[tuple[str, Faults]]:
    """Yield the address of a proxy for this server, and its faults."""
    faults = Faults()
    server = _Server((host, port), faults)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
