"""Exit codes and the two branches of errors.

An `ImageError` concerns one scan. `batch.inference` catches it and makes it a row. A `RunError` stops the
run. It has the exit code, and its message says in one line what went wrong and what to do.
"""

from __future__ import annotations

import errno
from enum import IntEnum
from os import PathLike

from batch.records import Reason

# What a disk or share that is gone answers for each of its files.
_GONE = frozenset(
    (
        errno.ENOTCONN,
        errno.ESHUTDOWN,
        errno.ETIMEDOUT,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
    )
)


class ExitCode(IntEnum):
    """The exit code of the process; a stable interface for scripts."""

    OK = 0
    BUG = 1
    NOT_WELL = 1  # only of `digitbox status`, as monitors expect it
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
    """Return the exit code of the process if an error ends it."""
    if isinstance(error, RunError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else ExitCode.OK
    return ExitCode.BUG


class DigitboxError(Exception):
    """The root of every error that digitbox raises on purpose."""


class ImageError(DigitboxError):
    """A scan that digitbox cannot read, or that is not one image.

    Args:
        reason: The word for the CSV.
        detail: One sentence for people.
        sha256: Hex digest of the bytes; empty if digitbox could not read them.
        page: The page of the file, from 1; 0 if the error is one of the whole file.
        pages: Number of pages of the file.
        extra: The extra of digitbox that it needs and that is not installed; empty for none.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str = "",
        sha256: str = "",
        page: int = 0,
        pages: int = 1,
        extra: str = "",
    ) -> None:
        super().__init__(detail or reason.value)
        self.reason = reason
        self.detail = detail
        self.sha256 = sha256
        self.page, self.pages, self.extra = page, pages, extra

    def __reduce__(self) -> tuple[type[ImageError], tuple[Reason, str, str, int, int, str]]:
        return type(self), (self.reason, self.detail, self.sha256, self.page, self.pages, self.extra)


class RunError(DigitboxError):
    """An error that stops the run; `exit_code` is the exit code of the process."""

    exit_code = ExitCode.BUG


class ConfigError(RunError):
    """A wrong option, environment variable or `digitbox.toml`."""

    exit_code = ExitCode.USAGE


class OutputExistsError(ConfigError):
    """A file to write that is there already.

    Args:
        output: The file.
    """

    def __init__(self, output: PathLike[str]) -> None:
        super().__init__(f"{output} exists: give another --output")


class MeansError(ConfigError):
    """A lack of open files or memory of this machine, for which no scan is to blame."""


def check_means(error: OSError) -> None:
    """Check that an error on a file is not one that every other scan would meet, too.

    Raises:
        MeansError: Open files or memory are short. digitbox can read the scan later.
        ShareError: The file system is gone. digitbox can read the scan when it is back.
    """
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise MeansError(f"{error.strerror}: raise ulimit -n, or use fewer --workers") from error
    if error.errno == errno.ENOMEM:
        raise MeansError(f"{error.strerror}: end other programs, or use fewer --workers") from error
    if error.errno in _GONE:
        raise ShareError(
            f"the file system of the scans does not answer ({error.strerror}): mount it again"
        ) from error


class InputError(RunError):
    """An input or inbox that does not exist, or that digitbox may not list."""

    exit_code = ExitCode.NO_INPUT


class ShareError(InputError):
    """A disk or share that is gone, for which no scan is to blame."""


class ModelError(RunError):
    """A model that is missing, damaged, or made for another version of the preprocessing."""

    exit_code = ExitCode.MODEL


class OutboxError(RunError):
    """An outbox that digitbox cannot write to."""

    exit_code = ExitCode.OUTBOX


class LedgerError(RunError):
    """A damaged ledger of an outbox."""

    exit_code = ExitCode.LEDGER


class MissingExtraError(RunError):
    """An optional dependency that a user needs and has not installed.

    Args:
        feature: The option or command that needs it.
        extra: The extra of digitbox.
        package: Another package that it needs; empty for none.
    """

    exit_code = ExitCode.MISSING_EXTRA

    def __init__(self, feature: str, extra: str, package: str = "") -> None:
        and_package = f" and the package {package}" if package else ""
        packages = f"'digitbox[{extra}]' {package}".rstrip()
        super().__init__(f"{feature} needs the extra '{extra}'{and_package}: pip install {packages}")
        self._feature, self._extra, self._package = feature, extra, package

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        return type(self), (self._feature, self._extra, self._package)


class BusyError(RunError):
    """An outbox or inbox that another digitbox holds."""

    exit_code = ExitCode.BUSY
