"""Files of an inbox that are no scans: they stay there, with a note."""

import os
import socket

import pytest

from formats import numbered_scan
from scene import Scene


def test_what_is_passed_over(scene: Scene) -> None:
    scene.drop("a.png", numbered_scan(1))
    for name in (".hidden.png", "b.png.part", "~$c.png", "d.tmp", "Thumbs.db", "@eaDir/e.png", "no-back.png"):
        path = scene.inbox / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(numbered_scan(2))
    (scene.inbox / "readme.txt").write_text("a file of another type")
    scene.watch(100, ignore=("*-back.png",))
    scene.check()
    assert scene.log.of("others") == ["1 other file or folder in the inbox left alone: readme.txt"]
    assert len(list(scene.inbox.iterdir())) == 8


def test_pipes_sockets_and_links_are_left_alone_with_a_note(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.drop("a.png", numbered_scan(1))
    os.mkfifo(scene.inbox / "pipe.png")
    monkeypatch.chdir(scene.inbox)  # names of sockets must be short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.png")
        (scene.inbox / "link.png").symlink_to(scene.inbox / "a.png")
        (scene.inbox / "loop").symlink_to(scene.inbox)
        (scene.inbox / "itself.png").symlink_to("itself.png")
        (scene.inbox / "nothing.png").symlink_to("nothing")
        names = ["pipe.png", "socket.png", "link.png", "loop", "itself.png", "nothing.png"]
        scene.ticking.at(5, lambda: [scene.inbox / name for name in names])
        scene.watch(40)
    scene.check()
    assert scene.log.of("others") == [
        "6 other files or folders in the inbox left alone: itself.png, link.png, loop and 3 more"
    ]
    assert sorted(os.listdir(scene.inbox)) == sorted(names)


def test_an_inbox_in_another_outbox_is_read_but_not_its_done(scene: Scene) -> None:
    scene.drop("a.png", numbered_scan(1))
    ledger, scan = scene.inbox / "out/.digitbox/ledger.sqlite3", scene.inbox / "out/done/b.png"
    for path in (ledger, scan):
        path.parent.mkdir(parents=True)
        path.touch()
    scan.write_bytes(numbered_scan(2))
    scene.ticking.at(5, lambda: [scan, scan.parent, scan.parent.parent])
    scene.ticking.at(6, lambda: scene.drop("out/c.png", numbered_scan(3)))
    scene.drop("out/in/d.png", numbered_scan(4))
    scene.watch(100)
    scene.check()
    assert scan.exists()
    assert sorted(row["file"] for row in scene.rows) == ["a.png", "out/c.png", "out/in/d.png"]
    assert scene.log.of("others") == ["1 other file or folder in the inbox left alone: out/done/"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_left_alone(scene: Scene) -> None:
    try:
        os.mknod(scene.inbox / "tape.png", 0o20666, os.makedev(1, 5))
    except OSError as error:
        pytest.skip(f"no devices here: {error.strerror}")
    scene.drop("a.png", numbered_scan(1))
    scene.watch(40)
    scene.check()
