"""Whom a watcher notifies, and when."""

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from batch.config import NotifyOptions
from batch.errors import ConfigError, InputError
from batch.monitoring import metrics_server, news, notify, ping
from batch.monitoring.metrics_server import MetricsCollector
from batch.monitoring.news import News, State
from batch.outbox.run_stats import RunStats
from batch.records import Outcome, Reason, ScanRef, Status
from batch.results import writers
from faults import fast_folder
from formats import numbered_scan
from scene import Scene

SAVES = """
import os, sys
with open(sys.argv[1], "a") as file:
    file.write(os.environ["DIGITBOX_RUN_FAILED"] + sys.stdin.read() + "\\n")
"""


@pytest.fixture
def scene(tmp_path: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.delenv(notify.HOOK_VARIABLE, raising=False)
    with fast_folder(tmp_path) as folder:
        yield Scene(folder)


def calls(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the summaries that a hook got, each with the number of failed scans in its environment."""
    file = folder / name
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line[line.index("{") :]) | {"failed": line[: line.index("{")]} for line in lines]


def hook(folder: Path, name: str) -> str:
    script = folder / "hook.py"
    script.write_text(SAVES)
    return f"{sys.executable} {script} {folder / name}"


def test_a_hook_gets_each_batch(scene: Scene) -> None:
    scene.notifications = NotifyOptions(
        on_complete=hook(scene.folder, "complete"), on_failure=hook(scene.folder, "failure")
    )
    scene.drop("a.png", numbered_scan(1))
    scene.ticking.at(20, lambda: scene.drop("b.png", b"no image"))
    scene.watch(60)
    scene.check()
    complete, failure = calls(scene.folder, "complete"), calls(scene.folder, "failure")
    assert [run["seen"] for run in complete] == [1, 1]
    assert [(run["exit_code"], run["failed"], run["reasons"]) for run in complete] == [
        (0, "0", {}),
        (3, "1", {"not_an_image": 1}),
    ]
    assert failure == complete[1:]
    published = sorted(path.name for path in (scene.folder / "taken").glob("*.csv"))
    assert sorted(os.path.basename(run["results"][0]) for run in complete) == published


def test_a_pause_is_a_failure_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.notifications = NotifyOptions(on_failure=hook(scene.folder, "failure"))
    real = writers.CsvWriter.close

    def close(writer: writers.CsvWriter) -> None:
        if scene.ticking.now < 60:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(writer)

    monkeypatch.setattr(writers.CsvWriter, "close", close)
    scene.drop("a.png", numbered_scan(1))
    scene.watch(200)
    scene.check()
    (failure,) = calls(scene.folder, "failure")
    assert (failure["exit_code"], failure["results"]) == (6, [])
    assert "No space left" in failure["error"]


def test_a_monitor_hears_of_a_watcher_every_minute(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    pings: list[bool] = []

    def answer(address: str, *, failed: bool) -> str:
        pings.append(failed)
        return ""

    monkeypatch.setattr(ping, "ping", answer)
    scene.notifications = NotifyOptions(ping="https://host/uuid", metrics_file=scene.folder / "m.prom")
    scene.drop("a.png", numbered_scan(1))
    scene.watch(10 * news.INTERVAL_S + 1)
    assert 10 <= len(pings) <= 13 and not any(pings)
    lines = (scene.folder / "m.prom").read_text().splitlines()
    metrics = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    label = f'outbox="{scene.outbox}"'
    assert sum(float(metrics[f'digitbox_last_run_scans{{{label},status="{s}"}}']) for s in Status) == 1
    assert metrics[f"digitbox_last_run_success{{{label}}}"] == "1"
    assert f"digitbox_last_success_timestamp_seconds{{{label}}}" in metrics


def test_the_summary_is_of_the_last_batch(scene: Scene) -> None:
    scene.notifications = NotifyOptions(summary=scene.folder / "s.json")
    scene.drop("a.png", numbered_scan(1))

    def drop_two() -> None:
        for name in ("b.png", "c.png"):
            scene.drop(name, numbered_scan(2))

    scene.ticking.at(20, drop_two)
    scene.watch(80)
    summary = json.loads((scene.folder / "s.json").read_text())
    assert (summary["command"], summary["seen"], summary["batches"]) == ("watch", 2, 1)


def test_an_error_that_ends_the_watcher_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(notify.HOOK_VARIABLE, raising=False)
    options = NotifyOptions(on_failure=hook(tmp_path, "failure"))
    with pytest.raises(InputError), News(RunStats("watch"), State(), options, tmp_path, print):
        raise InputError("no inbox")
    (failure,) = calls(tmp_path, "failure")
    assert (failure["exit_code"], failure["error"]) == (4, "no inbox")


def test_slow_programs_hold_up_no_scan(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    has_begun, is_over = threading.Event(), threading.Event()

    def call(*_: object) -> None:
        has_begun.set()
        is_over.wait()

    def wait_for_the_first() -> None:
        has_begun.wait()

    scene.notifications = NotifyOptions(on_complete="true")
    monkeypatch.setattr(notify, "call_hooks", call)
    monkeypatch.setattr(news, "MAX_WAITING", 4)  # more than come before the first begins
    for number in range(8):
        scene.ticking.at(number * 10, lambda n=number: scene.drop(f"{n}.png", numbered_scan(n)))  # type: ignore[misc]
    scene.ticking.at(9, wait_for_the_first)
    scene.ticking.at(109, lambda: is_over.set())  # at the end: later news may meet a full queue once more
    scene.watch(110)
    scene.check()
    assert len(scene.log.of("notify")) == 1 and len(scene.results) == 8


def metrics_of(collector: MetricsCollector) -> dict[str, float]:
    from prometheus_client import generate_latest

    lines = generate_latest(collector.registry).decode().splitlines()
    return {
        name.replace('outbox="out"', "").replace("{}", ""): float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def test_metrics_are_those_of_the_moment() -> None:
    pytest.importorskip("prometheus_client", reason="needs the extra 'metrics'")
    now, stats, state = [100.0], RunStats("watch"), State()
    collector = MetricsCollector(stats, state, "out", lambda: now[0])
    first = metrics_of(collector)
    assert (first['digitbox_scans_total{,status="ok"}'], first["digitbox_backlog"]) == (0, 0)
    assert first["digitbox_oldest_waiting_seconds"] == first["digitbox_paused"] == 0
    stats.model = "cnn-1"
    stats.stage(
        [
            Outcome(ScanRef("a", "a"), Status.OK, label=1, confidence=1.0),
            Outcome(ScanRef("b", "b"), Status.FAILED, Reason.EMPTY),
        ]
    )
    stats.publish()
    collector.observe(0.3)
    state.backlog, state.ready_since, state.pauses, state.problem = 7, 90.0, 2, "full"
    found = metrics_of(collector)
    assert found['digitbox_scans_total{,status="ok"}'] == found['digitbox_scans_total{,status="failed"}'] == 1
    assert found['digitbox_reasons_total{,reason="empty"}'] == 1
    assert (found["digitbox_backlog"], found["digitbox_oldest_waiting_seconds"]) == (7, 10)
    assert (found["digitbox_pauses_total"], found["digitbox_paused"]) == (2, 1)
    assert found['digitbox_model_info{,version="cnn-1"}'] == 1
    assert found['digitbox_batch_latency_seconds_bucket{le="0.5",}'] == 1


def test_metrics_are_served_and_a_taken_port_is_told() -> None:
    pytest.importorskip("prometheus_client", reason="needs the extra 'metrics'")
    import socket
    from urllib.request import urlopen

    collector = MetricsCollector(RunStats("watch"), State(), "out")
    for _ in range(20):  # another process may take the port as soon as it is free
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with (
                pytest.raises(ConfigError, match=r"--metrics-listen: cannot listen on 127\.0\.0\.1"),
                metrics_server.serve(collector, f"127.0.0.1:{port}"),
            ):
                pass
        with (
            suppress(ConfigError),
            metrics_server.serve(collector, f"127.0.0.1:{port}"),
            urlopen(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            assert b"digitbox_backlog" in answer.read()
            return
    pytest.fail("no port was free")


@pytest.mark.parametrize(
    "text", ["9600", ":9600", "host", "host:", "host:0", "host:65536", "a b:1", "http://h:1"]
)
def test_an_address_has_a_host_and_a_port(text: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        metrics_server.parse_address(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:9600", ("127.0.0.1", 9600)), ("[::1]:80", ("::1", 80)), ("box.local:9", ("box.local", 9))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert metrics_server.parse_address(text) == address


def test_the_end_waits_once_for_programs_that_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    told = News(RunStats("watch"), State(), NotifyOptions(on_complete="true"), tmp_path, print)
    now = 0.0

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds
        waits.append(seconds)

    monkeypatch.setattr(news, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(told, "_tasks", SimpleNamespace(put=lambda _, timeout: wait(timeout - 1)))
    monkeypatch.setattr(told, "_thread", SimpleNamespace(ident=1, join=wait))
    told.__exit__(None, None, None)
    assert sum(waits) == news.END_S
