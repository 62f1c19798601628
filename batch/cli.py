"""The command line: parse, call, report, and map errors to exit codes."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from batch import config, console, job
from batch.config import DEFAULTS, WATCH_DEFAULTS, ReadOptions, RunOptions, WatchOptions
from batch.errors import ConfigError, ExitCode, RunError
from batch.files.inbox import Inputs
from batch.files.tables import text_cell
from batch.locations import Place, with_states
from batch.log import Log, LogFile
from batch.options import (
    KINDS,
    LocalPath,
    NamedPath,
    Number,
    after_option,
    input_argument,
    nightly_options,
    option,
    outbox_option,
    reading_options,
    state_option,
)
from batch.records import After, Outcome
from batch.telling import STDOUT, Audience, told

EXIT_CODES = """\b
Exit codes:
  0    done; also when there was nothing to do, or scans are for review or refused
  1    a bug in digitbox; of status: something is not as it should be
  2    wrong usage or configuration
  3    done, but some files (more than --max-failed) could not be read: their rows say why
  4    no such input, or no inbox; with --fail-if-empty, nothing to read
  5    the model is missing or damaged
  6    the outbox cannot be written
  7    an optional part is not installed; the message says which
  8    the ledger of the outbox is damaged
  75   another digitbox is writing to the outbox, or reading the inbox
  130  stopped by Ctrl-C
  143  stopped by SIGTERM; watch ends with 0
"""
# Commands that need more than reading scans does: imported when they are called.
LAZY_COMMANDS = {
    "config": "batch.settings",
    **dict.fromkeys(("evaluate", "explore", "train"), "batch.learn.commands"),
    "explain": "batch.explain",
    "export": "batch.export",
    "prune": "batch.prune",
    "retry": "batch.retry",
    "schedule": "batch.schedule",
    "history": "batch.history",
    "status": "batch.status",
    **dict.fromkeys(("apply", "report"), "batch.report.commands"),
}
# Options that other commands share with run, and have from digitbox.toml as well.
PLACES = ("outbox", "state")


_BY_SCHEDULE = "have digitbox schedule run digitbox run --only-new instead, every hour or night"

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
@click.version_option(package_name="digitbox", prog_name="digitbox")
@click.option(
    "--config",
    "config_file",
    type=NamedPath(dir_okay=False, path_type=Path),
    help="File with options of run and watch.  [default: digitbox.toml in this folder, if there is one]",
)
@click.pass_context
def cli(context: click.Context, config_file: Path | None) -> None:
    """Read scans of single handwritten digits into a CSV of predictions and confidences.

    \b
    digitbox run                 read the image files in inbox/
    digitbox run SCANS/ a.png    read these
    digitbox watch               read them as they arrive
    digitbox run --help          all options
    """
    values = config.read_config(config_file, KINDS)
    places = {name: values[name] for name in PLACES if name in values}
    context.default_map = {**dict.fromkeys(LAZY_COMMANDS, places), "run": values, "watch": values}


@cli.command()
@input_argument
@outbox_option("Folder for the results, made if need be; or an address as s3://bucket/results.")
@state_option
@reading_options
@option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default=DEFAULTS["engine"],
    show_default=True,
    help="Where scans are read: on this machine, or on a Ray cluster. ray needs the extra 'ray'.",
)
@option(
    "--ray-address",
    metavar="HOST:PORT|auto",
    help="With --engine ray: the cluster, of which this machine is part; auto finds it.  [default: "
    "RAY_ADDRESS; without that, Ray is started on this machine for this run]",
)
@after_option(DEFAULTS["after"])
@nightly_options
@option("--quiet", is_flag=True, help="Say nothing but errors.")
@option("--report", is_flag=True, help="Write a page to look at the results, too, as of digitbox report.")
def run(
    inputs: tuple[str, ...],
    outbox: Place,
    state: Path | None,
    after: str,
    max_time: float | None,
    summary: Path | None,
    metrics_file: Path | None,
    on_complete: str | None,
    on_failure: str | None,
    ping: str | None,
    dry_run: bool,
    quiet: bool,
    report: bool,
    verbose: bool,
    log_file: Path | None,
    **settings: Any,
) -> None:
    """Read scans, and write one row for each to a CSV in the outbox.

    INPUT is a file, a folder (searched for image files) or a quoted glob such as 'scans/**/*.png'; without
    any, the folder inbox/ is read. It may be in object storage, as s3://bucket/scans/, and so may the outbox.
    The inputs are left where they are, unless --after says otherwise. Printed are the files of results. What
    was published stays, should a run be killed; the next one with --only-new reads the rest, and what failed
    for a reason that may pass.

    \b
    Examples:
      digitbox run
      digitbox run form-boxes/ --outbox results/ --probabilities
      digitbox run 'scans/2024-*/*.tif' --review-below 0.9
      digitbox run --only-new --max-time 6h        every night
      digitbox run s3://bucket/scans/ --outbox s3://bucket/results/
    """
    console.set_up(LogFile(log_file) if log_file else None, quiet=quiet)
    outbox = with_states(outbox, state)
    options = RunOptions(inputs=inputs, outbox=outbox, after=After(after), max_time_s=max_time, **settings)
    if report and not isinstance(outbox, Path):
        raise ConfigError("--report wants an outbox on a disk: leave it out, or give --outbox DIR")
    audience = Audience(
        outbox=options.outbox,
        summary=summary,
        metrics_file=metrics_file,
        on_complete=on_complete,
        on_failure=on_failure,
        ping=ping,
    )
    audience.check()
    if dry_run:
        _print_names(options, job.find(options))
        return
    account = job.new_account(options)
    with told(account, audience):
        found = job.find(options)
        total = None if quiet or not console.has_terminal() else sum(1 for _ in found)
        with console.progress(total and min(total, options.max_files or total)) as advance:

            def watcher(outcomes: list[Outcome]) -> None:
                advance(len(outcomes))
                if verbose:
                    console.say_problems(outcomes)

            job.run(options, found, watcher, account)
        if summary != STDOUT:
            for path in account.results:
                console.print_line(path)
        console.say_end(account, options)
        if report and account.results:
            from batch.report.commands import write_report

            console.say(f"report: {write_report(tuple(map(Path, account.results)), quiet=quiet)}")
    if account.exit_code:
        raise SystemExit(account.exit_code)


def _print_names(options: ReadOptions, found: Inputs) -> None:
    for ref in job.would_read(options, found):
        if not console.print_line(text_cell(ref.name)):
            break


@cli.command()
@click.argument("inbox", default=config.INBOX, metavar="[INBOX]", type=LocalPath(_BY_SCHEDULE))
@outbox_option("Folder for the results; made if need be.", metavar="DIR")
@reading_options
@after_option(WATCH_DEFAULTS["after"])
@option(
    "--settle",
    type=Number(0),
    metavar="S",
    default=WATCH_DEFAULTS["settle_s"],
    show_default=True,
    help="Seconds for which a file must not have changed before it is read.",
)
@option(
    "--max-wait",
    type=Number(0),
    metavar="S",
    default=WATCH_DEFAULTS["max_wait_s"],
    show_default=True,
    help="Seconds that a scan may wait for others to share a CSV with; more while many arrive.",
)
@option(
    "--rescan",
    type=Number(0.1),
    metavar="S",
    default=WATCH_DEFAULTS["rescan_s"],
    show_default=True,
    help="Seconds between two looks at the whole inbox, in case that an event was lost.",
)
@option(
    "--poll",
    type=Number(0.1),
    metavar="S",
    help="Go by looks alone, every so many seconds: for network folders.",
)
@option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How stderr says what happens: a sentence a line, or a JSON object a line.",
)
@option("--quiet", is_flag=True, help="Say nothing but warnings and errors.")
def watch(
    inbox: Path,
    outbox: Place,
    after: str,
    settle: float,
    max_wait: float,
    rescan: float,
    poll: float | None,
    log_format: str,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    log_file: Path | None,
    **settings: Any,
) -> None:
    """Read what is in the inbox and whatever arrives.

    It goes on until it is told to stop. INBOX is a folder; inbox/ without it. Each scan gets exactly one row
    in exactly one CSV of the outbox, and is moved to done/ or failed/ there, whatever ends this process.
    Files may be copied, moved or written into the inbox, in folders, too. Printed is each CSV when it is
    published. SIGTERM and Ctrl-C end it when the batch is done; a second one, at once.

    \b
    Examples:
      digitbox watch
      digitbox watch /srv/scans --outbox /srv/digits --log-format json
    """
    from batch.watch import inputs_of
    from batch.watch import watch as serve

    file = LogFile(log_file) if log_file else None
    console.set_up(file)
    if not isinstance(outbox, Path):
        raise ConfigError(f"digitbox watch wants an outbox on a disk, not {outbox}: {_BY_SCHEDULE}")
    options = WatchOptions(
        inbox=inbox,
        outbox=outbox,
        after=After(after),
        settle_s=settle,
        max_wait_s=max_wait,
        rescan_s=rescan,
        poll_s=poll,
        **settings,
    )

    if dry_run:
        _print_names(options, inputs_of(options))
        return

    def show(path: Path) -> None:
        console.print_line(path)  # nobody need read them: the results are in the outbox

    log = Log(as_json=log_format == "json", quiet=quiet, verbose=verbose, file=file)
    number = serve(options, log, show)
    if number == signal.SIGINT:
        raise SystemExit(ExitCode.INTERRUPTED)


def _file_of(error: click.ClickException) -> str:
    """Where a wrong value is from, if from digitbox.toml; the message names the option and the variable."""
    if not (isinstance(error, click.BadParameter) and error.ctx and error.param):
        return ""
    if error.ctx.get_parameter_source(str(error.param.name)) is not ParameterSource.DEFAULT_MAP:
        return ""
    return f"{error.ctx.find_root().params['config_file'] or config.CONFIG_FILE}: "


def _terminate(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
    raise SystemExit(ExitCode.TERMINATED)


def _interrupt(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


def main() -> None:
    """Runs `digitbox`: never ends in a traceback but for a bug."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    console.open_streams()
    console.set_up()
    try:
        cli.main(prog_name="digitbox", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        raise SystemExit(ExitCode.USAGE) from error
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "digitbox"
        console.say_error(f"{_file_of(error)}{error.format_message().rstrip('.')}; see {command} --help")
        raise SystemExit(ExitCode.USAGE) from error
    except RunError as error:
        console.say_error(str(error))
        raise SystemExit(error.exit_code) from error
    except (KeyboardInterrupt, click.Abort) as error:
        console.say_error("stopped; results that were published stay")
        raise SystemExit(ExitCode.INTERRUPTED) from error
    except SystemExit as error:
        if error.code == ExitCode.TERMINATED:
            console.say_error("terminated; results that were published stay")
        raise
    except Exception as error:
        console.say_bug(error)
        raise SystemExit(ExitCode.BUG) from error
