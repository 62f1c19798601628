"""Runs on a Ray cluster of two machines, which both are this one."""

import csv
import importlib.util
import os
import re
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

from command import ROOT, environment
from gate import Gate, gate_after, has_come
from waiting import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for processes as Linux can"),
]
Mnist = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
Process = subprocess.Popen[str]
COMMAND = [sys.executable, "-m", "misbehaving", "run"]
# Ray's workers would let every other program on a busy machine go first, and start before they are needed.
SETTINGS = {"RAY_worker_niceness": "0", "RAY_prestart_worker_first_driver": "0"}


class Cluster:
    """A cluster, and the runs of a test on it."""

    def __init__(self, process: Process, address: str) -> None:
        self._process, self._address = process, address
        self._runs: list[Process] = []

    def start(self, *arguments: str | Path, own: bool = False) -> Process:
        """Start a run, on this cluster or with a Ray of its own."""
        # Small chunks, so that there are many of them.
        command = [*COMMAND, *map(str, arguments), "--batch-size", "64", "--engine", "ray"]
        run = subprocess.Popen(
            command if own else [*command, "--ray-address", self._address],
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**SETTINGS),
        )
        self._runs.append(run)
        return run

    def run(self, *arguments: str | Path) -> tuple[int, list[str], list[str]]:
        """Return exit code, and lines of stdout and stderr of a run."""
        return end(self.start(*arguments))

    def lose_a_machine(self) -> None:
        """End one and put another in its place."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "another\n"

    def kill_runs(self) -> None:
        """Kill what a failed test has left of its runs."""
        for run in self._runs:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.communicate()


def end(run: Process) -> tuple[int, list[str], list[str]]:
    out, err = run.communicate()
    return run.returncode, out.splitlines(), err.splitlines()


def group_is_gone(run: Process) -> bool:
    """Tell whether no process is left of a run and of what it has started."""
    with suppress(ProcessLookupError):
        os.killpg(run.pid, 0)
        return False
    return True


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Process, str]]:
    command = [sys.executable, str(ROOT / "tests" / "ray_cluster.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(**SETTINGS)
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address
        yield process, address


@pytest.fixture
def cluster(machines: tuple[Process, str]) -> Iterator[Cluster]:
    cluster = Cluster(*machines)
    yield cluster
    cluster.kill_runs()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory, mnist_test: Mnist) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    for number, image in enumerate(mnist_test[0][:800]):
        cv2.imwrite(str(folder / f"{number:05d}.png"), image)
    return folder


@pytest.fixture
def scans(tmp_path: Path, digits: Path) -> Path:
    folder = tmp_path / "scans"
    shutil.copytree(digits, folder, copy_function=os.link)
    return folder


@pytest.fixture
def gate(scans: Path) -> Iterator[Gate]:
    with gate_after(scans / "00400.png") as gate:
        yield gate


def rows(outbox: Path) -> list[dict[str, str]]:
    """Return the rows of all published files, without what differs from run to run.

    Files come in the order of their first scan: two may be published at the same tick of the clock.
    """
    files = []
    for path in outbox.glob("*.csv"):
        table = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
        files.append([{n: row[n] for n in row if n not in ("batch", "processed_at")} for row in table])
    return [row for rows in sorted(files, key=lambda rows: rows[0]["file"]) for row in rows]


def names(outbox: Path) -> list[str]:
    return [row["file"] for row in rows(outbox)]


def scans_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


def test_rows_are_those_of_a_local_run_whatever_is_lost(
    cluster: Cluster, scans: Path, gate: Gate, tmp_path: Path
) -> None:
    """Scans kill their workers, somebody kills another, and a machine is lost."""
    for path in (ROOT / "inbox").iterdir():
        shutil.copy(path, scans)
    (scans / os.fsdecode(b"\xff.png")).write_bytes(b"no image")
    for name in ("00010-crash.png", "00600-crash.png"):
        shutil.copy(scans / "00000.png", scans / name)
    arguments = (scans, "--probabilities", "--outbox")
    outbox = tmp_path / "ray"
    process = cluster.start(*arguments, outbox, "--rows-per-file", "250", "--workers", "2")
    os.kill(gate.wait(process), signal.SIGKILL)
    gate.wait(process)  # in another
    cluster.lose_a_machine()
    gate.open()
    code, out, err = end(process)
    assert code == 3, err
    local = [*COMMAND, *map(str, arguments), str(tmp_path / "local")]
    assert subprocess.run(local, env=environment(), capture_output=True, check=False).returncode == 3
    found = rows(outbox)
    assert found == rows(tmp_path / "local")
    crashed = [row["file"] for row in found if row["reason"] == "worker_crashed"]
    assert crashed == ["00010-crash.png", "00600-crash.png"]
    assert sorted(out) == sorted(map(str, outbox.glob("*.csv")))
    assert len(out) == 4
    assert re.match(r"8\d\d scans: ", err[0])
    assert err[1:] == ["results: 4 files"]


def test_a_run_that_is_killed_is_gone_on_with(
    cluster: Cluster, scans: Path, gate: Gate, tmp_path: Path
) -> None:
    arguments = (scans, "--outbox", tmp_path / "out", "--rows-per-file", "100", "--only-new")
    process = cluster.start(*arguments)
    worker = os.pidfd_open(gate.wait(process))
    wait_for(lambda: names(tmp_path / "out") or process.poll() is not None)
    before = names(tmp_path / "out")
    process.kill()
    code, _, err = end(process)
    assert (code, err) == (-signal.SIGKILL, [])
    wait_for(lambda: has_come(worker))
    os.close(worker)
    gate.remove()
    assert 0 < len(before) < 800
    code, _, err = cluster.run(*arguments)
    assert (code, len(err)) == (0, 2), err
    assert names(tmp_path / "out") == scans_of(scans)


@pytest.mark.parametrize(
    ("number", "code", "lines", "own"),
    [
        (signal.SIGTERM, 143, ["digitbox: terminated; published results stay"], False),
        # click begins a new line after the ^C of the terminal.
        (signal.SIGINT, 130, ["", "digitbox: stopped; published results stay"], True),
    ],
    ids=["TERM", "INT"],
)
def test_a_signal_ends_the_run_and_its_workers(
    cluster: Cluster,
    scans: Path,
    gate: Gate,
    tmp_path: Path,
    number: int,
    code: int,
    lines: list[str],
    own: bool,
) -> None:
    process = cluster.start(scans, "--outbox", tmp_path / "out", "--rows-per-file", "100", own=own)
    worker = os.pidfd_open(gate.wait(process))
    os.killpg(process.pid, number)  # as a terminal does
    ended, printed, said = end(process)
    assert (ended, said) == (code, lines)
    assert len(printed) == len(list((tmp_path / "out").glob("*.csv")))
    wait_for(lambda: has_come(worker))
    os.close(worker)
    wait_for(lambda: group_is_gone(process))
    assert len(names(tmp_path / "out")) % 100 == 0


def test_what_a_worker_lacks_ends_the_run(cluster: Cluster, scans: Path, tmp_path: Path) -> None:
    shutil.copy(scans / "00000.png", scans / "00100-extra.png")
    code, out, err = cluster.run(scans, "--outbox", tmp_path / "out")
    assert (code, out, len(err)) == (7, [], 1), err
    assert "digitbox[train]" in err[0]


PROGRAM = """
import os, sys
from concurrent.futures import ThreadPoolExecutor

import digitbox
import ray.data
from waiting import wait_for

def run():
    return digitbox.run("inbox", sys.argv[1], engine="ray", workers=1)

before = dict(os.environ)
with ThreadPoolExecutor(1) as pool:
    running = pool.submit(run)
    wait_for(lambda: ray.is_initialized() or running.done())
    print("meanwhile")
    print(running.result().rows)
print(dict(os.environ) == before, ray.data.DataContext.get_current().target_max_block_size > 1)

ray.init("local", num_cpus=1, object_store_memory=100 << 20, include_dashboard=False)
mine = ray.put(41)
try:
    run()
except digitbox.ConfigError as error:
    print(error)
print(ray.get(mine))
"""


def test_a_program_has_its_output_settings_and_own_ray(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "out")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**SETTINGS), stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "meanwhile",
        "13",
        "True True",
        "this program uses Ray already: call ray.shutdown first, or run digitbox in a process of its own",
        "41",
    ]
