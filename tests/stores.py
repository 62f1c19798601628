"""A server of S3 on this machine, behind a proxy that tests can tell to misbehave."""

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
from urllib.parse import quote

import pytest

PACKAGES = ("moto", "flask", "s3fs")
SECRET = "very-secret-8Qz"
ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code} it is</Message></Error>'

Answer = tuple[int, str]
"""A status of HTTP and a code of S3; status 0 closes the connection without an answer."""
Rule = Callable[[str, Mapping[str, str]], Answer | None]
"""Returns the answer to a request (method and path; headers), or None for the true answer of the server."""


class Store:
    """The server, with the requests that the proxy has passed on.

    Attributes:
        requests: Method and path of each request to the proxy.
        rule: The answers of the proxy itself.

    Args:
        port: Port of the server behind the proxy.
    """

    def __init__(self, port: int) -> None:
        self.requests: list[str] = []
        self.rule: Rule | None = None
        self._port = port

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return the answer of the server itself, past the proxy."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._port)) as connection:
            # moto finds the service by the name in the credential.
            credential = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, Signature=x"
            connection.request(method, path, body, {"Authorization": credential})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status < 300, (answer.status, content)
            return content

    def bucket(self, objects: Mapping[str, bytes] | None = None) -> str:
        """Make a bucket with these objects, and return its name."""
        name = f"bucket-{secrets.token_hex(4)}"
        self.request("PUT", f"/{name}")
        for key, content in (objects or {}).items():
            self.put(name, key, content)
        return name

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object."""
        self.request("PUT", f"/{bucket}/{quote(key)}", content)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object."""
        self.request("DELETE", f"/{bucket}/{quote(key)}")

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Return the objects of a bucket by key; the keys must need no escapes in XML."""
        keys = re.findall("<Key>([^<]*)</Key>", self.request("GET", f"/{bucket}?list-type=2").decode())
        return {key: self.request("GET", f"/{bucket}/{quote(key)}") for key in keys}


@contextmanager
def serve() -> Iterator[Store]:
    """Run the server for the time of the block, and set the AWS_... variables to it."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"no {missing[0]}: pip install 'moto[server]' s3fs")
    command = [sys.executable, "-c", "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            port = next(
                int(match[1]) for line in server.stderr if (match := re.search(r":(\d+)$", line.strip()))
            )
            threading.Thread(target=server.stderr.read, daemon=True).start()  # a full pipe would stop it
            store = Store(port)
            proxy = _Server(("127.0.0.1", 0), _handler(store))
            thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
            thread.start()
            try:
                with pytest.MonkeyPatch.context() as patched:
                    for name, value in _environment(proxy.server_port).items():
                        patched.setenv(name, value)
                    # s3fs waits longer after each try; its five tries take a long time.
                    patched.setattr("s3fs.S3FileSystem.retries", 2)
                    yield store
                    _forget_stores()
            finally:
                proxy.shutdown()
                thread.join()
                proxy.server_close()
        finally:
            server.kill()


def _environment(port: int) -> dict[str, str]:
    """Return the variables that name the server, with few retries."""
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
    """End the thread of fsspec: with a second thread, other tests could not fork."""
    import gc

    from fsspec import asyn

    from batch.storage import objects

    objects._open.cache_clear()
    gc.collect()  # closes the connections
    if asyn.iothread[0] is not None:
        asyn.loop[0].call_soon_threadsafe(asyn.loop[0].stop)
        asyn.iothread[0].join()
        asyn.loop[0].close()
        asyn.iothread[0] = asyn.loop[0] = None


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Ignore errors: the client no longer waits for the answer."""


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # with it, each answer takes 40 ms

        def log_message(self, *_: Any) -> None:
            """Write nothing: `Store.requests` has the requests."""

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = f"{self.command} {self.path}"
            store.requests.append(request)
            answer = store.rule(request, dict(self.headers)) if store.rule is not None else None
            if answer is None:
                self._forward(body)
            elif answer[0]:
                self._send(answer[0], {}, ERROR.format(code=answer[1]).encode())
            else:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815

        def _forward(self, body: bytes) -> None:
            with closing(http.client.HTTPConnection("127.0.0.1", store._port)) as connection:
                connection.request(self.command, self.path, body, dict(self.headers))
                response = connection.getresponse()
                self._send(response.status, dict(response.getheaders()), response.read())

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

    return Proxy


def rows(store: Store, bucket: str, prefix: str = "") -> list[dict[str, str]]:
    """Return the rows of all files of results in a bucket, in the order of their keys."""
    return [
        row
        for key, content in sorted(store.objects(bucket).items())
        if key.startswith(prefix) and key.endswith(".csv")
        for row in csv.DictReader(content.decode().splitlines())
    ]
