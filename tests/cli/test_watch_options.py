"""What `digitbox watch` shares with `digitbox run`: --only-new, --verbose and --dry-run."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from batch.cli.main import cli
from command import Digitbox
from formats import FORMATS, second_page_damaged, two
from scene import Scene

TWO = FORMATS["png-8"](two())


def drop_as_of_old(scene: Scene) -> list[Path]:
    """Drops the same file as ever, with its time kept, as a synchroniser would."""
    path = scene.inbox / "a.png"
    path.write_bytes(TWO)
    os.utime(path, ns=(1_000_000_000, 1_000_000_000))
    return [path]


@pytest.mark.parametrize(("only_new", "rows"), [(False, 2), (True, 1)])
def test_only_new_leaves_out_scans_that_were_moved_away(scene: Scene, only_new: bool, rows: int) -> None:
    for at_s in (0, 20):
        scene.ticking.at(at_s, lambda: drop_as_of_old(scene))
    scene.watch(60, only_new=only_new)
    assert len(scene.rows) == rows
    assert os.listdir(scene.inbox) == ["a.png"] * (2 - rows)


def test_scans_that_are_not_ok_are_details_of_the_log(scene: Scene) -> None:
    scene.drop("a.png", TWO)
    scene.drop("half.png", TWO[:90])
    scene.drop("cards.tif", second_page_damaged())
    scene.watch(60)
    assert scene.log.of("scan") == ["cards.tif, page 2: failed, damaged", "half.png: failed, truncated"]


def test_a_dry_run_prints_what_would_be_read_and_changes_nothing(tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "inbox", tmp_path / "outbox"
    for name in ("a.png", "sub/b.png", "notes.txt"):
        (inbox / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox / name).write_bytes(b"text" if name == "notes.txt" else TWO)
    arguments = ["watch", str(inbox), "--outbox", str(outbox), "--dry-run"]
    assert CliRunner().invoke(cli, arguments, catch_exceptions=False).stdout == "a.png\nsub/b.png\n"
    assert not outbox.exists()


@pytest.mark.parametrize("given", [("--after", "leave"), ("--only-new",)])
def test_a_dry_run_leaves_out_what_the_watcher_leaves_out(
    inbox: Path, digitbox: Digitbox, given: tuple[str, ...]
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    assert digitbox("run", "--only-new").code == 0
    (inbox / "b.png").write_bytes(TWO)
    assert digitbox("watch", "--dry-run", *given).out == "b.png\n"
    assert digitbox("watch", "--dry-run").out == "a.png\nb.png\n"  # it would move both
