"""The function that does for Python programs what the command `digitbox run` does."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from batch.api.reading import lengths_of
from batch.config import NotifyOptions, RunOptions, StateOptions
from batch.errors import ConfigError
from batch.locations import check_location, parse_outbox, with_state_folder
from batch.monitoring import notify
from batch.options import Kind, Option
from batch.records import RunSummary
from batch.run import job
from batch.tolerance import Tolerance

_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.WHOLE: (int,),
    Kind.NUMBER: (int, float),
    Kind.FLAG: (bool,),
    Kind.DURATION: (int, float),
    Kind.TOLERANCE: (int, str),
    Kind.LENGTHS: (int, str),
    Kind.PATTERNS: (list, tuple),
}
_PATHS = ("model", "state")  # options that take a `Path`, too
_WORDS = {bool: "True or False", int: "a whole number", float: "a number"}


def run(
    inputs: str | PathLike[str] | Iterable[str | PathLike[str]],
    outbox: str | PathLike[str],
    **options: Any,
) -> RunSummary:
    """Read scans and write a row for each to a CSV in the outbox, as the command `digitbox run` does.

    It prints nothing, and takes no options from the environment or from `digitbox.toml`. Messages go to the
    logger `batch`.

    Args:
        inputs: Files, folders, globs, or addresses of object storage; or one of them.
        outbox: A folder, or an address of object storage.
        options: Other options of `digitbox run` that concern reading, e.g. `only_new=True`, `after="move"`,
            `workers=2`, `max_failed="2%"`. A duration is in seconds: `max_time_s=3600`.

    Returns:
        What the run came to: counts by status and reason, seconds, exit code.

    Raises:
        ConfigError: There are no inputs, or an option is unknown or has a wrong value.
        RunError: The run cannot go on; its message says what to do.

    Examples:
        >>> import digitbox, tempfile
        >>> with tempfile.TemporaryDirectory() as outbox:
        ...     summary = digitbox.run(["inbox"], outbox, workers=1)
        >>> summary.counts["ok"] > 5
        True
    """
    declared = {
        field.name: field.metadata["option"]
        for record in (RunOptions, StateOptions)
        for field in dataclasses.fields(record)
        if "option" in field.metadata
    }
    for name, value in options.items():
        if name not in declared or name == "outbox":
            raise ConfigError(f"digitbox.run has no option {name}: known are {', '.join(sorted(declared))}")
        options[name] = _checked(name, value, declared[name])
    state = options.pop("state", None)
    state = None if state is None else Path(state)
    is_several = isinstance(inputs, Iterable) and not isinstance(inputs, str | bytes | PathLike)
    paths: list[Any] = list(inputs) if is_several else [inputs]  # type: ignore[arg-type]
    if not paths:  # the command reads its inbox then, and --after would empty it
        raise ConfigError("no inputs: name at least one file or folder")
    run_options = RunOptions(
        inputs=tuple(check_location(_path("inputs", path)) for path in paths),
        outbox=with_state_folder(parse_outbox(_path("outbox", outbox)), state),
        **options,
    )
    stats = job.new_stats(run_options)
    with notify.notify_at_end(stats, NotifyOptions(), run_options.outbox, print):
        job.run(run_options, job.find(run_options), lambda _: None, stats)
    return stats.summary()


def _path(name: str, value: Any) -> str:
    """Return a path or an address as text.

    Raises:
        ConfigError: It is neither, or empty: that would be the current folder.
    """
    if not isinstance(value, str | PathLike) or not isinstance(path := os.fspath(value), str):
        raise ConfigError(f"{name} must be text or a Path, not {value!r}")
    if not path or "\0" in path:
        raise ConfigError(f"{name} must be the name of a file or folder, not {path!r}")
    return path


def _checked(name: str, value: Any, option: Option) -> Any:
    """Return the value of an option as its field holds it.

    Raises:
        ConfigError: The option does not take this value.
    """
    if value is None and option.unset:
        return None
    if option.choices:
        if value not in option.choices:
            raise ConfigError(f"{name} must be one of {', '.join(map(str, option.choices))}, not {value!r}")
        return option.convert(value) if option.convert else value
    if name in _PATHS:
        return _path(name, value)
    if isinstance(value, np.generic):
        value = value.item()
    types: tuple[Any, ...] = _TYPES.get(option.kind, (str,))
    is_of_type = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    texts = value if option.kind is Kind.PATTERNS and is_of_type else ()
    if not is_of_type or not all(isinstance(text, str) for text in texts):
        words = _WORDS.get(types[-1], "a list of texts" if list in types else "text")
        raise ConfigError(f"{name} must be {words}, not {value!r}")
    too_low = option.low is not None and not value >= option.low  # not a number is too low, too
    if too_low or (option.high is not None and value > option.high):
        raise ConfigError(f"{name} is {value}: it must be {_range(option)}")
    if option.kind is Kind.DURATION and not 0 < value < 1e9:
        raise ConfigError(f"{name} is {value}: give seconds, more than 0")
    if option.kind is Kind.TOLERANCE:
        try:
            return Tolerance.parse(str(value))
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from error
    if option.kind is Kind.LENGTHS:
        return lengths_of(value)
    return tuple(value) if option.kind is Kind.PATTERNS else value


def _range(option: Option) -> str:
    if option.high is None:
        return f"at least {option.low:g}"
    return f"{option.low:g} to {option.high:g}"
