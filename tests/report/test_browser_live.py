"""The page of a server in a real browser: answers are saved at once, and windows follow each other."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from batch.clock import iso, utc_now
from batch.outbox.corrections import load
from batch.records import Outcome, Reason, Status
from batch.report import rows
from browsing import Page
from published import NOON, four, outcome, publish, scan
from serving import Serving
from waiting import wait_for

pytestmark = pytest.mark.slow


class LivePage(Page):
    """The page of a server."""

    def __init__(self, browser: Any, server: Serving) -> None:
        self.browser, self.outbox, self.server = browser, server.outbox, server
        self.open()

    def open(self) -> None:
        self.browser.get(self.server.address.url)

    def wait_for_text(self, name: str, text: str) -> None:
        wait_for(lambda: self.text(name) == text)


@pytest.fixture
def live_page(browser: Any, tmp_path: Path, fake_model: Path) -> Iterator[Callable[..., LivePage]]:
    servers: list[Serving] = []

    def open_it(*outcomes: Outcome, audit: int = 0) -> LivePage:
        publish(tmp_path / "out", outcomes or four(tmp_path / "scans"))
        servers.append(Serving(tmp_path / "out", audit=audit))
        return LivePage(browser, servers[-1])

    yield open_it
    # A page whose server has ended asks on, and its errors would be those of the next test.
    browser.get("about:blank")
    browser.get_log("browser")
    for server in servers:
        server.end()


SAVED = "Your answers are saved as you give them."


def labels(outbox: Path) -> dict[str, str]:
    return {correction.file: correction.corrected for correction in load(outbox)}


def test_answers_of_a_served_page_are_saved_at_once(
    live_page: Callable[..., LivePage], tmp_path: Path
) -> None:
    page = live_page()
    loaded = "return [...document.images].filter(i => i.naturalWidth === 30 && i.naturalHeight === 40).length"
    assert wait_for(lambda: page.browser.execute_script(loaded) == 3)
    page.click("start")
    assert wait_for(lambda: len(page.browser.find_elements("css selector", "#review-views img")) == 1)
    page.press("c")
    page.browser.switch_to.active_element.send_keys("x is not a key here\ue007")
    page.press("3")
    page.press("s")  # blank.png is left open
    assert page.text("review-answer") == "Your answer: left open"
    page.press("\ue00c")
    page.wait_for_text("saved", SAVED)
    assert labels(page.outbox) == {"unsure.png": "3", "blank.png": "open"}
    assert {correction.comment for correction in load(page.outbox)} == {"x is not a key here", ""}
    counted = page.text("statuses")
    page.open()
    page.wait_for_text("progress", "1 of 2 doubtful scans reviewed.")
    assert page.text("statuses") == counted
    page.click("start")
    assert page.text("review-file") == "blank.png"
    page.press("u")  # undo outlives the page
    page.press("u")
    page.press("\ue00c")
    page.wait_for_text("saved", SAVED)
    assert wait_for(lambda: labels(page.outbox) == {"unsure.png": "open", "blank.png": "open"})
    later = outcome(scan(tmp_path / "scans", "new.png", 9), Status.REVIEW, 5, Reason.LOW_CONFIDENCE)
    published = publish(page.outbox, [later], now=NOON + timedelta(hours=1))  # as digitbox watch does
    page.wait_for_text("title", "5 scans read")
    assert published.name in page.text("facts")
    assert page.errors() == []


def test_answers_wait_for_a_server_that_is_gone(live_page: Callable[..., LivePage], tmp_path: Path) -> None:
    page = live_page()
    page.server.end()
    page.click("start")
    page.press("35")
    page.press("\ue00c")
    assert wait_for(lambda: "digitbox review does not answer: start it again." in page.text("trouble"))
    assert "2 answers wait in this browser." in page.text("trouble")
    assert labels(page.outbox) == {}
    later = outcome(scan(tmp_path / "scans", "new.png", 9), Status.REVIEW, 5, Reason.LOW_CONFIDENCE)
    publish(page.outbox, [later], now=NOON + timedelta(hours=1))
    again = Serving(page.outbox)
    assert again.address == page.server.address
    page.wait_for_text("saved", SAVED)
    assert labels(page.outbox) == {"unsure.png": "3", "blank.png": "5"}
    page.wait_for_text("progress", "2 of 3 doubtful scans reviewed.")
    assert page.text("trouble") == ""
    again.end()


def test_a_refused_answer_holds_up_no_other(live_page: Callable[..., LivePage], tmp_path: Path) -> None:
    first, second = (
        outcome(scan(tmp_path / "scans", f"{number}.png", number), Status.REVIEW, 7, Reason.LOW_CONFIDENCE)
        for number in (5, 6)
    )
    page = live_page(first)
    gone = next(page.outbox.glob("*.csv"))
    publish(page.outbox, [second], now=NOON + timedelta(hours=1))
    page.wait_for_text("title", "2 scans read")
    page.server.end()
    page.click("start")
    page.press("33")
    page.press("\ue00c")
    assert wait_for(lambda: "2 answers wait in this browser." in page.text("trouble"))
    gone.unlink()
    again = Serving(page.outbox)
    page.wait_for_text("title", "1 scan read")
    assert labels(page.outbox) == {"6.png": "3"}
    again.end()


def test_a_scan_that_came_back_takes_the_place_of_its_failure(
    live_page: Callable[..., LivePage], tmp_path: Path
) -> None:
    ref = scan(tmp_path / "scans", "a.png")
    page = live_page(Outcome(ref, Status.FAILED, Reason.VANISHED))
    assert page.text("title") == "1 scan read"
    doubtful = outcome(ref, Status.REVIEW, 5, Reason.LOW_CONFIDENCE)
    publish(page.outbox, [doubtful], now=NOON + timedelta(hours=1))
    page.wait_for_text("progress", "1 doubtful scan to review.")
    assert (page.text("title"), page.rows()) == ("1 scan read", ["a.png"])
    page.click("start")
    page.press("3")
    assert wait_for(lambda: labels(page.outbox) == {"a.png": "3"})
    assert page.errors() == []


def test_an_open_page_counts_a_row_once_that_it_did_not_list(
    live_page: Callable[..., LivePage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "collect", partial(rows.collect, max_ok_rows=0))
    ok = outcome(scan(tmp_path / "scans", "a.png"))
    page = live_page(ok)
    assert (page.text("title"), page.rows()) == ("1 scan read", [])
    publish(page.outbox, [ok], now=NOON + timedelta(hours=1))
    assert wait_for(lambda: page.rows() == ["a.png"])
    assert page.text("title") == "1 scan read"
    assert "1 older row not shown" in page.text("facts") and "Not listed" not in page.text("facts")
    assert page.errors() == []


def test_another_window_follows(live_page: Callable[..., LivePage]) -> None:
    page = live_page()
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    page.open()
    page.click("start")
    page.press("3")
    page.press("\ue00c")
    page.browser.switch_to.window(first)
    page.wait_for_text("progress", "1 of 2 doubtful scans reviewed.")
    assert wait_for(lambda: page.digits()[0].split() == ["3", "instead", "of", "7"])
    handles = [handle for handle in page.browser.window_handles if handle != first]
    for handle in handles:
        page.browser.switch_to.window(handle)
        page.browser.close()
    page.browser.switch_to.window(first)


def test_the_later_answer_of_two_windows_stays(live_page: Callable[..., LivePage]) -> None:
    page = live_page()
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    page.open()
    second = page.browser.current_window_handle
    page.click("start")
    page.server.end()
    page.browser.switch_to.window(first)
    page.click("start")
    page.press("3")
    page.browser.switch_to.window(second)
    page.press("5")
    page.browser.close()
    page.browser.switch_to.window(first)
    again = Serving(page.outbox)
    page.press("\ue00c")
    page.wait_for_text("progress", "1 of 2 doubtful scans reviewed.")
    page.wait_for_text("saved", SAVED)
    assert labels(page.outbox) == {"unsure.png": "5"}
    again.end()


AWAY = """const ask = fetch;
const isAway = (path) => path === "answers" && window.away;
window.fetch = (path, how) => (isAway(path) ? Promise.reject(TypeError()) : ask(path, how));"""
SLOW_CLOCK = """const Now = Date;
window.Date = class extends Now { constructor(...at) { super(...(at.length ? at : [0])); } };"""


def test_an_answer_that_waited_gives_way_to_a_later_one(live_page: Callable[..., LivePage]) -> None:
    page = live_page()
    page.browser.execute_script(f"window.away = true; {AWAY}")
    page.click("start")
    page.press("3")
    page.press("\ue00c")
    assert wait_for(lambda: "1 answer waits in this browser." in page.text("trouble"))
    later = iso(utc_now() + timedelta(minutes=1))
    page.server.answer({"key": page.server.keys()["unsure.png"], "corrected": "5", "reviewed_at": later})
    assert wait_for(lambda: page.digits()[0].split() == ["5", "instead", "of", "7"])
    page.wait_for_text("trouble", "")
    page.browser.execute_script(f"window.away = false; {SLOW_CLOCK}")
    page.click_on("#list .file")
    page.press("4")  # whoever has seen an answer gives a later one
    assert wait_for(lambda: labels(page.outbox) == {"unsure.png": "4"})


def test_accept_these_leaves_answers_that_come_meanwhile(live_page: Callable[..., LivePage]) -> None:
    page = live_page()
    page.click("accept-all")
    assert page.text("bulk-words") == "Say that digitbox is right about these 3 scans?"
    key = page.server.keys()["unsure.png"]
    assert page.server.answer({"key": key, "corrected": "3"}).status == 200
    page.wait_for_text("progress", "1 of 2 doubtful scans reviewed.")
    page.click_on("#bulk .primary")
    page.wait_for_text("progress", "All 2 doubtful scans are reviewed.")
    page.wait_for_text("saved", SAVED)
    assert labels(page.outbox) == {"unsure.png": "3", "blank.png": "none", "sure.png": "1"}


def test_an_unsent_answer_stays_with_its_outbox(live_page: Callable[..., LivePage], tmp_path: Path) -> None:
    page = live_page()
    page.server.end()
    page.click("start")
    page.press("3")
    page.press("\ue00c")
    assert wait_for(lambda: "1 answer waits" in page.text("trouble"))
    publish(tmp_path / "other", four(tmp_path / "scans"))
    (tmp_path / "other" / ".digitbox" / "review.json").write_bytes(
        (page.outbox / ".digitbox" / "review.json").read_bytes()
    )
    (tmp_path / "other" / ".digitbox" / "review.json").chmod(0o600)
    other = Serving(tmp_path / "other")
    assert other.address == page.server.address
    page.open()
    page.wait_for_text("progress", "2 doubtful scans to review.")
    assert not page.browser.find_element("id", "undo-last").is_enabled()
    other.end()
    again = Serving(page.outbox)
    page.open()
    page.wait_for_text("progress", "1 of 2 doubtful scans reviewed.")
    page.wait_for_text("saved", SAVED)
    assert (labels(page.outbox), labels(tmp_path / "other")) == ({"unsure.png": "3"}, {})
    again.end()


def test_gallery_and_bulk_accept_with_the_mouse(live_page: Callable[..., LivePage], tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    reviewed = [
        outcome(scan(folder, f"{n}.png", n), Status.REVIEW, 7, Reason.LOW_CONFIDENCE) for n in range(1, 9)
    ]
    page = live_page(*reviewed, outcome(scan(folder, "sure.png", 12)))
    page.click_on("[data-digit='7']")
    page.click("gallery")
    tiles = page.browser.find_elements("css selector", ".tile")
    assert [tile.accessible_name for tile in tiles[:2]] == ["1.png: 7", "2.png: 7"] and len(tiles) == 8
    tiles[1].click()
    assert page.text("review-position") == "1 of 1"
    page.browser.find_elements("css selector", "#keys button")[
        1
    ].click()  # it closes, and the 1 leaves the sevens
    assert wait_for(lambda: page.text("shown") == "7 of 9 scans")
    page.browser.find_elements("css selector", ".tile")[0].send_keys("4")
    assert wait_for(lambda: page.text("shown") == "6 of 9 scans")
    page.click("accept-all")
    assert page.text("bulk-words") == "Say that digitbox is right about these 6 scans?"
    page.click_on("#bulk .primary")
    page.wait_for_text("progress", "All 8 doubtful scans are reviewed.")
    page.wait_for_text("saved", SAVED)
    assert sorted(labels(page.outbox).values()) == ["1", "4", *["7"] * 6]
    page.browser.find_elements("css selector", ".tile")[0].send_keys("u")
    page.wait_for_text("progress", "2 of 8 doubtful scans reviewed.")


def test_an_audit_ends_with_its_interval(live_page: Callable[..., LivePage], tmp_path: Path) -> None:
    page = live_page(*[outcome(scan(tmp_path / "scans", f"{n}.png", n)) for n in range(1, 6)], audit=3)
    assert page.text("progress") == "3 scans of the audit to review."
    page.click("start")
    page.press("1")
    page.press("\ue007")
    page.press("2")
    page.press("\ue00c")
    page.wait_for_text("audit", "1 of 3 wrong: 33.3% (95% interval 6.1% to 79.2%)")
    assert page.text("progress") == "All 3 scans of the audit are reviewed."


def test_an_audit_without_an_ok_scan_says_so(live_page: Callable[..., LivePage], tmp_path: Path) -> None:
    doubtful = outcome(scan(tmp_path / "scans", "a.png"), Status.REVIEW, 7, Reason.LOW_CONFIDENCE)
    page = live_page(doubtful, audit=3)
    assert page.text("progress") == "No scan was ok when this audit began: there is nothing to audit."
    assert not page.browser.find_element("id", "start").is_enabled()
    assert page.errors() == []
