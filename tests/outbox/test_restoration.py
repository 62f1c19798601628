"""Tests of the way back of scans that retry brings back from done/ and failed/."""

import csv
import errno
import io
import itertools
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from batch.outbox import restoration
from batch.outbox.retry import ScanFilter, retry_scans
from batch.storage import durable
from command import Digitbox
from faults import KILL_EVERY, killed_at
from formats import FORMATS, two
from scan_folders import fill, names

TWO = FORMATS["png-8"](two())


def test_moved_scans_go_back_and_their_reasons_go(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox / "form", bad=TWO[:60])
    fill(inbox, good=TWO)
    digitbox("run", "--after", "move", "--settle", "0")
    (inbox / "form").rmdir()
    assert digitbox("retry").code == 0
    assert names(inbox) == ["form/bad.png"]
    assert not list(Path("outbox/failed").iterdir())
    assert names(Path("outbox/done"))
    rows = digitbox("run", "--after", "move", "--settle", "0", "--only-new").rows
    assert [(row["file"], row["reason"]) for row in rows] == [("form/bad.png", "truncated")]


def test_nothing_is_overwritten(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, bad=TWO[:60])
    digitbox("run", "--after", "move", "--settle", "0")
    fill(inbox, bad=b"another")
    (inbox / "bad-2.png").symlink_to("nowhere")
    assert digitbox("retry").code == 0
    assert (inbox / "bad.png").read_bytes() == b"another"
    assert (inbox / "bad-3.png").read_bytes() == TWO[:60]


@pytest.mark.parametrize("inputs", [["inbox"], ["inbox", "other"], ["inbox/*.png"], ["inbox/bad.png"]])
def test_retry_does_not_make_a_missing_inbox(digitbox: Digitbox, inbox: Path, inputs: list[str]) -> None:
    fill(inbox, bad=b"text")
    fill(inbox.parent / "other")
    digitbox("run", *inputs, "--after", "move", "--settle", "0")
    inbox.rmdir()
    result = digitbox("retry")
    assert (result.code, len(result.err.splitlines())) == (4, 1)
    assert not inbox.exists()
    inbox.mkdir()
    assert digitbox("retry").code == 0
    assert names(inbox) == ["bad.png"]


@pytest.fixture(params=["same mount", "another mount", "no call", "no links"])
def way_back(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let `retry` find a system on which scans go back in another way."""
    way: str = request.param

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if way == "another mount":
        monkeypatch.setattr(restoration, "are_on_other_mounts", lambda *_: True)
    if way in ("no call", "no links"):
        monkeypatch.setattr(durable, "rename_without_replacing", lambda *_: False)
    if way == "no links":
        monkeypatch.setattr(os, "link", refuse)
    return way


def test_retry_passes_over_a_taken_name_on_any_mount(digitbox: Digitbox, inbox: Path, way_back: str) -> None:
    fill(inbox, bad=b"text")
    digitbox("run", "--after", "move", "--settle", "0")
    (failed,) = Path("outbox/failed").rglob("bad.png")
    inode = failed.stat().st_ino
    fill(inbox, bad=b"in the way")
    assert digitbox("retry").code == 0
    assert ((inbox / "bad-2.png").stat().st_ino != inode) == (way_back == "another mount")
    assert names(inbox) == ["bad-2.png", "bad.png"]
    assert (inbox / "bad-2.png").read_bytes() == b"text"
    assert names(Path("outbox/failed")) == []


@pytest.mark.slow
@pytest.mark.parametrize("way_back", ["same mount", "another mount"], indirect=True)
def test_another_retry_finishes_a_killed_one(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, way_back: str
) -> None:
    """Every scan is there once, and in the end all are new."""
    fill(inbox, one=TWO[:60], two=TWO[:61])
    digitbox("run", "--after", "move", "--settle", "0")
    outbox, backup = tmp_path / "outbox", tmp_path / "backup"
    shutil.copytree(outbox, backup)
    contents = Counter([TWO[:60], TWO[:61]])

    def work() -> None:
        retry_scans(outbox, ScanFilter())

    for number in itertools.count(1, KILL_EVERY):
        was_killed = killed_at(number, work)
        scans = Counter(
            path.read_bytes()
            for folder in (inbox, outbox / "failed")
            for path in folder.rglob("*")
            if path.suffix in (".png", ".part") and path.is_file()
        )
        assert set(scans) >= set(contents)  # for an instant, a scan has a hidden name, or a half copy
        retry_scans(outbox, ScanFilter())
        assert Counter(path.read_bytes() for path in inbox.iterdir()) == contents
        assert [row["file"] for row in digitbox("run", "--only-new", "--after", "leave").rows] == [
            "one.png",
            "two.png",
        ]
        if not was_killed:
            break
        shutil.rmtree(outbox)
        shutil.rmtree(inbox)
        inbox.mkdir()
        shutil.copytree(backup, outbox)
    assert number > 10


@pytest.mark.slow
@pytest.mark.parametrize("way_back", ["same mount", "another mount"], indirect=True)
def test_a_new_name_of_a_scan_outlives_a_kill(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, way_back: str
) -> None:
    fill(inbox, scan=TWO[:60])
    digitbox("run", "--after", "move", "--settle", "0")
    fill(inbox, scan=TWO)
    folders, backup = (inbox, tmp_path / "outbox"), tmp_path / "backup"
    for folder in folders:
        shutil.copytree(folder, backup / folder.name)

    def work() -> None:
        retry_scans(tmp_path / "outbox", ScanFilter())

    for number in itertools.count(1, KILL_EVERY):
        was_killed = killed_at(number, work)
        work()
        digitbox("run")
        latest = list(csv.DictReader(io.StringIO(digitbox("export", "--latest").out)))
        assert sorted((row["file"], row["status"]) for row in latest) == [
            ("scan-2.png", "failed"),
            ("scan.png", "ok"),
        ]
        if not was_killed:
            break
        for folder in folders:
            shutil.rmtree(folder)
            shutil.copytree(backup / folder.name, folder)
    assert number > 10


def test_a_scan_that_its_writer_completed_in_failed_goes_back(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, a=TWO[:60], b=TWO[:70], c=TWO[:80])
    digitbox("run", "--after", "move", "--settle", "0")
    failed = {path.name: path for path in Path("outbox/failed").rglob("*.png")}
    failed["a.png"].write_bytes(TWO)
    failed["b.png"].with_suffix(".new").write_bytes(TWO)
    failed["b.png"].with_suffix(".new").rename(failed["b.png"])
    assert len(digitbox("retry", "--dry-run").out.splitlines()) == 3
    result = digitbox("retry")
    assert result.err.startswith("3 scans are new, 3 of them back where they were read")
    assert {name: (inbox / name).read_bytes() == TWO for name in names(inbox)} == {
        "a.png": True,
        "b.png": True,
        "c.png": False,
    }
    assert not list(Path("outbox/failed").iterdir())
    rows = digitbox("run", "--only-new").rows
    assert [row["status"] for row in rows] == ["ok", "ok", "failed"]


def test_scans_that_a_deleting_run_could_not_read_go_back(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, good=TWO, bad=TWO[:60])
    digitbox("run", "--after", "delete", "--settle", "0")
    assert digitbox("retry").err.startswith("1 scan is new, back where it was read; ")
    assert names(inbox) == ["bad.png"]


@pytest.mark.usefixtures("way_back")
def test_equal_scans_that_failed_one_after_another_go_back(digitbox: Digitbox, inbox: Path) -> None:
    """Somebody drops the same damaged scan again, with its time. Each of them lies in failed/."""
    for _ in range(3):
        fill(inbox, bad=TWO[:60])
        os.utime(inbox / "bad.png", ns=(10**18, 10**18))
        digitbox("run", "--after", "move", "--settle", "0")
    assert digitbox("retry").err.startswith("3 scans are new, 3 of them back")
    assert names(inbox) == ["bad-2.png", "bad-3.png", "bad.png"]
    assert "nothing to retry" in digitbox("retry").err
    digitbox("run", "--only-new", "--after", "move", "--settle", "0", "--max-files", "3")
    exported = digitbox("export", "--latest").out.splitlines()[1:]
    assert [line.split(",")[0] for line in exported] == ["bad.png"]


def test_a_folder_that_an_older_version_moved_goes_back(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, bad=TWO[:60])
    digitbox("run", "--after", "move", "--settle", "0")
    (failed,) = Path("outbox/failed").rglob("bad.png")
    failed.unlink()
    fill(failed, inner=TWO)
    assert digitbox("retry").code == 0
    assert names(inbox) == ["bad.png/inner.png"]


@pytest.mark.parametrize("has_call", [True, False])
def test_what_comes_to_failed_during_the_way_back_stays(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch, has_call: bool
) -> None:
    """A scan of another run takes the name just before the move, or between its steps."""
    fill(inbox, bad=TWO[:60])
    digitbox("run", "--after", "move", "--settle", "0")
    (failed,) = Path("outbox/failed").rglob("bad.png")
    backup = failed.read_bytes()
    if not has_call:
        monkeypatch.setattr(durable, "rename_without_replacing", lambda *_: False)
    for name in ("rename", "link", "unlink"):
        call = getattr(os, name)

        def late(*arguments: Any, call: Any = call, **settings: Any) -> None:
            call(*arguments, **settings)
            if not failed.exists():
                failed.write_bytes(b"another one")

        with monkeypatch.context() as patched:
            patched.setattr(os, name, late)
            retry_scans(Path("outbox"), ScanFilter())
        assert backup in [path.read_bytes() for path in inbox.iterdir()]
        assert not failed.exists() or failed.read_bytes() == b"another one"


def test_two_scans_of_one_name_in_failed_go_back(digitbox: Digitbox, tmp_path: Path) -> None:
    for folder in ("x", "y"):
        fill(tmp_path / folder, bad=folder.encode())
    digitbox("run", "x/../x/bad.png", "y/../x/../y/bad.png", "--after", "move", "--settle", "0")
    assert retry_scans(tmp_path / "outbox", ScanFilter()).brought_back == 2
    assert [(tmp_path / folder / "bad.png").read_bytes() for folder in "xy"] == [b"x", b"y"]


@pytest.mark.parametrize("inputs", [("b.png", "b.png.json"), ("b.png.json", "b.png")])
@pytest.mark.parametrize("is_there", ["as it was", "completed", "no more"])
@pytest.mark.parametrize("is_alone", [True, False])
def test_a_reason_is_not_brought_back_as_a_scan(
    digitbox: Digitbox, tmp_path: Path, inputs: tuple[str, str], is_there: str, is_alone: bool
) -> None:
    """It may have the name of a scan, which has a number then, and may go before that scan does."""
    scans = {"b.png": b"no image", "b.png.json": b"no image either"}
    for name, content in scans.items():
        (tmp_path / name).write_bytes(content)
    digitbox("run", *inputs, "--after", "move", "--settle", "0")
    failed = [path for path in Path("outbox/failed").rglob("*") if path.is_file()]
    (moved,) = [path for path in failed if path.read_bytes() == scans["b.png.json"]]
    if is_alone:
        del scans["b.png"]
    if is_there != "as it was":
        moved.unlink()
        del scans["b.png.json"]
    if is_there == "completed":
        scans["b.png.json"] = TWO
        (tmp_path / "completed").write_bytes(TWO)
        (tmp_path / "completed").rename(moved)
    paths = (str(tmp_path / "b.png.json"),) if is_alone else ()
    result = retry_scans(Path("outbox"), ScanFilter(paths=paths))
    assert (result.brought_back, result.gone) == (len(scans), is_there == "no more")
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert found == scans


def test_scans_of_one_name_all_go_back(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two have a number in failed/, and the others leave before them."""
    folders = [tmp_path / place for place in ("a", "x/a", "x/y/a")]
    for folder in folders:
        fill(folder, bad=str(folder).encode())
    (tmp_path / "x" / "y" / "z").mkdir()
    monkeypatch.chdir(tmp_path / "x" / "y" / "z")
    inputs = (f"{'../' * number}a/bad.png" for number in (1, 2, 3))
    digitbox("run", *inputs, "--after", "move", "--settle", "0")
    assert [path.name for path in sorted(Path("outbox/failed").rglob("*.png"))] == [
        "bad-2.png",
        "bad-3.png",
        "bad.png",
    ]
    result = retry_scans(Path("outbox"), ScanFilter())
    assert (result.brought_back, result.gone) == (3, 0)
    assert [(folder / "bad.png").read_bytes() for folder in folders] == [str(f).encode() for f in folders]
