"""Locations of scans and results: paths, and addresses of object storage such as s3://bucket/scans/."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from batch.errors import ConfigError

OUTBOX = Path("outbox")
"""The outbox if nobody names one."""
SCHEMES = ("s3", "gs", "az")
STATE = ".digitbox"
"""Folder of a local outbox that holds its lock, its ledger and its staged files."""
LEDGER_FILE = "ledger.sqlite3"
"""File in `STATE` that every outbox with results has."""
DONE, FAILED = "done", "failed"
"""Folders of the outbox to which digitbox moves scans."""
LABELLED = "corrected"
"""Folder of the outbox with the corrected scans, in folders named 0 to 9 and none, or as their numbers."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_REMOTE = tuple(f"{scheme}://" for scheme in SCHEMES)
_QUERY = re.compile(r"\?[\w-]+=")  # a question mark alone may belong to a pattern


@dataclass(frozen=True, slots=True)
class RemoteOutbox:
    """An outbox in object storage; its lock and its ledger are local.

    Attributes:
        address: The address, without a slash at its end.
        states: Local folder with a folder for each such outbox; None for the one of the user.
    """

    address: str
    states: Path | None = None

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str) -> str:
        return f"{self.address}/{name}"


Location = Path | RemoteOutbox
"""An outbox. A published file is at `outbox / name`."""


def is_remote(text: str) -> bool:
    """Return whether a text is an address of object storage rather than a path."""
    return text.startswith(_REMOTE)


def check_location(text: str) -> str:
    """Check a path or an address from the command line, and return it; file:///scans becomes /scans.

    Raises:
        ConfigError: It is an address of another kind, or has credentials in it. digitbox would write these
            to results, logs and units of systemd. Or `check_path` refuses it.
    """
    check_path(text)
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return text
    scheme, path = match[1], match[2]
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise ConfigError(
                "file:// is for files of this machine: write three slashes, as in file:///folder/scan.png"
            )
        path = text.removeprefix("file://").removeprefix("localhost")
        return check_name(os.fsdecode(unquote_to_bytes(path))) or "/"
    if scheme not in SCHEMES:
        schemes = ", ".join(f"{known}://" for known in SCHEMES)
        raise ConfigError(f"cannot read or write {scheme}:// addresses: give a path, file://, {schemes}")
    bucket = path.partition("/")[0]
    before, at, _ = bucket.rpartition("@")
    if (at and (scheme != "az" or ":" in before)) or _QUERY.search(path):
        raise ConfigError(
            f"no credentials and no query in an {scheme}:// address: put them into the environment, or "
            "into the files of the store's own tools"
        )
    if not bucket or re.search(r"[*?[\]]", bucket):
        raise ConfigError(f"name the bucket, as in {scheme}://bucket/scans/; a pattern can only follow it")
    return text


def check_name(path: str) -> str:
    """Check that a file can have a path as its name, and return it.

    Raises:
        ConfigError: The path has a null character, or one that this locale cannot encode.
    """
    try:
        if b"\0" not in os.fsencode(path):
            return path
    except UnicodeEncodeError:
        pass
    raise ConfigError(f"no file can have the name {path!a}: correct it")


def check_path(path: str) -> None:
    """Check that a path can be one, and does not begin with `~`: digitbox would make a folder `~`.

    Raises:
        ConfigError: `check_name` refuses it. Or it begins with `~`, which a shell replaces at the beginning
            of a word, and not in `--outbox=~/x`.
    """
    check_name(path)
    if path == "~" or path.startswith("~/"):
        raise ConfigError(
            f"{path} begins with ~, which only a shell knows: write {os.path.expanduser(path)}, or ./{path}"
        )


def parse_outbox(text: str) -> Location:
    """Return the outbox at a path or an address.

    Raises:
        ConfigError: `check_location` refuses it.
    """
    text = check_location(text)
    if not is_remote(text):
        return Path(text)
    return RemoteOutbox(text.rstrip("/"))


def _is_outbox(folder: str) -> bool:
    """Return whether a local folder is an outbox of any run."""
    state = f"{folder}/{STATE}"
    try:
        os.stat(f"{state}/{LEDGER_FILE}")
    except PermissionError:
        return os.path.isdir(state)  # another user may not look into it, and sees that it is there
    except OSError:
        return False
    return True


def is_kept(folder: str) -> bool:
    """Return whether a local folder is done/, failed/ or corrected/ of the outbox of any run."""
    parent, name = os.path.split(folder)
    return name in (DONE, FAILED, LABELLED) and _is_outbox(parent)


def with_state_folder(place: Location, states: Path | None) -> Location:
    """Return a remote outbox with its state in `states`, and any other outbox as it is."""
    return place if isinstance(place, Path) or states is None else RemoteOutbox(place.address, states)


def state_folder(place: Location) -> Path:
    """Return the local folder with the lock, the ledger and the staged files of an outbox.

    Raises:
        ConfigError: The user has no home folder.
    """
    if isinstance(place, Path):
        return place / STATE
    # People can read the name, and each address has another digest.
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", place.address)[:80]
    digest = hashlib.sha256(os.fsencode(place.address)).hexdigest()[:16]
    return remote_state_folder(place.states) / f"{name}-{digest}"


def remote_state_folder(folder: Path | None) -> Path:
    """Return the folder that holds the state of remote outboxes.

    Args:
        folder: The folder that the user named; None for the default.

    Raises:
        ConfigError: The user has no home folder.
    """
    if folder is not None:
        return folder
    base = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(base):  # the specification says to ignore relative ones
        return Path(base) / "digitbox"
    try:
        return Path.home() / ".local" / "state" / "digitbox"
    except RuntimeError as error:
        raise ConfigError("no home folder to keep the ledger in: give --state DIR") from error


def command_line(words: str, outbox: Location) -> str:
    """Return a digitbox command for an outbox, to show in a message.

    Args:
        words: The command with its other options.
        outbox: The outbox; the command line names it if it is not the default.
    """
    line = f"digitbox {words}"
    if outbox != OUTBOX:
        line += f" --outbox {shlex.quote(str(outbox))}"
    if isinstance(outbox, RemoteOutbox) and outbox.states is not None:
        line += f" --state {shlex.quote(str(outbox.states))}"
    return line


def absolute(place: str | Location) -> str:
    """Return a location as text that means the same in any folder.

    Raises:
        ConfigError: The path is of the current folder, which is gone.
    """
    text = str(place)
    if is_remote(text):
        return text
    path = from_root(text)
    plain = os.path.normpath(path)
    # Behind a link, `..` is the folder above what the link points to.
    is_link = ".." in Path(path).parts and os.path.realpath(plain) != os.path.realpath(path)
    return os.path.realpath(path) if is_link else plain


def from_root(path: str) -> str:
    """Return a path from the root of the file system, with its dots as they are: links may come before them.

    Raises:
        ConfigError: The path is of the current folder, which is gone.
    """
    if os.path.isabs(path):
        return path
    try:
        return os.path.join(os.getcwd(), path)
    except FileNotFoundError as error:
        raise ConfigError("the current folder is gone: change to one that exists") from error


def is_trusted(path: Path) -> bool:
    """Return whether only this user and root can have written a file or folder, and put it into its folder.

    Args:
        path: What must exist.
    """
    try:
        places = path, path.absolute().parent, path.resolve().parent  # the path may be a link
        return all(_is_ours(os.stat(place)) for place in places)
    except OSError:
        return False


def _is_ours(status: os.stat_result) -> bool:
    is_owner = status.st_uid in (0, os.geteuid())
    # A group that has the number of its user is that user's own.
    by_group = status.st_mode & 0o020 and status.st_gid not in (0, status.st_uid)
    return is_owner and not by_group and not status.st_mode & 0o002
