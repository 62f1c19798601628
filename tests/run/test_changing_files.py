"""Scans that change while a run reads or deletes them: no row is of a mix, and it deletes nothing unread."""

import csv
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from batch.errors import ImageError
from batch.records import After, Reason, ScanRef
from batch.storage import disk
from formats import FORMATS, two
from ways import run

OLD = FORMATS["bmp-8"](two())
NEW = FORMATS["bmp-8"](255 - two())  # as large
CALLS = ("open", "fstat", "read", "close", "lstat", "stat", "rename", "unlink")
REAL = {name: getattr(os, name) for name in CALLS}


def append(path: Path) -> bytes:
    with path.open("ab") as file:
        file.write(b"more")
    return OLD + b"more"


def overwrite(path: Path) -> bytes:
    with path.open("r+b") as file:
        file.write(NEW)
    return NEW


def rename_over(path: Path) -> bytes:
    path.with_suffix(".part").write_bytes(NEW)
    path.with_suffix(".part").replace(path)
    return NEW


def write_anew(path: Path) -> bytes:
    path.write_bytes(NEW)
    return NEW


def delete_and_write(path: Path) -> bytes:
    path.unlink()
    return write_anew(path)


CHANGES = [append, overwrite, rename_over, write_anew, delete_and_write]


@contextmanager
def at_call(number: int, change: Callable[[], object]) -> Iterator[list[str]]:
    """Make a change before a call to the operating system, counted from 1; give the names of the calls."""
    calls: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:

            def call(*arguments: Any, name: str = name, **options: Any) -> Any:
                calls.append(name)
                if len(calls) == number:
                    change()
                return REAL[name](*arguments, **options)

            patch.setattr(os, name, call)
        yield calls


def write_old(path: Path) -> None:
    """Write the old scan, and wait until the clock of the file system has gone on."""
    path.write_bytes(OLD)
    later = path.with_suffix(".later")
    while not later.exists() or later.stat().st_ctime_ns <= path.stat().st_ctime_ns:
        later.write_bytes(b"")
    later.unlink()


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_read_is_no_mix(
    change: Callable[[Path], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "CHUNK_BYTES", len(OLD) // 5)
    path, found = tmp_path / "a.bmp", set()
    for number in itertools.count(1):
        write_old(path)
        ref = disk.identify_file(ScanRef(str(path), path.name))
        with at_call(number, lambda: change(path)) as calls:
            _, content = disk.Disk().content(ref, 1 << 20)
        if number > len(calls):
            break
        if isinstance(content, ImageError):
            found.add(str(content.reason))
        else:
            found.add("old")
            assert content == OLD, calls
    assert {Reason.CHANGED, "old"} <= found <= {Reason.CHANGED, Reason.VANISHED, "old"}
    assert number > 8


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_deleted_that_was_not_read(
    change: Callable[[Path], bytes], tmp_path: Path, fake_model: Path
) -> None:
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        path = folder / "inbox" / "a.bmp"
        path.parent.mkdir(parents=True)
        (folder / "outbox").mkdir()
        write_old(path)
        changed: list[bytes] = []
        with changing(path, number, change, changed):
            run(folder, After.DELETE)
        if not changed:
            break
        run(folder, After.DELETE)
        rows = {row["sha256"] for file in (folder / "outbox").glob("*.csv") for row in rows_of(file)}
        assert hashlib.sha256(changed[0]).hexdigest() in rows
        assert rows <= {hashlib.sha256(content).hexdigest() for content in (OLD, changed[0])}
        assert not os.listdir(path.parent)
    assert number > 8


@contextmanager
def changing(
    path: Path, number: int, change: Callable[[Path], bytes], changed: list[bytes]
) -> Iterator[None]:
    """Change a scan before a call that names it; note its new content. Nobody writes what is gone."""
    count = itertools.count(1)
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:

            def call(*arguments: Any, name: str = name, **options: Any) -> Any:
                is_named = bool(arguments) and str(arguments[0]) == str(path)
                if is_named and not changed and os.access(path, os.F_OK) and next(count) == number:
                    changed.append(b"")
                    changed[0] = change(path)
                return REAL[name](*arguments, **options)

            patch.setattr(os, name, call)
        yield


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
