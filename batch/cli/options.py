"""The options of the commands, made from their declarations in `batch.config`."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import click

from batch.cli.types import LocalPath, NamedPath, OutboxPath, ScanPath, WrittenPath
from batch.cli.values import lengths, seconds, tolerance
from batch.config import OF_RUN, OF_WATCH, RunOptions, StateOptions
from batch.locations import RemoteOutbox
from batch.options import Kind, Option, options_of
from batch.terminal.number_types import Number, Whole
from batch.text import text_cell

_Command = TypeVar("_Command", bound=Callable[..., Any])

COMMANDS: dict[str, dict[str, Option]] = {
    command: {key: option for key, (option, _) in options_of(*records).items()}
    for command, records in (("run", OF_RUN), ("watch", OF_WATCH))
}
"""The keys of `digitbox.toml`, by the command that obeys them."""

input_argument = click.argument("inputs", nargs=-1, metavar="[INPUT]...", type=ScanPath(readable=False))


def options(*records: type[Any]) -> Callable[[_Command], _Command]:
    """Give a command the options that fill some records of `batch.config`."""
    return _with_options(options_of(*records))


def run_options(*keys: str) -> Callable[[_Command], _Command]:
    """Give a command some options of `run`, with the same flags, variables, keys and defaults."""
    declared = options_of(RunOptions)
    return _with_options({key: declared[key] for key in keys})


def _with_options(declared: dict[str, tuple[Option, Any]]) -> Callable[[_Command], _Command]:
    def decorate(command: _Command) -> _Command:
        for key, (option, default) in reversed(declared.items()):
            command = _click_option(key, option, default)(command)
        return command

    return decorate


def outbox_option(
    text: str = "Folder of the results.", kind: LocalPath | None = None, metavar: str = "DIR|ADDRESS"
) -> Callable[[_Command], _Command]:
    """Return the option `--outbox` of a command that reads no scans.

    Args:
        text: The help.
        kind: `LocalPath` if the command needs a folder; None for any outbox.
        metavar: `DIR` if the command refuses an address later.
    """
    option, default = options_of(RunOptions)["outbox"]
    settings = {"help": text, "metavar": "DIR" if kind else metavar}
    return _click_option("outbox", option, default, **settings, **({"type": kind} if kind else {}))


version_option = click.version_option(package_name="digitbox", prog_name="digitbox")
state_option = options(StateOptions)


def _name_of_person(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    if value is None:
        try:
            return text_cell(getpass.getuser())
        except (OSError, KeyError):  # no entry for this user
            return "unknown"
    if not value.strip():
        raise click.BadParameter("it must be a name", context, parameter)
    return text_cell(value.strip())


by_option = click.option(
    "--by",
    metavar="NAME",
    callback=_name_of_person,
    help="Your name, which digitbox keeps beside your answers.  [default: your login]",
)

model_option = click.option(
    "--model",
    metavar="NAME|DIR",
    help="Model that read the scans, if it is neither in ./models nor part of digitbox.",
)


def given_value(parameter: click.Parameter, context: click.Context, arguments: Sequence[str] = ()) -> Any:
    """Return the value of an option as a person would write it.

    Args:
        parameter: An option of the context's command.
        context: The values that click parsed.
        arguments: The words of the command.
    """
    value = context.params[str(parameter.name)]
    if isinstance(value, RemoteOutbox):
        return str(value)
    if value is None or parameter.callback is None:
        return value
    words, *_ = context.command.make_parser(context).parse_args(list(arguments))
    return parameter.consume_value(context, words)[0]


def _click_option(key: str, option: Option, default: Any, **overrides: Any) -> Callable[[_Command], _Command]:
    """Return click's option.

    digitbox reads only the variables of its options. Other variables that begin with DIGITBOX_ may be from
    somebody else, e.g. from Kubernetes for a service of that name.
    """
    flag = f"--{key.replace('_', '-')}"
    if option.kind is Kind.FLAG and default:
        flag = f"{flag}/--no-{key.replace('_', '-')}"
    unset = f"  [default: {option.unset}]" if option.unset else ""
    settings: dict[str, Any] = {
        "help": f"{option.help}{unset}",
        "metavar": option.metavar,
        "envvar": f"DIGITBOX_{key.upper()}",
        "show_envvar": True,
        "show_default": default is not None and default is not False and default != (),
        "default": _as_given(option, default),
        **_OF_KIND[option.kind](option),
        **overrides,
    }
    return click.option(flag, key, **settings)


def _as_given(option: Option, default: Any) -> Any:
    """Return a default as a person would write it."""
    if isinstance(default, Enum):
        return default.value
    return f"{default:g}s" if option.kind is Kind.DURATION and default is not None else default


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


_OF_KIND: dict[Kind, Callable[[Option], dict[str, Any]]] = {
    Kind.TEXT: lambda option: {},
    Kind.CHOICE: lambda option: {"type": click.Choice([str(choice) for choice in option.choices])},
    Kind.WHOLE: lambda option: {"type": Whole(_whole(option.low), _whole(option.high))},
    Kind.NUMBER: lambda option: {"type": Number(option.low, option.high)},
    Kind.FLAG: lambda option: {"is_flag": True},
    Kind.PATTERNS: lambda option: {"multiple": True},
    Kind.FILE: lambda option: {"type": WrittenPath()},
    Kind.FILE_OR_STDOUT: lambda option: {"type": WrittenPath(allow_dash=True)},
    Kind.FOLDER: lambda option: {"type": NamedPath(file_okay=False, readable=False, path_type=Path)},
    Kind.INPUT: lambda option: {"type": ScanPath(readable=False)},
    Kind.OUTBOX: lambda option: {"type": OutboxPath()},
    Kind.DURATION: lambda option: {"callback": seconds},
    Kind.TOLERANCE: lambda option: {"callback": tolerance, "default": "0"},
    Kind.LENGTHS: lambda option: {"callback": lengths, "default": "1"},
}
