"""Runs on a Ray cluster of two machines, which both are this one."""

import csv
import importlib.util
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

import misbehaving
from command import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for processes as Linux can"),
]
DEADLINE_S = 180
Mnist = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
Process = subprocess.Popen[str]


class Cluster:
    """The cluster, and runs on it."""

    def __init__(self, process: Process, address: str) -> None:
        self._process, self.address = process, address

    def start(self, *arguments: str | Path, own: bool = False) -> Process:
        """Starts a run, on this cluster or with a Ray of its own."""
        command = [sys.executable, "-m", "misbehaving", "run", *map(str, arguments), "--engine", "ray"]
        return subprocess.Popen(
            command if own else [*command, "--ray-address", self.address],
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            # Where tests run in the background, Ctrl-C may be ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str | Path) -> tuple[int, list[str], list[str]]:
        """Exit code, and lines of stdout and stderr of a run."""
        return end(self.start(*arguments))

    def lose_a_machine(self) -> None:
        """Ends one and puts another in its place."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "another\n"


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DIGITBOX_", "RAY_"))}
    return {**kept, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}


def end(process: Process) -> tuple[int, list[str], list[str]]:
    out, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out.splitlines(), err.splitlines()


def comes(descriptor: int, within_s: float = DEADLINE_S) -> bool:
    """Whether there is something to read, or a process has ended, in time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(within_s * 1000))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    command = [sys.executable, str(ROOT / "tests" / "ray_cluster.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address
        yield Cluster(process, address)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory, mnist_test: Mnist) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    for number, image in enumerate(mnist_test[0][:3000]):
        cv2.imwrite(str(folder / f"{number:05d}.png"), image)
    return folder


@pytest.fixture
def scans(tmp_path: Path, digits: Path) -> Path:
    folder = tmp_path / "scans"
    shutil.copytree(digits, folder, copy_function=os.link)
    return folder


class Gate:
    """A scan that waits in its worker until it is let through."""

    def __init__(self, scans: Path) -> None:
        self._folder = scans
        shutil.copy(scans / "01500.png", scans / "01500-gate.png")
        for name in (misbehaving.ASKS, misbehaving.ANSWERS):
            os.mkfifo(scans / name)
        self._asks = os.open(scans / misbehaving.ASKS, os.O_RDWR)

    def wait(self) -> int:
        """Waits until it is there; returns the process of the actor."""
        assert comes(self._asks)
        return int(os.read(self._asks, 100))

    def open(self) -> None:
        """Lets it through, and every later one."""
        (self._folder / misbehaving.OPEN).touch()
        with suppress(OSError):  # who waited is gone
            os.write(os.open(self._folder / misbehaving.ANSWERS, os.O_WRONLY | os.O_NONBLOCK), b"go")

    def remove(self) -> None:
        (self._folder / "01500-gate.png").unlink()


@pytest.fixture
def gate(scans: Path) -> Gate:
    return Gate(scans)


def rows(outbox: Path) -> list[dict[str, str]]:
    """Rows of all published files, in order, but for what differs from run to run."""
    found = []
    for path in sorted(outbox.glob("*.csv"), key=lambda path: path.stat().st_mtime_ns):
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            found.append({name: row[name] for name in row if name not in ("batch", "processed_at")})
    return found


def names(outbox: Path) -> list[str]:
    return [row["file"] for row in rows(outbox)]


def scans_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


def test_rows_are_those_of_a_local_run(cluster: Cluster, scans: Path, tmp_path: Path) -> None:
    for path in (ROOT / "inbox").iterdir():
        shutil.copy(path, scans)
    (scans / os.fsdecode(b"\xff.png")).write_bytes(b"no image")
    command = [sys.executable, "-m", "batch", "run", str(scans), "--outbox", str(tmp_path / "local")]
    command += ["--probabilities"]
    assert subprocess.run(command, env=environment(), capture_output=True, check=False).returncode == 3
    outbox = tmp_path / "ray"
    arguments = (scans, "--outbox", outbox, "--probabilities", "--rows-per-file", "1000", "--workers", "2")
    code, out, err = cluster.run(*arguments)
    assert code == 3
    assert rows(outbox) == rows(tmp_path / "local")
    assert sorted(out) == sorted(map(str, outbox.glob("*.csv")))
    assert len(out) == 4
    assert re.match(r"3,0\d\d scans: ", err[0])
    assert err[1:] == ["results: 4 files"]


def test_workers_that_are_killed_by_scans_and_by_others(
    cluster: Cluster, scans: Path, gate: Gate, tmp_path: Path
) -> None:
    for name in ("00010-crash.png", "02000-crash.png"):
        shutil.copy(scans / "00000.png", scans / name)
    process = cluster.start(scans, "--outbox", tmp_path / "out")
    os.kill(gate.wait(), signal.SIGKILL)
    gate.wait()  # in another
    gate.open()
    assert end(process)[0] == 3
    found = rows(tmp_path / "out")
    assert [row["file"] for row in found] == scans_of(scans)
    for row in found:
        assert (row["status"], row["reason"] == "worker_crashed") == (
            ("failed", True) if "crash" in row["file"] else (row["status"], False)
        )


def test_a_machine_that_is_lost(cluster: Cluster, scans: Path, gate: Gate, tmp_path: Path) -> None:
    process = cluster.start(scans, "--outbox", tmp_path / "out")
    gate.wait()
    cluster.lose_a_machine()
    gate.open()
    assert end(process)[0] == 0
    assert names(tmp_path / "out") == scans_of(scans)


def test_a_run_that_is_killed_is_gone_on_with(
    cluster: Cluster, scans: Path, gate: Gate, tmp_path: Path
) -> None:
    arguments = (scans, "--outbox", tmp_path / "out", "--rows-per-file", "300", "--only-new")
    process = cluster.start(*arguments)
    worker, driver = os.pidfd_open(gate.wait()), os.pidfd_open(process.pid)
    while not (before := names(tmp_path / "out")):
        assert not comes(driver, within_s=0.05)
    process.kill()
    assert end(process)[0] == -signal.SIGKILL
    assert comes(worker)
    gate.remove()
    assert 0 < len(before) < 3000
    assert cluster.run(*arguments)[0] == 0
    assert names(tmp_path / "out") == scans_of(scans)


@pytest.mark.parametrize(
    ("number", "code", "own"), [(signal.SIGTERM, 143, False), (signal.SIGINT, 130, True)], ids=["TERM", "INT"]
)
def test_a_signal_ends_the_run_and_its_workers(
    cluster: Cluster, scans: Path, gate: Gate, tmp_path: Path, number: int, code: int, own: bool
) -> None:
    process = cluster.start(scans, "--outbox", tmp_path / "out", "--rows-per-file", "300", own=own)
    worker = os.pidfd_open(gate.wait())
    os.killpg(process.pid, number)  # as a terminal does
    ended = end(process)
    assert ended[0] == code
    assert [line.split()[0] for line in ended[2] if line] == ["digitbox:"]  # click adds an empty one
    assert comes(worker)
    assert len(names(tmp_path / "out")) % 300 == 0


def test_what_a_worker_lacks_ends_the_run(cluster: Cluster, scans: Path, tmp_path: Path) -> None:
    shutil.copy(scans / "00000.png", scans / "00300-extra.png")
    code, out, err = cluster.run(scans, "--outbox", tmp_path / "out")
    assert (code, out, len(err)) == (7, [], 1)
    assert "digitbox[train]" in err[0]
