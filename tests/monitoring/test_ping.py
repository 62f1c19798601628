"""Tests of pings, against a monitor on this machine."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from batch.errors import ConfigError
from batch.monitoring import ping

PATIENCE_S = 1e5  # for what answers; the deadline of all tests is far shorter


class Monitor(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Monitor

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Authorization"]))
        self.send_response(404 if "gone" in self.path else 302 if "moved" in self.path else 200)
        if "moved" in self.path:
            self.send_header("Location", "/new")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    with Monitor() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_success_and_failure_have_an_address_each(monitor: Monitor) -> None:
    for address in ("/uuid", "/uuid/", "/uuid?create=1"):
        assert ping.ping(f"http://{monitor.address}{address}", failed=False, timeout_s=PATIENCE_S) == ""
        assert ping.ping(f"http://{monitor.address}{address}", failed=True, timeout_s=PATIENCE_S) == ""
    assert [path for path, _ in monitor.requests] == [
        *("/uuid", "/uuid/fail"),
        *("/uuid/", "/uuid/fail"),
        *("/uuid?create=1", "/uuid/fail?create=1"),
    ]


def test_a_password_goes_to_its_host_alone(monitor: Monitor) -> None:
    assert ping.ping(f"http://me:s%40me@{monitor.address}/moved", failed=False, timeout_s=PATIENCE_S) == ""
    secret = base64.b64encode(b"me:s@me").decode()
    assert monitor.requests == [("/moved", f"Basic {secret}"), ("/new", None)]


def test_a_problem_never_shows_the_secrets(monitor: Monitor) -> None:
    with (
        closing(socket.socket()) as closed,
        closing(socket.create_server(("127.0.0.1", 0))) as mute,  # accepts the connection and never answers
    ):
        closed.bind(("127.0.0.1", 0))  # nobody else can listen there meanwhile
        port = closed.getsockname()[1]
        silent = mute.getsockname()[1]
        addresses = {
            f"http://me:secret@{monitor.address}/gone-secret": "127.0.0.1: answered 404",
            f"http://me:secret@127.0.0.1:{port}/secret": "127.0.0.1: Connection refused",
            f"http://me:secret@127.0.0.1:{silent}/secret": "127.0.0.1: no answer in time",
        }
        for address, problem in addresses.items():
            timeout_s = 0.2 if problem.endswith(ping.NO_ANSWER) else PATIENCE_S
            assert ping.ping(address, failed=False, timeout_s=timeout_s) == problem


@pytest.mark.parametrize(
    "address",
    [
        *("", "secret", "ftp://secret", "file:///secret", "http://", "https:///secret", "http://secret:x/"),
        *("http://a b/secret", "http://a/secret\n", "http://[secret", "http://secr\u00e9t/"),
    ],
)
def test_a_bad_address_is_never_repeated(address: str) -> None:
    with pytest.raises(ConfigError) as raised:
        ping.check(address)
    assert "https://example.org" in str(raised.value) and "secr" not in str(raised.value)


@pytest.mark.parametrize("address", ["http://a", "https://me:secret@a.example:8443/x?y=z"])
def test_a_good_address_is_accepted(address: str) -> None:
    ping.check(address)
