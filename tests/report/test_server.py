import asyncio
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from batch.errors import ConfigError, OutboxError
from batch.outbox.corrections import load
from batch.outbox.ledger import Ledger
from batch.report.address import Address, is_loopback, listen
from batch.report.server import Guard, _Server
from published import four, publish
from serving import Serving

pytestmark = pytest.mark.usefixtures("fake_model")


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    publish(tmp_path / "out", four(tmp_path / "scans"))
    server = Serving(tmp_path / "out")
    yield server
    server.end()


def test_page_and_pictures_are_served(serving: Serving) -> None:
    page = serving.ask("/")
    assert page.status == 200 and b"unsure.png" in page.body
    policy = page.headers["content-security-policy"]
    assert (
        policy.startswith("default-src 'none';")
        and "unsafe" not in policy
        and "frame-ancestors 'none'" in policy
    )
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    key = serving.keys()["unsure.png"]
    picture = serving.ask(f"/picture/small/{key}")
    assert (picture.status, picture.headers["content-type"], picture.body[:4]) == (200, "image/webp", b"RIFF")
    assert serving.ask(f"/picture/huge/{key}").status == 404
    assert serving.ask(f"/picture/small/{'0' * 16}").status == 204
    assert len(serving.ask(f"/details/{key}").content["others"]) == 2


def test_an_answer_is_on_the_disk_when_it_is_acknowledged(serving: Serving) -> None:
    key = serving.keys()["unsure.png"]
    answer = serving.answer({"key": key, "corrected": "3"})
    assert (answer.status, answer.content) == (200, {"refused": []})
    assert [correction.corrected for correction in load(serving.outbox)] == ["3"]
    assert serving.ask("/changes?rows=4&answers=0").content["answered"][0]["corrected"] == "3"
    serving.end()  # it copies what is left to copy
    assert [path.parent.name for path in serving.outbox.glob("corrected/*/*")] == ["3"]


def test_a_request_without_the_secret_is_refused(serving: Serving) -> None:
    for secret in ("", "0" * 32, serving.address.secret[:-1], serving.address.secret.upper() + "x", "%ff"):
        for path in ("", "/", "/changes?rows=0&answers=0"):
            assert serving.ask(path, secret=secret).status == 404, (secret, path)
    assert serving.answer({}, secret="0" * 32).status == 404


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil.example:{port}"],
)
def test_a_request_to_another_host_is_refused(serving: Serving, host: str) -> None:
    assert serving.ask("/", Host=host.format(port=serving.address.port)).status == 421
    assert serving.ask("/", Host=f"LOCALHOST:{serving.address.port}").status == 200


def test_a_request_from_another_origin_is_refused(serving: Serving) -> None:
    said = {"key": serving.keys()["unsure.png"], "corrected": "3"}
    port = serving.address.port
    for origin in (
        "http://evil.example",
        "null",
        "",
        f"https://127.0.0.1:{port}",
        "http://127.0.0.1:1",
        f"http://localhost:{port}",
    ):
        assert serving.answer(said, Origin=origin).status == 403, origin
        assert serving.ask("/", Origin=origin).status == 403, origin
    assert serving.ask("/answers", "POST", [said], Content_Type="application/json").status == 403  # no origin
    for site in ("cross-site", "same-site"):
        assert serving.ask("/", Sec_Fetch_Site=site).status == 403
    assert list(load(serving.outbox)) == []


@pytest.mark.parametrize("target", ["foo", "*", "?x", "//"])
def test_an_odd_target_is_not_found(serving: Serving, target: str) -> None:
    start = f"GET {target} HTTP/1.1\r\nHost: {serving.address.authority}\r\n\r\n"
    assert send(serving, start.encode()).startswith(b"HTTP/1.1 404")


def test_a_page_that_leaves_early_prints_nothing(serving: Serving, capfd: pytest.CaptureFixture[str]) -> None:
    place = f"/{serving.address.secret}/answers"
    lines = [
        f"POST {place} HTTP/1.1",
        f"Host: {serving.address.authority}",
        f"Origin: http://{serving.address.authority}",
        "Content-Type: application/json",
        "Content-Length: 2",
    ]
    with socket.create_connection(("127.0.0.1", serving.address.port)) as connection:
        connection.sendall("\r\n".join([*lines, "", "["]).encode())
    assert send(serving, b"no request\r\n\r\n").startswith(b"HTTP/1.1 400")
    serving.end()
    assert capfd.readouterr().err == ""


def send(serving: Serving, content: bytes) -> bytes:
    """Send bytes that no browser sends; return the first bytes of the answer."""
    with socket.create_connection(("127.0.0.1", serving.address.port)) as connection:
        connection.sendall(content)
        return connection.recv(100)


@pytest.mark.parametrize(
    ("port", "host", "status"),
    [
        (80, "127.0.0.1", 200),
        (80, "localhost", 200),
        (80, "127.0.0.1:80", 200),
        (80, "example.com", 421),
        (8080, "127.0.0.1", 421),
    ],
)
def test_port_80_needs_no_number(port: int, host: str, status: int) -> None:
    """Browsers leave it out."""
    guard = Guard(PlainTextResponse("it passed"), Address("127.0.0.1", port, "secret"))
    headers = [(b"host", host.encode()), (b"origin", f"http://{host}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/secret/", "headers": headers}
    sent: list[Any] = []

    async def receive() -> Any:
        return {}

    async def send_part(message: Any) -> None:
        sent.append(message)

    asyncio.run(guard(scope, receive, send_part))
    assert sent[0]["status"] == status


def test_wrong_requests_get_a_line(serving: Serving) -> None:
    own = {"Origin": f"http://{serving.address.authority}"}
    assert serving.answer({"key": "0"}).content == {"refused": ["0"]}
    assert serving.ask("/answers", "POST", {}, **own, Content_Type="application/json").status == 400
    assert serving.answer({}, Content_Type="text/plain").status == 415
    json_type = {**own, "Content_Type": "application/json"}
    for body in (b"{", b"\xff", b"[" * 100_000):
        assert serving.ask("/answers", "POST", body, **json_type).status == 400
    assert serving.ask("/answers", "POST", b" " * 4_000_001, **json_type).status == 413
    for query in (
        "",
        "?rows=-1&answers=0",
        "?rows=1",
        "?rows=a&answers=0",
        "?rows=%C2%B2&answers=0",
    ):
        assert serving.ask(f"/changes{query}").status == 400, query
    assert serving.ask("/answers").status == 405
    assert serving.ask("/else").status == 404
    assert serving.ask("/../../etc/passwd").status == 404
    assert serving.ask("/").status == 200


def test_a_full_disk_is_said_and_nothing_is_acknowledged(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"key": serving.keys()["unsure.png"], "corrected": "3"}

    def full(*_: object) -> None:
        raise OutboxError("cannot write to the ledger: disk is full; make room")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "execute_many", full)
        answer = serving.answer(said)
    assert answer.status == 503 and b"disk is full" in answer.body and b"make room" in answer.body
    assert serving.answer(said).status == 200


def test_it_ends_when_nobody_looks(tmp_path: Path) -> None:
    publish(tmp_path / "out", four(tmp_path / "scans"))
    server = Serving(tmp_path / "out", idle_s=0.2)
    server.wait_for_end()
    assert server.was_idle


def test_the_address_stays_the_same(tmp_path: Path) -> None:
    state = tmp_path / ".digitbox"
    first, listener = listen("127.0.0.1", None, state)
    assert stat.S_IMODE(os.stat(state / "review.json").st_mode) == 0o600
    second, other = listen("127.0.0.1", None, state)  # the port is taken
    assert second.port != first.port
    listener.close()
    other.close()
    again, listener = listen("127.0.0.1", None, state)
    assert (again.port, again.secret) == (second.port, first.secret)
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1, port {again.port}: .*give another"):
        listen("127.0.0.1", again.port, state)
    listener.close()
    for damage in (
        b"",
        b"[]",
        b'{"port": 1, "secret": "x"}',
        b'{"port": "a", "secret": 1}',
        b'{"port":-1,"secret":"' + b"a" * 32 + b'"}',
    ):
        (state / "review.json").write_bytes(damage)
        anew, listener = listen("127.0.0.1", None, state)
        listener.close()
        assert anew.secret not in ("x", first.secret) and len(anew.secret) == 32
    for host in ("no.such.host.invalid", "a..b", "x" * 70):
        with pytest.raises(ConfigError, match=f"cannot listen on {host}, port .*: .+; give another"):
            listen(host, None, state)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    first, listener = listen("127.0.0.1", None, tmp_path)
    listener.close()
    (tmp_path / "review.json").chmod(mode)
    second, listener = listen("127.0.0.1", None, tmp_path)
    listener.close()
    assert second.secret != first.secret


def test_a_secret_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, listener = listen("127.0.0.1", None, tmp_path)
    listener.close()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    second, listener = listen("127.0.0.1", None, tmp_path)
    listener.close()
    assert second.secret != first.secret


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "127.0.1"])
def test_another_form_of_this_machine_is_its_address(host: str, tmp_path: Path) -> None:
    """Browsers write the usual form into a request."""
    address, listener = listen(host, None, tmp_path)
    listener.close()
    assert address.host == "127.0.0.1"
    named, listener = listen("localhost", None, tmp_path)
    listener.close()
    assert named.host == "localhost"


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "0x0", "::", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0"])
def test_an_address_that_browsers_cannot_open_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"--host {host} names no machine: give the name or address"):
        listen(host, None, tmp_path)


def test_addresses_of_this_machine() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.1.5", "::", "example.com")))
    assert Address("::1", 80, "s").url == "http://[::1]:80/s/"


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.default_int_handler])
def test_an_ignored_ctrl_c_stays_ignored(handler: signal.Handlers) -> None:
    """A shell ignores it for what it runs in the background."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        server = _Server(uvicorn.Config(""))
    finally:
        signal.signal(signal.SIGINT, before)
    server.handle_exit(signal.SIGINT, None)
    assert server.should_exit is (handler is not signal.SIG_IGN)
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit
