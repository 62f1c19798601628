"""The command line: parse, call, report, and map errors to exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import click

from batch import config, job
from batch.config import DEFAULTS, RunOptions
from batch.errors import ConfigError, ExitCode, OutboxError, RunError
from batch.files import artefact
from batch.files.tables import text_cell
from batch.records import Outcome, RunSummary, Status

EXIT_CODES = """\b
Exit codes:
  0    done; also when there was nothing to do, or scans are for review or refused
  1    a bug in digitbox
  2    wrong usage or configuration
  3    done, but some files could not be read: their rows say why
  4    no such input, or no inbox
  5    the model is missing or damaged
  6    the outbox cannot be written
  7    an optional part is not installed; the message says which
  75   another digitbox is writing to the outbox
  130  stopped by Ctrl-C
"""
# Commands that need more than reading scans does: imported when they are called.
LAZY_COMMANDS = dict.fromkeys(("evaluate", "explore", "train"), "batch.learn.commands")


_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Commands(click.Group):
    """A group that imports some of its commands only when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *LAZY_COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LAZY_COMMANDS:
            command = getattr(importlib.import_module(LAZY_COMMANDS[cmd_name]), cmd_name)
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("digitbox"), prog_name="digitbox")
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with options of run.  [default: digitbox.toml in this folder, if there is one]",
)
@click.pass_context
def cli(context: click.Context, config_file: Path | None) -> None:
    """Read scans of single handwritten digits into a CSV of predictions and confidences.

    \b
    digitbox run                 read the image files in inbox/
    digitbox run SCANS/ a.png    read these
    digitbox run --help          all options
    """
    kinds = {name: kind for name, kind in _KINDS.items() if name in {p.name for p in run.params}}
    context.default_map = {"run": config.read_config(config_file, kinds)}


# Types of the keys of digitbox.toml, by option.
_KINDS: dict[str, tuple[type, ...]] = {
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
    "max_pixels": (int,),
    "dry_run": (bool,),
    "quiet": (bool,),
    "verbose": (bool,),
}


def _option(name: str, **settings: Any) -> Callable[[_Command], _Command]:
    """An option of `run` that the environment and digitbox.toml can set, too.

    Only the variables of options are read. Others called DIGITBOX_... are none of our business:
    Kubernetes, for one, makes some for a service of that name.
    """
    variable = "DIGITBOX_" + name.split("/")[0].removeprefix("--").replace("-", "_").upper()
    return click.option(name, envvar=variable, show_envvar=True, **settings)


@cli.command()
@click.argument("inputs", nargs=-1, metavar="[INPUT]...", type=click.Path(readable=False))
@_option(
    "--outbox",
    type=click.Path(readable=False, path_type=Path),
    default=DEFAULTS["outbox"],
    show_default=True,
    help="Folder for the results; made if need be.",
)
@_option(
    "--model", metavar="NAME|DIR", help="Model to read with.  [default: the one named in models/CURRENT]"
)
@_option(
    "--runtime",
    type=click.Choice(["litert", "tensorflow"]),
    default=DEFAULTS["runtime"],
    show_default=True,
    help="What runs the model. tensorflow needs the extra 'train', and is slower.",
)
@_option("--workers", type=click.IntRange(1, 256), help="Processes to read with.  [default: one a core]")
@_option(
    "--batch-size",
    type=click.IntRange(1, 65536),
    default=DEFAULTS["batch_size"],
    show_default=True,
    help="Scans that the model sees at a time.",
)
@_option(
    "--review-below",
    type=click.FloatRange(0, 1),
    help="Confidence under which a scan is for review.  [default: the model's own]",
)
@_option("--probabilities", is_flag=True, help="Add columns p0 to p9.")
@_option(
    "--format",
    type=click.Choice(["csv", "parquet"]),
    default=DEFAULTS["format"],
    show_default=True,
    help="Format of the results. parquet needs the extra 'parquet'.",
)
@_option(
    "--rows-per-file",
    type=click.IntRange(1),
    default=DEFAULTS["rows_per_file"],
    show_default=True,
    help="Most rows of a file of results; what is published stays, should the run be stopped.",
)
@_option(
    "--recursive/--no-recursive",
    default=DEFAULTS["recursive"],
    show_default=True,
    help="Whether to look into the folders of a folder.",
)
@_option(
    "--max-pixels",
    type=click.IntRange(16, 1 << 30),
    default=DEFAULTS["max_pixels"],
    show_default=True,
    help="Images with more are not decoded.",
)
@_option("--dry-run", is_flag=True, help="Print what would be read, and read nothing.")
@_option("--quiet", is_flag=True, help="Say nothing but errors.")
@_option("--verbose", is_flag=True, help="Say a line for each scan that is not ok.")
def run(inputs: tuple[str, ...], dry_run: bool, quiet: bool, verbose: bool, **settings: Any) -> None:
    """Read scans, and write one row for each to a CSV in the outbox.

    INPUT is a file, a folder (searched for image files) or a quoted glob such as 'scans/**/*.png'; without
    any, the folder inbox/ is read. The inputs are left where they are. Printed are the files of results.

    \b
    Examples:
      digitbox run
      digitbox run form-boxes/ --outbox results/ --probabilities
      digitbox run 'scans/2024-*/*.tif' --review-below 0.9
    """
    options = RunOptions(inputs=inputs, **settings)
    found = job.find(options)
    if dry_run:
        for ref in found:
            click.echo(text_cell(ref.name))
        return
    total = None if quiet or not sys.stderr.isatty() else sum(1 for _ in found)
    with _progress(total) as advance:

        def watcher(outcomes: list[Outcome]) -> None:
            advance(len(outcomes))
            if verbose:
                _say_problems(outcomes)

        summary = job.run(options, found, watcher)
    for path in summary.published:
        click.echo(path)
    if not quiet:
        _say_summary(summary, options)
    if summary.counts.get(Status.FAILED):
        raise SystemExit(ExitCode.SOME_FAILED)


@cli.command()
@click.argument("scans", nargs=-1, required=True, metavar="SCAN...", type=click.Path(readable=False))
@click.option(
    "--model", metavar="NAME|DIR", help="Model to read with.  [default: the one named in models/CURRENT]"
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("explained.png"),
    show_default=True,
    help="Picture to write; must not exist.",
)
def explain(scans: tuple[str, ...], model: str | None, output: Path) -> None:
    """Show why scans were read as they were.

    Writes one picture with every step from the scan to what the model sees and its decision, and prints a
    line for each SCAN, which is a file, a folder or a quoted glob.
    """
    import cv2

    from batch import explain as explanation
    from batch.flow import Reader

    found = job.find(RunOptions(inputs=scans))
    classifier, thresholds = Reader(artefact.find(model), "litert", None, config.MAX_PIXELS).load()
    sheets = []
    for ref in found:
        words, sheet = explanation.explain(ref, classifier, thresholds, config.MAX_PIXELS)
        click.echo(words)
        sheets.append(sheet)
    if not sheets:
        click.echo("nothing to explain: no image files there", err=True)
        return
    _, picture = cv2.imencode(".png", explanation.stacked(sheets))
    try:
        with output.open("xb") as file:
            file.write(bytes(picture))
    except FileExistsError as error:
        raise ConfigError(f"{output} exists: give another --output") from error
    except OSError as error:
        raise OutboxError(f"cannot write {output}: {error.strerror}; give another --output") from error
    click.echo(f"picture: {output}", err=True)


@contextmanager
def _progress(total: int | None) -> Iterator[Any]:
    """A bar with rate and time left on stderr; nothing where there is no terminal."""
    if total is None:
        yield lambda _: None
        return
    with click.progressbar(length=total, label="reading", show_pos=True, file=sys.stderr) as bar:

        def advance(count: int) -> None:
            bar.update(count)
            if bar.time_per_iteration:
                bar.label = f"reading, {1 / bar.time_per_iteration:,.0f}/s"

        yield advance


def _say_problems(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.status is not Status.OK:
            reason = outcome.reason.value if outcome.reason else ""
            click.echo(f"{text_cell(outcome.ref.name)}: {outcome.status.value}, {reason}", err=True)


def _say_summary(summary: RunSummary, options: RunOptions) -> None:
    others = f"{summary.skipped} other files skipped" if summary.skipped != 1 else "1 other file skipped"
    skipped = f" ({others})" if summary.skipped else ""
    if not summary.rows:
        where = " ".join(map(text_cell, options.inputs)) or config.INBOX
        click.echo(f"nothing to do: no image files in {where}{skipped}", err=True)
        return
    counts = ", ".join(f"{summary.counts.get(status, 0)} {status.value}" for status in Status)
    scans = "1 scan" if summary.rows == 1 else f"{summary.rows} scans"
    rate = summary.rows / max(summary.seconds, 1e-9)
    click.echo(f"{scans}: {counts}{skipped}; {summary.seconds:.1f} s, {rate:,.0f} images/s", err=True)
    where = str(summary.published[0]) if len(summary.published) == 1 else f"{len(summary.published)} files"
    click.echo(f"results: {where}", err=True)


def _terminate(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Entry point of `digitbox`: never ends in a traceback but for a bug."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(prog_name="digitbox", standalone_mode=False)
    except click.exceptions.Exit as error:
        raise SystemExit(error.exit_code) from error
    except click.ClickException as error:
        error.show()
        raise SystemExit(ExitCode.USAGE) from error
    except RunError as error:
        click.echo(f"digitbox: {error}", err=True)
        raise SystemExit(error.exit_code) from error
    except (KeyboardInterrupt, click.Abort) as error:
        click.echo("digitbox: stopped; results that were published stay", err=True)
        raise SystemExit(ExitCode.INTERRUPTED) from error
    except BrokenPipeError as error:
        # Whoever read our output has enough: leave quietly, also when Python flushes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(ExitCode.OK) from error
    except Exception as error:
        traceback.print_exc()
        click.echo(f"digitbox: this is a bug, please report it: {error!r}", err=True)
        raise SystemExit(ExitCode.BUG) from error
