"""The options of digitbox. Each field declares one, with its type, default and help."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch.errors import ConfigError
from batch.lengths import ONE, Lengths
from batch.locations import OUTBOX, Location, RemoteOutbox, from_root, is_remote
from batch.options import Kind, option
from batch.records import After
from batch.tolerance import Tolerance

CONFIG_FILE = "digitbox.toml"
INBOX = "inbox"
ATTEMPTS = 3  # runs that try a scan if it fails for a reason that may pass
SCAN_TIMEOUT_S = 60.0  # the largest scans take seconds
MAX_PIXELS = 64_000_000  # an A4 page at 600 dpi has 35 million


def _after(default: After) -> Any:
    return option(
        default,
        Kind.CHOICE,
        "Dispose of a scan once its row is published. leave keeps it in place, move puts it into done/ or "
        "failed/ in the outbox, and delete removes it. With delete, digitbox moves scans that it could not "
        "read to failed/.",
        choices=tuple(After),
        convert=After,
        needs_trust=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """The options of reading that `run` and `watch` share.

    Attributes:
        attempts: Number of failures for a reason that may pass, after which a scan counts as read.
    """

    outbox: Location = option(
        OUTBOX,
        Kind.OUTBOX,
        "Folder for the results, or an address such as s3://bucket/results. digitbox makes it if needed.",
        metavar="DIR|ADDRESS",
    )
    model: str | None = option(
        None,
        Kind.TEXT,
        "Read with this model.",
        metavar="NAME|DIR",
        unset="the one that models/CURRENT in this folder names, else the one that came with digitbox",
        needs_trust=True,
    )
    runtime: str = option(
        "litert",
        Kind.CHOICE,
        "Library that runs the model. tensorflow is slower and needs the extra 'train'.",
        choices=("litert", "tensorflow"),
    )
    workers: int | None = option(
        None,
        Kind.WHOLE,
        "Read with N processes. On one machine, tensorflow has a single one, which uses all cores.",
        metavar="N",
        low=1,
        high=256,
        unset="one for each core",
    )
    digits: Lengths = option(
        ONE,
        Kind.LENGTHS,
        "Read numbers of N digits, of N to M, or of any length. With 1, a scan of several digits is refused.",
        metavar="N|N-M|any",
    )
    batch_size: int = option(
        256, Kind.WHOLE, "Give a worker N scans at a time.", metavar="N", low=1, high=65536
    )
    review_below: float | None = option(
        None,
        Kind.NUMBER,
        "Give scans with a confidence below P the status review.",
        metavar="P",
        low=0,
        high=1,
        unset="the model's own threshold",
    )
    probabilities: bool = option(False, Kind.FLAG, "Add the columns p0 to p9.")
    format: str = option(
        "csv",
        Kind.CHOICE,
        "Format of the results. parquet needs the extra 'parquet'.",
        choices=("csv", "parquet"),
    )
    rows_per_file: int = option(
        100_000,
        Kind.WHOLE,
        "Write at most N rows to a file. A stopped run keeps the files that it has published.",
        metavar="N",
        low=1,
    )
    recursive: bool = option(True, Kind.FLAG, "Look into the folders of a folder.")
    max_pixels: int = option(
        MAX_PIXELS,
        Kind.WHOLE,
        "Refuse to decode images with more than N pixels.",
        metavar="N",
        low=16,
        high=1 << 30,
    )
    scan_timeout_s: float = option(
        SCAN_TIMEOUT_S,
        Kind.DURATION,
        "Give up an image that takes longer, e.g. because its decoder hangs: the scan fails with timeout.",
        metavar="DURATION",
    )
    ignore: tuple[str, ...] = option(
        (),
        Kind.PATTERNS,
        "Pass over files and folders with these names, e.g. '*-back.png'. You can give it several times.",
        metavar="PATTERN",
    )
    only_new: bool = option(
        False,
        Kind.FLAG,
        "Leave out scans that an earlier run with this outbox has read: those of the same path, size, "
        "modification time and content.",
    )
    after: After = _after(After.LEAVE)
    settle_s: float = option(
        2.0,
        Kind.NUMBER,
        "Read a file once it has not changed for S seconds. A run does so with --after move or delete, and "
        "leaves younger files.",
        metavar="S",
        low=0,
    )
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(ReadOptions):
    """The options of `digitbox run`.

    Attributes:
        inputs: Files, folders and globs, paths or addresses; empty for the inbox.
        inbox: The folder or address to read without inputs.

    Raises:
        ConfigError: The outbox is an input, or it and the inbox lie inside each other. Or the options say to
            move or delete objects.
    """

    inputs: tuple[str, ...] = ()
    inbox: str = INBOX
    engine: str = option(
        "local",
        Kind.CHOICE,
        "Read on this machine, or on a Ray cluster. ray needs the extra 'ray'.",
        choices=("local", "ray"),
    )
    ray_address: str | None = option(
        None,
        Kind.TEXT,
        "With --engine ray, use this cluster. This machine must be part of it; auto finds it.",
        metavar="HOST:PORT|auto",
        unset="RAY_ADDRESS; without it, digitbox starts Ray on this machine for this run",
    )
    max_files: int | None = option(
        None,
        Kind.WHOLE,
        "Read at most N scans, oldest first. The next run reads the others.",
        metavar="N",
        low=1,
    )
    max_time_s: float | None = option(
        None,
        Kind.DURATION,
        "Begin no further batch after this time, e.g. 90m or 6h. digitbox reads the oldest scans first and "
        "leaves the others.",
        metavar="DURATION",
    )
    max_failed: Tolerance = option(
        Tolerance(),
        Kind.TOLERANCE,
        "End with 3 only if more than N scans, or more than P per cent of them, fail.",
        metavar="N|P%",
    )
    fail_if_empty: bool = option(False, Kind.FLAG, "End with 4 if there is nothing to read.")
    attempts: int = ATTEMPTS

    def __post_init__(self) -> None:
        """Check options against each other."""
        scans = self.inputs or (self.inbox,)
        remote = isinstance(self.outbox, RemoteOutbox) or any(map(is_remote, scans))
        if remote and self.after is not After.LEAVE:
            raise ConfigError(
                f"--after {self.after.value} is for scans and an outbox on a disk: leave objects where they "
                "are, and read new ones with --only-new"
            )
        if not self.inputs and isinstance(self.outbox, Path) and not is_remote(self.inbox):
            _check_apart(Path(self.inbox), self.outbox)
        for path in self.inputs:
            if _real_path(path) == _real_path(self.outbox):
                raise ConfigError(f"the outbox {self.outbox} cannot be an input: give another --outbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions(ReadOptions):
    """The options of `digitbox watch`.

    Attributes:
        inbox: The folder to watch.

    Raises:
        ConfigError: The outbox is the inbox, or one lies inside the other.
    """

    outbox: Path = option(
        OUTBOX, Kind.OUTBOX, "Folder for the results. digitbox makes it if needed.", metavar="DIR"
    )
    inbox: Path = Path(INBOX)
    after: After = _after(After.MOVE)
    max_wait_s: float = option(
        1.0,
        Kind.NUMBER,
        "Let a scan wait at most S seconds for others to share its CSV. Begin at most one CSV in S seconds.",
        metavar="S",
        low=0,
    )
    rescan_s: float = option(
        30.0,
        Kind.NUMBER,
        "Look at the whole inbox every S seconds, in case an event was lost.",
        metavar="S",
        low=0.1,
    )
    poll_s: float | None = option(
        None,
        Kind.NUMBER,
        "Look at the inbox every S seconds and use no events. This is for network folders.",
        metavar="S",
        low=0.1,
        unset="digitbox uses events, and looks where there are none",
    )
    keep_done_s: float | None = option(
        None,
        Kind.DURATION,
        "Once a day, delete scans of done/ older than this, e.g. 90d, as digitbox prune does.",
        metavar="AGE",
        needs_trust=True,
        unset="digitbox keeps them",
    )
    keep_failed_s: float | None = option(
        None,
        Kind.DURATION,
        "Once a day, delete scans of failed/ older than this, e.g. 1y.",
        metavar="AGE",
        needs_trust=True,
        unset="digitbox keeps them",
    )

    def __post_init__(self) -> None:
        """Check options against each other."""
        _check_apart(self.inbox, self.outbox)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxOptions:
    """The option for the folder to read if the command names none."""

    inbox: str = option(
        INBOX, Kind.INPUT, "Folder of scans that digitbox reads if you name none.", metavar="DIR"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOptions:
    """The option for the ledger of a remote outbox."""

    state: Path | None = option(
        None,
        Kind.FOLDER,
        "Local folder for the ledger of an outbox in object storage.",
        metavar="DIR",
        unset="~/.local/state/digitbox",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyOptions:
    """The options that notify people and programs of a run that has ended, or of a watcher's batches."""

    summary: Path | None = option(
        None,
        Kind.FILE_OR_STDOUT,
        "Write a JSON object about the run, or about each batch of a watcher, to a file. With -, print it "
        "instead of the paths of the results.",
        metavar="FILE|-",
        needs_trust=True,
    )
    metrics_file: Path | None = option(
        None,
        Kind.FILE,
        "Write figures about the run, or about a watcher so far, for Prometheus' textfile collector.",
        metavar="FILE",
        needs_trust=True,
    )
    on_complete: str | None = option(
        None,
        Kind.TEXT,
        "Call this command if the run ends with 0 or 3, or after each batch of a watcher. Its stdin gets the "
        "summary.",
        metavar="COMMAND",
        needs_trust=True,
    )
    on_failure: str | None = option(
        None,
        Kind.TEXT,
        "Call this command if the run does not end with 0. A watcher calls it for a batch with failed scans, "
        "and when it pauses. Its stdin gets the summary.",
        metavar="COMMAND",
        needs_trust=True,
    )
    ping: str | None = option(
        None,
        Kind.TEXT,
        "Request this address if the run ends with 0, and URL/fail if not. A watcher requests it "
        "every minute.",
        metavar="URL",
        needs_trust=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """The options for what digitbox prints and logs."""

    dry_run: bool = option(False, Kind.FLAG, "Print what digitbox would read now, and read nothing.")
    quiet: bool = option(False, Kind.FLAG, "Print only warnings and errors on stderr.")
    verbose: bool = option(False, Kind.FLAG, "Print a line for each scan that is not ok.")
    log_format: str = option(
        "text",
        Kind.CHOICE,
        "Form of the lines on stderr and in the log file: a sentence, or a JSON object.",
        choices=("text", "json"),
    )
    log_file: Path | None = option(
        None,
        Kind.FILE,
        "Append the lines of stderr to this file, too, with times, even with --quiet. You may rotate it.",
        metavar="FILE",
        needs_trust=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """The option for the page that `run` writes beside the results."""

    report: bool = option(False, Kind.FLAG, "Also write a page to look at the results, like digitbox report.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """The option for the metrics that `watch` serves."""

    metrics_listen: str | None = option(
        None,
        Kind.TEXT,
        "Serve metrics for Prometheus at this address, e.g. 127.0.0.1:9600. It needs the extra 'metrics'.",
        metavar="HOST:PORT",
        needs_trust=True,
    )


OF_RUN = (RunOptions, InboxOptions, StateOptions, NotifyOptions, OutputOptions, PageOptions)
"""The records that the options of `run` fill."""
OF_WATCH = (WatchOptions, InboxOptions, NotifyOptions, ServiceOptions, OutputOptions)
"""The records that the options of `watch` fill."""


def _check_apart(inbox: Path, outbox: Path) -> None:
    real_inbox, real_outbox = _real_path(inbox), _real_path(outbox)
    if real_inbox in (real_outbox, *real_outbox.parents) or real_outbox in real_inbox.parents:
        raise ConfigError(f"the outbox {outbox} and the inbox {inbox} must not lie in each other")


def _real_path(location: str | Location) -> Path:
    path = str(location)
    if is_remote(path):
        return Path(path)  # an address, only to compare it
    return Path(os.path.realpath(from_root(path)))
