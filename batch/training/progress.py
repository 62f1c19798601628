"""The type of the function that receives lines of progress."""

from collections.abc import Callable

Progress = Callable[[str], None]
