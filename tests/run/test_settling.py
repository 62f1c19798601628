"""A run that moves or deletes scans leaves those that somebody may still write to."""

import os
from pathlib import Path

import pytest

import pdfs
from batch.config import RunOptions
from batch.inputs.settling import SettleCheck
from batch.records import After, Outcome, Reason, ScanRef, Status
from batch.run import job
from batch.storage.disk import identify_file
from command import Digitbox
from faults import fast_folder
from formats import FORMATS, two
from others import as_another, needs_root, open_to_all
from scan_folders import names

TWO = FORMATS["png-8"](two())
LEFT = "left for the next run: still being written, or changed in the last"


@pytest.mark.parametrize("after", ["move", "delete"])
def test_a_scan_with_a_writer_is_left(digitbox: Digitbox, inbox: Path, after: str) -> None:
    (inbox / "a.png").write_bytes(TWO)
    with (inbox / "slow.png").open("wb", buffering=0) as file:
        file.write(TWO[:60])
        arguments = ("run", "--after", after, "--settle", "0")
        result = digitbox(*arguments)
        assert ([row["file"] for row in result.rows], result.code) == (["a.png"], 0)
        assert f"1 scan {LEFT} 0 s" in result.err
        assert "1 failed" not in result.err and "; 1 left" in result.err
        assert names(inbox) == ["slow.png"]
        assert digitbox(*arguments, "--dry-run").out == ""
        file.write(TWO[60:])
    assert [(row["file"], row["status"]) for row in digitbox(*arguments).rows] == [("slow.png", "ok")]
    assert names(inbox) == []


def test_a_young_scan_is_left_until_it_has_settled(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    os.utime(inbox / "a.png", (0, 0))  # its own time does not matter
    result = digitbox("run", "--after", "move", "--settle", "3600")
    assert (result.code, result.out, names(inbox)) == (0, "", ["a.png"])
    assert f"no scans, 1 left\ndigitbox: warning: 1 scan {LEFT} 3600 s\n" in result.err
    assert len(digitbox("run", "--after", "move", "--settle", "0").rows) == 1
    assert names(inbox) == []


@pytest.mark.parametrize("after", ["move", "delete"])
def test_scans_of_another_outbox_stay_where_they_are(digitbox: Digitbox, inbox: Path, after: str) -> None:
    for name in ("in/a.png", "b.png"):
        (inbox / name).parent.mkdir(exist_ok=True)
        (inbox / name).write_bytes(TWO)
    moved = digitbox("run", "inbox/in", "--outbox", "inbox/out", "--after", "move", "--settle", "0")
    assert [row["file"] for row in moved.rows] == ["a.png"]
    archive = list((inbox / "out" / "done").rglob("*.png"))
    result = digitbox("run", "inbox", "--after", after, "--settle", "0", "--verbose")
    assert [row["file"] for row in result.rows] == ["b.png"]
    assert f"{inbox / 'out' / 'done'}/: skipped, of another outbox\n" in result.err
    assert "(3 other files or folders skipped)" in result.err  # also a CSV and .digitbox/
    assert len(archive) == 1 and archive[0].exists()
    rows = digitbox("run", "inbox/out/done", "--after", after, "--settle", "0").rows
    assert len(rows) == 1 and not archive[0].exists()


def test_an_inbox_in_the_outbox_of_another_run_is_read(digitbox: Digitbox, inbox: Path) -> None:
    place = inbox / "srv" / "a" / "in"
    place.mkdir(parents=True)
    (place / "1.png").write_bytes(TWO)
    digitbox("run", str(place), "--outbox", "inbox/srv/a", "--after", "move", "--settle", "0")
    assert names(place) == []
    (place / "2.png").write_bytes(TWO)
    for number, path in enumerate(("inbox/srv", "inbox/srv/*/in/*.png", "inbox/srv/a")):
        rows = digitbox("run", path, "--outbox", f"o{number}").rows
        assert [os.path.basename(row["file"]) for row in rows] == ["2.png"]


def test_a_run_that_moves_nothing_reads_at_once(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    with (inbox / "slow.png").open("wb", buffering=0) as file:
        file.write(TWO)
        rows = digitbox("run", "--settle", "3600").rows
    assert [(row["file"], row["reason"]) for row in rows] == [("a.png", ""), ("slow.png", "changed")]


def test_a_limit_counts_whole_scans_only(digitbox: Digitbox, inbox: Path) -> None:
    for name in ("a", "b", "c"):
        (inbox / f"{name}.png").write_bytes(TWO)
        os.utime(inbox / f"{name}.png", (ord(name), ord(name)))
    with (inbox / "a.png").open("r+b"):
        result = digitbox("run", "--after", "move", "--settle", "0", "--max-files", "1")
    assert [row["file"] for row in result.rows] == ["b.png"]
    assert names(inbox) == ["a.png", "c.png"]


def test_a_young_failure_may_still_be_on_its_way(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "half.png").write_bytes(TWO[:60])
    (inbox / "empty.png").touch()
    (inbox / "a.png").write_bytes(TWO)
    check = SettleCheck(2, now=lambda: os.stat(inbox / "half.png").st_ctime + 5)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(job, "new_check", lambda _: check)
        result = digitbox("run", "--after", "move")
    assert [row["file"] for row in result.rows] == ["a.png"]
    assert f"2 scans {LEFT} 10 s" in result.err
    assert names(inbox) == ["empty.png", "half.png"]
    rows = digitbox("run", "--after", "move", "--settle", "0").rows
    assert [row["reason"] for row in rows] == ["empty", "truncated"]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("rows_per_file", ["2", "10"])
def test_a_page_that_fails_stays_with_its_file(
    place: int, rows_per_file: str, digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [pdfs.scan(two(side=2000 if number == place else 48)) for number in range(3)]
    (inbox / "a.pdf").write_bytes(pdfs.write(*pages))
    (inbox / "b.png").write_bytes(TWO)
    check = SettleCheck(2, now=lambda: os.stat(inbox / "b.png").st_ctime + 5)
    monkeypatch.setattr(job, "new_check", lambda _: check)
    options = ("--after", "move", "--max-pixels", "1000000", "--rows-per-file", rows_per_file)
    result = digitbox("run", *options)
    rows = [(row["file"], row["page"], row["reason"] == "too_large") for row in result.rows]
    assert rows == [
        *(("a.pdf", str(1 + number), number == place) for number in range(3)),
        ("b.png", "", False),
    ]
    assert (result.code, names(inbox)) == (3, [])


@pytest.mark.parametrize("after", ["move", "delete"])
def test_folders_named_like_images_stay(digitbox: Digitbox, inbox: Path, after: str) -> None:
    for name in ("a.png/b.png", "a.png/sub/c.TIF/d.png", "e.png"):
        (inbox / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox / name).write_bytes(TWO)
    (inbox / "empty.jpg").mkdir()
    rows = digitbox("run", "--after", after, "--settle", "0").rows
    by_status = {
        status: {row["file"] for row in rows if row["status"] == status} for status in ("ok", "failed")
    }
    assert by_status["ok"] == {"a.png/b.png", "a.png/sub/c.TIF/d.png", "e.png"}
    assert by_status["failed"] == {"a.png", "a.png/sub/c.TIF", "empty.jpg"}
    folders = {str(path.relative_to(inbox)) for path in inbox.rglob("*")}
    assert folders == {"a.png", "a.png/sub", "a.png/sub/c.TIF", "empty.jpg"}
    assert not list(Path("outbox").rglob("failed/*"))


@pytest.mark.parametrize(
    ("age_s", "is_whole"),
    [(0, False), (1.9, False), (2.1, True), (1e9, True), (-1, False), (-3600, False), (-1e6, True)],
)
def test_the_age_of_a_scan_by_the_clock(tmp_path: Path, age_s: float, is_whole: bool) -> None:
    """A clock may be ahead of the file's, or wrong by years, which must not hold a scan for ever."""
    (tmp_path / "a.png").write_bytes(TWO)
    ref = identify_file(ScanRef(str(tmp_path / "a.png"), "a.png"))
    assert SettleCheck(2, now=lambda: ref.ctime_ns / 1e9 + age_s).is_whole(ref) == is_whole


def test_some_failures_need_no_second_look(tmp_path: Path) -> None:
    ref = ScanRef("/gone.png", "gone.png", 1, 1, 1, "", 10**18)
    check = SettleCheck(2, now=lambda: 1e9)
    for reason, must_wait in [(Reason.VANISHED, False), (Reason.NOT_A_FILE, False), (Reason.TRUNCATED, True)]:
        assert check.must_wait(Outcome(ref, Status.FAILED, reason)) == must_wait
    assert not check.must_wait(Outcome(ref, Status.OK))
    assert not check.must_wait(Outcome(ref, Status.REFUSED, Reason.BLANK))


@needs_root
def test_a_run_of_another_user_waits_for_longer(tmp_path: Path, fake_model: Path) -> None:
    """The system does not tell it who writes, and a run has no events."""
    with fast_folder(tmp_path) as folder:
        (folder / "in").mkdir()
        open_to_all(folder, folder / "in", fake_model)
        options = RunOptions(
            inputs=(str(folder / "in"),), outbox=folder / "out", after=After.MOVE, settle_s=2, workers=1
        )
        clock = [0.0]

        def run() -> None:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(job, "new_check", lambda _: SettleCheck(2, now=lambda: clock[0]))
                job.run(options, job.find(options), lambda _: None, job.new_stats(options))

        with (folder / "in" / "a.png").open("wb", buffering=0) as file:
            file.write(TWO[:60])
            for age_s in (18, 59):
                clock[0] = os.stat(folder / "in" / "a.png").st_ctime + age_s
                as_another(run)
            assert names(folder / "in") == ["a.png"]
            file.write(TWO[60:])
        clock[0] = os.stat(folder / "in" / "a.png").st_ctime + 61
        as_another(run)
        assert names(folder / "in") == []
        assert len(list((folder / "out" / "done").rglob("a.png"))) == 1
