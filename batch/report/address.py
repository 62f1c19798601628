"""The address of the server of `digitbox review`, which windows that are still open find again."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from batch.errors import ConfigError, OutboxError
from batch.storage import durable

ADDRESS_FILE = "review.json"
"""File of the state folder with port and secret of the last server."""


@dataclass(frozen=True, slots=True)
class Address:
    """The place of a server.

    Attributes:
        host: Name or IP address in its URL.
        port: Its port.
        secret: The first part of every path.
    """

    host: str
    port: int
    secret: str

    @property
    def authority(self) -> str:
        """Return host and port as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the URL of the page."""
        return f"http://{self.authority}/{self.secret}/"


def listen(host: str, port: int | None, state: Path) -> tuple[Address, socket.socket]:
    """Open the socket of a server, at the address of the last one if that is free.

    Args:
        host: Name or IP address to listen on, by which browsers reach it.
        port: The port; None for that of the last server, else any that is free.
        state: The state folder, which keeps port and secret. Only its owner may read that file.

    Raises:
        ConfigError: The machine has no such address, the address stands for all, or the port is taken.
        OutboxError: The state folder cannot be written.
    """
    last_port, secret = _last_address(state)
    listener = None
    for candidate in [port] if port is not None else [last_port, 0]:
        try:
            family, *_, place = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            resolved = str(place[0])
            _check_names_machine(host, resolved)
            listener = socket.create_server(place[:2], family=family)
            break
        except (OSError, UnicodeError) as error:  # UnicodeError: no host can have such a name
            if candidate in (port, 0):
                raise ConfigError(
                    f"cannot listen on {host}, port {candidate}: {getattr(error, 'strerror', error)}; "
                    "give another --host or --port"
                ) from error
    assert listener is not None
    address = Address(resolved if _is_number(host) else host, listener.getsockname()[1], secret)
    try:
        _keep_address(state, address)
    except OSError as error:
        listener.close()
        raise OutboxError(f"cannot write to {state}: {error.strerror}; make room, or allow it") from error
    return address, listener


def _check_names_machine(host: str, resolved: str) -> None:
    """Check that an address is not the one that stands for all of a machine, which no browser can open."""
    address = ipaddress.ip_address(resolved.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if (mapped or address).is_unspecified:
        raise ConfigError(
            f"--host {host} names no machine: give the name or address by which others reach this one"
        )


def _is_number(host: str) -> bool:
    """Return whether a host is an address, e.g. 127.1; browsers write it in its usual form into requests."""
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _last_address(state: Path) -> tuple[int, str]:
    """Return port and secret of the last server, else 0 and a new secret; nobody else may know the secret."""
    try:
        with (state / ADDRESS_FILE).open("rb") as file:
            info = os.fstat(file.fileno())
            content = json.loads(file.read())
        port, secret = content["port"], content["secret"]
        is_mine = info.st_uid == os.geteuid() and not info.st_mode & 0o077
        if is_mine and 0 < port < 65536 and len(secret) >= 32 and secret.isalnum():
            return port, secret
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # there was no server, or its file is no use
    return 0, secrets.token_hex(16)


def _keep_address(state: Path, address: Address) -> None:
    durable.make_folder(state)
    content = json.dumps({"port": address.port, "secret": address.secret}).encode()
    durable.replace(state / ADDRESS_FILE, content, mode=0o600)
