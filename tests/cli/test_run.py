import os
import re
import resource
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from batch import __version__
from batch.cli import report
from batch.errors import InputError, OutboxError
from batch.images import pages
from batch.outbox import publisher
from batch.run import job
from command import Digitbox
from formats import FORMATS, two
from hanging import hang
from published import open_outbox

TWO = FORMATS["png-8"](two())
BLANK = FORMATS["png-8"](np.full((40, 40), 240, np.uint8))


def test_the_inbox_is_read_by_default(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "two.png").write_bytes(TWO)
    (inbox / "blank.png").write_bytes(BLANK)
    (inbox / "notes.txt").touch()
    result = digitbox("run")
    assert result.code == 0
    assert [(row["file"], row["prediction"], row["status"], row["reason"]) for row in result.rows] == [
        ("blank.png", "", "refused", "blank"),
        ("two.png", "0", "ok", ""),
    ]
    assert "2 scans: 1 ok, 0 review, 1 refused, 0 failed (1 other file or folder skipped)" in result.err
    assert result.out.strip() in result.err
    assert sorted(path.name for path in inbox.iterdir()) == ["blank.png", "notes.txt", "two.png"]


def test_stdout_has_nothing_but_the_published_files(digitbox: Digitbox, inbox: Path) -> None:
    for number in range(5):
        (inbox / f"{number}.png").write_bytes(TWO)
    result = digitbox("run", "--rows-per-file", "2", "--quiet")
    assert result.err == ""
    paths = [Path(line) for line in result.out.splitlines()]
    assert [path.suffix for path in paths] == [".csv"] * 3
    assert len({row["batch"] for row in result.rows}) == 3
    assert len(result.rows) == 5


@pytest.mark.parametrize("workers", ["1", "2", "3"])
def test_order_does_not_depend_on_workers(digitbox: Digitbox, inbox: Path, workers: str) -> None:
    names = [f"{number:02d}.png" for number in range(30)]
    for name in names:
        (inbox / name).write_bytes(TWO)
    result = digitbox("run", "--workers", workers, "--batch-size", "4")
    assert [row["file"] for row in result.rows] == names
    assert {row["prediction"] for row in result.rows} == {"0"}
    assert {(row["page"], row["source"]) for row in result.rows} == {("", os.path.realpath(inbox))}


def test_sources_tell_scans_of_one_name_apart(digitbox: Digitbox, inbox: Path) -> None:
    other = inbox.parent / "=1;=1+1"
    for folder in (inbox, other):
        folder.mkdir(exist_ok=True)
        (folder / "a;=1+1.png").write_bytes(TWO)
    rows = [*digitbox("run").rows, *digitbox("run", other.name).rows]
    assert [row["file"] for row in rows] == ["a;=1+1.png"] * 2
    root = os.path.realpath(inbox.parent)
    assert [row["source"] for row in rows] == [f"{root}/inbox", f"{root}/=1;'=1+1"]
    assert digitbox("export", "--latest").out.count("\n") == 3
    both = (other.name, str(inbox / "a;=1+1.png"))
    limited = digitbox("run", *both, "--max-files", "1").rows
    assert [row["source"] for row in limited] == [f"{root}/inbox"]


def test_odd_names_have_safe_rows(digitbox: Digitbox, inbox: Path) -> None:
    names = [b"a\nb.png", b'q"u,o.png', b"=cmd.png", b"\xff.png", b"-x.png", b"n" * 251 + b".png"]
    for name in names:
        with open(os.fsencode(inbox) + b"/" + name, "wb") as file:
            file.write(TWO)
    result = digitbox("run")
    expected = {"a\\x0ab.png", 'q"u,o.png', "'=cmd.png", "\\xff.png", "'-x.png", "n" * 251 + ".png"}
    assert {row["file"] for row in result.rows} == expected
    assert {row["status"] for row in result.rows} == {"ok"}


def test_failed_scans_make_three(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO[:-20])
    (inbox / "b.png").write_bytes(TWO)
    (inbox / "c.png").mkdir()
    result = digitbox("run", "--verbose")
    assert result.code == 3
    assert [row["reason"] for row in result.rows] == ["truncated", "", "not_a_file"]
    assert "a.png: failed, truncated" in result.err


def test_a_named_file_that_must_not_be_read_has_a_row(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    monkeypatch.setattr(os, "access", lambda *_: False)  # what permissions say; root may read all the same
    assert len(digitbox("run", "inbox/a.png").rows) == 1


def test_an_empty_inbox_is_nothing_to_do(digitbox: Digitbox, inbox: Path) -> None:
    result = digitbox("run")
    assert (result.code, result.out) == (0, "")
    assert "nothing to do" in result.err


def test_only_what_is_new(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    assert len(digitbox("run", "--only-new").rows) == 1
    (inbox / "b.png").write_bytes(TWO)
    assert digitbox("run", "--only-new", "--dry-run").out == "b.png\n"
    result = digitbox("run", "--only-new")
    assert [row["file"] for row in result.rows] == ["b.png"]
    assert "1 had its row before" in result.err
    result = digitbox("run", "--only-new")
    assert (result.code, result.out) == (0, "")
    assert len(digitbox("run").rows) == 2


def test_what_becomes_of_scans_that_have_their_row(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    (inbox / "b.png").write_bytes(b"text")
    assert digitbox("run", "--after", "move", "--settle", "0").code == 3
    assert list(inbox.iterdir()) == []
    assert len(list((tmp_path / "outbox" / "done").rglob("a.png"))) == 1
    assert len(list((tmp_path / "outbox" / "failed").rglob("b.png"))) == 1
    (inbox / "a.png").write_bytes(TWO)
    (inbox / "c.png").write_bytes(b"what nobody could read is not deleted")
    assert len(digitbox("run", "--after", "delete", "--settle", "0").rows) == 2
    assert list(inbox.iterdir()) == []
    assert len(list((tmp_path / "outbox" / "done").rglob("*.png"))) == 1
    assert len(list((tmp_path / "outbox" / "failed").rglob("c.png"))) == 1


def test_a_dry_run_leaves_out_what_only_has_to_be_moved(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run moves them first, whether it moves its own scans or not."""
    (inbox / "a.png").write_bytes(TWO)
    with monkeypatch.context() as patch:
        patch.setattr(publisher, "dispose", lambda *_: [OSError()])
        assert len(digitbox("run", "--after", "move", "--settle", "0").rows) == 1
    (inbox / "b.png").write_bytes(TWO)
    for after in ("leave", "move"):
        assert digitbox("run", "--after", after, "--settle", "0", "--dry-run").out == "b.png\n"
    assert [row["file"] for row in digitbox("run", "--after", "move", "--settle", "0").rows] == ["b.png"]


def test_a_second_writer_makes_seventy_five(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    with open_outbox(tmp_path / "outbox"):
        assert digitbox("run").code == 75
    assert digitbox("run").code == 0


@pytest.mark.parametrize("arguments", [("--workers", "1"), ("--workers", "2", "--batch-size", "2")])
def test_a_decoder_that_hangs_costs_one_row(
    digitbox: Digitbox,
    inbox: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    scan_limit_s: float,
) -> None:
    def hang_at(data: bytes, max_pixels: int, *, full_size: bool = False) -> AbstractContextManager[object]:
        if data == hanging:
            hang()
        return opened(data, max_pixels, full_size=full_size)

    hanging, opened = FORMATS["png-8"](two()[::-1]), pages.open_pages
    monkeypatch.setattr(pages, "open_pages", hang_at)
    for name in ("a.png", "b.png", "d.png", "e.png"):
        (inbox / name).write_bytes(FORMATS["png-8"](two()))
    (inbox / "c.png").write_bytes(hanging)
    result = digitbox("run", "--scan-timeout", f"{scan_limit_s}s", *arguments)
    assert result.code == 3
    assert [(row["file"], row["reason"]) for row in result.rows] == [
        ("a.png", ""),
        ("b.png", ""),
        ("c.png", "timeout"),
        ("d.png", ""),
        ("e.png", ""),
    ]


def test_a_bug_makes_one(digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "run", lambda *_: 1 / 0)
    result = digitbox("run")
    assert result.code == 1
    assert "please report" in result.err


def test_a_dry_run_writes_nothing(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    (inbox / "a\n.png").write_bytes(TWO)
    (inbox / "b.txt").touch()
    result = digitbox("run", "--dry-run")
    assert (result.code, result.out) == (0, "a\\x0a.png\n")
    assert not (tmp_path / "outbox").exists()


@pytest.mark.parametrize("command", ["run", "watch"])
def test_a_dry_run_names_what_it_skips_if_asked(digitbox: Digitbox, inbox: Path, command: str) -> None:
    (inbox / "a.png").write_bytes(TWO)
    (inbox / "b.txt").touch()
    result = digitbox(command, "--dry-run", "--verbose")
    assert result.out == "a.png\n"
    (line,) = result.err.splitlines()
    assert line.endswith("inbox/b.txt: skipped, no image or document")


@pytest.mark.parametrize("option", ["outbox", "inbox", "state", "log-file", "summary"])
def test_no_folder_is_made_with_the_name_of_home(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, option: str
) -> None:
    """A person who removes it may remove everything."""
    (inbox / "a.png").write_bytes(TWO)
    (tmp_path / "digitbox.toml").write_text(f'{option} = "~/x"')
    for arguments in ([], [f"--{option}=~/x"]):
        result = digitbox("run", *arguments)
        assert (result.code, "~/x begins with ~" in result.err) == (2, True)
    assert sorted(os.listdir(tmp_path)) == ["digitbox.toml", "inbox"]


def test_flag_beats_environment_beats_file(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    (tmp_path / "digitbox.toml").write_text('outbox = "of-file"\nprobabilities = true\n')
    result = digitbox("run")
    assert result.out.startswith("of-file/")
    assert abs(sum(float(result.rows[0][f"p{digit}"]) for digit in range(10)) - 1) < 1e-4
    monkeypatch.setenv("DIGITBOX_OUTBOX", "of-environment")
    monkeypatch.setenv("DIGITBOX_PORT", "tcp://10.0.0.1:80")  # Kubernetes makes these
    assert digitbox("run").out.startswith("of-environment/")
    assert digitbox("run", "--outbox", "of-flag").out.startswith("of-flag/")
    (tmp_path / "other.toml").write_text("review-below = 1.0\n")
    monkeypatch.delenv("DIGITBOX_OUTBOX")
    result = digitbox("--config", "other.toml", "run")
    assert result.out.startswith("outbox/")
    assert result.rows[0]["reason"] == "low_confidence"


def test_the_pixel_limit_is_an_option(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    result = digitbox("run", "--max-pixels", "2000")
    assert result.rows[0]["reason"] == "too_large"


def test_no_recursion_when_told(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "sub").mkdir()
    (inbox / "sub" / "a.png").write_bytes(TWO)
    assert len(digitbox("run").rows) == 1
    assert len(digitbox("run", "--no-recursive").rows) == 0


def test_progress_only_on_a_terminal(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    assert "reading" not in digitbox("run").err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert "reading" in digitbox("run").err
    assert "reading" not in digitbox("run", "--quiet").err
    monkeypatch.setenv("TERM", "dumb")  # cannot go back in a line
    assert "reading" not in digitbox("run").err


def test_messages_are_one_line_whatever_the_names(digitbox: Digitbox, inbox: Path) -> None:
    result = digitbox("run", "gone\n.png")
    assert (result.code, len(result.err.splitlines())) == (4, 1)
    result = digitbox("run", "--outbox", "a\nb\udcff")
    assert len(result.err.splitlines()) == 1  # nothing to do
    (inbox / "a.png").write_bytes(TWO)
    result = digitbox("run", "--outbox", "a\nb\udcff")
    assert (result.code, len(result.err.splitlines())) == (0, 2)


def test_a_current_folder_that_is_gone(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = digitbox("run")
    assert (result.code, len(result.err.splitlines())) == (2, 1)


def test_a_link_that_leads_to_itself(digitbox: Digitbox, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert digitbox("run", "loop").code == 4


def test_folders_named_twice_and_very_many_of_them(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    folders = [f"more/{number}" for number in range(100)]
    for folder in folders:
        Path(folder).mkdir(parents=True)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as next_file:  # others in this process may have many open
        few = next_file.fileno() + 60
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, limits[1]))
    try:
        result = digitbox("run", "inbox", "inbox/", "--after", "move", "--settle", "0", *folders)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (result.code, len(result.rows)) == (0, 1)


def test_a_log_file_has_more_than_a_quiet_stderr(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    assert digitbox("run", "--quiet", "--log-file", "night.log").err == ""
    assert digitbox("run", "gone\n", "--log-file", "night.log").code == 4
    monkeypatch.setattr(job, "run", lambda *_: 1 / 0)
    assert "Traceback" in digitbox("run", "--log-file", "night.log").err
    lines = (tmp_path / "night.log").read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in lines)
    said = [line[21:] for line in lines]
    assert said[0].startswith("1 scan: 1 ok")
    assert said[1].startswith("results: outbox/")
    assert said[2].startswith("digitbox: no such file or folder: gone\\x0a")
    assert said[3].startswith("Traceback")
    assert said[-1].startswith("digitbox: this is a bug")
    assert digitbox("run", "--log-file", "gone/night.log").code == 2
    before = (tmp_path / "night.log").read_text(encoding="utf-8")
    assert digitbox("run", "gone").code == 4  # nothing of one command is left for the next
    assert (tmp_path / "night.log").read_text(encoding="utf-8") == before


@pytest.mark.parametrize("name", ["run", "watch"])
def test_the_version_is_there_in_every_place(name: str, digitbox: Digitbox) -> None:
    assert (
        digitbox(name, "--version").out == digitbox("--version").out == f"digitbox, version {__version__}\n"
    )


def test_a_run_without_a_report_is_good_if_its_csv_is_gone(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(*_: object, **__: object) -> Path:
        raise InputError("no such file: results.csv")

    (inbox / "two.png").write_bytes(TWO)
    monkeypatch.setattr(report, "write_report", take)
    done = digitbox("run", "--report", "--quiet")
    assert (done.code, len(done.rows)) == (0, 1)
    assert done.err == "digitbox: warning: there is no report: no such file: results.csv\n"


def test_a_run_says_its_results_after_the_page_is_written(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> Path:
        assert capfd.readouterr().out == ""
        raise OutboxError("no room for the report")

    (inbox / "two.png").write_bytes(TWO)
    monkeypatch.setattr(report, "write_report", fail)
    done = digitbox("run", "--report")
    assert (done.code, len(done.rows)) == (6, 1)


def test_a_page_beside_the_results_when_told(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "two.png").write_bytes(TWO)
    done = digitbox("run", "--report")
    (page,) = Path("outbox").glob("report-*.html")
    assert [Path(line).suffix for line in done.out.splitlines()] == [".csv"]
    assert f"report: {page}" in done.err
    again = digitbox("run", "--only-new", "--report", "--quiet")
    assert (again.code, again.out, again.err) == (0, "", "")
    assert len(list(Path("outbox").glob("report-*.html"))) == 1
