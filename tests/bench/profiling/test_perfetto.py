"""`--open`: the viewer gets the traces from a server on this machine, and nobody else gets anything."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

import pytest

from feedrate.bench.profiling import perfetto
from feedrate.loaders.errors import FeedrateError


def _trace(folder: Path, content: str) -> Path:
    folder.mkdir()
    trace = folder / "trace.json"
    trace.write_text(content)
    return trace


def test_the_viewer_reads_each_trace_and_the_server_ends(tmp_path: Path) -> None:
    traces = [_trace(tmp_path / name, f'{{"traceEvents": [], "of": "{name}"}}') for name in ("a", "b")]
    said: list[str] = []
    read: list[tuple[str, str | None]] = []
    tabs: list[threading.Thread] = []

    def browse(address: str) -> bool:
        viewer, _, source = address.partition("/#!/?url=")
        assert viewer == perfetto.VIEWER

        def fetch() -> None:
            with urllib.request.urlopen(source, timeout=10) as answer:
                read.append((answer.read().decode(), answer.headers["Access-Control-Allow-Origin"]))

        tabs.append(threading.Thread(target=fetch))
        tabs[-1].start()
        return True

    perfetto.open_traces(traces, said.append, browse, port=0, wait_s=20)
    for tab in tabs:
        tab.join()
    assert sorted(read) == [(trace.read_text(), perfetto.VIEWER) for trace in traces]
    assert len(said) == 1


def test_the_server_gives_only_traces_and_only_to_its_own_name(tmp_path: Path) -> None:
    trace = _trace(tmp_path / "a", "{}")
    (tmp_path / "a" / "secret").write_text("secret")
    with perfetto.TraceServer([trace], 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            connection = HTTPConnection("127.0.0.1", server.server_port)
            for path, host in (("/../a/secret", None), ("/0/secret", None), ("/0/trace.json", "evil.example")):
                connection.request("GET", path, headers={} if host is None else {"Host": host})
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (404, b"")
            assert server.unread == {"/0/trace.json"}
            connection.request("OPTIONS", "/0/trace.json")
            assert connection.getresponse().headers["Access-Control-Allow-Private-Network"] == "true"
        finally:
            server.shutdown()
            thread.join()


def test_without_a_browser_or_a_port_only_the_way_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = _trace(tmp_path / "a", "{}")
    said: list[str] = []

    def no_browser() -> None:
        raise perfetto.webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(perfetto.webbrowser, "get", no_browser)
    perfetto.open_traces([trace], said.append)
    assert said == [f"no browser was found: open https://ui.perfetto.dev and drop {trace} there"]
    with perfetto.TraceServer([trace], 0) as taken:
        perfetto.open_traces([trace], said.append, lambda _address: True, port=taken.server_port)
    assert said[1].startswith(f"port {taken.server_port}, from which the viewer reads, cannot be used (")
    assert str(trace) in said[1]


def test_a_viewer_that_does_not_ask_is_not_waited_for_forever(tmp_path: Path) -> None:
    said: list[str] = []
    perfetto.open_traces([_trace(tmp_path / "a", "{}")], said.append, lambda _address: True, port=0, wait_s=0.01)
    assert said[-1].startswith("the viewer did not ask for every trace within 0 s: open ")


def test_a_folder_without_traces_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match=r"has no trace\.json to open: record one with `feedrate profile"):
        perfetto.traces_in(tmp_path)
