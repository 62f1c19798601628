"""The real `digitbox watch`, with the real model."""

import csv
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from formats import FORMATS, two

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

COMMAND = [sys.executable, "-m", "batch", "watch"]


class Running:
    """A watcher that was started by a command."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.inbox, self.outbox = folder, folder / "inbox", folder / "outbox"
        self.inbox.mkdir()
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, *options: str, before: tuple[str, ...] = ()) -> "Running":
        command = [*before, *COMMAND, str(self.inbox), "--outbox", str(self.outbox), "--log-format", "json"]
        command += ["--settle", "0.3", *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._processes.append(process)
        return self

    @property
    def process(self) -> subprocess.Popen[str]:
        return self._processes[-1]

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def hear(self, event: str) -> dict[str, object]:
        """Waits until it says something of that; what it says comes at once, though its stderr is a pipe."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            said: dict[str, object] = json.loads(line)
            if said["event"] == event:
                return said
        raise AssertionError(f"it ended, and never said {event!r}")

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]

    def end(self, *numbers: int) -> int:
        for number in numbers or (signal.SIGTERM,):
            self.process.send_signal(number)
        return self.process.wait(30)

    @property
    def rows(self) -> list[dict[str, str]]:
        return [
            row
            for path in self.outbox.glob("*.csv")
            for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
        ]

    def wait_for(self, count: int, seconds: float = 60) -> list[dict[str, str]]:
        until(lambda: len(self.rows) >= count, seconds)
        return self.rows


def until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    last = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < last
        time.sleep(0.05)


def have_ended(workers: list[int]) -> bool:
    return not any(Path(f"/proc/{worker}").exists() for worker in workers)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with closing(Running(tmp_path)) as running:
        yield running


def scan(number: int) -> bytes:
    image = two()
    image[0, :4] = [(number >> 4 * place & 15) + 200 for place in range(4)]
    return FORMATS["png-8"](image)


def test_a_scan_that_is_dropped_and_an_end(running: Running) -> None:
    running.start().hear("started")
    (running.inbox / "a.png").write_bytes(scan(1))
    said = running.hear("batch")
    assert (said["scans"], said["ok"]) == (1, 1)
    assert running.end() == 0
    assert [row["prediction"] for row in running.rows] == ["2"]


def test_ctrl_c(running: Running) -> None:
    running.start().hear("started")
    assert running.end(signal.SIGINT) == 130


def test_a_second_signal_ends_it_at_once_and_the_next_start_goes_on(running: Running) -> None:
    for number in range(600):
        (running.inbox / f"{number}.png").write_bytes(scan(number))
    running.start("--workers", "1").hear("started")
    time.sleep(0.7)  # it is reading
    workers = running.workers()
    running.process.send_signal(signal.SIGTERM)
    time.sleep(0.01)
    assert running.end(signal.SIGTERM) in (0, 128 + signal.SIGTERM)
    until(lambda: have_ended(workers))
    running.start().hear("started")
    running.wait_for(600)
    assert running.end() == 0
    assert len(running.rows) == len({row["file"] for row in running.rows}) == 600


def test_killed_several_times_while_it_reads(running: Running) -> None:
    """What was being read has no row yet, and is read again."""
    for number in range(900):
        (running.inbox / f"{number}.png").write_bytes(scan(number))
    for pause_s in (0.6, 0.75, 0.9, 1.0):
        running.start("--rows-per-file", "40").hear("started")
        time.sleep(pause_s - 0.3)
        workers = running.workers()
        running.process.kill()
        running.process.wait()
        until(functools.partial(have_ended, workers))
    running.start("--rows-per-file", "40").hear("started")
    running.wait_for(900)
    assert running.end() == 0
    assert Counter(row["file"] for row in running.rows) == Counter(f"{number}.png" for number in range(900))
    assert len(list((running.outbox / "done").rglob("*.png"))) == 900


def test_a_worker_that_is_killed_is_replaced(running: Running) -> None:
    running.start().hear("started")
    for worker in running.workers():
        os.kill(worker, signal.SIGKILL)
    (running.inbox / "a.png").write_bytes(scan(1))
    assert running.hear("batch")["ok"] == 1
    assert running.end() == 0


def test_a_second_watcher_ends_in_less_than_a_second(running: Running) -> None:
    running.start().hear("started")
    times = []
    for other in (["--outbox", str(running.folder / "other")], ["--outbox", str(running.outbox)]):
        started = time.monotonic()
        done = subprocess.run(
            [*COMMAND, str(running.inbox), *other], capture_output=True, text=True, check=False
        )
        times.append(time.monotonic() - started)
        assert done.returncode == 75
        assert "another digitbox is" in done.stderr
    assert min(times) < 1
    assert running.end() == 0


def test_five_thousand_at_once_by_every_kind_of_drop(running: Running) -> None:
    running.start("--settle", "1").hear("started")
    beside = running.folder / "beside"
    (beside / "form").mkdir(parents=True)
    dropped: Counter[tuple[str, str]] = Counter()
    for number in range(5000):
        content, name = scan(number), f"{number}.png"
        kind = number % 5
        if kind == 0:
            (running.inbox / name).write_bytes(content)
        elif kind == 1:
            (beside / name).write_bytes(content)
            (beside / name).rename(running.inbox / name)
        elif kind == 2:
            (beside / name).write_bytes(content)
            os.link(beside / name, running.inbox / name)
        elif kind == 3:
            part = running.inbox / f".{name}.aB3dEf"
            part.write_bytes(content)
            part.rename(running.inbox / name)
        else:
            (beside / "form" / name).write_bytes(content)
            name = f"form/{name}"
        dropped[name, hashlib.sha256(content).hexdigest()] += 1
    (beside / "form").rename(running.inbox / "form")
    rows = running.wait_for(5000, 120)
    assert running.end() == 0
    assert Counter((row["file"], row["sha256"]) for row in rows) == dropped
    assert len(list(running.outbox.glob("*.csv"))) <= 12
    assert len(list((running.outbox / "done").rglob("*.png"))) == 5000
    assert not list(running.inbox.rglob("*.png"))


def test_an_inbox_that_is_deleted_and_made_again(running: Running) -> None:
    running.start("--rescan", "0.5").hear("started")
    shutil.rmtree(running.inbox)
    running.hear("inbox")
    running.inbox.mkdir()
    time.sleep(1)
    (running.inbox / "a.png").write_bytes(scan(1))
    assert running.hear("batch")["ok"] == 1
    assert running.end() == 0


@pytest.mark.parametrize("limit", ["max_inotify_watches", "max_inotify_instances"])
def test_a_system_that_has_no_watches_to_give(running: Running, limit: str) -> None:
    script = f'echo 0 > /proc/sys/user/{limit} && exec "$@"'
    before = ("unshare", "--user", "--map-root-user", "sh", "-c", script, "sh")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*before, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no limits of one's own here")
    running.start(before=before).hear("polling")
    (running.inbox / "a.png").write_bytes(scan(1))
    assert running.hear("batch")["ok"] == 1
    assert running.end() == 0
