"""A monitor on this machine, and what it hears."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from batch.errors import ConfigError
from batch.monitoring import ping

PATIENTLY_S = 1e5  # for what answers; the deadline of all tests is far shorter


class Monitor(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard: list[tuple[str, str | None]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Monitor

    def do_GET(self) -> None:
        self.server.heard.append((self.path, self.headers["Authorization"]))
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
        assert ping.ping(f"http://{monitor.address}{address}", failed=False, timeout_s=PATIENTLY_S) == ""
        assert ping.ping(f"http://{monitor.address}{address}", failed=True, timeout_s=PATIENTLY_S) == ""
    assert [path for path, _ in monitor.heard] == [
        *("/uuid", "/uuid/fail"),
        *("/uuid/", "/uuid/fail"),
        *("/uuid?create=1", "/uuid/fail?create=1"),
    ]


def test_a_password_goes_to_its_host_alone(monitor: Monitor) -> None:
    assert ping.ping(f"http://me:s%40me@{monitor.address}/moved", failed=False, timeout_s=PATIENTLY_S) == ""
    secret = base64.b64encode(b"me:s@me").decode()
    assert monitor.heard == [("/moved", f"Basic {secret}"), ("/new", None)]


def test_what_goes_wrong_is_said_without_the_secrets(monitor: Monitor) -> None:
    with (
        closing(socket.socket()) as closed,
        closing(socket.create_server(("127.0.0.1", 0))) as mute,  # takes the call and never answers
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
            assert (
                ping.ping(address, failed=False, timeout_s=PATIENTLY_S if "answer in" not in problem else 0.2)
                == problem
            )


@pytest.mark.parametrize(
    "address",
    [
        *("", "secret", "ftp://secret", "file:///secret", "http://", "https:///secret", "http://secret:x/"),
        *("http://a b/secret", "http://a/secret\n", "http://[secret", "http://secr\u00e9t/"),
    ],
)
def test_what_is_no_address_is_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ping.check(address)
    assert "https://example.org" in str(caught.value) and "secr" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://a", "https://me:secret@a.example:8443/x?y=z"])
def test_what_is_one(address: str) -> None:
    ping.check(address)
