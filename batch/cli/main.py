"""The command `digitbox`, its subcommands, and the boundary where errors become exit codes."""

from __future__ import annotations

import contextlib
import importlib
import logging
import signal
from pathlib import Path
from types import FrameType
from typing import Any

import click

from batch.cli.config_file import file_of, read_config
from batch.cli.options import COMMANDS, version_option
from batch.cli.run import run
from batch.cli.types import NamedPath
from batch.cli.variables import warn_of_unknown
from batch.cli.watch import watch
from batch.errors import ConfigError, ExitCode, RunError
from batch.terminal import console, log

_log = logging.getLogger(__name__)

EXIT_CODES = """\b
Exit codes:
  0    done; also if there was nothing to do, or scans are for review or refused
  1    a bug in digitbox; for status: something is not well
  2    wrong usage or configuration
  3    done, but digitbox could not read some files (more than --max-failed): their rows say why
  4    no such input, or no inbox; with --fail-if-empty, nothing to read
  5    the model is missing or damaged
  6    digitbox cannot write to the outbox
  7    an optional part is not installed; the message says which
  8    the ledger of the outbox is damaged
  75   another digitbox is writing to the outbox, or reading the inbox
  130  stopped by Ctrl-C
  143  stopped by SIGTERM, or its terminal closed; watch ends with 0
"""
# Commands, and their modules, that import more than `run` does. digitbox imports them on a call.
LAZY_COMMANDS = (
    "config", "evaluate", "explore", "train", "explain", "export", "prune", "retry", "schedule", "history",
    "status", "apply", "report", "review",
)  # fmt: skip
# Options that other commands share with run. They take them from digitbox.toml, too.
PLACES = ("outbox", "state")
# Options of reading, which these commands take as run does.
READING = ("model", "runtime", "review_below", "digits", "workers", "max_pixels")
READING_COMMANDS = ("evaluate", "explain", "explore")


class _Commands(click.Group):
    """A group that imports some of its commands when they are called."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with console.printing_help():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        arguments = list(ctx.args)
        with console.printing_help():
            try:
                return super().invoke(ctx)
            except ConfigError:
                self._show_help(ctx, arguments)
                raise
            except click.UsageError as error:
                name = ctx.invoked_subcommand
                command = self.get_command(ctx, name) if name and error.ctx is None else None
                if command is not None:  # the parser does not say whose option it is
                    error.ctx = click.Context(command, ctx, name)
                raise

    def _show_help(self, ctx: click.Context, arguments: list[str]) -> None:
        """Print the help of the called command, and exit, if its arguments ask for that."""
        name = str(ctx.invoked_subcommand)
        command = self.get_command(ctx, name)
        if command is not None:
            with contextlib.suppress(click.UsageError):
                command.make_context(name, arguments, parent=ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *LAZY_COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LAZY_COMMANDS:
            command = getattr(importlib.import_module(f"batch.cli.{cmd_name}"), cmd_name)
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@version_option
@click.option(
    "--config",
    "config_file",
    type=NamedPath(dir_okay=False, path_type=Path),
    help="Read options of run and watch from this file.  [default: digitbox.toml in this folder, if any]",
)
@click.pass_context
def cli(context: click.Context, config_file: Path | None) -> None:
    """Read scans of single handwritten digits into a CSV of predictions and confidences.

    \b
    digitbox run                 # read the images and PDFs in inbox/
    digitbox run SCANS/ a.png    # read this folder and this file
    digitbox watch               # read scans as they arrive
    digitbox run --help          # show all options
    """
    config = read_config(config_file)
    command = str(context.invoked_subcommand)
    if command in COMMANDS:
        config.check(command)
    table = config.by_command.get("run" if command in READING_COMMANDS else command)
    context.obj = config.file if config.common or table else None
    if command not in COMMANDS:  # those set up the log first
        warn_of_unknown()
    places = {name: config.common[name] for name in PLACES if name in config.common}
    of_commands = {name: config.of(name) for name in COMMANDS}
    reading = {name: value for name, value in of_commands["run"].items() if name in READING}
    context.default_map = {
        **dict.fromkeys(LAZY_COMMANDS, places),
        **dict.fromkeys(READING_COMMANDS, reading),
        **of_commands,
    }


cli.add_command(run)
cli.add_command(watch)


def _terminate(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
    raise SystemExit(ExitCode.TERMINATED)


def _interrupt(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


def _message_of(error: click.ClickException) -> str:
    """Return what is wrong, without a full stop."""
    if isinstance(error, click.NoSuchOption) and error.option_name == "--config":
        return "--config stands before the command: digitbox --config FILE COMMAND"
    return error.format_message().rstrip(".")


def main() -> None:
    """Run `digitbox`. Only a bug ends in a traceback."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        signal.signal(signal.SIGHUP, _terminate)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    console.open_streams()
    log.set_up()
    try:
        cli.main(prog_name="digitbox", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        raise SystemExit(ExitCode.USAGE) from error
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "digitbox"
        _log.error(f"{file_of(error)}{_message_of(error)}; see {command} --help")
        raise SystemExit(ExitCode.USAGE) from error
    except RunError as error:
        _log.error(str(error))
        raise SystemExit(error.exit_code) from error
    except (KeyboardInterrupt, click.Abort) as error:
        _log.error("stopped; published results stay")
        raise SystemExit(ExitCode.INTERRUPTED) from error
    except SystemExit as error:
        if error.code == ExitCode.TERMINATED:
            _log.error("terminated; published results stay")
        raise
    except Exception as error:
        _log.critical(f"this is a bug, please report it: {error!r}", exc_info=error)
        raise SystemExit(ExitCode.BUG) from error
    finally:
        console.empty_stderr()
