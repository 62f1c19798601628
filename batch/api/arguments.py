"""The arguments of the Python interface: checked as the command checks its options."""

from __future__ import annotations

import dataclasses
import functools
import os
import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import Any

import numpy as np

from batch.api.sources import advice_on_names
from batch.config import RunOptions, StateOptions
from batch.errors import ConfigError
from batch.lengths import parse_lengths
from batch.locations import check_path
from batch.options import TOML_TYPES, Kind, Option
from batch.tolerance import Tolerance

# As in `digitbox.toml`, but for these two.
_TYPES = {**TOML_TYPES, Kind.DURATION: (float, int), Kind.PATTERNS: (list, tuple)}
_PARSERS: dict[Kind, Callable[[str], Any]] = {Kind.TOLERANCE: Tolerance.parse, Kind.LENGTHS: parse_lengths}
_PATHS = ("model", "state")  # options that take a `Path`, too
_WORDS: dict[tuple[Any, ...], str] = {
    (int,): "a whole number",
    (float, int): "a number",
    (bool,): "True or False",
    (str,): "text",
    (str, int): "a whole number or text",
    (list, tuple): "a list of texts",
}


@functools.cache
def declared() -> Mapping[str, tuple[Option, Any]]:
    """Return the options that programs may give with their defaults, by name."""
    return {
        field.name: (field.metadata["option"], field.default)
        for record in (RunOptions, StateOptions)
        for field in dataclasses.fields(record)
        if "option" in field.metadata and field.name != "outbox"  # an argument by itself
    }


def path_text(name: str, value: Any) -> str:
    """Return a path or an address as text.

    Raises:
        ConfigError: It is neither, or empty: that would be the current folder. Or `check_path` refuses it.
    """
    if not isinstance(value, str | PathLike) or not isinstance(path := os.fspath(value), str):
        raise ConfigError(f"{name} must be text or a Path, not {_shown(value)}")
    if not path:
        raise ConfigError(f"{name} must be the name of a file or folder, not ''")
    check_path(path)
    return path


def checked(name: str, value: Any) -> Any:
    """Return the value of an option as its field holds it.

    Args:
        name: A key of `declared()`.
        value: The value that was given.

    Raises:
        ConfigError: The option does not take this value.
    """
    option, default = declared()[name]
    if value is None and default is None:
        return None
    if option.choices:
        if not isinstance(value, str) or value not in option.choices:
            raise ConfigError(
                f"{name} must be one of {', '.join(map(str, option.choices))}, not {_shown(value)}"
            )
        return option.convert(value) if option.convert else value
    if name in _PATHS:
        return path_text(name, value)
    if isinstance(value, np.generic):
        value = value.item()
    types: tuple[Any, ...] = _TYPES[option.kind]
    is_of_type = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    texts = value if option.kind is Kind.PATTERNS and is_of_type else ()
    if not is_of_type or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{name} must be {_WORDS[types]}, not {_shown(value)}")
    if option.kind is Kind.WHOLE and value > sys.maxsize:
        raise ConfigError(f"{name} is too large: give a smaller number")
    too_low = option.low is not None and not value >= option.low  # not a number is too low, too
    if too_low or (option.high is not None and value > option.high):
        raise ConfigError(f"{name} is {value:,}: it must be {_range(option)}")
    if option.kind is Kind.NUMBER and value > sys.float_info.max:
        raise ConfigError(f"{name} must be a finite number, not {value!r}")
    if option.kind is Kind.DURATION and not 0 < value < 1e9:
        raise ConfigError(f"{name} is {value}: give seconds, more than 0")
    if option.kind in _PARSERS:
        try:
            return _PARSERS[option.kind](str(value))
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from error
    return tuple(value) if option.kind is Kind.PATTERNS else value


def path_texts(name: str, paths: Any) -> list[str]:
    """Return one path or address, or several, as texts.

    Raises:
        ConfigError: Something is neither, or empty, or an open file, a table or a mapping.
    """
    is_several = isinstance(paths, Iterable) and not isinstance(paths, str | bytes | PathLike)
    if hasattr(paths, "read"):
        raise ConfigError(f"{name} must be the path of a file, not the open file")
    if advice := advice_on_names(paths):
        raise ConfigError(f"{name} must be text or a Path, not {type(paths).__name__}: {advice}")
    return [path_text(name, path) for path in (paths if is_several else [paths])]


def _shown(value: Any) -> str:
    """Return a value on one line, e.g. the beginning and the end of an array."""
    return " ".join(reprlib.repr(value).split())


def _range(option: Option) -> str:
    if option.high is None:
        return f"at least {option.low:,}"
    return f"{option.low:,} to {option.high:,}"
