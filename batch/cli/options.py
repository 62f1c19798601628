"""The options that several commands share; the environment and digitbox.toml can set them, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from batch.cli.values import seconds, tolerance
from batch.config import DEFAULTS
from batch.errors import ConfigError
from batch.locations import RemoteOutbox, check_location
from batch.locations import parse_outbox as outbox_at
from batch.records import After

_Command = TypeVar("_Command", bound=Callable[..., Any])

# Types of the keys of digitbox.toml, by option.
KINDS: dict[str, tuple[type, ...]] = {
    "outbox": (str,),
    "state": (str,),
    "model": (str,),
    "runtime": (str,),
    "engine": (str,),
    "ray_address": (str,),
    "workers": (int,),
    "batch_size": (int,),
    "review_below": (float, int),
    "probabilities": (bool,),
    "format": (str,),
    "rows_per_file": (int,),
    "recursive": (bool,),
    "ignore": (list,),
    "max_pixels": (int,),
    "after": (str,),
    "only_new": (bool,),
    "settle": (float, int),
    "max_wait": (float, int),
    "rescan": (float, int),
    "poll": (float, int),
    "log_format": (str,),
    "log_file": (str,),
    "max_files": (int,),
    "max_time": (str,),
    "max_failed": (str, int),
    "fail_if_empty": (bool,),
    "summary": (str,),
    "metrics_file": (str,),
    "on_complete": (str,),
    "on_failure": (str,),
    "ping": (str,),
    "dry_run": (bool,),
    "quiet": (bool,),
    "report": (bool,),
    "verbose": (bool,),
}


class NamedPath(click.Path):
    """A path that has a name: an empty one, as of a variable of the shell that is not set, is a mistake.

    It would be the current folder.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path.

        Raises:
            click.BadParameter: it is empty, or as of click.
        """
        if value == "":
            self.fail("it is empty: give a name, or leave it out", param, ctx)
        return super().convert(value, param, ctx)


class Whole(click.IntRange):
    """A whole number."""

    name = "whole number"


class Number(click.FloatRange):
    """A number."""

    name = "number"


class ScanPath(NamedPath):
    """A path, an address or a pattern of either."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path or address; file:///scans becomes /scans.

        Raises:
            ConfigError: it is an address of another kind, or has credentials in it.
        """
        return super().convert(check_location(value), param, ctx)


class _Outbox(NamedPath):
    """A path or an address."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = outbox_at(value) if isinstance(value, str) and value else value
        return found if isinstance(found, RemoteOutbox) else super().convert(found, param, ctx)


class LocalPath(_Outbox):
    """A path, where an address is of no use.

    Args:
        advice: what to do instead.
    """

    def __init__(self, advice: str) -> None:
        super().__init__(readable=False, path_type=Path)
        self._advice = advice

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path.

        Raises:
            ConfigError: it is an address.
        """
        found = super().convert(value, param, ctx)
        if isinstance(found, RemoteOutbox):
            raise ConfigError(
                f"{ctx.command_path if ctx else 'this'} wants files on a disk, not {found}: {self._advice}"
            )
        return found


input_argument = click.argument("inputs", nargs=-1, metavar="[INPUT]...", type=ScanPath(readable=False))


def option(name: str, **settings: Any) -> Callable[[_Command], _Command]:
    """An option of `run` or `watch` that the environment and digitbox.toml can set, too.

    Only the variables of options are read. Others called DIGITBOX_... are none of our business:
    Kubernetes, for one, makes some for a service of that name.
    """
    variable = "DIGITBOX_" + name.split("/")[0].removeprefix("--").replace("-", "_").upper()
    return click.option(name, envvar=variable, show_envvar=True, **settings)


_READING = (
    option(
        "--model",
        metavar="NAME|DIR",
        help="Model to read with.  [default: the one named in models/CURRENT of this folder, else the one "
        "that came with digitbox]",
    ),
    option(
        "--runtime",
        type=click.Choice(["litert", "tensorflow"]),
        default=DEFAULTS["runtime"],
        show_default=True,
        help="What runs the model. tensorflow needs the extra 'train', and is slower.",
    ),
    option(
        "--workers",
        type=Whole(1, 256),
        metavar="N",
        help="Processes to read with.  [default: one a core]",
    ),
    option(
        "--batch-size",
        type=Whole(1, 65536),
        metavar="N",
        default=DEFAULTS["batch_size"],
        show_default=True,
        help="Scans that the model sees at a time.",
    ),
    option(
        "--review-below",
        type=Number(0, 1),
        metavar="P",
        help="Confidence under which a scan is for review.  [default: the model's own]",
    ),
    option("--probabilities", is_flag=True, help="Add columns p0 to p9."),
    option(
        "--format",
        type=click.Choice(["csv", "parquet"]),
        default=DEFAULTS["format"],
        show_default=True,
        help="Format of the results. parquet needs the extra 'parquet'.",
    ),
    option(
        "--rows-per-file",
        type=Whole(1),
        metavar="N",
        default=DEFAULTS["rows_per_file"],
        show_default=True,
        help="Most rows of a file of results; what is published stays, should the run be stopped.",
    ),
    option(
        "--recursive/--no-recursive",
        default=DEFAULTS["recursive"],
        show_default=True,
        help="Whether to look into the folders of a folder.",
    ),
    option(
        "--max-pixels",
        type=Whole(16, 1 << 30),
        metavar="N",
        default=DEFAULTS["max_pixels"],
        show_default=True,
        help="Images with more are not decoded.",
    ),
    option(
        "--ignore",
        multiple=True,
        metavar="PATTERN",
        help="Pass over files and folders of such names, as in '*-back.png'. May be given several times.",
    ),
    option(
        "--only-new",
        is_flag=True,
        help="Leave out scans that have a row from an earlier run with this outbox: the same path, size and "
        "modification time.",
    ),
    option("--dry-run", is_flag=True, help="Print what would be read now, and read nothing."),
    option(
        "--log-file",
        metavar="FILE",
        type=NamedPath(dir_okay=False, readable=False, path_type=Path),
        help="Append what is said on stderr to this file, too, with times; also with --quiet. It may be "
        "rotated away.",
    ),
    option("--verbose", is_flag=True, help="Say a line for each scan that is not ok."),
)


def outbox_option(
    text: str = "Folder of the results.", kind: LocalPath | None = None, metavar: str = "DIR|ADDRESS"
) -> Callable[[_Command], _Command]:
    """The option `--outbox`.

    Args:
        text: of the help.
        kind: `LocalPath` for what only a folder will do; None for any outbox.
        metavar: `DIR` where an address is refused later, for an option may be shown, or not be needed.
    """
    return option(
        "--outbox",
        metavar="DIR" if kind else metavar,
        type=kind or _Outbox(readable=False, path_type=Path),
        default=DEFAULTS["outbox"],
        show_default=True,
        help=text,
    )


state_option = option(
    "--state",
    metavar="DIR",
    type=NamedPath(file_okay=False, readable=False, path_type=Path),
    help="Local folder for the ledger of an outbox that is an address.  [default: ~/.local/state/digitbox]",
)


def given_value(parameter: click.Parameter, context: click.Context, arguments: Sequence[str] = ()) -> Any:
    """The value of an option, as text where the option makes something of its own of that.

    Args:
        parameter: of the context's command.
        context: that was made of the arguments.
        arguments: of the command.
    """
    value = context.params[str(parameter.name)]
    if value is None or isinstance(value, str | int | float | tuple | list | Path):
        return value
    options, *_ = context.command.make_parser(context).parse_args(list(arguments))
    return parameter.consume_value(context, options)[0]


_NIGHTLY = (
    option(
        "--max-files",
        type=Whole(1),
        metavar="N",
        help="Read no more scans than so many, the oldest first; the others are left for the next run.",
    ),
    option(
        "--max-time",
        callback=seconds,
        metavar="DURATION",
        help="Begin no other batch after so long, as 90m or 6h; the oldest scans first, the others are left.",
    ),
    option(
        "--max-failed",
        callback=tolerance,
        metavar="N|P%",
        default="0",
        show_default=True,
        help="End with 3 when more scans fail than so many, or than such a share of those that were read.",
    ),
    option("--fail-if-empty", is_flag=True, help="End with 4 when there is nothing to read."),
    option(
        "--summary",
        type=NamedPath(dir_okay=False, allow_dash=True, path_type=Path),
        metavar="FILE|-",
        help="Write a JSON object on the run into a file, or to stdout instead of the files of results.",
    ),
    option(
        "--metrics-file",
        type=NamedPath(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write figures on the run for Prometheus, for the textfile collector of its node exporter.",
    ),
    option(
        "--on-complete",
        metavar="COMMAND",
        help="Call this when results are published (exit code 0 or 3), with the summary on its stdin.",
    ),
    option(
        "--on-failure",
        metavar="COMMAND",
        help="Call this when the exit code is not 0, with the summary on its stdin.",
    ),
    option(
        "--ping",
        metavar="URL",
        help="Ask for this address when the run ends with 0, and for URL/fail when it does not.",
    ),
)


def reading_options(command: _Command) -> _Command:
    """Gives a command the options that `run` and `watch` share."""
    for shared in reversed(_READING):
        command = shared(command)
    return command


def nightly_options(command: _Command) -> _Command:
    """Gives a command the options of a run that nobody looks at."""
    for added in reversed(_NIGHTLY):
        command = added(command)
    return command


def after_option(default: After) -> Callable[[_Command], _Command]:
    """The option `--after`, whose default depends on the command."""
    return option(
        "--after",
        type=click.Choice([after.value for after in After]),
        default=default.value,
        show_default=True,
        help="What becomes of a scan when its row is published: it is left where it is, moved to done/ or "
        "failed/ in the outbox, or deleted; what could not be read is moved to failed/ then, too.",
    )
