"""The server of a review in a thread, for tests of its answers and of its page."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from batch.report.address import listen
from batch.report.live import LiveRows
from batch.report.pictures import Models
from batch.report.server import ReviewServer


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Serving:
    """A server in a thread of its own, and a client that sends what it is told to."""

    def __init__(self, outbox: Path, idle_s: float = 3600, audit: int = 0) -> None:
        self.outbox = outbox
        self.address, listener = listen("127.0.0.1", None, outbox / ".digitbox")
        self._started = threading.Event()
        self._arguments = (listener, idle_s)
        self._audit = audit
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._started.wait()

    def _run(self) -> None:
        with closing(LiveRows(self.outbox, "Anna", Models(), self._audit)) as rows:
            self.server = ReviewServer(rows, self.address, *self._arguments)
            self._started.set()
            self.was_idle = self.server.run()

    def end(self) -> None:
        self.server.stop()
        self._thread.join()

    def wait_for_end(self) -> None:
        self._thread.join()

    def ask(
        self, path: str, method: str = "GET", body: Any = None, secret: str | None = None, **headers: str
    ) -> Answer:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(HTTPConnection("127.0.0.1", self.address.port)) as connection:
            start = f"/{self.address.secret if secret is None else secret}"
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, start + path, content, names)
            response = connection.getresponse()
            sent = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, sent, response.read())

    def answer(self, *content: dict[str, str], **headers: str) -> Answer:
        own = {"Origin": f"http://{self.address.authority}", "Content_Type": "application/json", **headers}
        return self.ask("/answers", "POST", list(content), **own)

    def keys(self) -> dict[str, str]:
        columns = self.ask("/changes?rows=0&answers=0").content["columns"]
        return dict(zip(columns["file"], columns["key"], strict=True))
