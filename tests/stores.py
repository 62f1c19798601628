"""A server of S3 on this machine, with a door before it that can be told to misbehave."""

from __future__ import annotations

import csv
import http.client
import importlib.util
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

PACKAGES = ("moto", "flask", "s3fs")
SECRET = "very-secret-8Qz"
ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code} it is</Message></Error>'

Answer = tuple[int, str]
"""A status of HTTP, and a code of S3; status 0 for none at all."""
Rule = Callable[[str, Mapping[str, str]], Answer | None]
"""What a request (method and path; headers) is answered, instead of what is true."""


class Store:
    """The server, and what it was asked.

    Attributes:
        asked: method and path of each request.
        rule: what some are answered.
    """

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self.rule: Rule | None = None
        self._port = port

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """What the server itself answers."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._port)) as connection:
            # moto goes by the name in it.
            credential = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, Signature=x"
            connection.request(method, path, body, {"Authorization": credential})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status < 300, (answer.status, content)
            return content

    def bucket(self, objects: Mapping[str, bytes] | None = None) -> str:
        """A new bucket, by name."""
        name = f"bucket-{secrets.token_hex(4)}"
        self.request("PUT", f"/{name}")
        for key, content in (objects or {}).items():
            self.put(name, key, content)
        return name

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Makes an object."""
        self.request("PUT", f"/{bucket}/{_quoted(key)}", content)

    def delete(self, bucket: str, key: str) -> None:
        """Takes an object away."""
        self.request("DELETE", f"/{bucket}/{_quoted(key)}")

    def objects(self, bucket: str) -> dict[str, bytes]:
        """What is in a bucket, by key, which must be plain."""
        keys = re.findall("<Key>([^<]*)</Key>", self.request("GET", f"/{bucket}?list-type=2").decode())
        return {key: self.request("GET", f"/{bucket}/{_quoted(key)}") for key in keys}


def _quoted(key: str) -> str:
    from urllib.parse import quote

    return quote(key, safe="/")


@contextmanager
def served() -> Iterator[Store]:
    """The server, for the time of the block; AWS_... variables name it."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"no {missing[0]}: pip install 'moto[server]' s3fs")
    command = [sys.executable, "-c", "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            port = next(
                int(found[1]) for line in server.stderr if (found := re.search(r":(\d+)$", line.strip()))
            )
            threading.Thread(target=server.stderr.read, daemon=True).start()  # or else its pipe is full
            store = Store(port)
            door = _Server(("127.0.0.1", 0), _handler(store))
            thread = threading.Thread(target=door.serve_forever, args=(0.05,))
            thread.start()
            try:
                with pytest.MonkeyPatch.context() as patched:
                    for name, value in environment(door.server_port).items():
                        patched.setenv(name, value)
                    # What does not answer is asked as often as this to the power of two.
                    patched.setattr("s3fs.S3FileSystem.retries", 2)
                    yield store
                    _forget_stores()
            finally:
                door.shutdown()
                thread.join()
                door.server_close()
        finally:
            server.kill()


def environment(port: int) -> dict[str, str]:
    """The variables that name the server, and end what does not answer soon."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key-of-the-tests",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _forget_stores() -> None:
    """Ends fsspec's thread: where there are threads, other tests could not fork."""
    import gc

    from fsspec import asyn

    from batch.storage import objects

    objects._opened.cache_clear()
    gc.collect()  # ends its connections
    if asyn.iothread[0] is not None:
        asyn.loop[0].call_soon_threadsafe(asyn.loop[0].stop)
        asyn.iothread[0].join()
        asyn.loop[0].close()
        asyn.iothread[0] = asyn.loop[0] = None


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Who asked does not wait for the answer any more."""


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or else each answer takes 40 ms

        def log_message(self, *_: Any) -> None:
            """It is told by `asked`."""

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            what = f"{self.command} {self.path}"
            store.asked.append(what)
            answer = store.rule(what, dict(self.headers)) if store.rule is not None else None
            if answer is None:
                self._ask(body)
            elif answer[0]:
                self._send(answer[0], {}, ERROR.format(code=answer[1]).encode())
            else:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815

        def _ask(self, body: bytes) -> None:
            with closing(http.client.HTTPConnection("127.0.0.1", store._port)) as connection:
                connection.request(self.command, self.path, body, dict(self.headers))
                found = connection.getresponse()
                self._send(found.status, dict(found.getheaders()), found.read())

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            length = headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Door


def rows(store: Store, bucket: str, prefix: str = "") -> list[dict[str, str]]:
    """Of all files of results in a bucket."""
    return [
        row
        for key, content in sorted(store.objects(bucket).items())
        if key.startswith(prefix) and key.endswith(".csv")
        for row in csv.DictReader(content.decode().splitlines())
    ]
