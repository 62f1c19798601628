import os
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.clock import iso, utc_now
from batch.errors import OutboxError
from batch.outbox import batches
from batch.outbox.ledger import Ledger, open_ledger
from batch.records import After, Status
from batch.report import answers
from batch.report.answers import is_confirmed
from batch.report.apply import ApplyResult, apply
from batch.report.rows import collect, find_sources
from batch.storage import durable
from corrected import REVIEWED_AT, Scene, exported, save
from faults import fast_folder
from published import NOON, make_old, outcome, publish, scan


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


def apply_at(scene: Scene, label: str, reviewed_at: str, by: str) -> ApplyResult:
    """Apply an answer that somebody gave at a time, as the file says it."""
    save(scene.file, [(scene.unsure, label)], scene.published)
    scene.file.write_text(scene.file.read_text().replace(REVIEWED_AT, reviewed_at))
    return apply(scene.file, scene.outbox, by)


def test_the_same_file_again_replaces_no_later_answer(scene: Scene) -> None:
    apply_at(scene, "3", "2026-01-02T16:10:00Z", "Anna")
    apply_at(scene, "5", "2026-01-02T16:22:00Z", "Ben")
    before = scene.files(), scene.audit()
    result = apply_at(scene, "3", "2026-01-02T16:10:00Z", "Anna")
    assert (result.added, result.known, result.outdated, result.copied) == ([], 0, 1, 0)
    assert (scene.files(), scene.audit()) == before
    result = apply_at(scene, "5", "2026-01-02T16:10:00Z", "Anna")
    assert (result.known, result.outdated) == (1, 0)


@pytest.mark.parametrize(
    ("before", "then"),
    [
        ("2026-01-02T16:22:00Z", "2026-01-02T16:22:00Z"),  # put right in the file
        ("2026-01-02T16:22:00Z", "02.01.2026 16:10"),
        ("2026-01-02T16:22:00Z", ""),
    ],
)
def test_without_a_later_time_the_last_file_counts(scene: Scene, before: str, then: str) -> None:
    apply_at(scene, "3", before, "Anna")
    assert apply_at(scene, "5", then, "Ben").outdated == 0
    assert scene.results()["unsure.png"][0] == "5"


@pytest.mark.parametrize("at", ["", "02.01.2026 16:22"])
def test_an_answer_without_a_time_is_of_when_it_was_applied(scene: Scene, at: str) -> None:
    apply_at(scene, "3", at, "Anna")
    assert apply_at(scene, "5", "2026-01-02T16:10:00Z", "Ben").outdated == 1
    assert scene.results()["unsure.png"][0] == "3"


def test_a_fast_clock_makes_no_answer_the_last(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    apply_at(scene, "3", "2999-01-01T00:00:00Z", "Anna")
    later = utc_now() + timedelta(hours=1)
    monkeypatch.setattr(answers, "utc_now", lambda: later)
    assert apply_at(scene, "5", iso(later), "Ben").outdated == 0
    monkeypatch.setattr(answers, "utc_now", lambda: NOON)  # the clock of digitbox was fast till now
    assert apply_at(scene, "4", iso(NOON), "Eva").outdated == 0
    assert scene.results()["unsure.png"][0] == "4"


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


def test_a_comment_keeps_an_apostrophe_that_hides_no_formula(scene: Scene) -> None:
    save(scene.file, [(scene.unsure, "3"), (scene.blank, "none")], scene.published)
    header, *lines = scene.file.read_text().splitlines()
    lines = [f"{line},{comment}" for line, comment in zip(lines, ("'tis a 3", "'=1+1"), strict=True)]
    scene.file.write_text("\n".join([f"{header},comment", *lines]))
    assert [correction.comment for correction in apply(scene.file, scene.outbox, "Anna").added] == [
        "'tis a 3",
        "=1+1",
    ]


def test_a_pipe_in_the_place_of_a_scan_is_not_read(scene: Scene) -> None:
    path = Path(scene.unsure.ref.path)
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)
    os.write(pipe, content)
    try:
        assert scene.apply((scene.unsure, "3")).missing == 1
    finally:
        os.close(pipe)
