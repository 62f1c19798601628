import csv
import io
import os
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.errors import ConfigError, InputError, OutboxError
from batch.outbox import batches
from batch.outbox.corrections import load
from batch.outbox.export import PublishedRows, RowFilter, export_rows
from batch.outbox.ledger import Ledger, open_ledger
from batch.records import After, Outcome, Status
from batch.report.answers import is_confirmed
from batch.report.apply import ApplyResult, WrongLinesError, apply, download_folder, find_saved
from batch.report.rows import collect, find_sources
from batch.results.writers import CsvWriter
from batch.storage import durable
from batch.text import text_cell
from batch.training.data import labelled_scans
from faults import fast_folder
from published import NOON, four, make_old, outcome, publish, scan

HEADER = ["file", "sha256", "batch", "prediction", "corrected", "reviewed_at", "page", "source"]
REVIEWED_AT = "2026-01-02T13:00:00Z"


def save(
    path: Path,
    rows: list[tuple[Outcome, str]],
    published: Path,
    delimiter: str = ",",
    source: str | None = None,
) -> Path:
    """Write corrections as the page saves them."""
    batch = published.stem.split("-")[-1]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", delimiter=delimiter)
        writer.writerow(HEADER)
        for answered, label in rows:
            ref = answered.ref
            origin = text_cell(ref.source) if source is None else source
            writer.writerow(
                [text_cell(ref.name), answered.sha256, batch, answered.label, label, REVIEWED_AT, "", origin]
            )
    return path


def exported(outbox: Path, *, published: bool = False) -> dict[str, dict[str, str]]:
    """Return the last row of each file, by name."""
    text = io.StringIO(newline="")
    choice = RowFilter()
    with open_ledger(outbox, read_only=True) as ledger:
        rows = PublishedRows(ledger, outbox, choice)
        export_rows(rows, choice, None if published else load(outbox), lambda names: CsvWriter(text, names))
    return {row["file"]: row for row in csv.DictReader(io.StringIO(text.getvalue()))}


class Scene:
    """An outbox with one row of each status."""

    def __init__(self, folder: Path, **publishing: Any) -> None:
        self.outbox, self.file = folder / "out", folder / "corrections.csv"
        self.outcomes = four(folder / "scans")
        self.published = publish(self.outbox, self.outcomes, **publishing)
        self.sure, self.unsure, self.blank, self.broken = self.outcomes

    def apply(self, *rows: tuple[Outcome, str], by: str = "Anna") -> ApplyResult:
        save(self.file, list(rows), self.published)
        return apply(self.file, self.outbox, by)

    def results(self) -> dict[str, tuple[str, ...]]:
        """Return prediction, confidence, status, reason and what the model said, by file."""
        columns = ("prediction", "confidence", "status", "reason", "corrected")
        return {name: tuple(row[column] for column in columns) for name, row in exported(self.outbox).items()}

    def audit(self) -> list[tuple[str, ...]]:
        path = self.outbox / ".digitbox" / "corrections.sqlite3"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as table:
            return table.execute(
                "SELECT file, said, corrected, corrected_by, reviewed_at FROM corrections"
            ).fetchall()

    def labelled(self) -> dict[str, int | None]:
        """Return the labels by SHA-256 of the scan."""
        scans = labelled_scans.load(str(self.outbox / "corrected"), self.outbox, print)
        return {durable.digest(Path(labelled.ref.path)): labelled.label for labelled in scans}

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.outbox)): path.read_bytes()
            for path in self.outbox.rglob("*")
            if path.is_file() and ".digitbox" not in path.parts
        }


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_corrections_give_results_audit_and_labelled_scans(scene: Scene) -> None:
    before = scene.published.read_bytes()
    result = scene.apply((scene.unsure, "3"), (scene.blank, "none"), (scene.sure, "1"))
    assert [is_confirmed(correction) for correction in result.added] == [False, True, True]
    assert (result.known, result.copied, result.missing) == (0, 3, 0)
    assert scene.published.read_bytes() == before
    assert scene.results() == {
        "sure.png": ("1", "", "ok", "", "1"),
        "unsure.png": ("3", "", "ok", "", "7"),
        "blank.png": ("", "", "refused", "not_a_digit", "blank"),
        "broken.png": ("", "", "failed", "not_an_image", ""),
    }
    assert scene.audit() == [
        ("unsure.png", "7", "3", "Anna", REVIEWED_AT),
        ("blank.png", "blank", "none", "Anna", REVIEWED_AT),
        ("sure.png", "1", "1", "Anna", REVIEWED_AT),
    ]
    assert scene.labelled() == {scene.unsure.sha256: 3, scene.blank.sha256: None, scene.sure.sha256: 1}
    as_published = exported(scene.outbox, published=True)
    assert (as_published["unsure.png"]["prediction"], "corrected" in as_published["unsure.png"]) == (
        "7",
        False,
    )


def test_applying_twice_changes_nothing(scene: Scene) -> None:
    scene.apply((scene.unsure, "3"))
    before = scene.files(), scene.audit()
    result = scene.apply((scene.unsure, "3"))
    assert (scene.files(), scene.audit()) == before
    assert (result.added, result.known, result.copied) == ([], 1, 0)


def test_later_correction_replaces_only_its_own_row(scene: Scene) -> None:
    scene.apply((scene.unsure, "3"), (scene.blank, "none"))
    scene.apply((scene.unsure, "5"), by="Ben")
    results = scene.results()
    assert (results["unsure.png"][0], results["blank.png"][2]) == ("5", "refused")
    assert [(row[0], row[2], row[3]) for row in scene.audit()] == [
        ("unsure.png", "3", "Anna"),
        ("blank.png", "none", "Anna"),
        ("unsure.png", "5", "Ben"),
    ]
    assert scene.labelled() == {scene.unsure.sha256: 5, scene.blank.sha256: None}


def test_an_open_answer_withdraws_the_one_before(scene: Scene) -> None:
    before = scene.results()
    scene.apply((scene.unsure, "3"), (scene.sure, "2"))
    scene.apply((scene.unsure, "open"), (scene.sure, "open"))
    assert scene.results() == before
    assert not [path for path in (scene.outbox / "corrected").rglob("*") if path.is_file()]
    assert len(scene.audit()) == 4


def test_a_scan_that_is_read_again_keeps_its_correction(scene: Scene, tmp_path: Path) -> None:
    scene.apply((scene.unsure, "3"))
    again = scene.unsure._replace(label=5, confidence=0.99, status=Status.OK, reason=None)
    publish(scene.outbox, [again], now=NOON + timedelta(hours=1))
    assert scene.results()["unsure.png"] == ("3", "", "ok", "", "5")
    entries = {entry.row.file: entry for entry in collect(find_sources([scene.outbox])).entries}
    assert (entries["unsure.png"].row.prediction, entries["unsure.png"].answer) == (5, "3")
    other = outcome(scan(tmp_path / "scans", "unsure.png", 9), Status.REVIEW, 6)  # new content, same name
    publish(scene.outbox, [other], now=NOON + timedelta(hours=2))
    assert scene.results()["unsure.png"][:1] == ("6",)


def test_same_name_in_another_folder_is_another_scan(scene: Scene, tmp_path: Path) -> None:
    ref = scan(tmp_path / "elsewhere", "unsure.png", 5)
    publish(scene.outbox, [outcome(ref, Status.REVIEW, 7)], now=NOON + timedelta(hours=1))
    scene.apply((scene.unsure, "3"))
    assert scene.results()["unsure.png"][0] == "7"  # the last row of this name is the one of elsewhere


def test_corrected_rows_are_no_longer_doubtful(scene: Scene) -> None:
    scene.apply((scene.unsure, "3"))
    report_rows = collect(find_sources([scene.outbox]))
    entries = {entry.row.file: entry for entry in report_rows.entries}
    assert (entries["unsure.png"].answer, entries["unsure.png"].doubtful) == ("3", False)
    assert (entries["blank.png"].answer, entries["blank.png"].doubtful) == ("", True)
    assert (report_rows.counts[Status.OK], report_rows.counts[Status.REVIEW]) == (2, 0)
    assert report_rows.digits == {1: 1, 3: 1}


def test_moved_scans_are_copied(tmp_path: Path) -> None:
    scene = Scene(tmp_path, after=After.MOVE)
    assert scene.apply((scene.unsure, "3")).copied == 1
    assert scene.labelled() == {scene.unsure.sha256: 3}


def test_gone_and_changed_scans_are_not_copied(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "scans" / "unsure.png").unlink()
    scan(tmp_path / "scans", "blank.png", 9)
    result = scene.apply((scene.unsure, "3"), (scene.blank, "none"), (scene.broken, "4"))
    assert (result.copied, result.missing) == (0, 2)
    assert not (scene.outbox / "corrected").exists()
    assert scene.results()["broken.png"][0] == "4"


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
    assert "no row of 'unsure.png'" in raised.value.problems[0]


WRONG = {
    "a label": ({"corrected": "12"}, "corrected is '12'"),
    "no label": ({"corrected": ""}, "corrected is ''"),
    "a digest": ({"sha256": "1.5E+60"}, "sha256 is '1.5E\\+60': a spreadsheet"),
    "another scan": ({"sha256": "0" * 64}, "no row of 'unsure.png' with this sha256 in"),
    "another file": ({"file": "else.png"}, "no row of 'else.png' with this sha256 in"),
    "another source": ({"source": "/elsewhere"}, "no row of 'unsure.png' with this sha256 in"),
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


def test_corrections_do_not_wait_for_a_run(scene: Scene) -> None:
    with open_ledger(scene.outbox) as running:  # as a run, which reads a batch
        batches.add_members(running, "00000000", [scene.sure])
        assert len(scene.apply((scene.unsure, "5")).added) == 1
        running.rollback()
    assert scene.results()["unsure.png"][0] == "5"


def test_full_disk_applies_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before = scene.files()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OutboxError, match="No space left"):
        patched.setattr(Ledger, "execute_many", full)
        scene.apply((scene.unsure, "5"))
    assert (scene.files(), scene.audit()) == (before, [])
    assert len(scene.apply((scene.unsure, "5")).added) == 1


def test_apply_again_after_a_kill_copies_the_rest(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(durable, "replace", killed)
        scene.apply((scene.unsure, "5"))
    assert len(scene.audit()) == 1
    assert scene.apply((scene.unsure, "5")).copied == 1
    assert len(scene.audit()) == 1


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([*"0123456789", "none"])), max_size=3)))
def test_last_correction_counts(tmp_path: Path, rounds: list[list[tuple[int, str]]]) -> None:
    with fast_folder(tmp_path) as folder:
        shutil.rmtree(folder / "out", ignore_errors=True)
        check_last_corrections(Scene(folder), rounds)


def check_last_corrections(scene: Scene, rounds: list[list[tuple[int, str]]]) -> None:
    last: dict[str, str] = {}
    for corrections in rounds:
        labels = dict(corrections)
        scene.apply(*((scene.outcomes[number], label) for number, label in labels.items()))
        last |= {scene.outcomes[number].ref.name: label for number, label in labels.items()}
    if last:
        rows = scene.results()
        assert {name for name, row in rows.items() if row[-1]} == set(last)
        assert {name: rows[name][0] or "none" for name in last} == last
        copied = scene.labelled()
        assert {scan.ref.name: copied[scan.sha256] for scan in scene.outcomes if scan.sha256 in copied} == {
            name: None if label == "none" else int(label) for name, label in last.items()
        }


def test_hostile_names_are_corrected(tmp_path: Path) -> None:
    names = [os.fsdecode(name) for name in (b"=cmd().png", b"a\nb\x1b.png", b"\xff.png", b'x;y\t"z,.png')]
    outcomes = [outcome(scan(tmp_path / "scans", name), Status.REVIEW) for name in names]
    published = publish(tmp_path / "out", outcomes)
    file = save(tmp_path / "corrections.csv", [(hostile, "4") for hostile in outcomes], published)
    assert apply(file, tmp_path / "out", "Anna").copied == 1  # the same bytes four times
    assert [row["prediction"] for row in exported(tmp_path / "out").values()] == ["4"] * 4


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_results_of_older_versions_are_corrected(tmp_path: Path, format_name: str) -> None:
    scene = Scene(tmp_path, format_name=format_name)
    scene.published = make_old(scene.published)
    save(scene.file, [(scene.unsure, "2"), (scene.blank, "none")], scene.published, source="")
    result = apply(scene.file, scene.outbox, "Anna")
    assert (len(result.added), result.copied) == (2, 2)
    again = [scene.unsure, scene.blank]  # read again by this version, with a source
    publish(scene.outbox, again, now=NOON + timedelta(hours=1))
    results = scene.results()
    assert (results["unsure.png"][0], results["blank.png"][2:4]) == ("2", ("refused", "not_a_digit"))


def test_corrections_in_an_old_ledger_count(scene: Scene) -> None:
    with closing(sqlite3.connect(scene.outbox / ".digitbox" / "ledger.sqlite3")) as ledger, ledger:
        ledger.execute(
            "CREATE TABLE corrections (batch TEXT, file TEXT, sha256 TEXT, said TEXT, corrected TEXT, "
            "corrected_by TEXT, reviewed_at TEXT, applied_at TEXT)"
        )
        for label in ("4", "3"):
            values = ("b1", "unsure.png", scene.unsure.sha256, "7", label, "Anna", REVIEWED_AT, REVIEWED_AT)
            ledger.execute("INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    assert scene.results()["unsure.png"] == ("3", "", "ok", "", "7")
    assert (scene.apply((scene.unsure, "3")).known, scene.audit()) == (1, [])
    scene.apply((scene.unsure, "8"))
    assert scene.results()["unsure.png"][0] == "8"
