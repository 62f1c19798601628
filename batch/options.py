"""The options that `run` and `watch` share; the environment and digitbox.toml can set them, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from batch.config import DEFAULTS
from batch.records import After

_Command = TypeVar("_Command", bound=Callable[..., Any])

# Types of the keys of digitbox.toml, by option.
KINDS: dict[str, tuple[type, ...]] = {
    "outbox": (str,),
    "model": (str,),
    "runtime": (str,),
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
    "dry_run": (bool,),
    "quiet": (bool,),
    "report": (bool,),
    "verbose": (bool,),
}


def option(name: str, **settings: Any) -> Callable[[_Command], _Command]:
    """An option of `run` or `watch` that the environment and digitbox.toml can set, too.

    Only the variables of options are read. Others called DIGITBOX_... are none of our business:
    Kubernetes, for one, makes some for a service of that name.
    """
    variable = "DIGITBOX_" + name.split("/")[0].removeprefix("--").replace("-", "_").upper()
    return click.option(name, envvar=variable, show_envvar=True, **settings)


_READING = (
    option(
        "--outbox",
        type=click.Path(readable=False, path_type=Path),
        default=DEFAULTS["outbox"],
        show_default=True,
        help="Folder for the results; made if need be.",
    ),
    option(
        "--model", metavar="NAME|DIR", help="Model to read with.  [default: the one named in models/CURRENT]"
    ),
    option(
        "--runtime",
        type=click.Choice(["litert", "tensorflow"]),
        default=DEFAULTS["runtime"],
        show_default=True,
        help="What runs the model. tensorflow needs the extra 'train', and is slower.",
    ),
    option("--workers", type=click.IntRange(1, 256), help="Processes to read with.  [default: one a core]"),
    option(
        "--batch-size",
        type=click.IntRange(1, 65536),
        default=DEFAULTS["batch_size"],
        show_default=True,
        help="Scans that the model sees at a time.",
    ),
    option(
        "--review-below",
        type=click.FloatRange(0, 1),
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
        type=click.IntRange(1),
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
        type=click.IntRange(16, 1 << 30),
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
    option("--verbose", is_flag=True, help="Say a line for each scan that is not ok."),
)


def reading_options(command: _Command) -> _Command:
    """Gives a command the options that `run` and `watch` share."""
    for shared in reversed(_READING):
        command = shared(command)
    return command


def after_option(default: After) -> Callable[[_Command], _Command]:
    """The option `--after`, whose default depends on the command."""
    return option(
        "--after",
        type=click.Choice([after.value for after in After]),
        default=default.value,
        show_default=True,
        help="What becomes of a scan when its row is published: it is left where it is, moved to done/ or "
        "failed/ in the outbox, or deleted.",
    )
