"""Tests of the audit of `ok` rows in a served page."""

from contextlib import closing
from pathlib import Path

import pytest

from batch.records import Reason, Status
from batch.report.live import Audit, LiveRows
from batch.report.pictures import Models
from live_rows import keys, page_data, said
from published import outcome, publish, scan

pytestmark = pytest.mark.usefixtures("fake_model")


def test_audit_takes_ok_rows_and_counts_the_wrong(tmp_path: Path) -> None:
    outcomes = [outcome(scan(tmp_path / "scans", f"{number}.png", number)) for number in range(1, 10)]
    review = outcome(scan(tmp_path / "scans", "review.png", 10), Status.REVIEW, 7)
    publish(tmp_path / "out", [*outcomes, review])
    with closing(LiveRows(tmp_path / "out", "Anna", Models(), 5)) as rows:
        chosen = rows.changes(0, 0)["audit"]
        assert (chosen["size"], chosen["answered"]) == (5, 0)
        names = {key: name for name, key in keys(rows).items()}
        sample = list(rows._audit)
        assert "review.png" not in {names[key] for key in sample}
        rows.save([said(sample[0], "1"), said(sample[1], "2"), said(sample[2], "open")])
        assert rows.audit() == Audit(5, 2, 1)
        assert rows.changes(0, 0)["audit"]["words"] == "1 of 2 wrong: 50.0% (95% interval 9.5% to 90.5%)"
    with closing(LiveRows(tmp_path / "out", "Anna", Models(), 5)) as rows:  # it goes on after a pause
        assert (list(rows._audit), rows.audit().answered) == (sample, 2)


def test_an_audit_without_an_ok_row_is_no_review(tmp_path: Path) -> None:
    doubtful = outcome(scan(tmp_path / "scans", "review.png"), Status.REVIEW, 7, Reason.LOW_CONFIDENCE)
    publish(tmp_path / "out", [doubtful])
    with closing(LiveRows(tmp_path / "out", "Anna", Models(), 5)) as rows:
        assert page_data(rows)["live"]["audit"] == []
        nothing = "no scan was ok, so there was nothing to audit"
        assert rows.changes(0, 0)["audit"] == {"answered": 0, "size": 0, "words": nothing}
    with closing(LiveRows(tmp_path / "out", "Anna", Models())) as rows:
        assert "audit" not in page_data(rows)["live"]
        assert "audit" not in rows.changes(0, 0)
