"""Exit codes and the two branches of errors.

An `ImageError` concerns one scan: it is caught in one place (`flow`) and becomes a row. A `RunError`
stops the run: it carries the exit code, and its message says in one line what went wrong and what to
do about it.
"""

from __future__ import annotations

from enum import IntEnum

from batch.records import Reason


class ExitCode(IntEnum):
    """What the process returns; a stable interface that scripts may rely on."""

    OK = 0
    BUG = 1
    NOT_WELL = 1  # of status only, as monitors expect it
    USAGE = 2
    SOME_FAILED = 3
    NO_INPUT = 4
    MODEL = 5
    OUTBOX = 6
    MISSING_EXTRA = 7
    LEDGER = 8
    BUSY = 75
    INTERRUPTED = 130
    TERMINATED = 143


def exit_code_of(error: BaseException) -> int:
    """What the process returns when that ends it."""
    if isinstance(error, RunError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else ExitCode.OK
    return ExitCode.BUG


class DigitboxError(Exception):
    """Root of every error that digitbox raises on purpose."""


class ImageError(DigitboxError):
    """A scan could not be read, or is not one image.

    Args:
        reason: the word for the CSV.
        detail: one sentence for people, for the log.
        sha256: hex digest of the bytes, where they could be read.
    """

    def __init__(self, reason: Reason, detail: str = "", sha256: str = "") -> None:
        super().__init__(detail or reason.value)
        self.reason = reason
        self.detail = detail
        self.sha256 = sha256

    def __reduce__(self) -> tuple[type[ImageError], tuple[Reason, str, str]]:
        return type(self), (self.reason, self.detail, self.sha256)


class RunError(DigitboxError):
    """Stops the run; `exit_code` is what the process returns."""

    exit_code = ExitCode.BUG


class ConfigError(RunError):
    """An option, an environment variable or `digitbox.toml` is wrong."""

    exit_code = ExitCode.USAGE


class InputError(RunError):
    """A named input or the inbox is not there or cannot be listed."""

    exit_code = ExitCode.NO_INPUT


class ModelError(RunError):
    """The model is missing, damaged, or made for another version of the preprocessing."""

    exit_code = ExitCode.MODEL


class OutboxError(RunError):
    """The outbox cannot be written."""

    exit_code = ExitCode.OUTBOX


class LedgerError(RunError):
    """The ledger of the outbox is damaged."""

    exit_code = ExitCode.LEDGER


class MissingExtraError(RunError):
    """An optional dependency is needed and not installed.

    Args:
        what: needs it.
        extra: of digitbox.
        package: that is needed beside it; empty for none.
    """

    exit_code = ExitCode.MISSING_EXTRA

    def __init__(self, what: str, extra: str, package: str = "") -> None:
        more = f" and the package {package}" if package else ""
        wanted = f"'digitbox[{extra}]' {package}".rstrip()
        super().__init__(f"{what} needs the extra '{extra}'{more}: pip install {wanted}")
        self._what, self._extra, self._package = what, extra, package

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        return type(self), (self._what, self._extra, self._package)


class BusyError(RunError):
    """Another worker holds the outbox or the inbox."""

    exit_code = ExitCode.BUSY
