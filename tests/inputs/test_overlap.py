import os
from pathlib import Path
from typing import Any

import pytest

from batch.inputs.find import Inputs
from batch.inputs.names import Skipped, Why
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


def test_another_outbox_is_passed_over_but_may_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "n" / "a.png", tmp_path / "n" / "out" / ".digitbox" / "ledger.sqlite3")
    touch(tmp_path / "n" / "out" / "failed" / "b.png", tmp_path / "n" / "out" / "c.csv")
    touch(tmp_path / "n" / "plain" / ".digitbox" / "corrections.sqlite3", tmp_path / "n" / "plain" / "d.png")
    monkeypatch.chdir(tmp_path)
    assert names("n") == ["a.png", "plain/d.png"]
    assert names("n/*/*.png", "n/*") == ["n/plain/d.png", "n/a.png"]
    assert names("n/out") == ["failed/b.png"]
    assert names("n/out/*/*.png") == names("n/out/failed/b.png") == ["n/out/failed/b.png"]
    for inputs in (("n", "n/out/failed"), ("n/**", "n/out/*/b.png"), ("n", "n/out/failed/b.png")):
        assert names(*inputs) == ["n/a.png", "n/plain/d.png", "n/out/failed/b.png"]
    assert names("n/out", "n") == ["n/out/failed/b.png", "n/a.png", "n/plain/d.png"]


def test_another_outbox_is_counted_once_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "n" / "a.png", tmp_path / "n" / "out" / ".digitbox" / "ledger.sqlite3")
    touch(tmp_path / "n" / "out" / "failed" / "b.png", tmp_path / "n" / "out" / "c.csv")
    monkeypatch.chdir(tmp_path)
    shown: list[Skipped] = []
    inputs = Inputs(["n", "n/**/*.png", "."], True, NOWHERE)
    inputs.show_skipped = shown.append
    assert ([ref.name for ref in inputs], inputs.skipped) == (["n/a.png"], 1)
    assert shown == [Skipped(os.path.realpath("n/out"), Why.OUTBOX)]
    own = Inputs(["n"], True, Path("n/out"))
    assert ([ref.name for ref in own], own.skipped) == (["a.png"], 0)


@needs_root
def test_an_outbox_whose_state_is_closed_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "n" / "out" / ".digitbox" / "ledger.sqlite3", tmp_path / "n" / "out" / "a.png")
    touch(tmp_path / "n" / "closed" / "b.png")
    open_to_all(tmp_path)
    (tmp_path / "n" / "out" / ".digitbox").chmod(0o700)
    (tmp_path / "n" / "closed").chmod(0o700)

    def check() -> None:
        assert names(tmp_path / "n") == ["closed"]  # its row says that it cannot be read

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
