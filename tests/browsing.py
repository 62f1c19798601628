"""The page in a real browser, as tests look at it and press its keys."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from batch.report import pictures, rows, write
from published import NOON


class Page:
    """A report that the browser shows."""

    def __init__(self, browser: Any, outbox: Path) -> None:
        self.browser, self.outbox = browser, outbox
        report_rows, indices = write.plan(rows.find_sources([outbox]))
        self.path = write.write(report_rows, indices, None, pictures.Models(), lambda _: None, NOON)
        self.open()

    def open(self) -> None:
        self.browser.get(self.path.as_uri())

    def text(self, name: str) -> str:
        return str(self._on(f"#{name}", lambda found: found.text))

    def rows(self) -> list[str]:
        """Return the file names of the rows on the screen."""
        return self._texts("#list .file")

    def digits(self) -> list[str]:
        return self._texts("#list .digit")

    def _texts(self, selector: str) -> list[str]:
        # One script reads all rows at one moment, since rows come and go.
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)"
        return list(self.browser.execute_script(script, selector))

    def click(self, name: str) -> None:
        self.click_on(f"#{name}")

    def click_on(self, selector: str) -> None:
        self._on(selector, lambda found: found.click())

    def _on(self, selector: str, act: Callable[[Any], Any]) -> Any:
        """Do something with the first such element, again while the page draws it anew or loads."""
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException

        while True:
            with suppress(NoSuchElementException, StaleElementReferenceException):
                return act(self.browser.find_element("css selector", selector))

    def press(self, keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]
