"""Power cuts: whatever the file system has kept by then, each scan gets one row.

The tests assume of the disk what POSIX and SQLite promise, and no more. What was not synced may be there or
not: each name in a folder by itself, and of a file's content all, the older part, half, or zeros. A rename is
on the disk whole or not at all, as in journaling file systems. A commit to the ledger is on the disk.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
import pickle
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from batch.locations import LEDGER_FILE
from batch.records import After
from faults import KILL_EVERY, before_each_call, fast_folder, killed_at
from scene import Scene
from ways import ROWS, SCANS, run, watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")

MAX_PENDING = 5  # unsynced names; with more, the tests try some of the choices, not all
STATE = f"outbox/.digitbox/{LEDGER_FILE}"


@dataclass
class Moment:
    """What a process sees after a call; paths are relative.

    Attributes:
        names: The inode of each path; 0 for a folder.
        contents: The content of each file, by inode.
        ledger: The committed content of the ledger.
        synced: What the call synced: the path of a folder, or the inode of a file.
    """

    names: dict[str, int]
    contents: dict[int, bytes]
    ledger: bytes | None
    synced: str | int | None = None


@dataclass
class Change:
    """A change of names: one is new, one is gone, or, with both, a file was renamed.

    Attributes:
        gone: The path that is gone.
        new: The path that is new.
        inode: The inode of the file; 0 for a folder.
        waits_for: The folders to sync before the change is on the disk for sure.
    """

    gone: str | None
    new: str | None
    inode: int
    waits_for: set[str] = field(default_factory=set)


def record(root: Path, work: Callable[[], None]) -> list[Moment]:
    """Do work in another process; return its moments, the first of them before it began."""
    trace = root.parent / "trace"

    def recorded() -> None:
        moments = [look(root, None)]
        connect, is_looking, synced = sqlite3.connect, False, None

        def hear(name: str, *arguments: object) -> None:
            nonlocal is_looking, synced
            if is_looking:
                return
            is_looking = True
            now = look(root, moments[-1].ledger if not name.startswith("sqlite3") else None, connect)
            now.synced, synced = synced, None
            if now != moments[-1]:
                moments.append(now)
            if name == "os.fsync":
                (descriptor,) = arguments
                path = os.readlink(f"/proc/self/fd/{descriptor}")
                synced = os.path.relpath(path, root) if os.path.isdir(path) else os.stat(path).st_ino
            is_looking = False

        before_each_call(hear)
        work()
        hear("the end")
        is_looking = True
        trace.write_bytes(pickle.dumps(moments))

    assert not killed_at(1 << 40, recorded)
    return list(pickle.loads(trace.read_bytes()))


def look(
    root: Path, ledger: bytes | None, connect: Callable[..., sqlite3.Connection] = sqlite3.connect
) -> Moment:
    names, contents = {}, {}
    for folder, folders, files in os.walk(root):
        for name in folders:
            names[os.path.relpath(os.path.join(folder, name), root)] = 0
        for name in files:
            path = os.path.join(folder, name)
            if LEDGER_FILE in name:
                continue
            inode = os.stat(path).st_ino
            names[os.path.relpath(path, root)] = inode
            contents[inode] = Path(path).read_bytes()
    if (root / STATE).exists():
        connection = connect(f"file:{root / STATE}?mode=ro", uri=True)
        ledger = connection.serialize() if connection.execute("PRAGMA user_version").fetchone()[0] else None
        connection.close()
    return Moment(names, contents, ledger)


def compare(before: Moment, after: Moment) -> list[Change]:
    """Return the changes of names between two moments; new folders come before what is in them."""
    gone = {path: inode for path, inode in before.names.items() if after.names.get(path) != inode}
    new = {path: inode for path, inode in after.names.items() if before.names.get(path) != inode}
    changes = []
    for path, inode in sorted(new.items()):
        source = next((old for old, number in gone.items() if number == inode and inode), None)
        gone.pop(source, None)  # type: ignore[arg-type]
        changes.append(Change(source, path, inode))
    changes += [Change(path, None, inode) for path, inode in gone.items()]
    for change in changes:
        change.waits_for = {os.path.dirname(path) or "." for path in (change.gone, change.new) if path}
    return changes


def choices(pending: list[Change]) -> Iterator[frozenset[int]]:
    """Yield which of the unsynced changes are on the disk: every choice, or many of them."""
    count = len(pending)
    if count <= MAX_PENDING:
        for size in range(count + 1):
            yield from map(frozenset, itertools.combinations(range(count), size))
        return
    for number in range(count + 1):
        yield frozenset(range(number))
        yield frozenset(range(number, count))
    for number in range(count):
        yield frozenset([number])
        yield frozenset(range(count)) - {number}


@dataclass(frozen=True)
class Disk:
    """The content of a disk after a power cut."""

    folders: tuple[str, ...]
    files: tuple[tuple[str, int, bytes], ...]
    ledger: bytes | None


def disks(moments: list[Moment]) -> Iterator[tuple[Disk, Moment]]:
    """Yield each disk that a power cut may leave behind, with the moment of the cut."""
    first = moments[0]
    history: list[Change] = []
    on_disk = dict(first.contents)
    seen: set[Disk] = set()
    for before, now in itertools.pairwise([first, *moments]):
        if isinstance(now.synced, int):
            on_disk[now.synced] = before.contents[now.synced]
        elif now.synced is not None:
            for change in history:
                change.waits_for.discard(now.synced)
        history += compare(before, now)
        pending = [change for change in history if change.waits_for]
        for chosen in choices(pending):
            lost = [change for number, change in enumerate(pending) if number not in chosen]
            names = dict(first.names)
            for change in history:
                if not any(change is lost_change for lost_change in lost):
                    apply(change, names)
            for damage in DAMAGES:
                disk = Disk(
                    tuple(sorted(path for path, inode in names.items() if not inode)),
                    tuple(
                        (path, inode, content(inode, now, on_disk, damage))
                        for path, inode in sorted(names.items())
                        if inode
                    ),
                    now.ledger if os.path.dirname(STATE) in names else None,
                )
                if disk not in seen:
                    seen.add(disk)
                    yield disk, now


def apply(change: Change, names: dict[str, int]) -> None:
    if change.gone is not None and names.pop(change.gone, None) is None and change.inode:
        return  # the renamed file had never come to the disk
    if change.new is not None:
        if (os.path.dirname(change.new) or ".") in {*names, "."}:
            names[change.new] = change.inode
        elif change.gone is not None:
            raise AssertionError(f"{change.new} is lost with its folder")


DAMAGES: tuple[Callable[[bytes, bytes], bytes], ...] = (
    lambda new, _: new,
    lambda _, old: old,
    lambda new, old: old + new[len(old) : (len(old) + len(new)) // 2],
    lambda new, old: old + bytes(len(new) - len(old)),
)


def content(
    inode: int, now: Moment, on_disk: dict[int, bytes], damage: Callable[[bytes, bytes], bytes]
) -> bytes:
    old = on_disk.get(inode, b"")
    new = now.contents.get(inode, old)
    return new if new == old else damage(new, old)


def put(disk: Disk, root: Path, scans: Path) -> None:
    """Fill a folder with the content of a disk; links to `scans` keep the inodes of the scans."""
    shutil.rmtree(root)
    root.mkdir()
    for folder in disk.folders:
        (root / folder).mkdir()
    for path, inode, data in disk.files:
        if (scans / str(inode)).exists():
            os.link(scans / str(inode), root / path)
        else:
            (root / path).write_bytes(data)
    if disk.ledger is not None:
        (root / STATE).write_bytes(disk.ledger)


def published(names: dict[str, int], contents: dict[int, bytes]) -> dict[str, bytes]:
    """Return the files of results in the outbox and with the reader who takes them away."""
    paths = [path for path in names if os.path.dirname(path) in ("outbox", "taken") and names[path]]
    return {os.path.basename(path): contents[names[path]] for path in paths}


def check(root: Path, after: After, seen: dict[str, bytes]) -> None:
    now = look(root, None)
    results = published(now.names, now.contents)
    for name, data in seen.items():
        assert results[name] == data, "a published file has changed"
    rows = [row for data in results.values() for row in csv.DictReader(data.decode().splitlines())]
    assert Counter(row["file"] for row in rows) == ROWS
    assert {len({row["batch"] for row in rows if row["file"] == name}) for name in SCANS} == {1}
    for row in rows:
        assert row["sha256"] == hashlib.sha256(SCANS[row["file"]]).hexdigest()
    places = {"inbox"} if after is After.LEAVE else {"outbox/done", "outbox/failed"}
    scans = [
        now.contents[inode]
        for path, inode in now.names.items()
        if inode and path.startswith(("inbox/", "outbox/done/", "outbox/failed/")) and path[-5:] != ".json"
    ]
    failed = {row["file"] for row in rows if row["status"] == "failed"}
    remaining = failed if after is After.DELETE else SCANS.keys()
    assert failed and Counter(scans) == Counter(SCANS[name] for name in remaining)
    assert all(
        path.startswith(tuple(places))
        for path, inode in now.names.items()
        if now.contents.get(inode) in scans
    )


@pytest.mark.parametrize(
    ("way", "after"),
    [
        pytest.param(run, After.LEAVE, id="run"),
        pytest.param(run, After.MOVE, id="run-move", marks=pytest.mark.slow),
        pytest.param(run, After.DELETE, id="run-delete", marks=pytest.mark.slow),
        pytest.param(watch, After.MOVE, id="watch"),
    ],
)
def test_power_is_cut_at_every_moment(
    way: Callable[[Path, After], None], after: After, tmp_path: Path, fake_model: Path
) -> None:
    with fast_folder(tmp_path) as folder:
        root, scans = folder / "here", folder / "scans"
        scans.mkdir()
        for name, data in SCANS.items():
            path = root / "inbox" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.link(path, scans / str(path.stat().st_ino))
        if way is watch:
            Scene(root)  # makes folders
        moments = record(root, lambda: way(root, after))
        count = 0
        for disk, moment in itertools.islice(disks(moments), 0, None, KILL_EVERY):
            put(disk, root, scans)
            way(root, after)
            check(root, after, published(moment.names, moment.contents))
            count += 1
        print(f"{len(moments)} moments, {count} disks")
        assert count > 50 / KILL_EVERY
