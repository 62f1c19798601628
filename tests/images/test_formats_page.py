"""The tables of docs/formats.md: the test writes a file of each kind, reads it, and makes the row."""

import os
import sys
from collections import defaultdict

import numpy as np
import pytest

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode, extra
from command import ROOT
from formats import EXTRA_FORMATS, FORMATS, PHOTO_FORMATS, two

PAGE = ROOT / "docs" / "formats.md"
START, END = "<!-- made by tests/images/test_formats_page.py -->\n", "<!-- end -->\n"


def is_read(data: bytes) -> bool:
    image = decode.decode(data, MAX_PIXELS)
    return image.shape == (48, 48) and bool(np.mean((image > 127) == (two() > 127)) > 0.98)


def table() -> str:
    """Return the tables: what digitbox reads by itself, and what it reads with the extra."""
    kinds = defaultdict(list)
    for name, write in FORMATS.items():
        assert is_read(write(two())), name
        kind, _, flavour = name.partition("-")
        kinds[kind].append(flavour.replace("-", " ") or "plain")
    lines = ["| format | kinds |", "|---|---|"]
    lines += [f"| {kind.upper()} | {', '.join(flavours)} |" for kind, flavours in kinds.items()]
    lines += ["", "With the extra `formats`:", "", "| kind | without the extra |", "|---|---|"]
    for name, write in (EXTRA_FORMATS | PHOTO_FORMATS).items():
        assert is_read(write(two())), name
        lines.append(f"| {name} | `failed`, `{reason_without_extra(write(two()))}` |")
    return "\n".join(lines) + "\n"


def reason_without_extra(data: bytes) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for module in ("tifffile", "imagecodecs", "pi_heif"):
            patch.setitem(sys.modules, module, None)
        with pytest.raises(ImageError) as caught:
            decode.decode(data, MAX_PIXELS)
    assert extra.ADVICE in caught.value.detail
    return caught.value.reason


def test_the_page_has_every_kind() -> None:
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    old, after = rest.split(END)
    made = "\n" + table() + "\n"
    if os.environ.get("DIGITBOX_WRITE_DOCS"):
        PAGE.write_text(before + START + made + END + after, encoding="utf-8")
    else:
        assert old == made, "run this test with DIGITBOX_WRITE_DOCS=1"
