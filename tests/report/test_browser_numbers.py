"""The page with numbers of several digits in a real browser: sorted, filtered, shown whole, and typed in."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from batch.records import Reason, Status
from browsing import Page
from published import outcome, publish, scan
from waiting import wait_for

pytestmark = pytest.mark.slow


def test_numbers_sort_by_value_and_filter_by_digit(browser: Any, tmp_path: Path, fake_model: Path) -> None:
    rows = [
        outcome(scan(tmp_path / "scans", f"{place}.png", 3 + place), Status.OK)._replace(
            label=number, digit_confidences=(0.9,) * len(number)
        )
        for place, number in enumerate(["0100", "20", "3"])
    ]
    refused = outcome(scan(tmp_path / "scans", "r.png", 9), Status.REFUSED, None, Reason.NOT_A_NUMBER)
    publish(tmp_path / "out", [*rows, refused], with_numbers=True)
    page = Page(browser, tmp_path / "out")
    page.browser.find_element("css selector", ".heads [data-order=digit]").click()
    assert page.digits() == ["3", "20", "0100", "not a digit"]
    bars = page.browser.find_elements("css selector", "#digits button")
    assert [bar.get_attribute("title") for bar in bars][3] == "3: 1 scan"
    bars[3].click()
    assert page.digits() == ["3"]


def test_what_is_equal_stays_together_when_sorted(browser: Any, tmp_path: Path, fake_model: Path) -> None:
    """007 and 7 have one value, and are other numbers and other files."""
    refs = [scan(tmp_path / "scans", name, 3 + place) for place, name in enumerate(["7.tif", "007.tif"])]
    rows = [
        outcome(ref)._replace(label=number, digit_confidences=(0.9,) * len(number), page=page, pages=2)
        for page in (1, 2)
        for ref, number in zip(refs, ["7", "007"], strict=True)
    ]
    publish(tmp_path / "out", rows, with_numbers=True)
    page = Page(browser, tmp_path / "out")
    page.click_on(".heads [data-order=digit]")
    assert page.digits() == ["007", "007", "7", "7"]
    page.click_on(".heads [data-order=name]")
    assert page.rows() == [f"{name}, page {number}" for name in ("007.tif", "7.tif") for number in (1, 2)]


def test_long_numbers_stay_in_their_column(browser: Any, tmp_path: Path, fake_model: Path) -> None:
    rows = [
        outcome(scan(tmp_path / "scans", f"{place}.png", 3 + place), Status.OK)._replace(
            label=number, digit_confidences=(0.9,) * len(number)
        )
        for place, number in enumerate(["0042", "90210", "123456789012"])
    ]
    publish(tmp_path / "out", rows, with_numbers=True)
    page = Page(browser, tmp_path / "out")
    cells = "[...document.querySelectorAll('#list .digit')]"
    overflows = f"return {cells}.map((cell) => cell.scrollWidth > cell.clientWidth)"
    assert page.browser.execute_script(overflows) == [False] * 3
    page.click("gallery")
    assert page.browser.execute_script(overflows) == [False] * 3
    page.click("gallery")
    page.browser.find_elements("css selector", "#list .open")[-1].click()
    assert page.text("review-prediction").startswith("123456789012")
    dialog = "document.getElementById('review')"
    assert not page.browser.execute_script(f"return {dialog}.scrollWidth > {dialog}.clientWidth")


def test_a_number_that_cannot_be_is_asked_for_again(
    browser: Any, downloads: Path, tmp_path: Path, fake_model: Path
) -> None:
    from selenium.common.exceptions import NoAlertPresentException

    def asked() -> Any:
        with suppress(NoAlertPresentException):
            return browser.switch_to.alert
        return None

    ref = scan(tmp_path / "scans", "a.png", 3)
    read = outcome(ref, Status.REVIEW, 7, Reason.LOW_CONFIDENCE, 0.5)
    read = read._replace(label="0042", digit_confidences=(0.9,) * 4)
    publish(tmp_path / "out", [read], with_numbers=True)
    page = Page(browser, tmp_path / "out")
    page.click("start")
    page.press("4")
    assert wait_for(asked).text == "The number, with its leading zeros"
    for wrong in ("1234567890123", "12 a", "-5"):
        asked().send_keys(wrong)
        asked().accept()
        words = wait_for(asked).text
        assert words == f"{wrong} is not 1 to 12 digits. The number, with its leading zeros"
    asked().send_keys(" 0012 ")
    asked().accept()
    assert wait_for(lambda: page.text("review-answer") == "Your answer: 0012")
    page.press("5")
    wait_for(asked).send_keys("x")
    asked().accept()
    wait_for(asked).dismiss()
    assert page.text("review-answer") == "Your answer: 0012"
    assert page.errors() == []
