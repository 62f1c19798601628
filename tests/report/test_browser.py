"""The page in a real browser: a person looks, filters, corrects with the keyboard, and saves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch.records import Outcome, Reason, ScanRef, Status
from batch.report import pictures, write
from batch.report.apply import apply
from browsing import Page
from published import NOON, four, open_outbox, outcome, publish, scan
from waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def open_page(browser: Any, tmp_path: Path, fake_model: Path) -> Callable[..., Page]:
    def open_it(*outcomes: Outcome) -> Page:
        publish(tmp_path / "out", outcomes or four(tmp_path / "scans"))
        return Page(browser, tmp_path / "out")

    return open_it


def downloaded(downloads: Path) -> Path | None:
    """Return the saved file; Chromium has an empty one in its place until it is whole."""
    return next((path for path in downloads.glob("corrections*.csv") if path.stat().st_size), None)


def test_page_shows_the_rows(open_page: Callable[..., Page]) -> None:
    page = open_page()
    assert page.text("title") == "4 scans read"
    assert page.rows() == ["unsure.png", "blank.png", "broken.png", "sure.png"]
    assert page.digits() == ["7", "not a digit", "\u2013", "1"]
    loaded = "return [...document.images].filter(i => i.naturalWidth === 30 && i.naturalHeight === 40).length"
    assert wait_for(lambda: page.browser.execute_script(loaded) == 3)
    assert "no image" in page.text("list")
    assert page.errors() == []


def test_keyboard_corrections_reach_the_results(
    open_page: Callable[..., Page], downloads: Path, tmp_path: Path
) -> None:
    names = ["a.png", "b.png", "c.png", "d.png"]
    outcomes = [
        outcome(
            scan(tmp_path / "scans", name, 3 + number), Status.REVIEW, 7, Reason.LOW_CONFIDENCE, 0.1 * number
        )
        for number, name in enumerate(names)
    ]
    page = open_page(*outcomes)
    assert page.text("progress") == "4 doubtful scans to review."
    page.click("start")
    assert page.text("review-file") == "a.png"
    assert len(page.browser.find_elements("css selector", "#review-views img")) == 1
    assert page.text("review-others").splitlines()[0] == "or perhaps"
    page.press("3")
    assert page.text("review-file") == "b.png"
    page.press("4")
    page.press("u")  # undo, and answer again
    assert page.text("review-file") == "b.png"
    page.press("5")
    page.press("\ue007")  # Enter: c is a 7
    page.press("\ue012")  # left
    assert page.text("review-file") == "c.png"
    assert page.text("review-answer") == "Your answer: 7"
    page.press("\ue014")
    page.press("x")
    assert page.text("review-position") == "All reviewed"
    page.open()  # the browser has kept the answers
    assert wait_for(lambda: page.text("progress") == "All 4 doubtful scans are reviewed.")
    assert [digit.split() for digit in page.digits()] == [
        ["3", "instead", "of", "7"],
        ["5", "instead", "of", "7"],
        ["7", "✓"],
        ["not", "a", "digit", "instead", "of", "7"],
    ]
    page.click("save")
    saved = wait_for(lambda: downloaded(downloads))
    added = apply(saved, page.outbox, "Anna").added
    assert [(correction.file, correction.said, correction.corrected) for correction in added] == [
        ("a.png", "7", "3"),
        ("b.png", "7", "5"),
        ("c.png", "7", "7"),
        ("d.png", "7", "none"),
    ]
    assert page.errors() == []
    saved.unlink()


def accept_all(page: Page) -> None:
    page.click("accept-all")
    page.click_on("#bulk .primary")
    assert wait_for(lambda: page.text("save") == "Save 3 corrections")  # the dialog closes later


def test_one_undo_takes_back_all_that_was_accepted(open_page: Callable[..., Page]) -> None:
    page = open_page()
    undo = page.browser.find_element("id", "undo-last")
    assert not undo.is_enabled()
    for storage_works in (True, False):
        if not storage_works:  # as when there are too many answers for it
            page.press("u")  # there is nothing to undo
            page.browser.execute_script("Storage.prototype.setItem = () => { throw new Error('full'); }")
        accept_all(page)
        undo.click()
        assert (page.text("save"), undo.is_enabled()) == ("Save corrections", False)
        assert page.text("progress").startswith("2 doubtful scans to review.")
    for focused in ("", "#list button", "#gallery", "#start"):
        accept_all(page)
        if focused:
            page.browser.execute_script("document.querySelector(arguments[0]).focus()", focused)
        page.press("U")  # Caps Lock is on
        assert page.text("save") == "Save corrections", focused
    accept_all(page)
    page.browser.find_element("id", "name").send_keys("u")  # a letter here
    assert page.text("save") == "Save 3 corrections"
    assert page.errors() == []


def test_a_comment_with_an_answer_is_one_step(open_page: Callable[..., Page]) -> None:
    page = open_page()
    comment = page.browser.find_element("id", "comment")
    shown = "return document.getElementById('comment').value"
    page.click("start")
    for answer in ("#accept", "#keys button", "#review-others button", "#skip"):
        comment.send_keys("a word")
        page.click_on(answer)
        assert (page.text("review-file"), page.browser.execute_script(shown)) == ("blank.png", "")
        page.press("U")
        assert (page.text("review-file"), page.text("review-answer")) == ("unsure.png", "")
        assert (page.browser.execute_script(shown), page.text("undo")) == ("", "Undo u")
        assert not page.browser.find_element("id", "undo").is_enabled()
    comment.send_keys("kept without an answer")
    page.click("next")
    page.click("previous")
    assert page.browser.execute_script(shown) == "kept without an answer"
    page.press("X")
    page.press("\ue012")  # left
    assert page.text("review-answer") == "Your answer: not a digit"
    comment.send_keys(", and more")
    page.click("close")
    assert wait_for(lambda: "kept without an answer, and more" in page.text("list"))
    page.click("undo-last")
    assert page.digits()[0].split() == ["not", "a", "digit", "instead", "of", "7"]
    page.click("undo-last")
    page.click("undo-last")
    assert page.digits()[0] == "7" and "kept" not in page.text("list")
    page.click_on("[aria-label='Open sure.png']")
    page.press("s")
    page.press("\ue00c")
    assert wait_for(lambda: "ok\nleft open" in page.text("list"))


SHAPES = {
    "portrait": (30, 90),
    "landscape": (200, 50),
    "square": (60, 60),
    "tiny": (6, 9),
    "huge": (3000, 4000),
}


@pytest.mark.parametrize("width_px", [1400, 390])
def test_the_whole_scan_is_visible(open_page: Callable[..., Page], tmp_path: Path, width_px: int) -> None:
    outcomes = []
    for name, (wide, high) in SHAPES.items():
        ref = scan(tmp_path / "scans", f"{name}.png", size=(wide, high))
        outcomes.append(outcome(ref, Status.REFUSED, None, Reason.NOT_A_DIGIT))
    page = open_page(*outcomes)
    page.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width_px, "height": 844, "deviceScaleFactor": 1, "mobile": width_px < 500},
    )
    page.click("start")
    shape = """
        const image = document.querySelector("#review-scan img");
        const [inner, outer] = [image, image.parentElement].map(e => e.getBoundingClientRect());
        return image.complete && [inner.top - outer.top, outer.bottom - inner.bottom, inner.left - outer.left,
            outer.right - inner.right, innerHeight - outer.bottom, Math.max(inner.width, inner.height) - 200];
    """
    for number in range(len(SHAPES)):
        assert page.text("review-position") == f"{number + 1} of {len(SHAPES)}"
        room = wait_for(lambda: page.browser.execute_script(shape))
        assert min(room) >= 0, page.text("review-file")
        page.press("\ue014")
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_enter_stores_what_the_page_offers(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.click("start")
    offers = []
    for _ in range(2):
        offers.append((page.text("review-prediction").splitlines()[0], page.text("offer")))
        page.press("\ue007")
    assert offers == [("7", "Accept 7"), ("not a digit", "Accept not a digit")]
    assert page.text("review-answer") == "Your answer: not a digit"
    page.press("\ue00c")
    page.click_on("[aria-label='Open broken.png']")
    assert page.text("review-prediction").splitlines()[0] == "not read"
    page.press("\ue007")
    assert page.text("review-answer") == ""
    page.press("\ue00c")
    assert page.digits() == ["7 ✓", "not a digit ✓", "\u2013", "1"]


def test_filters(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.click_on("[data-status=review]")
    assert page.rows() == ["unsure.png"]
    page.click_on("[data-status=failed]")
    assert page.rows() == ["unsure.png", "broken.png"]
    page.click_on("button[type=reset]")
    assert wait_for(lambda: len(page.rows()) == 4)
    page.browser.find_element("id", "name").send_keys("SURE")
    assert page.rows() == ["unsure.png", "sure.png"]
    page.browser.find_element("id", "low").send_keys("0.5")
    assert page.rows() == ["sure.png"]
    assert page.text("shown") == "1 of 4 scans"
    page.click_on("[data-digit='7']")
    assert page.rows() == []


def test_screen_readers_find_a_name_for_every_control(open_page: Callable[..., Page]) -> None:
    page = open_page()
    roles = {"button", "combobox", "dialog", "searchbox", "spinbutton", "table", "textbox"}

    def controls() -> list[tuple[str, str]]:
        nodes = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        shown = [node for node in nodes if not node["ignored"] and node["role"]["value"] in roles]
        return [(node["role"]["value"], node["name"]["value"]) for node in shown]

    on_page = controls()
    assert {("table", "Scans"), ("button", "Open unsure.png"), ("searchbox", "File")} <= set(on_page)
    page.click("start")
    in_dialog = controls()
    assert {("dialog", "unsure.png"), ("textbox", "Comment c"), ("button", "Accept 7 Enter")} <= set(
        in_dialog
    )
    assert [role for role, name in on_page + in_dialog if not name] == []


def test_arrow_keys_move_in_the_list_and_enter_opens(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.browser.find_element("css selector", "#list button").send_keys("\ue015")  # down
    assert page.browser.switch_to.active_element.accessible_name == "Open blank.png"
    page.press("\ue007")
    assert page.text("review-file") == "blank.png"
    page.press("\ue00c")
    assert not page.browser.find_element("id", "review").is_displayed()


def test_two_windows_share_their_answers(open_page: Callable[..., Page]) -> None:
    page = open_page()
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    page.open()
    page.click("start")
    page.press("3")
    second = page.browser.current_window_handle
    page.browser.switch_to.window(first)
    assert wait_for(lambda: page.text("progress") == "1 of 2 doubtful scans reviewed.")
    page.click("start")
    assert page.text("review-file") == "blank.png"
    page.press("4")
    page.browser.switch_to.window(second)
    page.press("\ue00c")
    assert wait_for(lambda: page.text("progress") == "All 2 doubtful scans are reviewed.")
    expected = ["3 instead of 7", "4 instead of not a digit"]
    assert wait_for(lambda: [" ".join(digit.split()) for digit in page.digits()[:2]] == expected)
    page.browser.close()
    page.browser.switch_to.window(first)


def test_page_keeps_the_theme(open_page: Callable[..., Page]) -> None:
    page = open_page()
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = page.browser.execute_script(colour)
    page.click("theme")
    changed = page.browser.execute_script(colour)
    page.open()
    assert before != changed == page.browser.execute_script(colour)


def test_hostile_names_are_shown_and_saved_as_text(
    open_page: Callable[..., Page], downloads: Path, tmp_path: Path
) -> None:
    names = [
        "</script><script>document.title='run'</script>",
        '<img src=x onerror="document.title=1">',
        '=x",\n\x1b',
    ]
    folder = tmp_path / "scans"
    outcomes = []
    for number, name in enumerate(names):
        ref = scan(folder, f"{number}.png", 3 + number)
        outcomes.append(
            outcome(ScanRef(ref.path, name), Status.REVIEW, 7, Reason.LOW_CONFIDENCE, 0.1 * number)
        )
    page = open_page(*outcomes)
    assert page.rows() == [names[0], names[1], "'=x\",\\x0a\\x1b"]
    page.click("start")
    page.press("123")
    page.press("\ue00c")
    wait_for(lambda: page.browser.find_element("id", "save").is_enabled())  # the dialog closes later
    page.click("save")
    saved = wait_for(lambda: downloaded(downloads))
    assert len(apply(saved, page.outbox, "Anna").added) == 3
    assert page.browser.title == "digitbox: 3 scans read"
    assert page.errors() == []
    saved.unlink()


def test_policy_stops_an_injected_script(open_page: Callable[..., Page]) -> None:
    page = open_page()
    text = page.path.read_text(encoding="utf-8")
    page.path.write_text(text.replace("<main>", "<main><script>document.title = 'run'</script>"))
    page.open()
    assert page.browser.title != "run"
    assert any("Content Security Policy" in error for error in page.errors())


def test_page_shows_a_hundred_thousand_rows(browser: Any, tmp_path: Path) -> None:
    with open_outbox(tmp_path, rows_per_file=100_000, model="m", now=lambda: NOON) as box:
        box.add(
            [
                Outcome(ScanRef(f"/{n}", f"{n:06d}.png"), Status.OK, None, f"{n:064x}", n % 10, 0.99)
                for n in range(100_000)
            ]
        )
    report_rows, _ = write.plan(list(map(Path, box.published)))
    path = write.write(report_rows, [], None, pictures.Models(), lambda _: None, NOON)
    browser.get(path.as_uri())
    files = "return [...document.querySelectorAll('#list .file')].map(e => e.textContent)"
    assert len(browser.execute_script(files)) < 60
    browser.execute_script("scrollTo(0, document.body.scrollHeight)")
    assert wait_for(lambda: "099999.png" in browser.execute_script(files))
    assert len(browser.execute_script(files)) < 60
    browser.execute_script(
        "const n = document.getElementById('name'); n.value = '099.png';"
        "n.dispatchEvent(new Event('input', { bubbles: true }))"
    )
    assert browser.find_element("id", "shown").text == "100 of 100,000 scans"


def test_the_line_that_the_model_sees_keeps_its_shape(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.click("start")
    shape = """
        const canvas = Object.assign(document.createElement("canvas"), { width: 240, height: 40 });
        const image = Object.assign(new Image(), { src: canvas.toDataURL() });
        document.getElementById("review-views").replaceChildren(image);
        return image.decode().then(() => image.clientWidth / image.clientHeight);
    """
    assert page.browser.execute_script(shape) == pytest.approx(6, rel=0.05)
