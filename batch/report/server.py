"""The server of `digitbox review`: the page, its pictures, and the answers of a person.

It answers only requests that have the secret in their address, that name the server as their host, and that
come from its own page.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import signal
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from batch.errors import RunError
from batch.report import page
from batch.report.address import Address, is_loopback
from batch.report.live import LiveRows, WrongAnswersError
from batch.report.rows import Entry

MAX_BODY_BYTES = 4_000_000  # 10,000 answers with short comments
CHECK_IDLE_S = 1.0
STOP_S = 5  # for requests that go on when the server ends

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """The checks of each request, before anything else sees it.

    Args:
        app: The application behind it.
        address: The place of the server.
    """

    def __init__(self, app: ASGIApp, address: Address) -> None:
        self._app, self._address = app, address
        names = {"127.0.0.1", "localhost", "[::1]"} if is_loopback(address.host) else set()
        hosts = {address.authority, *(f"{name}:{address.port}" for name in names)}
        if address.port == 80:  # browsers leave it out
            hosts |= {host.removesuffix(":80") for host in hosts}
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        refusal = self._refuse(scope, Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        if host not in self._hosts:
            return _text(421, "This is another host than the one that digitbox review printed.")
        # A page of another origin may send a request, though it cannot read what comes back.
        is_own = origin == f"http://{host}" if origin is not None else scope["method"] in ("GET", "HEAD")
        if not is_own or headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return _text(403, "Only the page of digitbox review may ask this.")
        first = scope["path"].removeprefix("/").partition("/")[0]  # a path may lack the slash
        if not secrets.compare_digest(
            first.encode("utf-8", "surrogateescape"), self._address.secret.encode()
        ):
            return _text(404, "Not found. Open the address that digitbox review printed.")
        return None


class _Server(uvicorn.Server):
    """uvicorn's server, in which an ignored Ctrl-C stays ignored: a shell does that for background jobs."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ignores_interrupts = signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, as uvicorn does."""
        if sig != signal.SIGINT or not self._ignores_interrupts:
            super().handle_exit(sig, frame)


class ReviewServer:
    """A server for one outbox.

    Attributes:
        address: Its place.
        rows: The rows that it shows.

    Args:
        rows: The rows; the process that serves must have opened them.
        address: Its place.
        listener: The listening socket.
        idle_s: Seconds without a request by a person, after which it ends.
    """

    def __init__(self, rows: LiveRows, address: Address, listener: socket.socket, idle_s: float) -> None:
        self.address, self.rows = address, rows
        self._listener, self._idle_s = listener, idle_s
        self._active_at = time.monotonic()
        self._copies = ThreadPoolExecutor(1, "copies")
        self._ended = threading.Event()
        routes = [
            Route("/{secret}/", self._page),
            Route("/{secret}/picture/{size}/{key}", self._picture),
            Route("/{secret}/details/{key}", self._details),
            Route("/{secret}/changes", self._changes),
            Route("/{secret}/answers", self._answers, methods=["POST"]),
        ]
        app = Starlette(
            routes=routes, exception_handlers={HTTPException: _say_error, RunError: _say_run_error}
        )
        config = uvicorn.Config(
            Guard(app, address),
            log_config=None,
            log_level="error",  # requests that are no HTTP are not worth a line
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_S,
        )
        self._server = _Server(config)

    def run(self) -> bool:
        """Serve until somebody stops it, or until nobody has asked for anything for `idle_s`.

        Returns:
            True if it ended because it was idle.
        """
        self._copy(self.rows.labelled())  # those that the end of the last server prevented
        try:
            asyncio.run(self._serve())
        finally:
            self._ended.set()
            self._copies.shutdown(cancel_futures=True)
        return self._is_idle()

    def stop(self) -> None:
        """End the server; another thread may call this."""
        self._server.should_exit = True

    async def _serve(self) -> None:
        watch = asyncio.create_task(self._stop_when_idle())
        await self._server.serve([self._listener])
        watch.cancel()

    async def _stop_when_idle(self) -> None:
        while not self._is_idle():
            await asyncio.sleep(min(CHECK_IDLE_S, self._idle_s))
        self.stop()

    def _is_idle(self) -> bool:
        return time.monotonic() - self._active_at >= self._idle_s

    def _note_person(self) -> None:
        self._active_at = time.monotonic()

    def _copy(self, labelled: Sequence[tuple[Entry, str]]) -> None:
        """Copy labelled scans in the background; the end of the server ends it after a scan."""
        self._copies.submit(
            self.rows.copy_labelled, itertools.takewhile(lambda _: not self._ended.is_set(), labelled)
        )

    async def _page(self, _: Request) -> Response:
        self._note_person()
        html = self.rows.html()
        policy = f"{page.policy(is_live=True)}; frame-ancestors 'none'"
        return HTMLResponse(html, headers={**_HEADERS, "Content-Security-Policy": policy})

    async def _picture(self, request: Request) -> Response:
        self._note_person()
        size, key = request.path_params["size"], request.path_params["key"]
        if size not in ("small", "large"):
            raise HTTPException(404, "Not found.")
        content = await run_in_threadpool(self.rows.picture, key, large=size == "large")
        if content is None:
            return Response(status_code=204, headers=_HEADERS)  # an error in the page, but none in its log
        # The key has the digest of the scan: another content has another address.
        caching = {"Cache-Control": "private, max-age=86400, immutable"}
        return Response(content, media_type="image/webp", headers={**_HEADERS, **caching})

    async def _details(self, request: Request) -> Response:
        self._note_person()
        found = await run_in_threadpool(self.rows.details, request.path_params["key"])
        if found is None:
            raise HTTPException(404, "Not found.")
        return _json(found)

    async def _changes(self, request: Request) -> Response:
        # Windows ask by themselves, so that is no sign of a person.
        numbers = [request.query_params.get(name, "") for name in ("rows", "answers")]
        if not all(number.isascii() and number.isdigit() and len(number) < 12 for number in numbers):
            raise HTTPException(400, "rows and answers must be numbers.")
        return _json(self.rows.changes(*map(int, numbers)))

    async def _answers(self, request: Request) -> Response:
        self._note_person()
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise HTTPException(415, "Answers are JSON.")
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    raise HTTPException(413, "These are too many answers for one request.")
        except ClientDisconnect as error:  # the browser keeps the answers
            raise HTTPException(400, "The page went away.") from error
        try:
            labelled, refused = self.rows.save(json.loads(body))
        except (WrongAnswersError, ValueError, RecursionError) as error:
            raise HTTPException(400, "These are no answers of this page.") from error
        self._copy(labelled)
        return _json({"refused": refused})


def _text(status: int, words: str) -> Response:
    return PlainTextResponse(f"{words}\n", status, headers=_HEADERS)


def _json(content: Mapping[str, Any]) -> Response:
    return JSONResponse(content, headers=_HEADERS)


async def _say_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _text(error.status_code, error.detail)


async def _say_run_error(_: Request, error: Exception) -> Response:
    return _text(503, str(error))
