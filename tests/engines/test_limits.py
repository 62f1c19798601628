"""How many workers a machine has room for; real limits are set in processes of their own."""

import multiprocessing
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch.engines import limits
from batch.engines.local import Engine
from batch.records import ScanRef
from command import ROOT, environment
from fakes import FakeReader


@pytest.mark.parametrize(
    ("memory", "files", "room", "cause"),
    [
        (64 << 30, 1000, 8, ""),
        (8 << 30, 1000, 3, "8.6 GB of memory have no room for more images of --max-pixels 64000000"),
        (1 << 20, 1000, 1, "set a smaller one"),  # one scan at a time is the least
        (64 << 30, limits.SPARE_FILES + 7, 2, "raise ulimit -n"),
        (64 << 30, limits.SPARE_FILES + 2, 0, "reading with no worker, because so few files may be open"),
        (8 << 30, limits.SPARE_FILES + 3, 1, "raise ulimit -n"),
    ],
)
def test_workers_are_bound_by_what_they_need(
    memory: int,
    files: int,
    room: int,
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(limits, "memory_bytes", lambda: memory)
    monkeypatch.setattr(limits, "free_files", lambda: files)
    assert limits.bound_workers(8, 64_000_000) == room
    err = capfd.readouterr().err
    assert (err.count("\n"), cause in err) == (int(bool(cause)), True)


@pytest.mark.parametrize("in_group", ["5000", "max", None, "no number"])
def test_the_memory_of_a_container_counts(in_group: str | None, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:cpu,memory:/pod/a\n1:cpu:/x\n0::/pod/b/c\n")
    for folder, name, limit in (
        ("memory/pod/a", "memory.limit_in_bytes", "9000"),
        ("pod/b", "memory.max", in_group),
        ("", "memory.max", "max"),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        if limit is not None:
            (tmp_path / folder / name).write_text(f"{limit}\n")
    assert sorted(limits._group_limits(tmp_path, own)) == ([5000, 9000] if in_group == "5000" else [9000])
    assert not list(limits._group_limits(tmp_path, tmp_path / "absent"))


def test_the_memory_of_this_machine_is_known() -> None:
    assert 1 << 28 < limits.memory_bytes() < sys.maxsize


def test_open_files_are_counted(tmp_path: Path) -> None:
    before = limits.free_files()
    with (tmp_path / "a").open("w"):
        assert limits.free_files() == before - 1


def in_child(work: Callable[[], Any]) -> Any:
    """Return what work returns in a forked process, which may limit itself."""
    ours, theirs = multiprocessing.Pipe()
    child = os.fork()
    if child == 0:
        try:
            theirs.send(work())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    theirs.close()
    try:
        return ours.recv()
    finally:
        os.waitpid(child, 0)


def read(workers: int = 3) -> list[str]:
    refs = [ScanRef(str(number), str(number)) for number in range(60)]
    with Engine(FakeReader(), workers, scan_limit_s=60) as engine:
        engine.start()
        return [str(outcome.label) for outcomes in engine.map(refs, 4) for outcome in outcomes]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without processes")
@pytest.mark.parametrize("processes", [1, 2, 3, 10])
def test_a_limit_of_processes_costs_no_row(processes: int, capfd: pytest.CaptureFixture[str]) -> None:
    def limited() -> list[str]:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
        os.setuid(54_321)  # a limit does not count for root
        return read()

    read()  # another user may not be able to import what this needs
    assert in_child(limited) == ["7"] * 60
    err = capfd.readouterr().err
    assert err.count("\n") == (processes < 4), err


def test_a_limit_of_open_files_costs_no_row(capfd: pytest.CaptureFixture[str]) -> None:
    def limited() -> list[str]:
        used = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + limits.SPARE_FILES + 4,) * 2)
        return read(limits.bound_workers(3, 1000))

    assert in_child(limited) == ["7"] * 60
    assert capfd.readouterr().err == (
        "digitbox: warning: reading with 1 of 3 workers, because so few files may be open: raise ulimit -n\n"
    )


@pytest.mark.slow
def test_a_run_with_twenty_open_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "batch", "run", str(ROOT / "inbox"), "--outbox", str(tmp_path / "out")]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 20; exec "$@"', "sh", *command],
        env=environment(DIGITBOX_WORKERS="4"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 3), done.stderr
    assert "raise ulimit -n" in done.stderr


@pytest.mark.slow
def test_the_command_starts_no_threads_of_numpy() -> None:
    """With a limit of processes, they would end it. A command that it calls may use them, though."""
    code = (
        "import os, sys; sys.argv = ['digitbox', '--version']\n"
        "from batch.__main__ import BLAS_THREADS, main\n"
        "try: main()\n"
        "finally: print(len(os.listdir('/proc/self/task')), BLAS_THREADS in os.environ)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1 False"
