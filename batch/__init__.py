"""digitbox, which reads folders of scanned handwritten digits into a CSV.

`batch.inference.reader` shows a scan's whole way on one screen. Imports run down through the packages;
`tests/test_layers.py` checks them against a table.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """Return `__version__` as it was installed; few commands need it, and to look it up takes time."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import metadata

        try:
            return metadata.version("digitbox")
        except metadata.PackageNotFoundError:  # a checkout on the path
            return "0+unknown"
