import math
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.watcher import systemd
from batch.watcher.systemd import notify, watchdog_interval_s
from faults import fast_folder
from formats import FORMATS, two
from scene import Scene


@pytest.fixture(params=["path", "abstract"])
def heard(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The end at which systemd listens; it takes ten messages."""
    monkeypatch.setattr(systemd, "PATIENCE_S", 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        if request.param == "path":
            monkeypatch.chdir(tmp_path)  # the path of a socket may not be long
            listening.bind("notify")
            monkeypatch.setenv("NOTIFY_SOCKET", os.path.realpath("notify"))
        else:
            listening.bind(f"\0digitbox-{os.getpid()}")
            monkeypatch.setenv("NOTIFY_SOCKET", f"@digitbox-{os.getpid()}")
        listening.setblocking(False)
        yield listening


def messages(listening: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(listening.recv(4096).decode())
        except BlockingIOError:
            return found


def test_lines_come_as_one_message(heard: socket.socket) -> None:
    notify("READY=1", "STATUS=two\nlines \udcff")
    assert messages(heard) == ["READY=1\nSTATUS=two lines \\udcff"]


@pytest.mark.parametrize("address", [None, "", "notify", "vsock:2:1234", "/gone/notify", "@nobody-listens"])
def test_nobody_need_listen(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_who_does_not_listen_is_not_waited_for(heard: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "PATIENCE_S", 0)
    for _ in range(5000):  # more than any queue takes
        notify("WATCHDOG=1")


@pytest.mark.parametrize(
    ("limit", "process", "silence_s"),
    [
        (None, None, math.inf),
        ("30000000", None, 15),
        pytest.param("30000000", str(os.getpid()), 15, id="meant-for-this-process"),
        ("30000000", "1", math.inf),  # meant for another process
        ("0", None, math.inf),
        ("soon", None, math.inf),
    ],
)
def test_how_long_it_may_be_silent(
    limit: str | None, process: str | None, silence_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", limit), ("WATCHDOG_PID", process)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert watchdog_interval_s() == silence_s


def test_a_watcher_is_ready_gives_signs_of_life_and_stops(
    heard: socket.socket, tmp_path: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    with fast_folder(tmp_path) as folder:
        scene = Scene(folder)
        scene.watch(1, rescan_s=1000)
        first, *rest = messages(heard)
        assert first.startswith("READY=1\nSTATUS=watching ")
        assert rest[-1] == "STOPPING=1"
        scene.ticking.now = 2000
        scene.watch(2030, rescan_s=1000)
        assert messages(heard).count("WATCHDOG=1") in (6, 7)  # every five seconds


def test_it_says_why_it_is_paused(heard: socket.socket, tmp_path: Path, fake_model: Path) -> None:
    with fast_folder(tmp_path) as folder:
        scene = Scene(folder)
        scene.drop("a.png", FORMATS["png-8"](two()))
        lock = scene.outbox / ".digitbox" / "lock"
        scene.ticking.at(20, lambda: os.replace(lock, lock.with_name("old")))
        lines: list[str] = []
        for seconds in range(10, 200, 10):  # the end takes few messages at a time
            scene.ticking.at(seconds, lambda: lines.extend(messages(heard)))
        scene.watch(200)
        said = [line for line in lines if line.startswith("STATUS=")]
        assert said[0].startswith("STATUS=paused: somebody moved or replaced")
        assert said[1].startswith("STATUS=watching")
