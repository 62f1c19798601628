"""digitbox reads scans of handwritten digits.

Examples:
    >>> import digitbox
    >>> digitbox.read("inbox/sample-01-pen.png").prediction
    3

`digitbox.read` reads one scan or many, and `digitbox.Reader` keeps a model loaded. `digitbox.run` does what
the command `digitbox run` does. `digitbox.read_results` gives its results to pandas. `python -m digitbox` is
the command.
"""

if __name__ == "__main__":  # at once: Ctrl-C while Python loads the rest ends it without a traceback
    from batch.__main__ import main

    main()
    raise SystemExit  # the command needs nothing below

from batch import __version__
from batch.api import Channels, Reader, Result, Results, Source, read, read_results, run
from batch.errors import (
    BusyError,
    ConfigError,
    DigitboxError,
    InputError,
    LedgerError,
    MissingExtraError,
    ModelError,
    OutboxError,
)
from batch.records import Reason, RunSummary, Status

__all__ = [
    "BusyError",
    "Channels",
    "ConfigError",
    "DigitboxError",
    "InputError",
    "LedgerError",
    "MissingExtraError",
    "ModelError",
    "OutboxError",
    "Reader",
    "Reason",
    "Result",
    "Results",
    "RunSummary",
    "Source",
    "Status",
    "__version__",
    "read",
    "read_results",
    "run",
]
