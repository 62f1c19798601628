"""digitbox reads scans of handwritten digits.

Examples:
    >>> import digitbox
    >>> digitbox.read("inbox/sample-01-pen.png").prediction
    3

`digitbox.read` reads one scan or many, and `digitbox.Reader` keeps a model loaded. `digitbox.run` does what
the command `digitbox run` does. `digitbox.read_results` gives its results to pandas. `python -m digitbox` is
the command.
"""

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

if __name__ == "__main__":
    from batch.__main__ import main

    main()
