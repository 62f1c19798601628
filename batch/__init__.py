"""digitbox: reads folders of scanned handwritten digits into a CSV.

The package is layered; `tests/test_layers.py` holds the imports to it. `flow` shows a scan's whole
way on one screen.
"""

__version__ = "0.1.0"
