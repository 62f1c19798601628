import errno
import glob
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.errors import InputError, ShareError
from batch.inputs import external_sort
from batch.inputs.find import Inputs, absolute_input, oldest_first
from batch.inputs.names import has_image_suffix
from batch.locations import Location, RemoteOutbox
from batch.storage import dispatch
from found import NOWHERE, names, touch


def test_scans_come_in_the_order_of_bytes(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ["b.png", "a.JPG", "B.tiff", "sub/x.pnm", "sub.png", "é.gif"]))
    assert names(tmp_path) == ["B.tiff", "a.JPG", "b.png", "sub.png", "sub/x.pnm", "é.gif"]


def test_without_recursion_only_the_top_is_searched(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "sub" / "b.png")
    assert names(tmp_path, recursive=False) == ["a.png"]


def test_other_files_are_skipped_and_counted(tmp_path: Path) -> None:
    touch(
        *(tmp_path / n for n in ["a.png", "a.txt", ".hidden.png", "b.png.part", "Thumbs.db", "~$c.png", "d"])
    )
    touch(tmp_path / "__MACOSX" / "e.png")
    inputs = Inputs([str(tmp_path)], True, NOWHERE)
    assert [ref.name for ref in inputs] == ["a.png"]
    assert inputs.skipped == 7
    assert len(list(inputs)) == 1 and inputs.skipped == 7


def test_links_and_pipes_are_never_followed(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    assert names(tmp_path) == ["a.png"]


def test_a_file_named_by_itself_is_always_an_input(tmp_path: Path) -> None:
    touch(tmp_path / "scan.dat")
    (tmp_path / "link").symlink_to("scan.dat")
    assert names(tmp_path / "scan.dat") == [str(tmp_path / "scan.dat")]
    (ref,) = Inputs([str(tmp_path / "link")], True, NOWHERE)
    assert (ref.name, ref.path) == (str(tmp_path / "link"), os.path.realpath(tmp_path / "scan.dat"))


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "file"])
def test_an_input_that_is_named_twice_is_one(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "scan.png"
    if kind == "file":
        path.touch()
    else:
        os.mkfifo(path)
    again = tmp_path / "again"
    if "link" in kind:
        again.symlink_to(path)
    twice = again if "link" in kind else path.parent / "." / path.name
    assert names(path, f"{path.parent}/./{path.name}", twice) == [str(path)]
    assert names(tmp_path, path, path) == [str(path)]


def test_names_of_several_inputs_are_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "one" / "a.png", tmp_path / "two" / "sub" / "b.png")
    monkeypatch.chdir(tmp_path)
    assert names("two", "one", "one/a.png") == ["two/sub/b.png", "one/a.png"]


def test_scans_know_where_they_were_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(os.path.realpath(tmp_path))
    touch(here / "in" / "a.png", here / "in" / "deep" / "b.png", here / "c.dat")
    (here / "folder.png").mkdir()
    (here / "link").symlink_to("in")
    monkeypatch.chdir(here)

    def sources(*inputs: str) -> set[str]:
        return {ref.source for ref in Inputs(inputs, True, NOWHERE)}

    for folder in ("in", "in/", "./in", "link", str(here / "in"), "in/*.png", "in/**", "link/*.png"):
        assert sources(folder) == {str(here / "in")}, folder
    assert sources("in/deep/../a.png") == sources("link/a.png") == {str(here / "in")}
    assert sources("c.dat") == sources(".") == sources("**/*.png") == {str(here)}
    assert sources("in/deep/b.png", "c.dat", "in") == {str(here / "in"), str(here), str(here / "in" / "deep")}
    touch(here / "in" / "c.png")
    found = list(Inputs(["in/a.png", "in/c.png", "in/deep"], True, NOWHERE))
    assert (len(found), len({id(ref.source) for ref in found})) == (3, 2)


def test_the_folders_of_files_and_globs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "a.png", tmp_path / "in" / "b.png", tmp_path / "in" / "sub" / "c.png")
    (tmp_path / "link").symlink_to("in")
    (tmp_path / "linked.png").symlink_to("in/b.png")
    for paths, expected in (
        (["in"], []),
        (["linked.png"], ["in"]),
        (["a.png"], ["."]),
        (["in/b.png", "link/b.png"], ["in"]),
        (["in/*.png", "in/**/*.png", "*.png"], ["in", "."]),
        (["in/s*/c.png", "in/sub/c.png"], ["in", "in/sub"]),
    ):
        found = Inputs(paths, True, NOWHERE).folders_of_files
        assert found == [Path(os.path.realpath(path)) for path in expected]


def test_a_scan_keeps_its_source_on_its_way(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    (found,) = Inputs([str(tmp_path)], True, NOWHERE)
    ((identified,),) = dispatch.identify_all([found])
    (oldest,) = oldest_first([identified])
    ((read, _),) = dispatch.read_contents([found], 100)
    assert {ref.source for ref in (identified, oldest, read)} == {os.path.realpath(tmp_path)}
    assert identified == read


def test_a_glob_matches_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "b.png", tmp_path / "a.png", tmp_path / "a.txt", tmp_path / "sub" / "deep" / "c.png")
    monkeypatch.chdir(tmp_path)
    assert names("*.png") == ["a.png", "b.png"]
    assert names("**/*.png") == ["a.png", "b.png", "sub/deep/c.png"]
    assert names("a.*") == ["a.png"]
    with pytest.raises(InputError, match="quote"):
        names("*.tif")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make three levels of folders with the same names in each."""
    root = tmp_path_factory.mktemp("tree")
    folders = ["", "a/", "b/", *(f"{top}/{below}/" for top in "ab" for below in ("a", "b.png"))]
    touch(*(root / folder / name for folder in folders for name in ("a.png", "ab.tif", "b.txt")))
    return root


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(["*", "**", "a", "b", "?", "[ab]", "a*", "*.png", "a.png", "b*"]), min_size=1)
)
def test_a_glob_finds_what_python_finds(tree: Path, parts: list[str]) -> None:
    pattern = "/".join([str(tree), *parts])
    if not glob.has_magic(pattern):
        return
    expected = {path for path in glob.glob(pattern, recursive=True) if has_image_suffix(path)}
    try:
        result = names(pattern)
    except InputError:
        result = []
    assert result == sorted(expected)


def test_a_glob_skips_what_a_folder_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(
        *(
            tmp_path / "in" / n
            for n in ["a.png", "a-back.png", "~$a.png", ".a.png", "__MACOSX/a.png", "a.txt"]
        )
    )
    touch(tmp_path / "in" / "outbox" / "done" / "b.png")
    monkeypatch.chdir(tmp_path)
    inputs = Inputs(["**/*.png"], True, Path("in/outbox"), ["*-back.png"])
    assert [ref.name for ref in inputs] == ["in/a.png"]
    assert inputs.skipped == 4
    assert names("in/outbox/*/*.png", outbox=Path("in/outbox")) == ["in/outbox/done/b.png"]


def test_a_glob_searches_as_deep_as_it_matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(
        *(tmp_path / n for n in ["a.png", "s1/a.png", "s2/a.png", "s2/t/a.png", "s2/t/b.png", "s2/t/u/a.png"])
    )
    monkeypatch.chdir(tmp_path)
    assert names("s?/a.png") == ["s1/a.png", "s2/a.png"]
    assert names("./s2/*/[ab].png") == ["./s2/t/a.png", "./s2/t/b.png"]
    assert names("s*/**/a.png") == ["s1/a.png", "s2/a.png", "s2/t/a.png", "s2/t/u/a.png"]
    assert names("s2/**") == ["s2/a.png", "s2/t/a.png", "s2/t/b.png", "s2/t/u/a.png"]
    assert names("**/t/**/a.png") == ["s2/t/a.png", "s2/t/u/a.png"]
    assert names(f"{tmp_path}/*.png") == [f"{tmp_path}/a.png"]
    for pattern in ("gone/*.png", "a.png/*", "s3*", "*/*/*/*/*.png", "s*"):
        with pytest.raises(InputError, match="no file matches"):
            names(pattern)


def test_no_input_hides_that_another_matches_nothing(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "notes.txt")
    full, empty = f"{tmp_path}/*", f"{tmp_path}/gone/*.png"
    for inputs in ([full, empty], [empty, full]):
        with pytest.raises(InputError, match="no file matches"):
            Inputs(inputs, True, NOWHERE)


def test_a_glob_whose_scans_may_have_left_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    assert list(Inputs(["scans/*.png", "*.png"], True, NOWHERE, may_be_empty=True)) == []
    with pytest.raises(InputError, match="no file matches gone"):
        Inputs(["gone/*.png"], True, NOWHERE, may_be_empty=True)


@pytest.mark.parametrize("pattern", ["x[1]/*.png", "no*dir/a.png", "no*dir/**/a.png", "a[", "x[[]1]/a.png"])
def test_an_empty_glob_needs_a_star_and_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    """Otherwise a mistake in the name of the folder looks like a night without scans."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x[1]").mkdir()
    (tmp_path / "x2" / "y").mkdir(parents=True)
    for empty in ("x[[]1]/*.png", "x[12]/**/z/*.png", "x?/y/*.png", "**/*.png"):
        assert list(Inputs([empty], True, NOWHERE, may_be_empty=True)) == []
    with pytest.raises(InputError, match=r"write \[\[\] for a \[" if "]/*" in pattern else "no file matches"):
        Inputs([pattern], True, NOWHERE, may_be_empty=True)


@pytest.mark.parametrize("kind", ["folder", "file"])
@pytest.mark.parametrize("name", ["Scans [2026]", "s[1]/inbox", "why?", "a[[]b", "x[*]y", "[!x]"])
def test_a_name_that_is_gone_is_no_empty_glob(tmp_path: Path, name: str, kind: str) -> None:
    """Otherwise a share that is not mounted looks like a night without scans."""
    touch(tmp_path / "s1" / "inbox" / "a.png")  # what the name may match as a pattern
    path = str(tmp_path / name) + (".png" if kind == "file" else "")
    with pytest.raises(InputError, match=r"no such file or folder: .*; name what to read"):
        Inputs([path], True, NOWHERE, may_be_empty=True)


@pytest.mark.parametrize("folder", ["Scans [2026]", "a*b", "a?", "[", "x[!]y]", "]["])
def test_a_glob_is_the_same_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    here = tmp_path / folder
    touch(here / "b.png", here / "sub" / "a.png", here / "[1].png", tmp_path / "Scans 2" / "a.png")
    monkeypatch.chdir(here)
    given = ["*.png", "sub/*.png", "[[]1].png", "[1].png", "sub", "sub/a.png", str(here / "sub")]
    found = [list(Inputs([path], True, NOWHERE)) for path in given]
    absolute = [absolute_input(path) for path in given]
    monkeypatch.chdir("/")
    for path, refs in zip(absolute, found, strict=True):
        again = list(Inputs([path], True, NOWHERE))
        assert [(ref.path, ref.source) for ref in again] == [(ref.path, ref.source) for ref in refs]
        assert again[0].name in (refs[0].name, f"{here}/{refs[0].name}")
    assert absolute_input("s3://b/*.png") == "s3://b/*.png"


def test_a_glob_matches_a_folder_named_like_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "x.png" / "y.png")
    monkeypatch.chdir(tmp_path)
    assert names("*.png") == ["x.png"]


def test_a_glob_does_not_follow_links_in_circles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "s" / "a.png")
    for name in "bcd":
        (tmp_path / "s" / name).symlink_to(tmp_path / "s")
    monkeypatch.chdir(tmp_path)
    assert names("**/*.png") == ["s/a.png"]


def test_a_file_whose_name_looks_like_a_glob(tmp_path: Path) -> None:
    touch(tmp_path / "[1].png")
    assert names(tmp_path / "[1].png") == [str(tmp_path / "[1].png")]


def test_a_missing_input_fails_at_once(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    with pytest.raises(InputError, match="name what to read"):
        Inputs([str(tmp_path / "a.png"), str(tmp_path / "b.png")], True, NOWHERE)
    (tmp_path / "dangling.png").symlink_to("gone")
    with pytest.raises(InputError, match="link to nothing"):
        Inputs([str(tmp_path / "dangling.png")], True, NOWHERE)


def test_a_folder_named_like_an_image_is_a_scan_too(tmp_path: Path) -> None:
    touch(tmp_path / "x.png" / "a.png")
    assert names(tmp_path) == ["x.png", "x.png/a.png"]


def test_a_folder_that_cannot_be_listed_has_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "secret" / "a.png", tmp_path / "z.png")
    scandir = os.scandir

    def scandir_or_deny(path: str) -> Any:
        if path.endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scandir_or_deny)  # root may list what permissions forbid
    assert names(tmp_path) == ["secret", "z.png"]


@pytest.mark.parametrize("outbox", [NOWHERE, RemoteOutbox("s3://bucket/results")])
def test_a_folder_that_cannot_be_looked_at_has_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outbox: Location
) -> None:
    """It is not taken for an outbox that is not there."""
    touch(tmp_path / "secret" / "a.png", tmp_path / "z.png")
    stat, scandir = os.stat, os.scandir

    def denied(call: Callable[..., Any]) -> Callable[..., Any]:
        def calling(path: Any, *arguments: Any, **options: Any) -> Any:
            if str(path).endswith("secret"):
                raise PermissionError(13, "Permission denied")
            return call(path, *arguments, **options)

        return calling

    monkeypatch.setattr(os, "stat", denied(stat))
    monkeypatch.setattr(os, "scandir", denied(scandir))
    assert [ref.name for ref in Inputs([str(tmp_path)], True, outbox)] == ["secret", "z.png"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_listing_that_breaks_off_is_an_error(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.png", tmp_path / "b.png")
    scandir = os.scandir

    class BreakingOff(ExitStack):
        """A listing that fails after its first entry."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self._entries = self.enter_context(scandir(path))

        def __iter__(self) -> Iterator[os.DirEntry[str]]:
            yield next(self._entries)
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "scandir", BreakingOff)
    with pytest.raises((InputError, ShareError), match=os.strerror(number)):
        names(tmp_path)


def test_the_outbox_is_never_searched(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "outbox" / "done" / "b.png")
    assert names(tmp_path, outbox=tmp_path / "outbox") == ["a.png"]


def test_an_outbox_made_later_is_not_searched(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    inputs = Inputs([str(tmp_path)], True, tmp_path / "outbox")
    touch(tmp_path / "outbox" / "done" / "b.png")
    assert [ref.name for ref in inputs] == ["a.png"]


def test_a_full_disk_while_sorting_has_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.png", tmp_path / "b.png")
    monkeypatch.setattr(external_sort, "RUN_LENGTH", 1)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: open("/dev/full", "wb", buffering=0))  # noqa: SIM115
    with pytest.raises(InputError, match="TMPDIR"):
        names(tmp_path)


def test_undecodable_names_survive(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff\n1.png"
    with open(raw, "wb"):
        pass
    (ref,) = Inputs([str(tmp_path)], True, NOWHERE)
    assert os.fsencode(ref.path) == raw


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """Make a folder with more folders in each other than Python can make calls."""
    here, depth = os.getcwd(), 1100
    os.chdir(tmp_path)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    yield tmp_path
    for _ in range(depth):  # the clean-up of pytest is recursive and would fail
        os.chdir("..")
        os.rmdir("d")
    os.chdir(here)


def test_folders_may_be_nested_deeper_than_calls(deep: Path) -> None:
    touch(deep / "a.png")
    assert names(deep) == ["a.png"]
