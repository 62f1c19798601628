"""Nothing is moved or deleted but the very scan of a row, whatever somebody does at the same time."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch.locations import LEDGER_FILE, STATE
from batch.outbox import aside, disposal, restoration
from batch.outbox.batches import Batch, State
from batch.records import After, Outcome, Reason, ScanRef, Status
from batch.storage import durable
from batch.storage.disk import identify_file
from faults import killed_at

CONTENT, OTHER = b"the scan that was read", b"another, of equal size"


def batch(after: After) -> Batch:
    return Batch("b12345678", "predictions-20260102T120000Z-b12345678.csv", "", after, State.PUBLISHED)


def read(path: Path, status: Status = Status.OK, *, is_hashed: bool = True) -> Outcome:
    """Return the row of a scan that lies there."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if is_hashed else ""
    ref = identify_file(ScanRef(str(path), path.name, source=str(path.parent)))
    return Outcome(ref, status, None if status is Status.OK else Reason.TRUNCATED, digest)


def contents(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if path.suffix != ".json"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("in", "out", "beside"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "a.png").write_bytes(CONTENT)
    return tmp_path


def dispose(place: Path, outcome: Outcome, after: After) -> list[OSError]:
    return disposal.dispose([outcome], batch(after), place / "out")


def put_other(place: Path, target: Path) -> None:
    """Put another scan of the same size and time at a path, as a scanner or rsync does."""
    info = os.stat(place / "in" / "a.png") if (place / "in" / "a.png").exists() else None
    (place / "beside" / "new").write_bytes(OTHER)
    if info is not None:
        os.utime(place / "beside" / "new", ns=(info.st_atime_ns, info.st_mtime_ns))
    os.rename(place / "beside" / "new", target)


WAYS = [(After.MOVE, Status.OK), (After.DELETE, Status.OK), (After.DELETE, Status.FAILED)]


@pytest.mark.parametrize(("after", "status"), WAYS)
def test_what_replaced_a_scan_at_any_call_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch, after: After, status: Status
) -> None:
    """Another scan takes the name before the k-th call to the system, for every k."""
    names = ("open", "lstat", "stat", "rename", "unlink", "link")
    calls = {name: getattr(os, name) for name in names}
    rename_new = durable.rename_without_replacing
    path = place / "in" / "a.png"
    for number in range(1, 200):
        for folder in ("in", "out"):
            shutil.rmtree(place / folder)
            (place / folder).mkdir()
        path.write_bytes(CONTENT)
        outcome = read(path, status)
        remaining = number

        def counting(call: Callable[..., Any]) -> Callable[..., Any]:
            def count_and_call(*arguments: Any, **settings: Any) -> Any:
                nonlocal remaining
                remaining -= 1
                if remaining == 0:
                    with pytest.MonkeyPatch.context() as undone:
                        for name in names:
                            undone.setattr(os, name, calls[name])
                        put_other(place, path)
                return call(*arguments, **settings)

            return count_and_call

        with monkeypatch.context() as patched:
            for name in names:
                patched.setattr(os, name, counting(calls[name]))
            patched.setattr(durable, "rename_without_replacing", counting(rename_new))
            dispose(place, outcome, after)
        here, gone = contents(place / "in"), contents(place / "out")
        if remaining > 0:
            assert here == {}
            break
        assert list(here.values()) == [OTHER], number
        assert set(gone.values()) <= {CONTENT}
        assert not [name for name in here if name.startswith(".")]
    assert number > 5


@pytest.mark.parametrize("after", [After.MOVE, After.DELETE])
@pytest.mark.parametrize("is_rewritten", [True, False])
def test_another_scan_of_the_same_size_and_time_stays(place: Path, after: After, is_rewritten: bool) -> None:
    path = place / "in" / "a.png"
    outcome = read(path)
    if is_rewritten:  # in its place: even the inode is the same
        info = os.stat(path)
        path.write_bytes(OTHER)
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    else:
        put_other(place, path)
    assert dispose(place, outcome, after) == []
    assert (contents(place / "in"), contents(place / "out")) == ({"a.png": OTHER}, {})


@pytest.mark.parametrize("after", [After.MOVE, After.DELETE])
def test_where_inodes_change_the_content_decides(place: Path, after: After) -> None:
    outcome = read(place / "in" / "a.png")
    outcome = outcome._replace(ref=outcome.ref._replace(inode=1, ctime_ns=1))
    assert dispose(place, outcome, after) == []
    assert contents(place / "in") == {}
    assert list(contents(place / "out").values()) == [CONTENT] * (after is After.MOVE)


@pytest.mark.parametrize(("after", "status"), WAYS)
def test_a_scan_with_a_writer_stays_and_is_a_problem(place: Path, after: After, status: Status) -> None:
    path = place / "in" / "a.png"
    outcome = read(path, status)
    with path.open("ab"):
        (problem,) = dispose(place, outcome, after)
        assert (problem.errno, problem.strerror) == (errno.EBUSY, "somebody writes to it")
        assert contents(place / "in") == {"a.png": CONTENT}
    assert dispose(place, outcome, after) == []
    assert contents(place / "in") == {}


@pytest.mark.parametrize(("after", "status"), WAYS)
@pytest.mark.parametrize("is_other", [True, False])
def test_what_a_kill_left_aside_goes_on(place: Path, after: After, status: Status, is_other: bool) -> None:
    path = place / "in" / "a.png"
    outcome = read(path, status)
    hidden = aside.aside_of(path, outcome, batch(after))
    if is_other:  # it took the place of the scan just before
        put_other(place, path)
    path.rename(hidden)
    path.write_bytes(b"a new scan of that name")
    assert dispose(place, outcome, after) == []
    new = {"a.png": b"a new scan of that name"}
    if is_other:
        assert contents(place / "in") == {**new, "a-2.png": OTHER}
    else:
        assert contents(place / "in") == new
    is_kept = not is_other and (after is After.MOVE or status is Status.FAILED)
    assert list(contents(place / "out").values()) == [CONTENT] * is_kept


def read_in_folder(place: Path) -> Outcome:
    """Return the row of a scan in a folder of the inbox."""
    (place / "in" / "form").mkdir()
    (place / "in" / "a.png").rename(place / "in" / "form" / "a.png")
    outcome = read(place / "in" / "form" / "a.png")
    return outcome._replace(ref=outcome.ref._replace(name="form/a.png", source=str(place / "in")))


@pytest.mark.slow
def test_a_kill_loses_no_scan_of_a_renamed_folder(place: Path) -> None:
    outcome = read_in_folder(place)
    (place / "in" / "form").rename(place / "in" / "forms")
    target = disposal.target_of(outcome, batch(After.MOVE), place / "out")
    for number in range(1, 200):
        was_killed = killed_at(number, lambda: print(dispose(place, outcome, After.MOVE)))
        assert dispose(place, outcome, After.MOVE) == []
        assert (contents(place / "in"), target.read_bytes()) == ({}, CONTENT)
        if not was_killed:
            break
        target.rename(place / "in" / "forms" / "a.png")
    assert number > 10


@pytest.mark.parametrize("folder", ["in/.Trash/form", "in/other/done/form", "form"])
def test_a_folder_that_somebody_puts_away_is_left_alone(place: Path, folder: str) -> None:
    outcome = read_in_folder(place)
    (place / "in" / ".Trash").mkdir()
    (place / "in" / "other" / STATE).mkdir(parents=True)
    (place / "in" / "other" / STATE / LEDGER_FILE).touch()
    (place / "in" / "other" / "done").mkdir()
    (place / "in" / "form").rename(place / folder)
    assert dispose(place, outcome, After.MOVE) == []
    assert (place / folder / "a.png").read_bytes() == CONTENT


def test_a_folder_that_moves_beside_another_outbox_is_found(place: Path) -> None:
    outcome = read_in_folder(place)
    (place / "in" / "other" / STATE).mkdir(parents=True)
    (place / "in" / "other" / STATE / LEDGER_FILE).touch()
    (place / "in" / "form").rename(place / "in" / "other" / "form")
    assert dispose(place, outcome, After.MOVE) == []
    assert contents(place / "in" / "other" / "form") == {}


def test_a_scan_that_cannot_be_moved_keeps_its_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = read(place / "in" / "a.png")
    (place / "out").rename(place / "away")
    (problem,) = dispose(place, outcome, After.MOVE)
    assert isinstance(problem, FileNotFoundError)
    assert contents(place / "in") == {"a.png": CONTENT}


@pytest.mark.parametrize("fails", ["copyfile", "sync", "rename_new", "digest_if_readable", "copystat", ""])
def test_a_copy_to_another_device(place: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """A share may refuse times and rights. Any other failure leaves the scan under its name, and no part."""
    lstat, outcome = os.lstat, read(place / "in" / "a.png")

    def elsewhere(path: Path) -> os.stat_result:
        info = lstat(path)
        if not str(path).startswith(str(place / "in")):
            return info
        return os.stat_result(
            (*info[:2], info.st_dev + 1, *info[3:]),
            {"st_mtime_ns": info.st_mtime_ns, "st_ctime_ns": info.st_ctime_ns},
        )

    def fail(*_: Any, **__: Any) -> Any:
        if fails == "digest_if_readable":
            return "0" * 64
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "lstat", elsewhere)
        if fails:
            owner = shutil if fails.startswith("copy") else disposal
            patched.setattr(owner, fails, fail)
        problems = dispose(place, outcome, After.MOVE)
    is_moved = fails in ("", "copystat")
    assert len(problems) == (not is_moved)
    assert contents(place / "in") == ({} if is_moved else {"a.png": CONTENT})
    assert list(contents(place / "out").values()) == [CONTENT] * is_moved


def test_a_copy_that_a_kill_left_is_not_made_twice(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = read(place / "in" / "a.png")
    target = disposal.target_of(outcome, batch(After.MOVE), place / "out")
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT)
    os.rename(place / "in" / "a.png", aside.aside_of(place / "in" / "a.png", outcome, batch(After.MOVE)))
    monkeypatch.setattr(os, "stat", lambda path, **_: os.lstat("/proc"))  # another device than that of `in`
    assert dispose(place, outcome, After.MOVE) == []
    monkeypatch.undo()
    assert (contents(place / "in"), list(contents(place / "out").values())) == ({}, [CONTENT])


@pytest.mark.parametrize("names", [("a.png.json", "a.png"), ("a.png", "a.png.json")])
def test_a_reason_takes_no_name_of_a_scan(place: Path, names: tuple[str, str]) -> None:
    (place / "in" / "a.png.json").write_bytes(OTHER)
    of_name = {name: read(place / "in" / name, Status.FAILED) for name in names}
    for name in names:
        assert dispose(place, of_name[name], After.MOVE) == []
    moved = disposal.target_of(of_name["a.png"], batch(After.MOVE), place / "out")
    assert moved.read_bytes() == CONTENT
    found = [path.read_bytes() for path in moved.parent.iterdir()]
    assert (len(found), found.count(OTHER)) == (4, 1)
    (reason,) = disposal.reasons_of(moved, of_name["a.png"], batch(After.MOVE))
    assert json.loads(reason.read_text())["file"] == "a.png"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_way_back_takes_no_scan_for_a_reason(place: Path, order: tuple[int, int]) -> None:
    (place / "in" / "a.png.json").write_bytes(OTHER)
    outcomes = [read(place / "in" / name, Status.FAILED) for name in ("a.png.json", "a.png")]
    moved = [disposal.target_of(outcome, batch(After.MOVE), place / "out") for outcome in outcomes]
    assert disposal.dispose(outcomes, batch(After.MOVE), place / "out") == []
    for number in order:
        restoration.restore(moved[number], outcomes[number], batch(After.MOVE), place / "out")
    assert {path.name: path.read_bytes() for path in (place / "in").iterdir()} == {
        "a.png": CONTENT,
        "a.png.json": OTHER,
    }
    assert list((place / "out" / "failed").rglob("*.json")) == []


@pytest.mark.parametrize(
    "name", ["\u626b" * 83 + "aa.png", "a" * 251 + ".png", "a." + "b" * 253, "\udcff" * 255]
)
def test_a_long_name_gets_a_number_all_the_same(tmp_path: Path, name: str) -> None:
    """A file system takes 255 bytes, however many letters these are."""
    (tmp_path / name).write_bytes(b"another one")
    (tmp_path / ".x.part").write_bytes(b"scan")
    given = aside.give_back(tmp_path / ".x.part", tmp_path / name)
    assert (given.read_bytes(), given.name == name) == (b"scan", False)
    assert (tmp_path / name).read_bytes() == b"another one"
