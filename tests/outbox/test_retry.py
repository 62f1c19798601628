import errno
import itertools
import os
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import pdfs
from batch.outbox import batches, restoration, settled
from batch.outbox.ledger import open_ledger
from batch.outbox.prune import Limits, prune_outbox
from batch.outbox.publisher import Outbox
from batch.outbox.retry import ScanFilter, retry_scans
from batch.storage import durable
from command import Digitbox
from faults import KILL_EVERY, killed_at
from formats import FORMATS, two
from published import make_old

TWO = FORMATS["png-8"](two())


def fill(folder: Path, **contents: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.png").write_bytes(content)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_scans_left_in_their_place_are_new(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, good=TWO, bad=TWO[:60])
    digitbox("run")
    before = {path: path.read_bytes() for path in Path("outbox").glob("*.csv")}
    assert digitbox("run", "--only-new").rows == []
    result = digitbox("retry")
    assert (result.code, result.out) == (0, "")
    assert result.err == "1 scan is new; read with digitbox run --only-new, or digitbox watch\n"
    assert [row["file"] for row in digitbox("run", "--only-new").rows] == ["bad.png"]
    assert {path: path.read_bytes() for path in before} == before


def test_batches_of_older_versions_are_retried_and_pruned(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, good=TWO, bad=TWO[:60])
    (path,) = digitbox("run").out.splitlines()
    old = make_old(Path(path))
    assert digitbox("retry").err.startswith("1 scan is new")
    assert [row["file"] for row in digitbox("run", "--only-new").rows] == ["bad.png"]
    old.unlink()
    for name in ("good", "bad"):
        (inbox / f"{name}.png").unlink()
    fill(inbox, other=TWO)
    assert prune_outbox(Path("outbox"), Limits(*2 * [datetime(2999, 1, 1, tzinfo=UTC)])).batches == 1
    with open_ledger(Path("outbox"), read_only=True) as ledger:
        assert not batches.find_published(ledger, old.stem.split("-")[-1])


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


def test_a_choice_by_status_reason_time_and_place(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox / "a", half=TWO[:60], text=b"text", good=TWO)
    fill(inbox / "b", half=TWO[:60])
    digitbox("run", "--after", "move", "--settle", "0")

    def chosen(*arguments: str) -> list[str]:
        return sorted(
            line.split("/", 4)[-1] for line in digitbox("retry", "--dry-run", *arguments).out.split()
        )

    assert chosen() == ["a/half.png", "a/text.png", "b/half.png"]
    assert chosen("--status", "ok") == ["a/good.png"]
    assert chosen("--reason", "not_an_image", "--reason", "empty") == ["a/text.png"]
    assert chosen("--status", "ok", "--reason", "truncated") == []
    assert chosen("--since", "1h", "--until", "2100-01-01") == chosen("--since", "1d") == chosen()
    assert chosen("--until", "2020-01-01") == chosen("--since", "2100-01-01") == []
    assert chosen("inbox/b") == ["b/half.png"]
    assert chosen("inbox/a/good.png") == ["a/good.png"]
    (moved,) = Path("outbox/failed").glob("*/*/b/half.png")
    assert chosen(str(moved)) == chosen(str(moved.parent)) == ["b/half.png"]
    assert len(chosen("outbox/failed")) == 3
    assert chosen("inbo") == []
    assert names(inbox) == []


def test_only_the_last_row_of_a_scan_counts(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, good=TWO)
    digitbox("run", "--review-below", "1")
    digitbox("run", "--review-below", "0.1")
    assert "nothing to retry" in digitbox("retry", "--status", "review").err
    assert digitbox("retry", "--status", "ok").code == 0
    assert len(digitbox("run", "--only-new").rows) == 1


def test_gone_and_changed_scans_are_counted(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, one=TWO[:60], two=TWO[:70], three=TWO[:80])
    digitbox("run")
    (inbox / "one.png").unlink()
    fill(inbox, two=b"changed")
    result = digitbox("retry")
    assert "1 scan is new" in result.err
    assert "2 scans more cannot be read again" in result.err


def test_no_outbox_no_ledger_and_another_digitbox(digitbox: Digitbox, tmp_path: Path) -> None:
    result = digitbox("retry")
    assert (result.code, len(result.err.splitlines())) == (4, 1)
    (tmp_path / "outbox").mkdir()
    assert digitbox("retry").code == 0
    assert list((tmp_path / "outbox").iterdir()) == []
    with Outbox(tmp_path / "outbox", format_name="csv", rows_per_file=1, model="m", with_probabilities=False):
        result = digitbox("retry")
        assert (result.code, "a run, prune or retry is at work" in result.err) == (75, True)
        assert digitbox("retry", "--dry-run").code == 0
    (tmp_path / "outbox" / ".digitbox" / "ledger.sqlite3").write_bytes(b"x" * 4096)
    assert digitbox("retry").code == 8


def test_the_outbox_of_digitbox_toml(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "digitbox.toml").write_text('outbox = "results"\n')
    fill(inbox, bad=b"text")
    digitbox("run")
    assert digitbox("retry", "--dry-run").out == f"{inbox}/bad.png\n"


def test_printed_names_are_escaped(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox)
    with open(os.fsencode(inbox) + b"/a\n\x1b[31m\xff.png", "wb") as file:
        file.write(b"text")
    digitbox("run", "--after", "move", "--settle", "0")
    assert digitbox("retry", "--dry-run").out.endswith("/a\\x0a\\x1b[31m\\xff.png\n")
    assert digitbox("retry").code == 0
    assert os.listdir(os.fsencode(inbox)) == [b"a\n\x1b[31m\xff.png"]


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
        assert set(scans) == set(contents)  # for an instant, a scan has a hidden name
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


def test_the_ledger_forgets_scans_in_chunks(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "TURN_S", 0)
    for number in range(7):
        fill(inbox, **{str(number): b"text"})
    digitbox("run")
    assert retry_scans(tmp_path / "outbox", ScanFilter()).in_place == 7
    assert len(digitbox("run", "--only-new").rows) == 7


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


def test_a_file_is_retried_for_any_of_its_pages(digitbox: Digitbox, inbox: Path) -> None:
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / "cards.pdf").write_bytes(
        pdfs.write(pdfs.scan(two()), pdfs.PdfPage(20, 10, ""), pdfs.scan(two()))
    )
    assert [row["status"] for row in digitbox("run").rows] == ["ok", "refused", "ok"]
    assert digitbox("run", "--only-new").rows == []
    assert digitbox("retry", "--status", "failed").err.startswith("nothing to retry")
    assert digitbox("retry", "--reason", "blank").err.startswith("1 scan is new")
    assert [row["page"] for row in digitbox("run", "--only-new").rows] == ["1", "2", "3"]


def test_a_file_with_a_failed_page_goes_to_failed(digitbox: Digitbox, inbox: Path) -> None:
    inbox.mkdir(parents=True, exist_ok=True)
    data = pdfs.write(pdfs.scan(two()), pdfs.scan(two(side=2000)))
    (inbox / "cards.pdf").write_bytes(data)
    run = digitbox("run", "--after", "move", "--max-pixels", "1000000", "--settle", "0")
    assert run.code == 3 and [row["reason"] for row in run.rows] == ["", "too_large"]
    (why,) = Path("outbox/failed").rglob("*.json")
    assert '"page": 2' in why.read_text() and '"too_large"' in why.read_text()
    assert digitbox("retry").err.startswith("1 scan is new")
    assert (inbox / "cards.pdf").read_bytes() == data
