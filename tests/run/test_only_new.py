"""`--only-new` and `watch --after leave`: what replaced a scan is a new scan, and nothing is read twice."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from batch.locations import LEDGER_FILE, STATE
from batch.outbox import batches
from batch.records import After
from batch.storage.disk import digest_if_readable
from command import Digitbox
from formats import FORMATS, two
from scene import Scene

TWO = FORMATS["png-8"](two())
OTHER = TWO[:-60] + bytes(60)  # another scan of the same size


def rewrite(path: Path) -> None:
    """Scanners do so that write BMPs of one size, and then set a time."""
    path.write_bytes(OTHER)


def rename_over(path: Path) -> None:
    """`rsync` and `cp -p` do so, by way of a temporary file."""
    path.with_suffix(".tmp").write_bytes(OTHER)
    path.with_suffix(".tmp").rename(path)


def delete_and_write(path: Path) -> None:
    path.unlink()
    path.write_bytes(OTHER)


@pytest.mark.parametrize("replace", [rewrite, rename_over, delete_and_write])
def test_another_scan_of_the_same_size_and_time_is_new(
    digitbox: Digitbox, inbox: Path, replace: Callable[[Path], None]
) -> None:
    for name in ("a.png", "b.png"):
        (inbox / name).write_bytes(TWO)
        os.utime(inbox / name, ns=(10**18, 10**18))
    assert len(digitbox("run", "--only-new").rows) == 2
    replace(inbox / "a.png")
    os.utime(inbox / "a.png", ns=(10**18, 10**18))
    assert digitbox("run", "--only-new", "--dry-run").out == "a.png\n"
    assert [row["file"] for row in digitbox("run", "--only-new").rows] == ["a.png"]
    assert digitbox("run", "--only-new").rows == []


def restore(path: Path) -> None:
    """Restore a scan from a backup, with its time and another inode."""
    shutil.copy2(path, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)


def change_rights(path: Path) -> None:
    path.chmod(0o640)


def link(path: Path) -> None:
    os.link(path, path.with_name(f".{path.name}"))  # which digitbox passes over


@pytest.mark.parametrize("touch", [restore, change_rights, link])
def test_the_same_content_is_not_read_again(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch, touch: Callable[[Path], None]
) -> None:
    """It is compared once; the next run knows it by its facts again."""
    (inbox / "a.png").write_bytes(TWO)
    digitbox("run")
    touch(inbox / "a.png")
    compared = []

    def comparing(path: str) -> str:
        compared.append(path)
        return digest_if_readable(path)

    monkeypatch.setattr(batches, "digest_if_readable", comparing)
    for _ in range(2):  # a look changes nothing
        assert digitbox("run", "--only-new", "--dry-run").out == ""
    assert len(compared) == 2
    for _ in range(2):
        assert digitbox("run", "--only-new").rows == []
    assert len(compared) == 3


def test_a_scan_that_may_be_read_now_is_new(digitbox: Digitbox, inbox: Path) -> None:
    """Its row is of a time when nobody let digitbox read it, so there is no content to compare."""
    (inbox / "a.png").write_bytes(TWO)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "read", lambda *_: 1 / 0)
        opened = os.open

        def refuse(path: str, *arguments: int, **settings: int) -> int:
            if str(path).endswith("a.png"):
                raise PermissionError(13, "Permission denied")
            return opened(path, *arguments, **settings)

        patched.setattr(os, "open", refuse)
        assert [row["reason"] for row in digitbox("run", "--only-new").rows] == ["unreadable"]
    (inbox / "a.png").chmod(0o640)
    assert [row["status"] for row in digitbox("run", "--only-new").rows] == ["ok"]


def downgrade(ledger: Path) -> None:
    """Make a ledger one of the version before it knew the time of the last change."""
    with closing(sqlite3.connect(ledger)) as connection:
        connection.executescript(
            "DROP TABLE renamed; DROP TABLE pages; ALTER TABLE members DROP COLUMN source;"
            "ALTER TABLE members DROP COLUMN ctime_ns; ALTER TABLE members DROP COLUMN extra;"
            "PRAGMA user_version = 3;"
        )


def test_rows_of_an_older_version_settle_by_content(digitbox: Digitbox, inbox: Path) -> None:
    for name in ("a.png", "b.png"):
        (inbox / name).write_bytes(TWO)
        os.utime(inbox / name, ns=(10**18, 10**18))
    digitbox("run")
    downgrade(Path("outbox", STATE, LEDGER_FILE))
    rewrite(inbox / "a.png")
    os.utime(inbox / "a.png", ns=(10**18, 10**18))
    assert digitbox("run", "--only-new", "--dry-run").out == "a.png\n"  # which cannot bring it up to date
    assert digitbox("retry", "--status", "ok", "--dry-run").out == f"{inbox}/b.png\n"
    assert [row["file"] for row in digitbox("run", "--only-new").rows] == ["a.png"]
    assert digitbox("run", "--only-new").rows == []


@pytest.mark.parametrize("replace", [rewrite, rename_over])
def test_a_watcher_that_leaves_scans_reads_what_replaced_one(
    tmp_path: Path, fake_model: Path, replace: Callable[[Path], None]
) -> None:
    scene = Scene(tmp_path)
    path = scene.inbox / "a.png"
    path.write_bytes(TWO)
    os.utime(path, ns=(10**18, 10**18))

    def put() -> list[Path]:
        replace(path)
        os.utime(path, ns=(10**18, 10**18))
        return [path]

    def touch() -> list[Path]:
        path.chmod(0o640)
        return [path]

    scene.ticking.at(20, put)
    scene.ticking.at(40, touch)
    scene.watch(100, after=After.LEAVE)
    assert len(scene.rows) == len({row["sha256"] for row in scene.rows}) == 2


def test_a_scan_that_is_written_again_has_one_row(tmp_path: Path, fake_model: Path) -> None:
    """While somebody writes the same bytes once more, it looks like another scan."""
    scene = Scene(tmp_path)
    path = scene.inbox / "a.png"
    path.write_bytes(TWO)
    os.utime(path, ns=(10**18, 10**18))

    def write(content: bytes) -> list[Path]:
        path.write_bytes(content)
        os.utime(path, ns=(10**18, 10**18))
        return [path]

    scene.ticking.at(20, lambda: write(OTHER))
    scene.ticking.at(21, lambda: write(TWO))
    scene.watch(60, after=After.LEAVE)
    assert len(scene.rows) == 1
