import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from batch.errors import InputError, OutboxError
from batch.locations import state_folder
from batch.outbox.corrections import CorrectionStore, load
from batch.outbox.ledger import Ledger
from batch.records import Outcome, Reason, Status
from batch.report import answers
from batch.report import rows as report_rows
from batch.report.live import LiveRows, WrongAnswersError
from batch.report.pictures import Models
from batch.results.scan_keys import short_key
from live_rows import keys, page_data, said
from published import NOON, four, outcome, publish, scan

pytestmark = pytest.mark.usefixtures("fake_model")
Opened = Callable[..., LiveRows]


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    publish(tmp_path / "out", four(tmp_path / "scans"))
    return tmp_path / "out"


@pytest.fixture
def opened(outbox: Path) -> Iterator[Opened]:
    rows: list[LiveRows] = []

    def open_it(audit: int = 0, by: str = "Anna") -> LiveRows:
        rows.append(LiveRows(outbox, by, Models(), audit))
        return rows[-1]

    yield open_it
    for opened_rows in rows:
        opened_rows.close()


def test_an_answer_is_saved_and_copied(opened: Opened, outbox: Path) -> None:
    rows = opened()
    key = keys(rows)["unsure.png"]
    rows.copy_labelled(rows.save([said(key, "3", " a \n comment ")])[0])
    (correction,) = load(outbox)
    assert (correction.file, correction.said, correction.corrected) == ("unsure.png", "7", "3")
    assert (correction.corrected_by, correction.comment) == ("Anna", "a comment")
    assert [path.parent.name for path in outbox.glob("corrected/*/*")] == ["3"]
    rows.copy_labelled(rows.save([said(key, "open")])[0])
    assert [correction.corrected for correction in load(outbox)] == ["open"]
    assert list(outbox.glob("corrected/*/*")) == []
    assert rows.saved == 2


def test_no_answer_goes_to_an_outbox_that_was_replaced(opened: Opened, outbox: Path) -> None:
    """The window says so until digitbox starts again, and keeps the answer."""
    rows = opened()
    key = keys(rows)["unsure.png"]
    shutil.copytree(outbox, outbox.with_name("copy"))
    outbox.rename(outbox.with_name("before"))
    outbox.with_name("copy").rename(outbox)
    with pytest.raises(OutboxError, match="a new start"):
        rows.save([said(key, "3")])
    with pytest.raises(OutboxError, match="a new start"):
        rows.changes(0, 0)
    assert (rows.saved, list(load(outbox))) == (0, [])
    opened().save([said(key, "3")])
    assert [correction.corrected for correction in load(outbox)] == ["3"]


@pytest.mark.parametrize(
    ("at", "kept"),
    [
        ("2026-01-02T13:00:00Z", "2026-01-02T13:00:00Z"),
        ("2026-01-02T14:00:00+01:00", "2026-01-02T13:00:00Z"),
        ("2026-01-02 13:00", "2026-01-02T13:00:00Z"),
        ("31.12.2026", ""),
        ("9999-12-31T23:00:00-05:00", ""),
        ("", ""),
    ],
)
def test_a_time_is_kept_in_one_form(opened: Opened, outbox: Path, at: str, kept: str) -> None:
    """The page compares these texts."""
    rows = opened()
    entry = next(entry for entry in rows._entries if entry.row.file == "unsure.png")
    with closing(CorrectionStore(outbox)) as store:
        (added,) = answers.save(store, [answers.Answer(entry, "3", at)], "Anna")
    assert added.reviewed_at == kept


def test_a_window_hears_of_answers_and_results(opened: Opened, outbox: Path, tmp_path: Path) -> None:
    first, second = opened(), opened(by="Ben")
    key = keys(first)["unsure.png"]
    second.save([said(key, "3")])
    news = first.changes(4, 0)
    assert [(answer["key"], answer["corrected"], answer["by"]) for answer in news["answered"]] == [
        (key, "3", "Ben")
    ]
    assert "columns" not in news
    later = [outcome(scan(tmp_path / "scans", "new.png", 9), Status.REVIEW, 5, Reason.LOW_CONFIDENCE)]
    publish(outbox, later, now=NOON + timedelta(hours=1))
    news = first.changes(news["rows"], news["answers"])
    assert (news["columns"]["file"], news["rows"], news.get("answered")) == (["new.png"], 5, None)
    first.save([said(news["columns"]["key"][0], "6")])
    assert set(first.changes(5, 1)) == {"server", "rows", "answers", "answered"}


def test_an_answer_that_waited_replaces_no_later_one(opened: Opened, outbox: Path) -> None:
    """Two windows answer while the server is away, and the first one sends its answer last."""
    rows = opened()
    key = keys(rows)["unsure.png"]
    rows.save([{**said(key, "5"), "reviewed_at": "2026-01-02T13:12:00Z"}])
    assert rows.save([said(key, "3")]) == ([], [])
    assert [correction.corrected for correction in load(outbox)] == ["5"]


def test_a_window_can_tell_one_server_from_the_next(opened: Opened) -> None:
    """The next one sorts its rows anew, so the count of those that a window knows says nothing there."""
    first, second = opened(), opened()
    assert page_data(first)["live"]["server"] == first.changes(4, 0)["server"]
    assert first.changes(4, 0)["server"] != second.changes(4, 0)["server"]


def test_a_page_that_is_loaded_later_has_the_answers(opened: Opened) -> None:
    rows = opened()
    rows.save([said(keys(rows)["unsure.png"], "3")])
    columns = rows.changes(0, 0)["columns"]
    assert [answer["corrected"] for answer in columns["answers"].values()] == ["3"]
    assert '"corrected":"3"' in rows.html()


def test_a_page_that_is_loaded_later_counts_answers_and_new_rows(
    opened: Opened, outbox: Path, tmp_path: Path
) -> None:
    rows = opened()
    assert page_data(rows)["counts"] == {"ok": 1, "review": 1, "refused": 1, "failed": 1}
    rows.save([said(keys(rows)["unsure.png"], "3")])
    data = page_data(rows)
    assert data["counts"] == {"ok": 2, "review": 0, "refused": 1, "failed": 1}
    assert (data["digits"][3], data["digits"][7], sum(data["confidences"])) == (1, 0, 2)
    again = outcome(scan(tmp_path / "scans", "sure.png"), Status.REVIEW, 5, Reason.LOW_CONFIDENCE)
    new = outcome(scan(tmp_path / "scans", "new.png", 9), Status.REVIEW, 5, Reason.LOW_CONFIDENCE)
    published = publish(outbox, [again, new], now=NOON + timedelta(hours=1), model="fake-2")
    for _ in range(2):  # a page that is loaded changes nothing
        data = page_data(rows)
        assert data["counts"] == {"ok": 1, "review": 2, "refused": 1, "failed": 1}
        assert sum(data["counts"].values()) == len(data["columns"]["key"]) == len(set(data["columns"]["key"]))
        assert (data["digits"][5], data["read_again"], data["live"]["rows"]) == (2, 1, 6)
    assert len(data["sources"]) == 2 and data["sources"][-1] == published.name
    news = rows.changes(4, 0)
    assert (news["sources"], news["models"]) == (data["sources"], ["fake-2"])


def test_a_page_counts_the_rows_that_it_does_not_list(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_rows, "collect", partial(report_rows.collect, max_ok_rows=0))
    rows = opened()
    rows.save([said(keys(rows)["unsure.png"], "3")])
    data = page_data(rows)
    assert data["counts"] == {"ok": 2, "review": 0, "refused": 1, "failed": 1}
    assert (data["left_out"], len(data["columns"]["key"]), data["digits"][1]) == (1, 3, 1)


def test_a_row_that_is_not_listed_counts_once_if_read_again(
    opened: Opened, outbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_rows, "collect", partial(report_rows.collect, max_ok_rows=0))
    rows = opened()
    before = page_data(rows)
    again = outcome(scan(tmp_path / "scans", "sure.png"), Status.REVIEW, 5, Reason.LOW_CONFIDENCE)
    for hours in (1, 2):
        publish(outbox, [again], now=NOON + timedelta(hours=hours))
        data = page_data(rows)
        assert data["counts"] == {"ok": 0, "review": 2, "refused": 1, "failed": 1}
        assert (data["left_out"], data["read_again"], data["digits"][1], data["digits"][5]) == (
            0,
            hours,
            0,
            1,
        )
        assert sum(data["confidences"]) == sum(before["confidences"])
    unlisted = rows.changes(3, 0)["unlisted"]
    assert set(unlisted["counts"].values()) == set(unlisted["digits"]) == {0}
    assert (unlisted["left_out"], unlisted["read_again"]) == (0, 2)


def test_a_scan_that_vanished_and_came_back_is_one(opened: Opened, outbox: Path, tmp_path: Path) -> None:
    ref = scan(tmp_path / "scans", "a.png", 9)
    vanished = Outcome(ref, Status.FAILED, Reason.VANISHED)
    publish(outbox, [vanished], now=NOON + timedelta(hours=1))
    rows = opened()
    known = len(page_data(rows)["columns"]["key"])
    again = outcome(ref, Status.REVIEW, 5, Reason.LOW_CONFIDENCE)
    publish(outbox, [again], now=NOON + timedelta(hours=2))
    news = rows.changes(known, 0)
    assert news["columns"]["replaces"] == {0: short_key("a.png", ref.source, None, "")}
    for data in (page_data(rows), page_data(opened())):  # as after a restart of the server
        assert data["counts"] == {"ok": 1, "review": 2, "refused": 1, "failed": 1}
        assert (data["read_again"], sorted(data["columns"]["file"]).count("a.png")) == (1, 1)


def test_a_row_gives_way_to_that_of_a_new_name(opened: Opened, outbox: Path, tmp_path: Path) -> None:
    old = scan(tmp_path / "scans", "a.png", 9)
    publish(outbox, [outcome(old, Status.REVIEW, 5, Reason.LOW_CONFIDENCE)], now=NOON + timedelta(hours=1))
    rows = opened()
    known = len(page_data(rows)["columns"]["key"])
    new = scan(tmp_path / "scans", "a-2.png", 9)
    again = outcome(new, Status.OK, 5)
    with closing(Ledger(state_folder(outbox))) as ledger:
        names = new.source, "a-2.png", again.sha256, "a.png"
        ledger.execute("INSERT INTO renamed VALUES (?, ?, ?, ?)", names)
    publish(outbox, [again], now=NOON + timedelta(hours=2))
    replaced = rows.changes(known, 0)["columns"]["replaces"]
    assert replaced == {0: short_key("a.png", old.source, None, again.sha256)}
    for data in (page_data(rows), page_data(opened())):  # as after a restart of the server
        assert data["read_again"] == 1
        assert [name for name in data["columns"]["file"] if name.startswith("a")] == ["a-2.png"]


WRONG: dict[str, Any] = {
    "no list": {},
    "no object": [1],
    "a number": [{"key": "KEY", "corrected": 3}],
    "a long list": [said("KEY", "3")] * 10_001,
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_answers_are_refused_as_a_whole(opened: Opened, outbox: Path, case: str) -> None:
    rows = opened()
    key = keys(rows)["unsure.png"]
    content = WRONG[case]
    if isinstance(content, list):
        content = [
            {name: key if value == "KEY" else value for name, value in item.items()}
            if isinstance(item, dict)
            else item
            for item in content
        ]
        content = [said(key, "3"), *content]
    with pytest.raises(WrongAnswersError):
        rows.save(content)
    assert list(load(outbox)) == []


REFUSED = {
    "no key": {"corrected": "3"},
    "another key": said("0" * 16, "3"),
    "another label": said("blank.png", "12"),
    "no label": {"key": "blank.png"},
    "a scan that failed": said("broken.png", "11"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_answer_stops_no_other(opened: Opened, outbox: Path, case: str) -> None:
    rows = opened()
    found = keys(rows)
    refused = {name: found.get(value, value) for name, value in REFUSED[case].items()}
    labelled, refused_keys = rows.save([refused, said(found["unsure.png"], "3")])
    assert (len(labelled), refused_keys) == (1, [refused.get("key", "")])
    assert [(correction.file, correction.corrected) for correction in load(outbox)] == [("unsure.png", "3")]


def test_a_number_stays_of_a_scan_that_is_a_digit_later(opened: Opened, outbox: Path, tmp_path: Path) -> None:
    number = outcome(scan(tmp_path / "scans", "n.png", 7), Status.REVIEW, 7, Reason.LOW_CONFIDENCE)
    publish(outbox, [number], with_numbers=True, now=NOON + timedelta(hours=1))
    rows = opened()
    rows.save([said(keys(rows)["n.png"], "42")])
    publish(outbox, [number], now=NOON + timedelta(hours=2))  # with --digits 1
    rows = opened()
    key = keys(rows)["n.png"]
    assert rows.save([said(key, "42", "a comment")])[1] == []
    assert rows.save([said(key, "4")])[1] == []
    assert rows.save([said(key, "42")])[1] == []  # undo
    assert [correction.corrected for correction in load(outbox)] == ["42"]


def test_scans_have_pictures_and_details(opened: Opened, tmp_path: Path) -> None:
    rows = opened()
    found = keys(rows)
    small = rows.picture(found["unsure.png"], large=False)
    assert small is not None and small[:4] == b"RIFF"
    details = rows.details(found["unsure.png"])
    assert details is not None and len(details["views"]) == 1 and len(details["others"]) == 2
    assert rows.details(found["broken.png"]) == {"problem": "undecodable"}
    assert (rows.picture("0" * 16, large=True), rows.details("0" * 16)) == (None, None)
    (tmp_path / "scans" / "unsure.png").unlink()
    assert (rows.picture(found["unsure.png"], large=True), rows.details(found["unsure.png"])) == (
        None,
        {"problem": "gone"},
    )


def test_copies_that_a_kill_prevented_are_made(opened: Opened, outbox: Path) -> None:
    rows = opened()
    rows.save([said(keys(rows)["unsure.png"], "3")])
    again = opened()
    again.copy_labelled(again.labelled())
    assert [path.parent.name for path in outbox.glob("corrected/*/*")] == ["3"]


def test_copies_of_withdrawn_answers_go(opened: Opened, outbox: Path) -> None:
    rows = opened()
    key = keys(rows)["unsure.png"]
    rows.copy_labelled(rows.save([said(key, "3")])[0])
    rows.save([said(key, "open")])  # the server ends before it removes the copy
    again = opened()
    again.copy_labelled(again.labelled())
    assert list(outbox.glob("corrected/*/*")) == []


def test_copies_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number}.png" for number in range(12)]
    outcomes = [outcome(scan(tmp_path / "scans", name, int(name[:-4]))) for name in names]
    publish(tmp_path / "out", outcomes)
    listed: list[object] = []

    def count_calls(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*arguments: object) -> object:
            listed.append(arguments)
            return real(*arguments)

        monkeypatch.setattr(owner, name, call)

    count_calls(os, "listdir")
    count_calls(Path, "glob")
    with closing(LiveRows(tmp_path / "out", "Anna", Models())) as rows:
        labelled = [(entry, "5") for entry in rows._entries]
        rows.copy_labelled(labelled)
        rows.copy_labelled([(entry, "6") for entry, _ in labelled])
    assert len(listed) < len(names)
    assert [path.parent.name for path in (tmp_path / "out").glob("corrected/*/*")] == ["6"] * len(names)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results in"):
        LiveRows(tmp_path, "Anna", Models())
    assert list(tmp_path.iterdir()) == []


def test_answers_of_other_processes_are_not_lost(opened: Opened, outbox: Path) -> None:
    rows = opened()
    found = keys(rows)
    with closing(CorrectionStore(outbox)) as other:
        rows.save([said(found["unsure.png"], "3")])
        other.refresh()
        other.add([next(iter(load(outbox)))])
        rows.save([said(found["blank.png"], "none")])
    assert [answer["corrected"] for answer in rows.changes(4, 0)["answered"]] == ["3", "3", "none"]
