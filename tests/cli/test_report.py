import csv
import hashlib
import io
import json
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from batch.cli.main import cli
from batch.errors import ConfigError, InputError
from batch.records import Outcome, ScanRef, Status
from formats import two
from published import four, outcome, publish, scan


def digitbox(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


@pytest.fixture
def outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Outcome]:
    """Publish one row of each status in outbox/ of the current folder."""
    monkeypatch.chdir(tmp_path)
    published = four(tmp_path / "scans")
    publish(Path("outbox"), published)
    return published


def save_correction(outcome: Outcome, label: str) -> str:
    (path,) = Path("outbox").glob("predictions-*.csv")
    batch = path.stem.split("-")[-1]
    text = f"file,sha256,batch,corrected\n{outcome.ref.name},{outcome.sha256},{batch},{label}\n"
    Path("corrections.csv").write_text(text)
    return "corrections.csv"


@pytest.mark.usefixtures("outcomes", "fake_model")
def test_report_prints_its_path() -> None:
    result = digitbox("report")
    (path,) = Path("outbox").glob("report-*.html")
    assert (result.stdout, result.stderr) == (f"{path}\n", "")
    assert digitbox("report", "outbox", "--output", "mine.html", "--pictures", "1").stdout == "mine.html\n"
    assert Path("mine.html").stat().st_size < path.stat().st_size


@pytest.mark.usefixtures("outcomes", "fake_model")
def test_report_refuses_wrong_paths() -> None:
    with pytest.raises(InputError, match="no such file or folder: none"):
        digitbox("report", "none")
    with pytest.raises(InputError, match="no results in scans"):
        digitbox("report", "scans")
    publish(Path("other"), four(Path("scans")))
    with pytest.raises(ConfigError, match="results of other and outbox: name those of one folder"):
        digitbox("report", "outbox", "other")
    Path("mine.html").touch()
    with pytest.raises(ConfigError, match=r"mine\.html exists"):
        digitbox("report", "--output", "mine.html")


def test_apply_reports_its_result(outcomes: list[Outcome]) -> None:
    result = digitbox("apply", save_correction(outcomes[1], "3"), "--by", "J\udcf6rg")
    assert result.stdout == "unsure.png: 7 -> 3\n"
    assert result.stderr == (
        "1 correction: 1 changed, 0 confirmed; for the results: digitbox export\n"
        "1 scan copied to outbox/corrected; to train with them: "
        "digitbox train --from cnn --extra outbox/corrected\n"
    )
    again = digitbox("apply", "--outbox", "outbox")  # the newest corrections*.csv
    assert again.stdout == ""
    assert again.stderr.startswith(
        "reading corrections.csv\n1 correction: 0 changed, 0 confirmed, 1 known before; for"
    )


def test_apply_counts_answers_that_are_older(outcomes: list[Outcome]) -> None:
    for minute, label in ((22, "3"), (10, "5")):
        header, line = Path(save_correction(outcomes[1], label)).read_text().splitlines()
        Path("corrections.csv").write_text(f"{header},reviewed_at\n{line},2026-01-02T16:{minute}:00Z\n")
        result = digitbox("apply", "corrections.csv")
    assert result.stdout == ""
    assert result.stderr.startswith(
        "1 correction: 0 changed, 0 confirmed, 1 older than the answer that counts; for the results: "
    )


def test_apply_names_the_commands_for_numbers_and_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    read = [outcome._replace(label="12", probabilities=()) for outcome in four(tmp_path / "scans")[:2]]
    publish(Path("outbox"), read, with_numbers=True)
    evaluate = "for numbers: digitbox evaluate outbox/corrected --digits any\n"
    result = digitbox("apply", save_correction(read[0], "0042"))
    assert result.stderr.endswith(f"\n1 scan copied to outbox/corrected; {evaluate}")
    train = "to train with them: digitbox train --from cnn --extra outbox/corrected"
    result = digitbox("apply", save_correction(read[1], "7"))
    assert result.stderr.endswith(f"\n1 scan copied to outbox/corrected; {train}; {evaluate}")


def test_apply_names_no_folder_that_it_has_not_made(outcomes: list[Outcome]) -> None:
    result = digitbox("apply", save_correction(outcomes[1], "open"))
    assert result.stderr == (
        "1 correction: 0 changed, 0 confirmed, 1 left open; for the results: digitbox export\n"
    )


def test_apply_copies_a_page_as_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pages = [two(), 255 - two()]
    cv2.imwritemulti("cards.tif", pages)
    sha256 = hashlib.sha256(Path("cards.tif").read_bytes()).hexdigest()
    ref = ScanRef(str(Path("cards.tif").resolve()), "cards.tif", source=str(tmp_path))
    publish(
        Path("outbox"),
        [
            Outcome(ref, Status.OK, None, sha256, label=7, confidence=0.9, page=page, pages=2)
            for page in (1, 2)
        ],
    )
    said = Path("said.csv")
    said.write_text(f"file,sha256,corrected,page\ncards.tif,{sha256},3,2\n")
    assert digitbox("apply", "said.csv").stdout == "cards.tif, page 2: 7 -> 3\n"
    (copy,) = Path("outbox/corrected").rglob("*.png")
    assert copy == Path(f"outbox/corrected/3/{sha256[:32]}-2.png")
    np.testing.assert_array_equal(cv2.imread(str(copy), cv2.IMREAD_UNCHANGED), pages[1])
    said.write_text(f"file,sha256,corrected,page\ncards.tif,{sha256},none,2\n")
    digitbox("apply", "said.csv")
    assert [path.parent.name for path in Path("outbox/corrected").rglob("*.png")] == ["none"]


def test_corrections_count_everywhere(outcomes: list[Outcome]) -> None:
    digitbox("apply", save_correction(outcomes[1], "3"))
    rows = csv.DictReader(io.StringIO(digitbox("export", "--status", "ok").stdout))
    answers = [(row["file"], row["prediction"], row["corrected"]) for row in rows]
    assert answers == [("sure.png", "1", ""), ("unsure.png", "3", "7")]
    assert "unsure.png,7," in digitbox("export", "--published").stdout
    counts = json.loads(CliRunner().invoke(cli, ["status", "--json"]).stdout)["counts"]
    assert counts == {"ok": 2, "review": 0, "refused": 1, "failed": 1}
    assert digitbox("retry", "--status", "review", "--dry-run").stdout == ""
    assert "unsure.png" in digitbox("retry", "--status", "ok", "--dry-run").stdout


def test_apply_names_each_wrong_line(outcomes: list[Outcome]) -> None:
    lines = Path(save_correction(outcomes[1], "12")).read_text().splitlines()
    Path("corrections.csv").write_text("\n".join([lines[0], *[lines[1]] * 25]))
    with pytest.raises(ConfigError, match=r"nothing of corrections\.csv was applied"):
        digitbox("apply", "corrections.csv")
    result = CliRunner().invoke(cli, ["apply", "corrections.csv"])
    messages = result.stderr.splitlines()
    assert messages[0] == "line 2: corrected is '12': it must be 0 to 9, none or open"
    assert (len(messages), messages[-1]) == (21, "and 5 more")
    with pytest.raises(click.BadParameter, match="it must be a name"):
        digitbox("apply", "corrections.csv", "--by", " ")


@pytest.mark.usefixtures("fake_model")
def test_hostile_names_stay_on_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    publish(Path("outbox"), [outcome(scan(tmp_path / "scans", "a.png"), Status.REVIEW)])
    Path("corrections.csv").write_text('file,sha256,batch,corrected\n"a\n\x1b[2J",,,"\x1b[2J\n"\n')
    result = CliRunner().invoke(cli, ["apply", "corrections.csv"])
    assert len(result.stderr.splitlines()) == 1
    assert "\x1b" not in result.stderr
