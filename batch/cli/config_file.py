"""The file `digitbox.toml`: options that a folder or a machine always uses."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from batch.config import CONFIG_FILE
from batch.errors import ConfigError
from batch.locations import is_trusted
from batch.options import TOML_TYPES, Option

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}


def read_config(path: Path | None, options: dict[str, Option]) -> dict[str, Any]:
    """Read `digitbox.toml`.

    Args:
        path: The file; None for the one in the current folder, if there is one.
        options: The options by key.

    Returns:
        Values by key; dashes of the keys are underscores.

    Raises:
        ConfigError: The file is missing, is no TOML, or has an unknown key or a value of another type. Or it
            was not named, others can write to it, and it sets an option that needs trust.
    """
    file = path or Path(CONFIG_FILE)
    if path is None and os.path.lexists(file) and not os.path.isfile(file):  # a pipe would block
        raise ConfigError(f"{file} in this folder is not a file: remove it, or name one with --config")
    try:
        text = file.read_text(encoding="utf-8-sig")  # editors on Windows write a byte order mark
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
    import tomllib  # most runs need no parser

    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in options:
            raise ConfigError(f"{file}: unknown key {key!r}; {_suggestion(name, options)}")
        if name in values:
            raise ConfigError(f"{file}: {key} is there twice, with a dash and without: leave one out")
        _check(file, key, value, TOML_TYPES[options[name].kind])
        values[name] = value
    sensitive = sorted(name for name in values if options[name].needs_trust)
    if path is None and sensitive and not is_trusted(file):
        key = sensitive[0].replace("_", "-")
        raise ConfigError(
            f"{file}: {key} is refused, since others can write to this file or its folder: take that right "
            f"from them, or name the file with --config {file}"
        )
    return values


def _check(file: Path, key: str, value: Any, types: tuple[type, ...]) -> None:
    """Check the type of a value, and that its texts are plain."""
    if type(value) not in types:
        words = [_WORDS[kind] for kind in types if kind is not int or float not in types]
        raise ConfigError(f"{file}: {key} must be {' or '.join(words)}, not {_as_toml(value)}")
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    if not all(isinstance(text, str) and "\0" not in text for text in texts):
        raise ConfigError(f"{file}: {key} must be plain text, not {_as_toml(value)}")


def _suggestion(name: str, known: Iterable[str]) -> str:
    import difflib

    matches = difflib.get_close_matches(name, known, 1) or sorted(known)
    start = "did you mean" if len(matches) == 1 else "known are:"
    return f"{start} {', '.join(matches).replace('_', '-')}"


def _as_toml(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)
