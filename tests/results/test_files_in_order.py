"""The order of files of results: that in which digitbox published them."""

import os
import secrets
from pathlib import Path

import pytest

import digitbox
from batch.records import Reason, Status
from batch.report import rows
from batch.results import names
from published import outcome, publish, scan


@pytest.mark.parametrize("ids", [("ffffffff", "00000000"), ("00000000", "ffffffff")])
@pytest.mark.parametrize("formats", [("csv", "csv"), ("csv", "parquet"), ("parquet", "csv")])
def test_files_of_one_second_keep_their_order(
    ids: tuple[str, str], formats: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = scan(tmp_path / "scans", "a.png")
    outbox = tmp_path / "out"
    published = []
    read = outcome(ref, Status.REVIEW, 1, Reason.LOW_CONFIDENCE), outcome(ref)
    for row, batch_id, format_name in zip(read, ids, formats, strict=True):
        monkeypatch.setattr(secrets, "token_hex", lambda _, batch_id=batch_id: batch_id)
        published.append(publish(outbox, [row], format_name=format_name))
    for second, path in enumerate(published):  # a coarse clock gives both the same time
        os.utime(path, (second, second))
    assert names.find(outbox) == published
    assert digitbox.read_results(outbox)["status"].tolist() == ["review", "ok"]
    (entry,) = rows.collect(rows.find_sources([outbox])).entries
    assert entry.status is Status.OK


def test_a_file_that_vanishes_meanwhile_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "predictions-20260102T120000Z-b00000000.csv"
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone]))
    assert names.find(tmp_path) == []
