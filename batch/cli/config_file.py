"""The file `digitbox.toml`: options that a folder or a machine always uses."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from batch.cli.options import COMMANDS
from batch.config import CONFIG_FILE
from batch.errors import ConfigError
from batch.locations import is_trusted
from batch.options import TOML_TYPES, Option


@dataclass(frozen=True, slots=True)
class Config:
    """The values of `digitbox.toml`.

    Attributes:
        file: The file.
        common: Values by name, for every command.
        by_command: Values by name that only one command has, from a table such as `[watch]`.
    """

    file: Path
    common: dict[str, Any]
    by_command: dict[str, dict[str, Any]]

    def of(self, command: str) -> dict[str, Any]:
        """Return the values that a command takes."""
        values = {name: value for name, value in self.common.items() if name in COMMANDS[command]}
        return values | self.by_command.get(command, {})

    def check(self, command: str) -> None:
        """Check that a command obeys each value that the file has for every command.

        Raises:
            ConfigError: Another command obeys the value.
        """
        for name in self.common:
            if name not in COMMANDS[command]:
                other = next(other for other, options in COMMANDS.items() if name in options)
                key = name.replace("_", "-")
                raise ConfigError(
                    f"{self.file}: digitbox {command} has no option {key}, digitbox {other} has: put it "
                    f"under a line [{other}]"
                )


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}


def read_config(path: Path | None) -> Config:
    """Read `digitbox.toml`.

    Args:
        path: The file; None for the one in the current folder, if there is one.

    Returns:
        The values of the file; dashes of the keys are underscores.

    Raises:
        ConfigError: The file is missing, is no TOML, or has an unknown key or a value of another type. Or it
            was not named, others can write to it, and it sets an option that needs trust.
    """
    file = path or Path(CONFIG_FILE)
    content = _content(file, is_named=path is not None)
    options = {key: option for of_command in COMMANDS.values() for key, option in of_command.items()}
    tables = {name: content.pop(name) for name in COMMANDS if isinstance(content.get(name), dict)}
    config = Config(file, _values(file, content, options), {})
    for command, table in tables.items():
        values = _values(file, table, COMMANDS[command], f"[{command}] ")
        config.by_command[command] = values
    sensitive = sorted(
        name
        for values in (config.common, *config.by_command.values())
        for name in values
        if options[name].needs_trust
    )
    if path is None and sensitive and not is_trusted(file):
        key = sensitive[0].replace("_", "-")
        raise ConfigError(
            f"{file}: {key} is refused, since others can write to this file or its folder: take that right "
            f"from them, or name the file with --config {file}"
        )
    return config


def file_of(error: click.ClickException) -> str:
    """Return the start of a message on a wrong value: the file that has it, or an empty text."""
    if not (isinstance(error, click.BadParameter) and error.ctx and error.param):
        return ""
    if error.ctx.get_parameter_source(str(error.param.name)) is not ParameterSource.DEFAULT_MAP:
        return ""
    return f"{error.ctx.find_root().params['config_file'] or CONFIG_FILE}: "


def _content(file: Path, *, is_named: bool) -> dict[str, Any]:
    """Return the tables and keys of the file; none if nobody named it and it is not there."""
    if not is_named and os.path.lexists(file) and not os.path.isfile(file):  # a pipe would block
        raise ConfigError(f"{file} in this folder is not a file: remove it, or name one with --config")
    try:
        text = file.read_text(encoding="utf-8-sig")  # editors on Windows write a byte order mark
    except FileNotFoundError as error:
        if not is_named:
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
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error


def _values(
    file: Path, content: Mapping[str, Any], options: Mapping[str, Option], table: str = ""
) -> dict[str, Any]:
    """Return the checked values of a table by name."""
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in options:
            raise ConfigError(f"{file}: {table}unknown key {key!r}; {_suggestion(name, options)}")
        if name in values:
            raise ConfigError(f"{file}: {table}{key} is there twice, with a dash and without: leave one out")
        _check(file, key, value, TOML_TYPES[options[name].kind])
        values[name] = value
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

    for command, options in COMMANDS.items():
        if name in options:
            return f"digitbox {command} has it: put it under a line [{command}]"
    matches = difflib.get_close_matches(name, known, 1) or sorted(known)
    start = "did you mean" if len(matches) == 1 else "known are:"
    return f"{start} {', '.join(matches).replace('_', '-')}"


def _as_toml(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)
