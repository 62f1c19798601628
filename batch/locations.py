"""Where scans and results are: paths, and addresses of object storage such as s3://bucket/scans/."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from batch.errors import ConfigError

SCHEMES = ("s3", "gs", "az")
STATE = ".digitbox"
"""Folder of a local outbox with its lock, its ledger, and what is staged."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_REMOTE = tuple(f"{scheme}://" for scheme in SCHEMES)
_QUERY = re.compile(r"\?[\w-]+=")  # a question mark alone may be of a pattern


@dataclass(frozen=True, slots=True)
class RemoteOutbox:
    """An outbox in object storage; its lock and its ledger are local.

    Attributes:
        address: without a slash at its end.
        states: local folder that has a folder for each such outbox; None for that of the user.
    """

    address: str
    states: Path | None = None

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str) -> str:
        return f"{self.address}/{name}"


Location = Path | RemoteOutbox
"""An outbox: what is published is at `outbox / name`."""


def is_remote(text: str) -> bool:
    """Whether a text is an address of object storage, and no path."""
    return text.startswith(_REMOTE)


def check_location(text: str) -> str:
    """A path or an address, as it is given on the command line; file:///scans becomes /scans.

    Raises:
        ConfigError: it is an address of another kind, or has credentials in it, which would be written to
            results, logs and units of systemd.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return text
    scheme, rest = found[1], found[2]
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise ConfigError(
                "file:// is for files of this machine: file:///folder/scan.png has three slashes"
            )
        return os.fsdecode(unquote_to_bytes(text.removeprefix("file://").removeprefix("localhost"))) or "/"
    if scheme not in SCHEMES:
        known = ", ".join(f"{known}://" for known in SCHEMES)
        raise ConfigError(f"cannot read or write {scheme}:// addresses: give a path, file://, {known}")
    bucket = rest.partition("/")[0]
    before, at, _ = bucket.rpartition("@")
    if (at and (scheme != "az" or ":" in before)) or _QUERY.search(rest):
        raise ConfigError(
            f"no credentials and no query in an {scheme}:// address: they come from the environment, or "
            "from the files of the store's own tools"
        )
    if not bucket or re.search(r"[*?[\]]", bucket):
        raise ConfigError(f"name the bucket, as in {scheme}://bucket/scans/; a pattern can only follow it")
    return text


def parse_outbox(text: str) -> Location:
    """The outbox of a path or an address.

    Raises:
        ConfigError: as of `checked`; or the address is a pattern.
    """
    text = check_location(text)
    if not is_remote(text):
        return Path(text)
    if "\0" in text:
        raise ConfigError("an address has no null characters")
    return RemoteOutbox(text.rstrip("/"))


def with_state_folder(place: Location, states: Path | None) -> Location:
    """The outbox with its state in a folder in `states`, if that is given; a local outbox as it is."""
    return place if isinstance(place, Path) or states is None else RemoteOutbox(place.address, states)


def state_folder(place: Location) -> Path:
    """The local folder of an outbox' lock, ledger, and what is staged.

    Raises:
        ConfigError: the user has no home folder.
    """
    if isinstance(place, Path):
        return place / STATE
    # Readable, and different for each address.
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", place.address)[:80]
    digest = hashlib.sha256(os.fsencode(place.address)).hexdigest()[:16]
    return remote_state_folder(place.states) / f"{name}-{digest}"


def remote_state_folder(given: Path | None) -> Path:
    """The folder that has the state of remote outboxes.

    Args:
        given: by the user; None for the usual one.

    Raises:
        ConfigError: the user has no home folder.
    """
    if given is not None:
        return given
    base = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(base):  # others are to be ignored, by the specification
        return Path(base) / "digitbox"
    try:
        return Path.home() / ".local" / "state" / "digitbox"
    except RuntimeError as error:
        raise ConfigError("no home folder to keep the ledger in: give --state DIR") from error


def absolute(place: str | Location) -> str:
    """A place as text that means the same in any folder."""
    text = str(place)
    return text if isinstance(place, RemoteOutbox) or is_remote(text) else os.path.abspath(text)
