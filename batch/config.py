"""Options with their defaults, and `digitbox.toml`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from batch.errors import ConfigError
from batch.locations import Location, RemoteOutbox, is_remote
from batch.records import After

CONFIG_FILE = "digitbox.toml"
INBOX = "inbox"
ATTEMPTS = 3  # of runs, at a scan that fails for a reason that may pass
MAX_PIXELS = 64_000_000


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many scans may fail: so many, or such a share of those that were read.

    Attributes:
        limit: a number of scans, or a fraction of them.
        is_fraction: which of the two.
    """

    limit: float = 0
    is_fraction: bool = False

    def bears(self, failed: int, rows: int) -> bool:
        """Whether `failed` of `rows` scans are not too many."""
        return failed <= (self.limit * rows if self.is_fraction else self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How scans are read, and where the rows go; for `run` and `watch`.

    Attributes:
        outbox: folder of results, or one in object storage.
        model: name or folder; None for the default model.
        runtime: `litert` or `tensorflow`.
        workers: processes; None for one a core.
        batch_size: scans that the model sees at a time.
        review_below: overrides the model's threshold.
        probabilities: whether the results have columns p0 to p9.
        format: `csv` or `parquet`.
        rows_per_file: most rows of a file of results.
        recursive: whether folders are searched to the bottom.
        ignore: patterns of names to pass over.
        max_pixels: images with more are not decoded.
        after: what becomes of scans that have their row.
        only_new: leaves out scans that have their row in the outbox's ledger.
        attempts: rows that say that a scan failed, for a reason that may pass, before it counts as read.
    """

    outbox: Location = Path("outbox")
    model: str | None = None
    runtime: str = "litert"
    workers: int | None = None
    batch_size: int = 256
    review_below: float | None = None
    probabilities: bool = False
    format: str = "csv"
    rows_per_file: int = 100_000
    recursive: bool = True
    ignore: tuple[str, ...] = ()
    max_pixels: int = MAX_PIXELS
    after: After = After.LEAVE
    only_new: bool = False
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(ReadOptions):
    """What `digitbox run` was asked for.

    Attributes:
        inputs: files, folders and globs, paths or addresses; empty for the inbox.
        engine: `local` or `ray`.
        ray_address: of the Ray cluster; None for what Ray finds, or for one that lives as long as the run.
        max_files: most scans to read; None for all.
        max_time_s: seconds after which nothing more is begun; None for no limit.
        max_failed: how many scans may fail.
        fail_if_empty: whether it is an error when there is nothing to read.

    Raises:
        ConfigError: the outbox is the inbox, or one lies inside the other; or it is an input itself; or
            objects are to be moved or deleted.
    """

    inputs: tuple[str, ...] = ()
    engine: str = "local"
    ray_address: str | None = None
    attempts: int = ATTEMPTS
    max_files: int | None = None
    max_time_s: float | None = None
    max_failed: Tolerance = Tolerance()
    fail_if_empty: bool = False

    def __post_init__(self) -> None:
        """Checks what concerns several options."""
        remote = isinstance(self.outbox, RemoteOutbox) or any(map(is_remote, self.inputs))
        if remote and self.after is not After.LEAVE:
            raise ConfigError(
                f"--after {self.after.value} is for scans and an outbox on a disk: leave objects where they "
                "are, and read what is new with --only-new"
            )
        if not self.inputs and isinstance(self.outbox, Path):
            _check_apart(Path(INBOX), self.outbox)
        for given in self.inputs:
            if _real(given) == _real(self.outbox):
                raise ConfigError(f"the outbox {self.outbox} cannot be an input: give another --outbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions(ReadOptions):
    """What `digitbox watch` was asked for.

    Attributes:
        inbox: folder to watch.
        settle_s: seconds for which a file must not have changed.
        max_wait_s: seconds that a scan may wait for others to share a file of results with.
        rescan_s: seconds between two looks at the whole inbox.
        poll_s: seconds between two looks, where there are no events to go by; None to go by events.

    Raises:
        ConfigError: the outbox is the inbox, or one lies inside the other.
    """

    outbox: Path = Path("outbox")
    inbox: Path = Path(INBOX)
    settle_s: float = 2.0
    max_wait_s: float = 1.0
    rescan_s: float = 30.0
    poll_s: float | None = None
    after: After = After.MOVE

    def __post_init__(self) -> None:
        """Checks what concerns several options."""
        _check_apart(self.inbox, self.outbox)


DEFAULTS: dict[str, Any] = {option.name: option.default for option in fields(RunOptions)}
WATCH_DEFAULTS: dict[str, Any] = {option.name: option.default for option in fields(WatchOptions)}


def _check_apart(inbox: Path, outbox: Path) -> None:
    one, other = _real(inbox), _real(outbox)
    if one in (other, *other.parents) or other in one.parents:
        raise ConfigError(f"the outbox {outbox} and the inbox {inbox} must not lie in each other")


def _real(place: str | Location) -> Path:
    path = str(place)
    if is_remote(path):
        return Path(path)  # only to compare
    try:
        return Path(os.path.realpath(path))
    except OSError as error:
        raise ConfigError("the current folder is gone: change to one that is there") from error


def read_config(path: Path | None, kinds: dict[str, tuple[type, ...]]) -> dict[str, Any]:
    """Reads `digitbox.toml`.

    Args:
        path: the file; None for the one in the current folder, if there is one.
        kinds: types that are allowed, by key.

    Returns:
        Values by key, dashes of the keys as underscores.

    Raises:
        ConfigError: the file is missing, is no TOML, or has an unknown key or a value of another type.
    """
    file = path or Path(CONFIG_FILE)
    try:
        text = file.read_text(encoding="utf-8-sig")  # editors of Windows leave a mark
    except FileNotFoundError as error:
        if path is None:
            return {}
        raise ConfigError(f"no such file: {file}; name another with --config, or leave that out") from error
    except OSError as error:
        raise ConfigError(
            f"cannot read {file}: {error.strerror}; allow it, or name another with --config"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error
    import tomllib  # most runs have no such file

    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error
    values = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in kinds:
            raise ConfigError(f"{file}: unknown key {key!r}; {_meant(name, kinds)}")
        if name in values:
            raise ConfigError(f"{file}: {key} is there twice, with a dash and without: leave one out")
        if type(value) not in kinds[name]:
            words = [_WORDS[kind] for kind in kinds[name] if kind is not int or float not in kinds[name]]
            wanted = " or ".join(words)
            raise ConfigError(f"{file}: {key} must be {wanted}, not {_as_toml(value)}")
        texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        if not all(isinstance(text, str) and "\0" not in text for text in texts):
            raise ConfigError(f"{file}: {key} must be plain text, not {_as_toml(value)}")
        values[name] = value
    return values


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}


def _meant(name: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, 1) or sorted(known)
    which = "did you mean" if len(near) == 1 else "known are:"
    return f"{which} {', '.join(near).replace('_', '-')}"


def _as_toml(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)
