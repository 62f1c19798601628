import fnmatch
import glob
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.inputs.names import has_image_suffix, is_ignored, is_scan, plain_name
from found import names, touch


@given(
    st.lists(
        st.sampled_from(
            [
                ".",
                "~$",
                "a",
                "A.PNG",
                ".png",
                "part",
                ".part",
                "Thumbs.db",
                "@eaDir",
                "#recycle",
                "$RECYCLE.BIN",
                "@tmp",
                ".jpg",
                "\u017f",
            ]
        ),
        min_size=1,
        max_size=4,
    ).map("".join)
)
def test_a_scan_is_an_image_that_is_not_ignored(name: str) -> None:
    for patterns in ((), ("a*",)):
        assert is_scan(name, patterns) == (has_image_suffix(name) and not is_ignored(name, patterns))


@pytest.mark.parametrize("name", ["scan.jpe", "scan.JFIF", "scan.jfif", "SCAN.JPE"])
def test_rare_suffixes_of_jpeg_are_scans(name: str) -> None:
    assert is_scan(name, ())


@pytest.mark.parametrize(
    "name",
    [
        "#recycle",
        "@Recycle",
        "$RECYCLE.BIN",
        "@tmp",
        "#snapshot",
        ".snapshot",
        "lost+found",
        ".Trash-1000",
        "@eaDir",
        "System Volume Information",
    ],
)
def test_bins_and_snapshots_are_not_searched(tmp_path: Path, name: str) -> None:
    touch(*(tmp_path / folder / "deleted.png" for folder in (name, f"sub/{name}/deeper")), tmp_path / "a.png")
    assert names(tmp_path) == ["a.png"]


@given(st.text("[]*?!ab", max_size=8))
def test_a_name_is_plain_if_it_is_the_only_match(name: str) -> None:
    assert plain_name(glob.escape(name)) == name
    plain = plain_name(name)
    assert plain is None or fnmatch.fnmatchcase(plain, name)
    assert plain is not None or glob.has_magic(name)
    assert all(plain_name(pattern) is None for pattern in (f"*{name}", f"{name}?", "[ab]", "[!]]", "[]*]"))
