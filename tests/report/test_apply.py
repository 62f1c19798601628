import csv
import fcntl
import os
import re
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.errors import BusyError, ConfigError, InputError, OutboxError
from batch.outbox import batches
from batch.outbox.ledger import Ledger
from batch.records import After, Outcome, Status
from batch.report.apply import ApplyResult, WrongLinesError, apply
from batch.report.rows import collect, find_sources
from batch.results import reader
from batch.storage import durable
from batch.text import text_cell
from batch.training.data import labelled_scans
from faults import fast_folder
from published import NOON, four, make_old, outcome, publish, scan

HEADER = ["file", "sha256", "batch", "prediction", "corrected", "reviewed_at"]
REVIEWED_AT = "2026-01-02T13:00:00Z"


def save(path: Path, rows: list[tuple[Outcome, str]], published: Path, delimiter: str = ",") -> Path:
    """Write corrections as the page saves them."""
    batch = published.stem.split("-")[-1]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", delimiter=delimiter)
        writer.writerow(HEADER)
        for scan_outcome, label in rows:
            name, sha256, prediction = scan_outcome.ref.name, scan_outcome.sha256, scan_outcome.label
            writer.writerow([text_cell(name), sha256, batch, prediction, label, REVIEWED_AT])
    return path


class Scene:
    """An outbox with one row of each status."""

    def __init__(self, folder: Path, **publishing: Any) -> None:
        self.outbox, self.file = folder / "out", folder / "corrections.csv"
        self.outcomes = four(folder / "scans")
        self.published = publish(self.outbox, self.outcomes, **publishing)
        self.sure, self.unsure, self.blank, self.broken = self.outcomes

    def apply(self, *rows: tuple[Outcome, str], by: str = "Anna", hours: int = 1) -> ApplyResult:
        save(self.file, list(rows), self.published)
        return apply(self.file, self.outbox, by, NOON + timedelta(hours=hours))

    def corrected(self) -> dict[str, dict[str, str]]:
        (path,) = self.outbox.glob("corrected-*.csv")
        with path.open(newline="", encoding="utf-8") as file:
            return {row["file"]: row for row in csv.DictReader(file)}

    def audit(self) -> list[tuple[str, ...]]:
        with sqlite3.connect(self.outbox / ".digitbox" / "ledger.sqlite3") as ledger:
            return ledger.execute(
                "SELECT file, said, corrected, corrected_by, reviewed_at, applied_at FROM corrections"
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
    assert (result.changed, result.confirmed, result.known, result.copied, result.missing) == (1, 2, 0, 3, 0)
    assert result.written == [scene.outbox / scene.published.name.replace("predictions", "corrected")]
    assert scene.published.read_bytes() == before
    rows = scene.corrected()
    columns = ("prediction", "confidence", "status", "reason", "corrected")
    assert {name: tuple(row[column] for column in columns) for name, row in rows.items()} == {
        "sure.png": ("1", "", "ok", "", "1"),
        "unsure.png": ("3", "", "ok", "", "7"),
        "blank.png": ("", "", "refused", "not_a_digit", "blank"),
        "broken.png": ("", "", "failed", "not_an_image", ""),
    }
    assert ",".join(rows["sure.png"]) == before.decode().splitlines()[0] + ",corrected"
    assert scene.audit() == [
        ("unsure.png", "7", "3", "Anna", "2026-01-02T13:00:00Z", "2026-01-02T13:00:00Z"),
        ("blank.png", "blank", "none", "Anna", "2026-01-02T13:00:00Z", "2026-01-02T13:00:00Z"),
        ("sure.png", "1", "1", "Anna", "2026-01-02T13:00:00Z", "2026-01-02T13:00:00Z"),
    ]
    assert scene.labelled() == {scene.unsure.sha256: 3, scene.blank.sha256: None, scene.sure.sha256: 1}


def test_applying_twice_changes_nothing(scene: Scene) -> None:
    scene.apply((scene.unsure, "3"))
    before = scene.files(), scene.audit()
    result = scene.apply((scene.unsure, "3"), hours=5)
    assert (scene.files(), scene.audit()) == before
    assert (result.known, result.copied) == (1, 0)


def test_later_correction_replaces_only_its_own_row(scene: Scene) -> None:
    scene.apply((scene.unsure, "3"), (scene.blank, "none"))
    scene.apply((scene.unsure, "5"), by="Ben", hours=2)
    rows = scene.corrected()
    assert [(rows[name]["prediction"], rows[name]["corrected"]) for name in ("unsure.png", "blank.png")] == [
        ("5", "7"),
        ("", "blank"),
    ]
    assert [(row[0], row[2], row[3]) for row in scene.audit()] == [
        ("unsure.png", "3", "Anna"),
        ("blank.png", "none", "Anna"),
        ("unsure.png", "5", "Ben"),
    ]
    assert scene.labelled() == {scene.unsure.sha256: 5, scene.blank.sha256: None}


def test_corrected_rows_are_no_longer_doubtful(scene: Scene) -> None:
    scene.apply((scene.unsure, "3"))
    entries = {entry.row.file: entry for entry in collect(find_sources([scene.outbox])).entries}
    assert (entries["unsure.png"].corrected, entries["unsure.png"].doubtful) == ("3", False)
    assert (entries["blank.png"].corrected, entries["blank.png"].doubtful) == ("", True)


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
    assert scene.corrected()["broken.png"]["prediction"] == "4"


def test_parquet_is_corrected_as_parquet(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    scene = Scene(tmp_path, format_name="parquet")
    (path,) = scene.apply((scene.unsure, "3"), (scene.blank, "none")).written
    assert path.name.startswith("corrected-") and path.suffix == ".parquet"
    published, table = pq.read_table(scene.published), pq.read_table(path)
    assert table.schema.names == [*published.schema.names, "corrected"]
    assert table.schema.types[:-1] == published.schema.types
    assert table.column("prediction").to_pylist() == [1, 3, None, None]
    assert table.column("corrected").to_pylist() == [None, "7", "blank", None]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_file_saved_by_a_spreadsheet_is_read(scene: Scene, delimiter: str) -> None:
    save(scene.file, [(scene.unsure, "3")], scene.published, delimiter)
    text = scene.file.read_text().replace("\n", "\r\n")
    scene.file.write_bytes(b"\xef\xbb\xbf" + text.encode() + (delimiter * 5 + "\r\n").encode())
    assert apply(scene.file, scene.outbox, "Anna").changed == 1


WRONG = {
    "a label": ({"corrected": "12"}, "corrected is '12'"),
    "no label": ({"corrected": ""}, "corrected is ''"),
    "a digest": ({"sha256": "1.5E+60"}, "sha256 is '1.5E\\+60': a spreadsheet"),
    "another scan": ({"sha256": "0" * 64}, "has no row of 'unsure.png'"),
    "another file": ({"file": "else.png"}, "has no row of 'else.png'"),
    "another batch": ({"batch": "12345678"}, "no batch '12345678' in"),
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


def test_gone_and_changed_results_are_not_corrected(scene: Scene) -> None:
    changed = scene.published.read_text().replace("unsure", "unsafe")
    for change, words in (
        (lambda: scene.published.write_text(changed), "has changed since"),
        (scene.published.unlink, "is no longer in"),
    ):
        change()
        with pytest.raises(WrongLinesError) as raised:
            scene.apply((scene.unsure, "3"))
        assert words in raised.value.problems[0]


def test_file_changed_by_hand_is_not_replaced(scene: Scene) -> None:
    (path,) = scene.apply((scene.unsure, "3")).written
    path.write_text("mine")
    with pytest.raises(WrongLinesError) as raised:
        scene.apply((scene.unsure, "5"))
    assert "changed by hand" in raised.value.problems[0]
    assert path.read_text() == "mine"


def test_missing_outbox_and_missing_file(scene: Scene, tmp_path: Path) -> None:
    save(scene.file, [], scene.published)
    with pytest.raises(InputError, match="no ledger in"):
        apply(scene.file, tmp_path / "none", "Anna")
    with pytest.raises(InputError, match="no such file"):
        apply(tmp_path / "none.csv", scene.outbox, "Anna")
    with pytest.raises(InputError, match="no column sha256"):
        (tmp_path / "other.csv").write_text("file,label\n")
        apply(tmp_path / "other.csv", scene.outbox, "Anna")


def test_two_processes_cannot_apply_at_once(scene: Scene) -> None:
    scene.apply((scene.unsure, "3"))
    lock = os.open(scene.outbox / ".digitbox" / "corrections.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(BusyError, match="are being applied"):
        scene.apply((scene.unsure, "5"))
    os.close(lock)


def test_apply_is_refused_while_a_run_writes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0}))
    running = Ledger(scene.outbox / ".digitbox")
    batches.add_members(running, "00000000", [scene.sure])
    before = scene.files()
    with pytest.raises(BusyError, match="a run is writing to"):
        scene.apply((scene.unsure, "5"))
    assert scene.files() == before
    running.close()
    assert scene.apply((scene.unsure, "5")).changed == 1


def test_full_disk_applies_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before = scene.files()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OutboxError, match="No space left"):
        patched.setattr(durable, "_sync_open", full)
        scene.apply((scene.unsure, "5"))
    assert (scene.files(), scene.audit()) == (before, [])
    assert scene.apply((scene.unsure, "5")).changed == 1


def test_apply_again_after_a_kill(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = durable.replace

    def killed(path: Path, content: bytes) -> None:
        replace(path, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(durable, "replace", killed)
        scene.apply((scene.unsure, "5"))
    assert scene.audit() == []
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
        rows = scene.corrected()
        assert {name for name, row in rows.items() if row["corrected"]} == set(last)
        assert {name: rows[name]["prediction"] or "none" for name in last} == last
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
    (path,) = (tmp_path / "out").glob("corrected-*")
    assert [row["prediction"] for _, row in reader.table(path, ["prediction"])] == ["4"] * 4


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_corrected_results_keep_page_and_source(tmp_path: Path, format_name: str) -> None:
    scene = Scene(tmp_path, format_name=format_name)
    scene.apply((scene.unsure, "7"))
    (path,) = scene.outbox.glob("corrected-*")
    assert reader.columns(path)[-3:] == ["page", "source", "corrected"]
    assert {(row.page, row.source) for row in reader.read(path)} == {(None, str(tmp_path / "scans"))}


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_results_of_older_versions_are_corrected(tmp_path: Path, format_name: str) -> None:
    scene = Scene(tmp_path, format_name=format_name)
    scene.published = make_old(scene.published)
    result = scene.apply((scene.unsure, "2"), (scene.blank, "none"))
    assert (result.changed, result.confirmed, result.copied) == (1, 1, 2)
    (corrected,) = result.written
    assert reader.columns(corrected) == [*reader.columns(scene.published), "corrected"]
    assert {(row.page, row.source) for row in reader.read(corrected)} == {(None, "")}
    entries = collect(find_sources([scene.outbox])).entries
    assert {(entry.row.source, entry.corrected) for entry in entries} == {("", ""), ("", "2"), ("", "none")}


def test_corrected_results_of_older_versions_quote_less(tmp_path: Path) -> None:
    outbox, ref = tmp_path / "out", scan(tmp_path / "scans", "a;b.png")
    rows = [(outcome(ref, Status.REVIEW, 7), "2")]
    published = make_old(publish(outbox, [row for row, _ in rows]))
    file = save(tmp_path / "corrections.csv", rows, published)
    (corrected,) = apply(file, outbox, "Anna", NOON).written
    assert '"a;b.png"' in corrected.read_text()
    corrected.write_text(corrected.read_text().replace('"', ""))
    save(file, [(rows[0][0], "3")], published)
    apply(file, outbox, "Anna", NOON)
    (row,) = reader.read(corrected)
    assert (row.file, row.prediction) == ("a;b.png", 3)
    corrected.write_text(corrected.read_text().replace(",3,", ",4,"))
    save(file, rows, published)
    with pytest.raises(WrongLinesError):
        apply(file, outbox, "Anna", NOON)
