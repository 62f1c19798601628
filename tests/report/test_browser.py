"""The page in a real browser: looked at, filtered, corrected by keyboard, saved, applied."""

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from batch.outbox.publisher import Outbox
from batch.records import Outcome, Reason, ScanRef, Status
from batch.report import pictures, rows, writing
from batch.report.apply import apply
from published import NOON, four, outcome, publish, scan
from waiting import wait_for

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads: Path) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with its driver here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


class Page:
    """A report that is open."""

    def __init__(self, browser: Any, outbox: Path) -> None:
        self.browser, self.outbox = browser, outbox
        found, places = writing.plan(rows.find_sources([outbox]))
        self.path = writing.write(found, places, None, pictures.Models(), lambda _: None, NOON)
        self.open()

    def open(self) -> None:
        self.browser.get(self.path.as_uri())

    def text(self, name: str) -> str:
        return str(self.browser.find_element("id", name).text)

    def rows(self) -> list[str]:
        """File names of the rows that are shown."""
        return self._texts("#list .file")

    def digits(self) -> list[str]:
        return self._texts("#list .digit")

    def _texts(self, selector: str) -> list[str]:
        """At one moment: rows come and go."""
        script = "return [...document.querySelectorAll(arguments[0])].map(found => found.innerText)"
        return list(self.browser.execute_script(script, selector))

    def click(self, name: str) -> None:
        self.browser.find_element("id", name).click()

    def press(self, keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture
def page(browser: Any, tmp_path: Path, fake_model: Path) -> Callable[..., Page]:
    def opened(*outcomes: Outcome) -> Page:
        publish(tmp_path / "out", outcomes or four(tmp_path / "scans"))
        return Page(browser, tmp_path / "out")

    return opened


def downloaded(downloads: Path) -> Path | None:
    """The saved file, when it is whole: before that, Chromium has an empty one in its place."""
    return next((path for path in downloads.glob("corrections*.csv") if path.stat().st_size), None)


def test_it_shows_what_was_read(page: Callable[..., Page]) -> None:
    shown = page()
    assert shown.text("title") == "4 scans read"
    assert shown.rows() == ["unsure.png", "blank.png", "broken.png", "sure.png"]
    assert shown.digits() == ["7", "\u2013", "\u2013", "1"]
    loaded = "return [...document.images].filter(i => i.naturalWidth === 30 && i.naturalHeight === 40).length"
    assert wait_for(lambda: shown.browser.execute_script(loaded) == 3)
    assert "no image" in shown.text("list")
    assert shown.complaints() == []


def test_corrections_by_keyboard_become_corrected_results(
    page: Callable[..., Page], downloads: Path, tmp_path: Path
) -> None:
    names = ["a.png", "b.png", "c.png", "d.png"]
    outcomes = [
        outcome(
            scan(tmp_path / "scans", name, 3 + number), Status.REVIEW, 7, Reason.LOW_CONFIDENCE, 0.1 * number
        )
        for number, name in enumerate(names)
    ]
    shown = page(*outcomes)
    assert shown.text("progress") == "4 doubtful scans for a person to look at."
    shown.click("start")
    assert shown.text("review-file") == "a.png"
    assert len(shown.browser.find_elements("css selector", "#review-views img")) == 1
    assert shown.text("review-top").splitlines()[0] == "1"
    shown.press("3")
    assert shown.text("review-file") == "b.png"
    shown.press("4")
    shown.press("u")  # and once more
    assert shown.text("review-file") == "b.png"
    shown.press("5")
    shown.press("\ue007")  # Enter: c is a 7
    shown.press("\ue012")  # left, and back
    assert shown.text("review-file") == "c.png"
    assert shown.text("review-answer") == "You say: 7"
    shown.press("\ue014")
    shown.press("x")
    assert shown.text("review-place") == "All of these are reviewed"
    shown.open()  # the browser has kept it
    assert wait_for(lambda: shown.text("progress") == "All 4 doubtful scans are reviewed.")
    assert [digit.split() for digit in shown.digits()] == [
        ["3", "instead", "of", "7"],
        ["5", "instead", "of", "7"],
        ["7", "✓"],
        ["not", "a", "digit", "instead", "of", "7"],
    ]
    shown.click("save")
    saved = wait_for(lambda: downloaded(downloads))
    apply(saved, shown.outbox, "Anna")
    (corrected,) = shown.outbox.glob("corrected-*.csv")
    with corrected.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["prediction"], row["status"], row["corrected"]) for row in rows] == [
        ("a.png", "3", "ok", "7"),
        ("b.png", "5", "ok", "7"),
        ("c.png", "7", "ok", "7"),
        ("d.png", "", "refused", "7"),
    ]
    assert shown.complaints() == []
    saved.unlink()


def test_filters(page: Callable[..., Page]) -> None:
    shown = page()
    shown.browser.find_element("css selector", "[data-status=review]").click()
    assert shown.rows() == ["unsure.png"]
    shown.browser.find_element("css selector", "[data-status=failed]").click()
    assert shown.rows() == ["unsure.png", "broken.png"]
    shown.browser.find_element("css selector", "button[type=reset]").click()
    assert wait_for(lambda: len(shown.rows()) == 4)
    shown.browser.find_element("id", "name").send_keys("SURE")
    assert shown.rows() == ["unsure.png", "sure.png"]
    shown.browser.find_element("id", "low").send_keys("0.5")
    assert shown.rows() == ["sure.png"]
    assert shown.text("shown") == "1 of 4 scans"
    shown.browser.find_element("css selector", "[data-digit='7']").click()
    assert shown.rows() == []


def test_the_list_is_walked_with_the_arrows_and_a_row_opened(page: Callable[..., Page]) -> None:
    shown = page()
    shown.browser.find_element("css selector", "#list button").send_keys("\ue015")  # down
    assert shown.browser.switch_to.active_element.accessible_name == "Look at blank.png"
    shown.press("\ue007")
    assert shown.text("review-file") == "blank.png"
    shown.press("\ue00c")
    assert not shown.browser.find_element("id", "review").is_displayed()


def test_two_windows_of_one_page_keep_what_is_said_in_both(page: Callable[..., Page]) -> None:
    shown = page()
    first = shown.browser.current_window_handle
    shown.browser.switch_to.new_window("tab")
    shown.open()
    shown.click("start")
    shown.press("3")
    second = shown.browser.current_window_handle
    shown.browser.switch_to.window(first)
    assert wait_for(lambda: shown.text("progress") == "1 of 2 doubtful scans reviewed.")
    shown.click("start")
    assert shown.text("review-file") == "blank.png"
    shown.press("4")
    shown.browser.switch_to.window(second)
    shown.press("\ue00c")
    assert wait_for(lambda: shown.text("progress") == "All 2 doubtful scans are reviewed.")
    said = ["3 instead of 7", "4 instead of \u2013"]
    assert wait_for(lambda: [" ".join(digit.split()) for digit in shown.digits()[:2]] == said)
    shown.browser.close()
    shown.browser.switch_to.window(first)


def test_light_and_dark_are_kept(page: Callable[..., Page]) -> None:
    shown = page()
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = shown.browser.execute_script(colour)
    shown.click("theme")
    changed = shown.browser.execute_script(colour)
    shown.open()
    assert before != changed == shown.browser.execute_script(colour)


def test_hostile_names_are_shown_saved_and_run_nothing(
    page: Callable[..., Page], downloads: Path, tmp_path: Path
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
    shown = page(*outcomes)
    assert shown.rows() == [names[0], names[1], "'=x\",\\x0a\\x1b"]
    shown.click("start")
    shown.press("123")
    shown.press("\ue00c")
    shown.click("save")
    saved = wait_for(lambda: downloaded(downloads))
    assert apply(saved, shown.outbox, "Anna").changed == 3
    assert shown.browser.title == "digitbox: 3 scans read"
    assert shown.complaints() == []
    saved.unlink()


def test_an_injected_script_would_not_run(page: Callable[..., Page]) -> None:
    shown = page()
    text = shown.path.read_text(encoding="utf-8")
    shown.path.write_text(text.replace("<main>", "<main><script>document.title = 'run'</script>"))
    shown.open()
    assert shown.browser.title != "run"
    assert any("Content Security Policy" in complaint for complaint in shown.complaints())


def test_a_hundred_thousand_rows_are_shown_at_once(browser: Any, tmp_path: Path) -> None:
    with Outbox(
        tmp_path,
        format_name="csv",
        rows_per_file=100_000,
        model="m",
        with_probabilities=False,
        now=lambda: NOON,
    ) as box:
        box.add(
            [
                Outcome(ScanRef(f"/{n}", f"{n:06d}.png"), Status.OK, None, f"{n:064x}", n % 10, 0.99)
                for n in range(100_000)
            ]
        )
    found, _ = writing.plan(list(map(Path, box.published)))
    path = writing.write(found, [], None, pictures.Models(), lambda _: None, NOON)
    browser.get(path.as_uri())
    shown = "return [...document.querySelectorAll('#list .file')].map(e => e.textContent)"
    assert len(browser.execute_script(shown)) < 60
    browser.execute_script("scrollTo(0, document.body.scrollHeight)")
    assert wait_for(lambda: "099999.png" in browser.execute_script(shown))
    assert len(browser.execute_script(shown)) < 60
    browser.execute_script(
        "const n = document.getElementById('name'); n.value = '099.png';"
        "n.dispatchEvent(new Event('input', { bubbles: true }))"
    )
    assert browser.find_element("id", "shown").text == "100 of 100,000 scans"
