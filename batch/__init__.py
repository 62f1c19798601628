"""digitbox, which reads folders of scanned handwritten digits into a CSV.

`batch.inference.reader` shows a scan's whole way on one screen. Imports run down through the packages;
`tests/test_layers.py` checks them against a table.
"""

__version__ = "0.1.0"
