"""Kills at every call of a run, a watcher and their recovery: each scan gets one row in one CSV."""

import csv
import hashlib
import itertools
import os
import re
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batch.config import RunOptions
from batch.locations import LEDGER_FILE
from batch.outbox import batches
from batch.outbox.ledger import Ledger
from batch.records import After
from batch.run import job
from fakes import MANIFEST
from faults import KILL_EVERY, before_each_call, calls_of, fast_folder, killed_at
from others import as_another, become_another, needs_root, open_to_all
from scene import Scene
from ways import FAILED, ROWS, SCANS, run, watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")

WAYS = [
    pytest.param(run, After.LEAVE, id="run"),
    pytest.param(run, After.MOVE, id="run-move"),
    pytest.param(run, After.DELETE, id="run-delete"),
    pytest.param(watch, After.MOVE, id="watch"),
    pytest.param(watch, After.LEAVE, id="watch-leave"),
    pytest.param(watch, After.MOVE, id="watch-to-another-device"),
    pytest.param(watch, After.MOVE, id="watch-as-another-user", marks=needs_root),
    pytest.param(run, After.DELETE, id="run-delete-as-another-user", marks=needs_root),
]
SLOW_WAYS = [
    way
    if way.id == "run-move"
    else pytest.param(*way.values, id=way.id, marks=[*way.marks, pytest.mark.slow])
    for way in WAYS
]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Yield an empty folder; in tests called so, its `outbox` is on another device."""
    with fast_folder(tmp_path) as folder:
        here = folder / "here"
        here.mkdir()
        if "another-device" in request.node.name:
            if folder.stat().st_dev == tmp_path.stat().st_dev:
                pytest.skip("there is no other device")
            (folder / "outbox").symlink_to(tmp_path / "outbox")
        yield here


def drop(folder: Path) -> None:
    for name, content in SCANS.items():
        (folder / "inbox" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "inbox" / name).write_bytes(content)
    other_device = folder.parent / "outbox"
    if other_device.is_symlink():
        (folder / "outbox").symlink_to(other_device.readlink())
    (folder / "outbox").resolve().mkdir()
    (folder / "taken").mkdir()


def clear(folder: Path) -> None:
    shutil.rmtree((folder / "outbox").resolve())
    shutil.rmtree(folder)


def take(folder: Path) -> None:
    """Take each file of results away at once, as a reader may do."""
    for path in (folder / "outbox").glob("*.csv"):
        assert not (folder / "taken" / path.name).exists(), "published twice"
        path.rename(folder / "taken" / path.name)


def check(folder: Path, after: After) -> None:
    take(folder)
    rows = [
        row
        for path in (folder / "taken").iterdir()
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    ]
    assert Counter(row["file"] for row in rows) == ROWS
    assert {len({row["batch"] for row in rows if row["file"] == name}) for name in SCANS} == {1}
    for row in rows:
        assert row["sha256"] == hashlib.sha256(SCANS[row["file"]]).hexdigest()
        failed = row["file"] == "half.png" or (row["file"], row["page"]) == ("sub/half.tif", "2")
        assert row["status"] == ("failed" if failed else "ok")
    remaining = {name: content for name, content in files(folder / "inbox") if content}
    done = Counter(name.split("/", 2)[2] for name, _ in files(folder / "outbox" / "done"))
    in_failed = Counter(name.split("/", 2)[2] for name, _ in files(folder / "outbox" / "failed"))
    assert remaining == (SCANS if after is After.LEAVE else {})
    if after is After.MOVE:
        assert done == Counter(SCANS.keys() - FAILED)
        assert in_failed == Counter([*FAILED, *(f"{name}.json" for name in FAILED)])
    assert not list((folder / "outbox" / ".digitbox" / "staging").iterdir())


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def is_new(folder: Path, seen: set[str]) -> bool:
    """Return whether no kill before left a disk like this one; from its like, all would go the same way.

    Disks are alike if their files have the same names and sizes, and their ledgers the same commits. Batch
    identifiers and times are new each time, but take the same room.
    """
    ledger, committed = folder / "outbox" / ".digitbox" / LEDGER_FILE, []
    if ledger.exists():  # query a copy: to open a ledger repairs it
        copy = folder.parent / "copy"
        copy.mkdir()
        for path in ledger.parent.glob(f"{LEDGER_FILE}*"):
            shutil.copy(path, copy)
        with closing(sqlite3.connect(copy / LEDGER_FILE)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master ORDER BY name")]
            committed += tables
            if "members" in tables:
                committed += connection.execute(
                    "SELECT file, after, state, name, status FROM batches LEFT JOIN members USING (batch) "
                    "ORDER BY members.rowid"
                ).fetchall()
        shutil.rmtree(copy)
    names = [
        (str(path.relative_to(root)), 0 if LEDGER_FILE in path.name or path.is_dir() else path.stat().st_size)
        for root in (folder, (folder / "outbox").resolve())  # a link to another device, in some tests
        for path in sorted(root.rglob("*"))
    ]
    now = without_names_of_batches(f"{names} {committed}")
    if now in seen:
        return False
    seen.add(now)
    return True


def without_names_of_batches(text: str) -> str:
    return re.sub(r"\d{8}T\d{6}Z-b[0-9a-f]{8}|\bb[0-9a-f]{8}(?=[/'])", "", text)


@pytest.mark.parametrize(("way", "after"), SLOW_WAYS)
def test_killed_at_every_call(
    way: Callable[[Path, After], None],
    after: After,
    place: Path,
    fake_model: Path,
    request: pytest.FixtureRequest,
) -> None:
    seen: set[str] = set()
    folder = place / "here"
    is_another = "another-user" in request.node.name

    def work() -> None:
        if is_another:
            become_another()
        way(folder, after)

    first = 1 + [way.id for way in WAYS].index(request.node.callspec.id) % KILL_EVERY
    for number in itertools.count(first, KILL_EVERY):
        drop(folder)
        if is_another:
            open_to_all(fake_model, *(path for path in folder.rglob("*") if path.is_dir()))
        killed = killed_at(number, work)
        take(folder)
        if is_new(folder, seen) or not killed:
            as_another(lambda: way(folder, after)) if is_another else way(folder, after)
            check(folder, after)
        clear(folder)
        if not killed:
            break
    assert number > 100
    assert len(seen) > 20 / KILL_EVERY


@pytest.mark.slow
def test_sigterm_at_every_call(place: Path, fake_model: Path) -> None:
    """After SIGTERM, the watcher ends well and leaves nothing half."""
    seen: set[str] = set()
    folder = place / "here"
    for number in itertools.count(1, KILL_EVERY):
        drop(folder)
        scene = Scene(folder)
        assert not killed_at(number, lambda: scene.watch(60, rows_per_file=3), by=signal.SIGTERM)  # noqa: B023
        take(folder)
        is_done = not [name for name, _ in files(folder / "inbox")]
        if is_new(folder, seen):
            if (folder / "outbox" / ".digitbox" / LEDGER_FILE).exists():
                with closing(Ledger(folder / "outbox" / ".digitbox")) as ledger:
                    assert not batches.unfinished(ledger)
            watch(folder, After.MOVE)
            check(folder, After.MOVE)
        clear(folder)
        if is_done and number > 100:
            break


def state(folder: Path) -> str:
    """Return what recovery sees: the files, and how far each batch has come by the ledger."""
    names = sorted(name for name, _ in files(folder) if ".digitbox" not in name or "staging" in name)
    steps: list[object] = []
    if (folder / "outbox" / ".digitbox" / LEDGER_FILE).exists():
        with closing(Ledger(folder / "outbox" / ".digitbox")) as ledger:
            for batch in batches.unfinished(ledger):
                steps.append((batch.state, len(list(batches.members(ledger, batch.batch_id)))))
    return without_names_of_batches(f"{names} {steps}")


def recover(folder: Path, after: After) -> None:
    """Recover, as each way does first."""
    options = RunOptions(outbox=folder / "outbox", after=after)
    with job.new_outbox(options, MANIFEST, job.new_stats(options)):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "after"), [way for way in WAYS if way.id in ("run", "run-move", "run-delete")]
)
def test_recovery_killed_at_every_call(
    way: Callable[[Path, After], None], after: After, place: Path, fake_model: Path
) -> None:
    """Try each state with something to recover that a kill leaves behind, once."""
    folder = place / "here"  # the ledger has the paths, so they must stay
    drop(folder)
    backups = copies_of_states(folder, lambda: way(folder, after))
    shutil.rmtree(folder)
    assert len(backups) > 3
    for number, backup in enumerate(backups):
        for again in itertools.count(1 + number % KILL_EVERY, KILL_EVERY):
            restore(backup, folder)
            killed_again = killed_at(again, lambda: recover(folder, after))
            take(folder)
            way(folder, after)
            check(folder, after)
            shutil.rmtree(folder)
            if not killed_again:
                break


def copies_of_states(folder: Path, work: Callable[[], None]) -> list[Path]:
    """Return a copy of the folder for each new state with something to recover that a kill would leave."""
    seen: set[str] = set()
    backups: list[Path] = []
    for _ in calls_of(work):
        backup = folder.parent / f"backup-{len(backups)}"
        restore(folder, backup)
        take(backup)
        now = state(backup)
        if "State" in now and now not in seen:
            seen.add(now)
            backups.append(backup)
        else:
            shutil.rmtree(backup)
    return backups


def restore(backup: Path, folder: Path) -> None:
    """Copy a folder with hard links: they keep inode and times, so that the ledger knows the scans."""
    shutil.copytree(backup, folder, copy_function=os.link)
    state_folder = folder / "outbox" / ".digitbox"
    for path in list(state_folder.rglob("*")) if state_folder.exists() else []:
        if path.is_file():  # the test writes to these, so they must be copies
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)


def test_every_kind_of_call_is_reported(place: Path, fake_model: Path) -> None:
    """Calls of Path, open, os, shutil and sqlite3, in a process of its own: the patches stay in it."""
    report = place / "report"
    drop(place / "here")

    def work() -> None:
        descriptor = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        write = os.write

        def hear(name: str, *_: object) -> None:
            write(descriptor, f"{name}\n".encode())

        before_each_call(hear)
        watch(place / "here", After.MOVE)
        (place / "path").write_text("by Path")
        with open(place / "open", "w") as file:
            file.write("by open")
        shutil.copy2(place / "open", place / "copy")
        (place / "path").unlink()

    assert not killed_at(1 << 40, work)
    calls = Counter(report.read_text().split())
    assert {f"sqlite3.{name}" for name in ("execute", "executemany", "executescript", "close")} <= {*calls}
    assert {"open", "file.write", "file.close", "fcntl.flock", "fcntl.fcntl"} <= {*calls}
    assert {f"os.{name}" for name in ("open", "fsync", "rename", "unlink", "mkdir", "utime", "lstat")} <= {
        *calls
    }
    assert calls["os.fsync"] >= 10 and calls["os.rename"] >= 2 + len(SCANS)
