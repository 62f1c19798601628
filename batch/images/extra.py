"""The extra `formats`: how to install it, and what its decoders raise."""

from __future__ import annotations

NAME = "formats"
ADVICE = f"pip install 'digitbox[{NAME}]', or convert it to PNG"
# What `tifffile` and `imagecodecs` raise for pixels that are damaged.
FAILURES = (
    ValueError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    TypeError,
    AttributeError,
    AssertionError,
)
