"""Whatever kills a run or a watcher, and its recovery: each scan has exactly one row in exactly one CSV."""

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
from batch.outbox.ledger import FILE, Ledger
from batch.records import After
from batch.run import job
from fakes import MANIFEST
from faults import before_each_call, fast_folder, killed_at
from scene import Scene
from ways import SCANS, run, watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")

WAYS = [
    pytest.param(run, After.LEAVE, id="run"),
    pytest.param(run, After.MOVE, id="run-move"),
    pytest.param(run, After.DELETE, id="run-delete"),
    pytest.param(watch, After.MOVE, id="watch"),
    pytest.param(watch, After.LEAVE, id="watch-leave"),
    pytest.param(watch, After.MOVE, id="watch-to-another-device"),
]
SLOW_WAYS = [
    way if way.id == "run-move" else pytest.param(*way.values, id=way.id, marks=pytest.mark.slow)
    for way in WAYS
]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """An empty folder; what is called `outbox` in it is on another device, where the test is called so."""
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
    elsewhere = folder.parent / "outbox"
    if elsewhere.is_symlink():
        (folder / "outbox").symlink_to(elsewhere.readlink())
    (folder / "outbox").resolve().mkdir()
    (folder / "taken").mkdir()


def clear(folder: Path) -> None:
    shutil.rmtree((folder / "outbox").resolve())
    shutil.rmtree(folder)


def take(folder: Path) -> None:
    """What a reader does that takes each file of results away at once."""
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
    assert Counter(row["file"] for row in rows) == Counter(list(SCANS))
    for row in rows:
        assert row["sha256"] == hashlib.sha256(SCANS[row["file"]]).hexdigest()
        assert row["status"] == ("failed" if row["file"] == "half.png" else "ok")
    left = {name: content for name, content in files(folder / "inbox") if content}
    done = Counter(name.split("/", 2)[2] for name, _ in files(folder / "outbox" / "done"))
    failed = Counter(name.split("/", 2)[2] for name, _ in files(folder / "outbox" / "failed"))
    assert left == (SCANS if after is After.LEAVE else {})
    if after is After.MOVE:
        assert done == Counter([name for name in SCANS if name != "half.png"])
        assert failed == Counter(["half.png", "half.png.json"])
    assert not list((folder / "outbox" / ".digitbox" / "staging").iterdir())


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def is_new(folder: Path, seen: set[str]) -> bool:
    """Whether no disk that a kill left behind was like this one: from its like, all would go the same way.

    Alike are disks with files of the same names and sizes, and ledgers in which the same was committed; batch
    identifiers and times, of which there are new ones each time, take the same room.
    """
    ledger, committed = folder / "outbox" / ".digitbox" / FILE, []
    if ledger.exists():  # a copy is asked: to open it is to mend it
        copy = folder.parent / "copy"
        copy.mkdir()
        for path in ledger.parent.glob(f"{FILE}*"):
            shutil.copy(path, copy)
        with closing(sqlite3.connect(copy / FILE)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master ORDER BY name")]
            committed += tables
            if "members" in tables:
                committed += connection.execute(
                    "SELECT file, after, state, name, status FROM batches LEFT JOIN members USING (batch) "
                    "ORDER BY members.rowid"
                ).fetchall()
        shutil.rmtree(copy)
    names = [
        (str(path.relative_to(root)), 0 if FILE in path.name or path.is_dir() else path.stat().st_size)
        for root in (folder, (folder / "outbox").resolve())  # a link to another device, in some tests
        for path in sorted(root.rglob("*"))
    ]
    now = without_names_of_batches(f"{names} {committed}")
    if now in seen:
        return False
    seen.add(now)
    return True


def without_names_of_batches(text: str) -> str:
    return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{8}|\b[0-9a-f]{8}(?=[/'])", "", text)


@pytest.mark.parametrize(("way", "after"), SLOW_WAYS)
def test_killed_at_every_call(
    way: Callable[[Path, After], None], after: After, place: Path, fake_model: Path
) -> None:
    seen: set[str] = set()
    folder = place / "here"
    for number in itertools.count(1):
        drop(folder)
        killed = killed_at(number, lambda: way(folder, after))
        take(folder)
        if is_new(folder, seen) or not killed:
            way(folder, after)
            check(folder, after)
        clear(folder)
        if not killed:
            break
    assert number > 100
    assert len(seen) > 20


@pytest.mark.slow
def test_told_to_stop_at_every_call(place: Path, fake_model: Path) -> None:
    """SIGTERM: it ends well, and nothing is left half."""
    seen: set[str] = set()
    folder = place / "here"
    for number in itertools.count(1):
        drop(folder)
        scene = Scene(folder)
        assert not killed_at(number, lambda: scene.watch(60, rows_per_file=3), by=signal.SIGTERM)  # noqa: B023
        take(folder)
        is_done = not [name for name, _ in files(folder / "inbox")]
        if is_new(folder, seen):
            if (folder / "outbox" / ".digitbox" / FILE).exists():
                with closing(Ledger(folder / "outbox" / ".digitbox")) as ledger:
                    assert not ledger.unfinished()
            watch(folder, After.MOVE)
            check(folder, After.MOVE)
        clear(folder)
        if is_done and number > 100:
            break


def state(folder: Path) -> str:
    """What recovery sees: files, and how far the ledger says that each batch is."""
    names = sorted(name for name, _ in files(folder) if ".digitbox" not in name or "staging" in name)
    batches: list[object] = []
    if (folder / "outbox" / ".digitbox" / FILE).exists():
        with closing(Ledger(folder / "outbox" / ".digitbox")) as ledger:
            for batch in ledger.unfinished():
                batches.append((batch.state, len(list(ledger.members(batch.batch_id)))))
    return without_names_of_batches(f"{names} {batches}")


def recover(folder: Path, after: After) -> None:
    """What each way does first."""
    options = RunOptions(outbox=folder / "outbox", after=after)
    with job.new_outbox(options, MANIFEST):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "after"), [way for way in WAYS if way.id in ("run", "run-move", "run-delete")]
)
def test_recovery_killed_at_every_call(
    way: Callable[[Path, After], None], after: After, place: Path, fake_model: Path
) -> None:
    """From every state that a kill leaves behind in which there is something to recover, once each."""
    seen: set[str] = set()
    kept, folder = place / "kept", place / "here"  # the ledger has the paths: it is always here
    for number in itertools.count(1):
        drop(folder)
        killed = killed_at(number, lambda: way(folder, after))
        take(folder)
        now = state(folder)
        if not killed or "State" not in now or now in seen:
            shutil.rmtree(folder)
            if not killed:
                break
            continue
        seen.add(now)
        folder.rename(kept)
        for again in itertools.count(1):
            restore(kept, folder)
            killed_again = killed_at(again, lambda: recover(folder, after))
            take(folder)
            way(folder, after)
            check(folder, after)
            shutil.rmtree(folder)
            if not killed_again:
                break
        shutil.rmtree(kept)
    assert len(seen) > 3


def restore(kept: Path, folder: Path) -> None:
    """Copies a folder so that files are the same to the ledger: hard links keep inode and times."""
    shutil.copytree(kept, folder, copy_function=os.link)
    state_folder = folder / "outbox" / ".digitbox"
    for path in list(state_folder.rglob("*")) if state_folder.exists() else []:
        if path.is_file():  # what is written to must be a copy
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)


def test_every_kind_of_call_is_a_place_to_be_killed_at(place: Path, fake_model: Path) -> None:
    """Those of Path, open, os, shutil and sqlite: in a process of its own, for it stays changed."""
    said = place / "said"
    drop(place / "here")

    def work() -> None:
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
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
    heard = Counter(said.read_text().split())
    commits = [name for name in heard if name.startswith("sqlite3.")]
    assert {"sqlite3.execute", "sqlite3.executemany", "sqlite3.executescript", "sqlite3.close"} <= {*commits}
    assert {"open", "file.write", "file.close", "fcntl.flock", "fcntl.fcntl"} <= {*heard}
    assert {f"os.{name}" for name in ("open", "fsync", "rename", "unlink", "mkdir", "utime", "lstat")} <= {
        *heard
    }
    assert heard["os.fsync"] >= 10 and heard["os.rename"] >= 2 + len(SCANS)
