import json
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from batch.cli.main import cli
from batch.config import MAX_PIXELS
from batch.engines import limits
from batch.errors import InputError
from batch.images import decode
from batch.inference import model_store
from batch.records import Input, Outcome, Reason, ScanRef, Status
from batch.training.data import labelled_scans
from batch.training.data.labelled_scans import LabelledScan
from batch.training.evaluation import charts, numbers
from batch.training.evaluation import evaluate as evaluation
from batch.training.evaluation.evaluate import NO_DIGIT, REFUSED, Answers
from formats import FORMATS, SEVERAL_PAGES, two
from found import touch

IMAGES = np.stack([two(), 255 - two(), np.full((48, 48), 230, np.uint8)])


def labels_of(source: Path | str, tmp_path: Path) -> list[tuple[str, int | None]]:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return [(scan.ref.name, scan.label) for scan in labelled_scans.load(str(source), scratch, print)]


def test_load_a_folder_with_a_list_of_labels(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("a.png", "sub/b.png", "c.png")))
    (tmp_path / "labels.csv").write_text("file,label,source\na.png,3,x\nsub/b.png,none,y\nc.png,-1,z\n")
    assert labels_of(tmp_path, tmp_path) == [("a.png", 3), ("sub/b.png", None), ("c.png", None)]


def test_a_list_may_lack_labels_and_repeat_scans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path / "a.png")
    lines = [
        "a.png,3",
        "b.png,",
        "c.png, ",
        "d.png",
        "./a.png,3",
        f"{tmp_path}/a.png,3",
        "e.png,5",
        "e.png,6",
    ]
    (tmp_path / "labels.csv").write_text("file,label\n" + "\n".join(lines) + "\na.png,\n")
    assert labels_of(tmp_path, tmp_path) == [("a.png", 3)]
    assert sorted(capsys.readouterr().out.splitlines()[1:]) == [
        "left out: 1 with several labels, e.g. e.png",
        "left out: 2 named before, with the same label",
        "left out: 4 without a label",
    ]


def test_files_of_a_list_that_are_gone_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path / "list" / "a.png", tmp_path / "b c.png", tmp_path / "list" / "damaged.png")
    address = (tmp_path / "b c.png").as_uri()
    names = ["a.png", "gone.png", address, "damaged.png", "a.png/x.png", f"{'long' * 70}.png"]
    lines = "".join(f"{name},3\n" for name in names)
    (tmp_path / "list" / "labels.csv").write_text(f"file,label\n{lines}")
    assert labels_of(tmp_path / "list", tmp_path) == [("a.png", 3), (address, 3), ("damaged.png", 3)]
    said = "left out: 3 of a file that is not there (e.g. 'gone.png')"
    assert capsys.readouterr().out.splitlines()[1:] == [said]
    for name in ("a.png", "damaged.png"):
        (tmp_path / "list" / name).unlink()
    (tmp_path / "b c.png").unlink()
    with pytest.raises(InputError, match=r"labels\.csv: none of its files is there, e\.g\. 'a\.png': write"):
        labels_of(tmp_path / "list", tmp_path)


@pytest.mark.usefixtures("no_charts")
def test_scans_that_are_gone_are_no_mistakes(tmp_path: Path, fake_model: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), IMAGES[0])
    (tmp_path / "b.png").write_bytes(b"damaged")
    (tmp_path / "labels.csv").write_text("file,label\na.png,0\nb.png,0\ngone.png,0\n")
    arguments = ["evaluate", str(tmp_path), "--report", str(tmp_path / "r"), "--record", "marks"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert (done.exit_code, model_store.load_manifest(fake_model).metrics["marks"]["n"]) == (0, 2)  # type: ignore[index]
    before = (fake_model / "card.md").read_text()
    for name in ("a.png", "b.png"):
        (tmp_path / name).unlink()
    for command in (arguments, ["explore", str(tmp_path), "--report", str(tmp_path / "e")]):
        with pytest.raises(InputError, match="none of its files is there"):
            CliRunner().invoke(cli, command, catch_exceptions=False)
    assert (fake_model / "card.md").read_text() == before


def test_load_folders_named_by_their_digit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("3/a.png", "0/b.png", "none/c.png", "other/d.png", "None/in/e.png", ".kept/f.png", "g.png"):
        (tmp_path / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scans" / name).touch()
    (tmp_path / "scans" / "notes").mkdir()
    assert labels_of(tmp_path / "scans", tmp_path) == [("0/b.png", 0), ("3/a.png", 3), ("none/c.png", None)]
    first, *left_out = capsys.readouterr().out.splitlines()
    assert first == f"{tmp_path}/scans: scans in folders named as their labels"
    assert sorted(left_out) == [
        "left out: 1 in no folder of a label",
        "left out: 1 in the folder 'None'",
        "left out: 1 in the folder 'other'",
    ]


def test_say_that_folders_of_numbers_need_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("007/a.png", "12/b.png", "12/c.png", "none/d.png"):
        (tmp_path / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scans" / name).touch()
    assert labels_of(tmp_path / "scans", tmp_path) == [("none/d.png", None)]
    said = f"left out: 3 in folders with numbers as names; {labelled_scans.FOR_NUMBERS}"
    assert capsys.readouterr().out.splitlines()[1:] == [said]


def test_say_that_links_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scans" / "3").mkdir(parents=True)
    (tmp_path / "a.png").touch()
    (tmp_path / "scans" / "3" / "a.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(InputError, match="no labelled scans"):
        labels_of(tmp_path / "scans", tmp_path)
    (tmp_path / "scans" / "3" / "b.png").touch()
    assert labels_of(tmp_path / "scans", tmp_path) == [("3/b.png", 3)]
    said = "left out: 1 as a link or a device"
    assert [line for line in capsys.readouterr().out.splitlines() if "left out" in line] == [said, said]


def test_load_scans_of_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=[2, 2, -1])
    assert [label for _, label in labels_of(tmp_path / "a.npz", tmp_path)] == [2, 2, None]


@pytest.mark.parametrize("content", ["file,label\na.png,x\n", "x,label\na.png,1\n", "file,label\n"])
def test_refuse_other_lists_of_labels(content: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(InputError, match=r"label"):
        labels_of(tmp_path, tmp_path)


LATIN_1, UTF_16 = "file,label\nä.png,3\n".encode("latin-1"), "file,label\n".encode("utf-16")


@pytest.mark.parametrize("content", [b"", LATIN_1, UTF_16], ids=["empty", "latin-1", "utf-16"])
@pytest.mark.parametrize("is_named", [False, True], ids=["folder", "file"])
def test_refuse_a_list_that_is_not_in_utf_8(is_named: bool, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"labels\.csv is empty or not in UTF-8: save it as CSV in UTF-8"):
        labels_of(file if is_named else tmp_path, tmp_path)


def test_refuse_a_line_that_names_no_file(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,label\na.png,3\n,\n , 4\n")
    with pytest.raises(InputError, match=r"labels\.csv, line 4: the label '4' has no file: name it"):
        labels_of(tmp_path, tmp_path)
    touch(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("file,label\na.png,3\n,\n")
    assert labels_of(tmp_path, tmp_path) == [("a.png", 3)]


def test_refuse_other_sources_of_scans(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "gone"):
        with pytest.raises(InputError, match="no labelled scans"):
            labels_of(source, tmp_path)
    np.savez(tmp_path / "a.npz", x=IMAGES, y=[2, 2, 12])
    with pytest.raises(InputError, match="labels must be 0 to 9, or -1"):
        labels_of(tmp_path / "a.npz", tmp_path)


def answers(*rows: tuple[int, int, float, bool, float]) -> Answers:
    columns = zip(*rows, strict=True)
    kinds: tuple[Any, ...] = (np.int64, np.int64, np.float64, np.bool_, np.float64)
    return Answers(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def test_figures_of_digits_and_of_what_is_none() -> None:
    result = evaluation.figures(
        answers(
            (1, 1, 0.99, True, 0.0),
            (1, 7, 0.98, True, 0.0),
            (7, 7, 0.60, False, 0.1),
            (7, REFUSED, 0.0, False, 1.0),
            (NO_DIGIT, REFUSED, 0.0, False, 1.0),
            (NO_DIGIT, 3, 0.95, True, 0.4),
        )
    )
    digits, no_digit = result["digits"], result["no_digit"]
    assert (digits["accuracy"], digits["ok"], digits["ok_wrong"], digits["refused"]) == (0.5, 0.5, 0.5, 1)
    assert digits["per_class"]["1"]["accuracy"] == 0.5
    assert digits["confusion"][7][REFUSED] == 1
    assert (no_digit["ok"], no_digit["answered"]) == (0.5, 0.5)
    # Of eight pairs, 1.0 is above three and equal in one, and 0.4 is above three and below one.
    assert no_digit["auroc"] == (3.5 + 3) / 8


def test_explore_has_the_shortest_numbers_first(tmp_path: Path, fake_model: Path) -> None:
    for label in ("12", "0", "none", "0123456789"):
        (tmp_path / label).mkdir()
        cv2.imwrite(str(tmp_path / label / "a.png"), two())
    arguments = ["explore", str(tmp_path), "--digits", "any", "--report", str(tmp_path / "e")]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.stdout == "1 digit: 1\n2 digits: 1\n10 digits: 1\nnone: 1\n"


def test_evaluate_and_explore_write_all_their_files(tmp_path: Path, fake_model: Path) -> None:
    data = tmp_path / "scans"
    for label, image in zip(("0", "1", "none"), IMAGES, strict=True):
        (data / label).mkdir(parents=True)
        cv2.imwrite(str(data / label / "a.png"), image)
    (data / "0" / "broken.png").write_bytes(FORMATS["png-8"](two())[:60])
    (data / "none" / "broken.png").write_bytes(FORMATS["png-8"](two())[:60])
    (data / "0" / "pages.tif").write_bytes(SEVERAL_PAGES["tiff"](two()))
    result = CliRunner().invoke(
        cli, ["evaluate", str(data), "--report", str(tmp_path / "r")], catch_exceptions=False
    )
    assert "| digits read right | 25.00% | 4 |" in result.stdout
    record = json.loads((tmp_path / "r" / "evaluation.json").read_text())
    assert record["reasons"] == {
        "ok": 2,
        "refused several_pages": 1,
        "refused blank": 1,
        "failed truncated": 2,
    }
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        "evaluation.json",
        "evaluation.md",
        "confusion.png",
        "reliability.png",
        "risk-coverage.png",
        "mistakes.png",
        "misread.csv",
    }
    lines = (tmp_path / "r" / "misread.csv").read_text().splitlines()
    assert lines[0] == "file,label,prediction,confidence,status,reason"
    assert [line.split(",")[:2] + line.split(",")[-2:] for line in lines[1:]] == [
        ["0/broken.png", "0", "failed", "truncated"],
        ["0/pages.tif", "0", "refused", "several_pages"],
        ["1/a.png", "1", "ok", ""],
        ["none/broken.png", "none", "failed", "truncated"],
    ]
    arguments = ["explore", str(data), "--report", str(tmp_path / "e")]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.stdout == "0: 3\n1: 1\nnone: 2\n"
    for name in ("counts", "samples", "digits", "means"):
        assert cv2.imread(str(tmp_path / "e" / f"{name}.png")) is not None
    (data / "1").rename(data / "042")
    arguments += ["--digits", "3"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.stdout == "1 digit: 3\n3 digits: 1\nnone: 2\n"
    assert {path.name for path in (tmp_path / "e").iterdir()} == {"counts.png", "samples.png", "digits.png"}


def test_evaluate_has_no_more_workers_than_a_run(
    tmp_path: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def answer(_: object, scans: object, workers: int) -> None:
        asked.append(workers)
        raise InputError("enough")

    monkeypatch.setattr(evaluation, "answer", answer)
    monkeypatch.setattr(limits, "memory_bytes", lambda: limits.WORKER_BYTES)
    (tmp_path / "scans" / "1").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "scans" / "1" / "a.png"), IMAGES[0])
    for options in (["--workers", "3"], ["--workers", "3", "--runtime", "tensorflow"]):
        CliRunner().invoke(cli, ["evaluate", str(tmp_path / "scans"), *options])
    assert asked == [1, 1]


def test_explore_keeps_the_images_that_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from batch.training.evaluation import charts, explore

    read: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def note(scan: ScanRef, max_pixels: int) -> Any:
        image = decode.read(scan, max_pixels)
        read.append(weakref.ref(image.grey))
        return image

    monkeypatch.setattr(explore, "decode", SimpleNamespace(read=note))
    monkeypatch.setattr(charts, "counts", lambda *_: None)
    monkeypatch.setattr(
        charts, "contact_sheet", lambda *_: alive.append(sum(image() is not None for image in read))
    )
    scans = []
    for number in range(explore.SAMPLES + 20):
        cv2.imwrite(str(tmp_path / f"{number}.png"), IMAGES[0])
        scans.append(LabelledScan(ScanRef(str(tmp_path / f"{number}.png"), f"{number}.png"), 3))
    explore.write(tmp_path / "e", scans, 1, Input.SCAN, MAX_PIXELS)
    assert len(read) == len(scans) and alive[0] <= explore.SAMPLES + 2


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no charts; another test has them."""
    for chart in ("confusion", "reliability", "risk_coverage", "contact_sheet"):
        monkeypatch.setattr(f"batch.training.evaluation.charts.{chart}", lambda *_: None)


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        charts.contact_sheet([(two(), "2")], tmp_path)


@pytest.mark.usefixtures("no_charts")
def test_the_title_may_be_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    scans = [LabelledScan(ScanRef("a.png", "a.png"), 2)]
    evaluation.write(tmp_path, os.fsdecode(b"a\xe9"), "m", scans, [Outcome(scans[0].ref, Status.OK, label=2)])
    assert (tmp_path / "evaluation.md").read_text(encoding="utf-8").startswith("# a\\xe9\n")


@pytest.mark.usefixtures("no_charts")
@pytest.mark.parametrize("write", [evaluation.write, numbers.write], ids=["none", "numbers"])
def test_charts_of_another_evaluation_do_not_stay(write: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "confusion.png").touch()
    (tmp_path / "notes.png").touch()
    scans = [LabelledScan(ScanRef("a.png", "a.png"), None)]
    write(tmp_path, "scans", "m", scans, [Outcome(scans[0].ref, Status.REFUSED, Reason.BLANK)])
    assert [path.name for path in tmp_path.glob("*.png")] == ["notes.png"]


@pytest.mark.usefixtures("no_charts")
def test_record_adds_figures_to_the_model(tmp_path: Path, fake_model: Path) -> None:
    data = tmp_path / "scans"
    for label, image in zip(("0", "1", "none"), IMAGES, strict=True):
        (data / label).mkdir(parents=True)
        cv2.imwrite(str(data / label / "a.png"), image)
    before = model_store.load_manifest(fake_model)
    for name in ("marks", "marks", "meters"):
        arguments = ["evaluate", str(data), "--report", str(tmp_path / "r"), "--record", name]
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
    after = model_store.load_manifest(fake_model)
    assert list(after.metrics) == ["marks", "meters"]
    assert after.metrics["marks"]["n"] == 2  # type: ignore[index]
    assert after.metrics["marks"]["not_digits"] == 1  # type: ignore[index]
    assert (after.files, after.version) == (before.files, before.version)
    assert "- marks: 50.00% right (1 of 2" in (fake_model / "card.md").read_text()
