"""The file of corrections: what a spreadsheet makes of it, and lines that are wrong."""

import csv
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from batch.errors import ConfigError, InputError
from batch.records import Outcome, Status
from batch.report.apply import WrongLinesError, apply, download_folder, find_saved
from corrected import HEADER, REVIEWED_AT, Scene, exported, save
from published import NOON, outcome, publish, scan


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_file_saved_by_a_spreadsheet_is_read(scene: Scene, delimiter: str) -> None:
    save(scene.file, [(scene.unsure, "3")], scene.published, delimiter)
    text = scene.file.read_text().replace("\n", "\r\n")
    scene.file.write_bytes(
        b"\xef\xbb\xbf" + text.encode() + (delimiter * (len(HEADER) - 1) + "\r\n").encode()
    )
    assert len(apply(scene.file, scene.outbox, "Anna").added) == 1


@pytest.mark.parametrize("batch", ["6.1E+84", "12345678", "", "b00000000"])
def test_the_batch_of_a_line_does_not_matter(scene: Scene, batch: str) -> None:
    save(scene.file, [(scene.unsure, "3")], scene.published)
    real = scene.published.stem.split("-")[-1]
    scene.file.write_text(scene.file.read_text().replace(real, batch))
    assert len(apply(scene.file, scene.outbox, "Anna").added) == 1


def test_file_of_an_older_report_is_read(scene: Scene) -> None:
    scene.file.write_text(f"file,sha256,batch,corrected\nunsure.png,{scene.unsure.sha256},b1,3\n")
    assert len(apply(scene.file, scene.outbox, "Anna").added) == 1
    assert scene.results()["unsure.png"][0] == "3"


def test_a_line_for_another_page_is_wrong(scene: Scene) -> None:
    save(scene.file, [(scene.unsure, "3")], scene.published)
    scene.file.write_text(scene.file.read_text().replace(f"{REVIEWED_AT},,", f"{REVIEWED_AT},2,"))
    with pytest.raises(WrongLinesError) as raised:
        apply(scene.file, scene.outbox, "Anna")
    (problem,) = raised.value.problems
    assert problem.startswith("line 2: no row of 'unsure.png' with this sha256 in ")
    assert problem.endswith(" has the page 2: save the corrections again")


def test_a_line_without_the_page_of_its_scan_is_wrong(tmp_path: Path) -> None:
    pages = [outcome(scan(tmp_path / "scans", "a.tif"), Status.REVIEW)._replace(page=page) for page in (1, 2)]
    published = publish(tmp_path / "out", pages)
    file = save(tmp_path / "corrections.csv", [(pages[0], "4")], published)
    with pytest.raises(WrongLinesError) as raised:
        apply(file, tmp_path / "out", "Anna")
    (problem,) = raised.value.problems
    assert problem.endswith(" has an empty page: save the corrections again")


def test_wrong_lines_are_said_in_order(scene: Scene) -> None:
    save(scene.file, [(scene.unsure, "x"), (scene.sure, "2"), (scene.unsure, "3")], scene.published)
    lines = scene.file.read_text().splitlines()
    lines[3] = lines[3].replace(scene.unsure.sha256, "1.5E+60")
    scene.file.write_text("\n".join(lines) + "\n")
    with pytest.raises(WrongLinesError) as raised:
        apply(scene.file, scene.outbox, "Anna")
    assert [problem.split(":")[0] for problem in raised.value.problems] == ["line 2", "line 4"]


WRONG = {
    "a label": ({"corrected": "12"}, "corrected is '12'"),
    "no label": ({"corrected": ""}, "corrected is ''"),
    "a digest": ({"sha256": "1.5E+60"}, "sha256 is '1.5E\\+60': a spreadsheet"),
    "another scan": ({"sha256": "0" * 64}, "no row of 'unsure.png' with this sha256 in"),
    "another file": ({"file": "else.png"}, "no row of 'else.png' with this sha256 in"),
    "another source": ({"source": "/elsewhere"}, "sha256 in .* has the source '/elsewhere'"),
    "a page": ({"page": "one"}, "page is 'one'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_wrong_line_stops_all_corrections(scene: Scene, case: str) -> None:
    changed, words = WRONG[case]
    save(scene.file, [(scene.sure, "2"), (scene.unsure, "3")], scene.published)
    with scene.file.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[1] |= changed
    with scene.file.open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    before = scene.files()
    with pytest.raises(WrongLinesError, match="nothing of") as raised:
        apply(scene.file, scene.outbox, "Anna")
    (problem,) = raised.value.problems
    assert problem.startswith("line 3: ")
    assert re.search(words, problem)
    assert (scene.files(), scene.audit()) == (before, [])


@pytest.fixture
def numbers(tmp_path: Path) -> tuple[Path, list[Outcome]]:
    """Publish three numbers; return the outbox and their outcomes."""
    read = {"a.png": "0032281", "b.png": "0", "c.png": "500"}
    outcomes = [
        outcome(scan(tmp_path / "scans", name, ink))._replace(label=number)
        for ink, (name, number) in enumerate(read.items(), 4)
    ]
    publish(tmp_path / "out", outcomes, with_numbers=True)
    return tmp_path / "out", outcomes


def save_numbers(outbox: Path, *lines: tuple[Outcome, str, str]) -> Path:
    """Write corrections, each with a prediction and an answer."""
    (published,) = outbox.glob("predictions-*.csv")
    as_saved = [(answered._replace(label=prediction), label) for answered, prediction, label in lines]
    return save(outbox.parent / "corrections.csv", as_saved, published)


@pytest.mark.parametrize(
    ("prediction", "answer"),
    [
        ("32281", "32281"),
        ("32281", "7"),
        ("32281.0", "32281.0"),
        ("3,2281E+04", "32281"),
        ("32.281", "32281"),
        ("٣٢٢٨١", "32281"),  # digits of another script
    ],
)
def test_a_number_that_a_spreadsheet_cut_is_wrong(
    numbers: tuple[Path, list[Outcome]], prediction: str, answer: str
) -> None:
    outbox, (first, _, last) = numbers
    file = save_numbers(outbox, (last, "500", "600"), (first, prediction, answer))
    with pytest.raises(WrongLinesError) as raised:
        apply(file, outbox, "Anna")
    assert raised.value.problems == [
        f"line 3: prediction is {prediction!r} and not '0032281': a spreadsheet has taken text for numbers, "
        "and corrected may lack zeros; save the corrections again, and read both columns as text"
    ]
    assert {row["prediction"] for row in exported(outbox).values()} == {"0032281", "0", "500"}


@pytest.mark.parametrize(
    ("prediction", "answer"),
    [
        ("0032281", "32281"),  # a person may say so
        ("32281", "0032281"),  # pandas leaves the text if another line says none
        ("32281", "none"),
        ("32281.0", "open"),
        ("7132281", "32281"),  # of an earlier row, whose file of results is gone
        ("9" * 5000, "32281"),  # more digits than Python makes an integer of
        ("", "32281"),
    ],
)
def test_a_whole_answer_of_a_number_counts(
    numbers: tuple[Path, list[Outcome]], prediction: str, answer: str
) -> None:
    outbox, (first, zero, _) = numbers
    file = save_numbers(outbox, (first, prediction, answer), (zero, "0", "0"))
    assert [correction.corrected for correction in apply(file, outbox, "Anna").added] == [answer, "0"]


def test_a_prediction_of_an_earlier_row_is_whole(numbers: tuple[Path, list[Outcome]]) -> None:
    outbox, (first, _, _) = numbers
    file = save_numbers(outbox, (first, "0032281", "32281"))
    again = [first._replace(label="32281")]
    publish(outbox, again, with_numbers=True, now=NOON + timedelta(hours=1))
    assert len(apply(file, outbox, "Anna").added) == 1


def test_a_digit_may_have_the_form_of_a_number(scene: Scene) -> None:
    """pandas writes 7.0 if another row has no prediction; nothing of a digit is lost."""
    save(scene.file, [(scene.unsure, "3")], scene.published)
    scene.file.write_text(scene.file.read_text().replace(",7,3,", ",7.0,3,"))
    assert len(apply(scene.file, scene.outbox, "Anna").added) == 1


def test_contradicting_lines_are_wrong(scene: Scene) -> None:
    with pytest.raises(ConfigError) as raised:
        scene.apply((scene.unsure, "3"), (scene.unsure, "3"), (scene.unsure, "5"))
    assert getattr(raised.value, "problems", None) == ["line 4: it says 5, but line 2 says 3"]


def test_missing_outbox_and_missing_file(scene: Scene, tmp_path: Path) -> None:
    save(scene.file, [(scene.unsure, "3")], scene.published)
    with pytest.raises(InputError, match="no such file or folder"):
        apply(scene.file, tmp_path / "none", "Anna")
    with pytest.raises(InputError, match="no results in"):
        apply(scene.file, tmp_path / "scans", "Anna")
    assert not (tmp_path / "scans" / ".digitbox").exists()
    with pytest.raises(InputError, match="no such file"):
        apply(tmp_path / "none.csv", scene.outbox, "Anna")
    with pytest.raises(InputError, match="no column sha256"):
        (tmp_path / "other.csv").write_text("file,label\n")
        apply(tmp_path / "other.csv", scene.outbox, "Anna")


def test_the_newest_saved_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert download_folder() == tmp_path / "Downloads"
    with pytest.raises(InputError, match=r"no corrections\*\.csv in"):
        find_saved([tmp_path, download_folder()])
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config" / "user-dirs.dirs").write_text(
        '# x\nXDG_DOWNLOAD_DIR="$HOME/T\u00e9l\u00e9chargements"\n'
    )
    assert download_folder() == tmp_path / "T\u00e9l\u00e9chargements"
    download_folder().mkdir()
    (tmp_path / "corrections.csv").touch()
    newest = download_folder() / "corrections (1).csv"
    newest.touch()
    os.utime(tmp_path / "corrections.csv", ns=(1, 1))
    assert find_saved([tmp_path, download_folder()]) == newest


def test_hostile_names_are_corrected(tmp_path: Path) -> None:
    names = [os.fsdecode(name) for name in (b"=cmd().png", b"a\nb\x1b.png", b"\xff.png", b'x;y\t"z,.png')]
    outcomes = [outcome(scan(tmp_path / "scans", name), Status.REVIEW) for name in names]
    published = publish(tmp_path / "out", outcomes)
    file = save(tmp_path / "corrections.csv", [(hostile, "4") for hostile in outcomes], published)
    assert apply(file, tmp_path / "out", "Anna").copied == 1  # the same bytes four times
    assert [row["prediction"] for row in exported(tmp_path / "out").values()] == ["4"] * 4


def test_without_a_home_there_are_no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(path: str) -> str:
        return path

    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", no_home)
    with pytest.raises(InputError, match=r"no corrections\*\.csv in ~/Downloads"):
        find_saved([download_folder()])
