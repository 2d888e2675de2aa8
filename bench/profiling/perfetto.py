"""Opens traces in Perfetto's viewer, a web page that reads them from a server on this machine. Nothing is uploaded."""

from __future__ import annotations

import time
import webbrowser
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from feedrate.loaders.errors import FeedrateError

VIEWER = "https://ui.perfetto.dev"
HOST, PORT = "127.0.0.1", 9001
"""The viewer's Content-Security-Policy lets it read from this port of the reader's own machine, and from no other."""
WAIT_S = 120.0
"""Seconds in which the viewer must ask for the traces."""
TRACE = "trace.json"


def traces_in(path: Path) -> list[Path]:
    """Return the traces of a profile or of all profiles in a folder. Raises FeedrateError if there is none."""
    traces = sorted(path.rglob(TRACE)) if path.is_dir() else [path.with_name(TRACE)]
    if not traces or not traces[0].exists():
        raise FeedrateError(f"{path} has no {TRACE} to open: record one with `feedrate profile LOADER DATA -o DIR`")
    return traces


def open_traces(
    traces: Sequence[Path],
    say: Callable[[str], None],
    browse: Callable[[str], bool] | None = None,
    *,
    port: int = PORT,
    wait_s: float = WAIT_S,
) -> None:
    """Open each trace in a tab of the browser, and serve them until the viewer has read them all.

    Without a browser or with the port in use, only the way is printed. browse: opens an address. Default: the user's browser.
    """
    by_hand = f"open {VIEWER} and drop {' or '.join(map(str, traces))} there"
    if browse is None:
        try:
            browse = webbrowser.get().open
        except webbrowser.Error:
            say(f"no browser was found: {by_hand}")
            return
    try:
        server = TraceServer(traces, port)
    except OSError as error:
        say(f"port {port}, from which the viewer reads, cannot be used ({error.strerror}): {by_hand}")
        return
    with server:
        for address in server.addresses:
            browse(f"{VIEWER}/#!/?url={address}")
        say(
            f"opening {len(traces)} trace{'s' if len(traces) > 1 else ''} in the browser. If nothing appears, {by_hand}"
        )
        if not server.serve_all(wait_s):
            say(f"the viewer did not ask for every trace within {wait_s:.0f} s: {by_hand}")


class TraceServer(HTTPServer):
    """Serves the given traces, and nothing else, to the viewer in a browser of this machine."""

    def __init__(self, traces: Sequence[Path], port: int) -> None:
        """Take the port. Raises OSError if it is in use. port: 0 for any free one."""
        self.files = {f"/{number}/{TRACE}": trace for number, trace in enumerate(traces)}
        self.unread = set(self.files)
        super().__init__((HOST, port), _Handler)
        self.timeout = 0.5

    @property
    def addresses(self) -> list[str]:
        """Addresses of the traces, in their order."""
        return [f"http://{HOST}:{self.server_port}{path}" for path in self.files]

    def serve_all(self, wait_s: float) -> bool:
        """Answer requests until each trace was read or the time is up. Returns whether all were read."""
        end_s = time.monotonic() + wait_s
        while self.unread and time.monotonic() < end_s:
            self.handle_request()
        return not self.unread


class _Handler(BaseHTTPRequestHandler):
    server: TraceServer

    def do_OPTIONS(self) -> None:  # the name is http.server's
        """Allow the viewer, a page of the internet, to read from this machine. Browsers ask that first."""
        self._answer(204, b"")

    def do_GET(self) -> None:  # the name is http.server's
        """Send a trace."""
        file = self.server.files.get(self.path)
        if file is None or self.headers["Host"] != f"{HOST}:{self.server.server_port}":
            self._answer(404, b"")
            return
        self._answer(200, file.read_bytes())
        self.server.unread.discard(self.path)

    def _answer(self, code: int, content: bytes) -> None:
        self.send_response(code)
        for name, value in (
            ("Access-Control-Allow-Origin", VIEWER),
            ("Access-Control-Allow-Private-Network", "true"),
            ("Cache-Control", "no-store"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(content))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
        """Print nothing: the user did not ask for a log."""
