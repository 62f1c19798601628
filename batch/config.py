"""Options with their defaults, and `digitbox.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from batch.errors import ConfigError

CONFIG_FILE = "digitbox.toml"
INBOX = "inbox"
MAX_PIXELS = 64_000_000


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `digitbox run` was asked for.

    Attributes:
        inputs: files, folders and globs; empty for the inbox.
        outbox: folder of results.
        model: name or folder; None for the default model.
        runtime: `litert` or `tensorflow`.
        workers: processes; None for one a core.
        batch_size: scans that the model sees at a time.
        review_below: overrides the model's threshold.
        probabilities: whether the results have columns p0 to p9.
        format: `csv` or `parquet`.
        rows_per_file: most rows of a file of results.
        recursive: whether folders are searched to the bottom.
        max_pixels: images with more are not decoded.

    Raises:
        ConfigError: the outbox is the inbox, or one lies inside the other; or it is an input itself.
    """

    inputs: tuple[str, ...] = ()
    outbox: Path = Path("outbox")
    model: str | None = None
    runtime: str = "litert"
    workers: int | None = None
    batch_size: int = 256
    review_below: float | None = None
    probabilities: bool = False
    format: str = "csv"
    rows_per_file: int = 100_000
    recursive: bool = True
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        """Checks what concerns several options."""
        outbox = self.outbox.resolve()
        inbox = Path(INBOX).resolve()
        if not self.inputs and (inbox in (outbox, *outbox.parents) or outbox in inbox.parents):
            raise ConfigError(f"the outbox {self.outbox} and the inbox {INBOX} must not lie in each other")
        for given in self.inputs:
            if Path(given).resolve() == outbox:
                raise ConfigError(f"the outbox {self.outbox} cannot be an input: give another --outbox")


DEFAULTS: dict[str, Any] = {option.name: option.default for option in fields(RunOptions)}


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
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if path is None:
            return {}
        raise ConfigError(f"no such file: {file}") from error
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error
    values = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in kinds:
            known = ", ".join(sorted(kinds))
            raise ConfigError(f"{file}: unknown key {key!r}; known are: {known}")
        if type(value) not in kinds[name]:
            wanted = " or ".join(kind.__name__ for kind in kinds[name])
            raise ConfigError(f"{file}: {key} must be {wanted}, not {value!r}")
        values[name] = value
    return values
