"""The real `digitbox watch`, with the real model."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from command import environment
from formats import FORMATS, two
from waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

COMMAND = [sys.executable, "-m", "batch", "watch"]


class Running:
    """A watcher that was started by a command."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.inbox, self.outbox = folder, folder / "inbox", folder / "outbox"
        self.inbox.mkdir()
        self._log = folder / "log"
        self._heard = 0  # lines of the log
        self._processes: list[subprocess.Popen[bytes]] = []
        self._published: dict[Path, list[dict[str, str]]] = {}

    def start(self, *options: str, before: tuple[str, ...] = ()) -> "Running":
        command = [*before, *COMMAND, str(self.inbox), "--outbox", str(self.outbox), "--log-format", "json"]
        command += ["--settle", "0.3", *options]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._processes.append(process)
        self.hear("started")
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self._processes[-1]

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        print(self._log.read_text())  # pytest shows it of a test that failed

    def hear(self, event: str) -> dict[str, object]:
        """Wait until the watcher says something of that; return what it says."""
        while True:
            wait_for(lambda: len(self._lines()) > self._heard or self.has_ended())
            lines = self._lines()
            assert len(lines) > self._heard, f"the watcher has ended and never said {event!r}"
            said: dict[str, object] = json.loads(lines[self._heard])
            self._heard += 1
            if said["event"] == event:
                return said

    def _lines(self) -> list[str]:
        """Return the lines of the log, as far as they are whole."""
        return self._log.read_text(encoding="utf-8").split("\n")[:-1]

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]

    def end(self, *numbers: int) -> int:
        for number in numbers or (signal.SIGTERM,):
            self.process.send_signal(number)
        return self.process.wait()

    def kill(self) -> None:
        """Kill the watcher, and wait until its workers are gone, too."""
        workers = self.workers()
        self.process.kill()
        self.process.wait()
        wait_for(lambda: have_ended(workers))

    @property
    def rows(self) -> list[dict[str, str]]:
        for path in self.outbox.glob("*.csv"):
            if path not in self._published:
                content = path.read_text(encoding="utf-8")
                self._published[path] = list(csv.DictReader(content.splitlines()))
        return [row for rows in self._published.values() for row in rows]

    def wait_for_rows(self, count: int) -> list[dict[str, str]]:
        wait_for(lambda: len(self.rows) >= count or self.has_ended())
        rows = self.rows
        assert len(rows) >= count
        return rows


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
    running.start()
    (running.inbox / "a.png").write_bytes(scan(1))
    said = running.hear("batch")
    assert (said["scans"], said["ok"]) == (1, 1)
    assert running.end() == 0
    assert [row["prediction"] for row in running.rows] == ["2"]


def test_ctrl_c(running: Running) -> None:
    running.start()
    assert running.end(signal.SIGINT) == 130
    assert running.hear("stopped")


def test_a_second_signal_ends_the_watcher_at_once(running: Running) -> None:
    for number in range(600):
        (running.inbox / f"{number}.png").write_bytes(scan(number))
    running.start("--workers", "1", "--rows-per-file", "40")
    running.wait_for_rows(40)  # it is reading
    workers = running.workers()
    # Two of the same kind may become one on their way. The batch may be done before the second comes.
    assert running.end(signal.SIGTERM, signal.SIGINT) in (0, 128 + signal.SIGTERM, 128 + signal.SIGINT)
    wait_for(lambda: have_ended(workers))
    running.start()
    running.wait_for_rows(600)
    assert running.end() == 0
    assert len(running.rows) == len({row["file"] for row in running.rows}) == 600


def test_killed_several_times_while_it_reads(running: Running) -> None:
    """What was being read has no row yet, and is read again."""
    for number in range(900):
        (running.inbox / f"{number}.png").write_bytes(scan(number))
    for count in (0, 40, 200, 400):
        running.start("--rows-per-file", "40")
        running.wait_for_rows(count)
        running.kill()
    running.start("--rows-per-file", "40")
    running.wait_for_rows(900)
    assert running.end() == 0
    assert Counter(row["file"] for row in running.rows) == Counter(f"{number}.png" for number in range(900))
    assert len(list((running.outbox / "done").rglob("*.png"))) == 900


def test_a_worker_that_is_killed_is_replaced(running: Running) -> None:
    running.start()
    for worker in running.workers():
        os.kill(worker, signal.SIGKILL)
    (running.inbox / "a.png").write_bytes(scan(1))
    assert running.hear("batch")["ok"] == 1
    assert running.end() == 0


def test_a_second_watcher_ends_while_the_first_goes_on(running: Running) -> None:
    running.start()
    for outbox in (running.folder / "other", running.outbox):
        done = subprocess.run(
            [*COMMAND, str(running.inbox), "--outbox", str(outbox)],
            cwd=running.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        (line,) = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (75, "")
        assert "Z digitbox: another digitbox is " in line
    assert running.end() == 0


def test_five_thousand_at_once_by_every_kind_of_drop(running: Running) -> None:
    running.start("--settle", "1")
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
    rows = running.wait_for_rows(5000)
    assert running.end() == 0
    assert Counter((row["file"], row["sha256"]) for row in rows) == dropped
    assert len(list((running.outbox / "done").rglob("*.png"))) == 5000
    assert not list(running.inbox.rglob("*.png"))


def test_an_inbox_that_is_deleted_and_made_again(running: Running) -> None:
    running.start("--rescan", "0.5")
    shutil.rmtree(running.inbox)
    running.hear("inbox")
    running.inbox.mkdir()
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
