import os
from pathlib import Path
from typing import Any

import pytest

from batch.inputs.find import Inputs
from batch.inputs.names import Skipped, Why
from batch.locations import LEDGER_FILE, STATE
from found import NOWHERE, names, touch
from others import as_another, needs_root, open_to_all


def test_a_folder_named_twice_is_one_folder(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.png")
    (tmp_path / "link").symlink_to("in")
    inputs = Inputs([str(tmp_path / n) for n in ("in", "in/", "link")], True, NOWHERE)
    assert len(inputs.folders) == 1
    assert len(list(inputs)) == 1


OVERLAPS = [
    ("in", "in"),
    ("in", "in/*.png"),
    ("in/*.png", "in"),
    ("in/**/*.png", "in/sub", "in/a.png"),
    ("in/sub", "in", "in/sub/b.png"),
    ("link", "in", "./in/../in", "in/a.png", "link/a.png"),
    ("in/a.png", "in/./a.png", "link/a.png", "in"),
    (".", "in/sub/*"),
    ("in/s*/*.png", "in/*/*.png", "in/x.png", "in"),
]


@pytest.mark.parametrize("inputs", OVERLAPS, ids=" ".join)
@pytest.mark.parametrize("recursive", [True, False])
def test_a_scan_that_two_inputs_name_is_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: tuple[str, ...], recursive: bool
) -> None:
    for name in ("a.png", "sub/b.png", "sub/c-back.png", "x.png/d.png", "notes.txt", ".e.png", "sub/f.part"):
        touch(tmp_path / "in" / name)
    touch(tmp_path / "in" / "@eaDir" / "g.png")
    (tmp_path / "link").symlink_to("in")
    monkeypatch.chdir(tmp_path)

    def find(*some: str) -> Inputs:
        return Inputs(some, recursive, Path("outbox"), ["*-back*"])

    together, alone = find(*inputs), [find(name) for name in inputs]
    paths = [ref.path for ref in together]
    assert paths == list(dict.fromkeys(ref.path for each in alone for ref in each))
    assert [ref.path for ref in together] == paths
    assert together.skipped >= max(each.skipped for each in alone)
    if inputs == ("in", "in"):
        assert together.skipped == alone[0].skipped


def test_an_outbox_between_two_inputs_hides_no_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.png", tmp_path / "outbox" / "failed" / "b.png")
    monkeypatch.chdir(tmp_path)
    found = names(".", "outbox/failed", outbox=Path("outbox"))
    assert found == ["./a.png", "outbox/failed/b.png"]


def make_outbox(folder: Path) -> None:
    """Make an outbox with scans of its own in failed/ and done/, and scans of others beside them."""
    touch(folder / STATE / LEDGER_FILE, folder / "failed" / "b.png", folder / "done" / "day" / "c.png")
    touch(folder / "d.png", folder / "in" / "e.png", folder / "in" / "done" / "f.png")


OF_OTHERS = ["d.png", "in/done/f.png", "in/e.png"]


def test_of_another_outbox_only_its_own_scans_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_outbox(tmp_path / "n" / "out")
    touch(tmp_path / "n" / "a.png", tmp_path / "n" / "failed" / "g.png")
    monkeypatch.chdir(tmp_path)
    below = [f"n/out/{name}" for name in OF_OTHERS]
    assert names("n") == ["a.png", "failed/g.png", *(f"out/{name}" for name in OF_OTHERS)]
    assert names("n/out") == names("n/out", outbox=Path("o_all")) == OF_OTHERS
    assert names("n/*/in/*.png") == ["n/out/in/e.png"]
    assert names("n/out/**") == below
    assert names("n/*/*.png") == ["n/failed/g.png", "n/out/d.png"]


def test_scans_of_another_outbox_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_outbox(tmp_path / "n" / "out")
    monkeypatch.chdir(tmp_path)
    own, others = "n/out/failed/b.png", [f"n/out/{name}" for name in OF_OTHERS]
    assert names("n/out/failed") == ["b.png"]
    for named in (own, "n/out/failed", "n/out/failed/*", "n/*/failed/**/*.png", "n/**/failed/*.png"):
        assert names("n", named) == [*others, own]
        assert names(named, "n") == [own, *others]
        assert names(named, "n", named, "n/*/failed/*") == [own, *others]
    assert names("n/*/f*/*.png", "n/*/done/**") == ["n/out/done/day/c.png"]


def test_folders_of_another_outbox_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_outbox(tmp_path / "n" / "out")
    monkeypatch.chdir(tmp_path)
    shown: list[Skipped] = []
    inputs = Inputs(["n", "n/**/*.png", "."], True, NOWHERE)
    inputs.show_skipped = shown.append
    assert ([ref.name for ref in inputs], inputs.skipped) == ([f"n/out/{name}" for name in OF_OTHERS], 3)
    place = os.path.realpath("n/out")
    assert set(shown) == {
        Skipped(f"{place}/{STATE}", Why.UNFINISHED),
        Skipped(f"{place}/done", Why.OUTBOX),
        Skipped(f"{place}/failed", Why.OUTBOX),
    }
    assert [each.shown for each in shown if each.why is Why.OUTBOX] == [f"{place}/done/", f"{place}/failed/"]
    own = Inputs(["n"], True, Path("n/out"))
    assert ([ref.name for ref in own], own.skipped) == ([], 0)


@needs_root
def test_an_outbox_whose_state_is_closed_is_an_outbox(tmp_path: Path) -> None:
    make_outbox(tmp_path / "n" / "out")
    touch(tmp_path / "n" / "closed" / "b.png")
    open_to_all(tmp_path)
    (tmp_path / "n" / "out" / STATE).chmod(0o700)
    (tmp_path / "n" / "closed").chmod(0o700)

    def check() -> None:
        found = names(tmp_path / "n")  # the row of closed/ says that it cannot be read
        assert found == ["closed", *(f"out/{name}" for name in OF_OTHERS)]

    as_another(check)


def test_what_a_search_passes_over_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "in" / "scan.dat", tmp_path / "in" / ".hidden.png", tmp_path / "in" / "a-back.png")
    os.mkfifo(tmp_path / "in" / "pipe.png")
    monkeypatch.chdir(tmp_path)
    paths = ["in", "in/scan.dat", "in/.hidden.png", "in/a-back.png", "in/pipe.png"]
    assert [ref.name for ref in Inputs(paths, True, NOWHERE, ["*-back*"])] == paths[1:]


def test_a_closed_folder_in_two_inputs_has_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "in" / "secret" / "a.png", tmp_path / "in" / "z.png")
    monkeypatch.chdir(tmp_path)
    scandir = os.scandir

    def scandir_or_deny(path: str) -> Any:
        if path.endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scandir_or_deny)
    assert names("in", ".", "in/*") == ["in/secret", "in/z.png"]
