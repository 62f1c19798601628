"""The door for Python programs: `import digitbox` gives what is here.

Examples:
    >>> import digitbox
    >>> result = digitbox.read("inbox/sample-01-pen.png")
    >>> result.prediction, result.status.value
    (3, 'ok')
"""

from batch.api.frames import read_results
from batch.api.reading import Reader, read
from batch.api.results import Result, Results
from batch.api.running import run
from batch.api.sources import Channels, Source

__all__ = ["Channels", "Reader", "Result", "Results", "Source", "read", "read_results", "run"]
