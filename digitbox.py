"""digitbox reads scans of handwritten digits.

Examples:
    >>> import digitbox
    >>> digitbox.read("inbox/sample-01-pen.png").prediction
    3

`digitbox.read` reads one scan or many, and `digitbox.Reader` keeps a model loaded. `digitbox.run` does what
the command `digitbox run` does. `python -m digitbox` is the command.
"""

from batch import __version__
from batch.api import Reader, Result, Source, read, run
from batch.errors import DigitboxError

__all__ = ["DigitboxError", "Reader", "Result", "Source", "__version__", "read", "run"]

if __name__ == "__main__":
    from batch.__main__ import main

    main()
