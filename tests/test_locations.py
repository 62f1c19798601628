import os
from pathlib import Path

import pytest

from batch import locations
from batch.errors import ConfigError
from batch.locations import RemoteOutbox, command_line, is_trusted


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("scans/", "scans/"),
        ("./~/scans", "./~/scans"),
        ("~$scan.png", "~$scan.png"),
        ("a: //b", "a: //b"),
        ("file:///srv/scans", "/srv/scans"),
        ("file://localhost/srv/my%20scans/%ff.png", "/srv/my scans/\udcff.png"),
        ("s3://bucket/a b/*.png", "s3://bucket/a b/*.png"),
        ("s3://bucket/page?.png", "s3://bucket/page?.png"),
        ("s3://bucket/me@home.png", "s3://bucket/me@home.png"),
        ("az://container@account.dfs.core.windows.net/x", "az://container@account.dfs.core.windows.net/x"),
    ],
)
def test_what_is_given_is_understood(given: str, found: str) -> None:
    assert locations.check_location(given) == found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("http://host/x.png", "cannot read or write http:// addresses"),
        ("S3://bucket/x.png", "cannot read or write S3:// addresses"),
        ("file://elsewhere/x.png", "file:///folder/scan.png"),
        ("s3://", "name the bucket"),
        ("s3:///x", "name the bucket"),
        ("s3://buck*/x", "name the bucket"),
        ("s3://key:hidden@bucket/x", "no credentials"),
        ("gs://hidden@bucket/x", "no credentials"),
        ("az://me:hidden@container/x", "no credentials"),
        ("s3://bucket/x.png?X-Amz-Signature=hidden", "no credentials"),
        ("az://container/x?sv=1&sig=hidden", "no credentials"),
        ("file:///srv/a%00.png", r"no file can have the name '/srv/a\\x00.png'"),
        ("s3://bucket/a\0b", "no file can have the name"),
        ("\ud800.png", r"no file can have the name '\\ud800.png'"),
        ("~", "only a shell knows: write /srv/anna, or ./~$"),
        ("~/scans/*.png", r"only a shell knows: write /srv/anna/scans/\*.png, or ./~/scans/\*.png$"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(
    given: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/srv/anna")
    with pytest.raises(ConfigError, match=said) as caught:
        locations.check_location(given)
    assert "hidden" not in str(caught.value)


def test_an_outbox_is_a_folder_or_an_address() -> None:
    assert locations.parse_outbox("out/") == Path("out")
    assert locations.parse_outbox("file:///srv/out") == Path("/srv/out")
    found = locations.parse_outbox("s3://bucket/out/")
    assert isinstance(found, RemoteOutbox)
    assert (str(found), found / "x.csv") == ("s3://bucket/out", "s3://bucket/out/x.csv")


def test_each_outbox_has_a_state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locations.state_folder(Path("out")) == Path("out/.digitbox")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    places = ("s3://b/a-c", "s3://b/a/c", "s3://b-a/c", "gs://b/a-c", "s3://b/" + "é" * 500)
    folders = [locations.state_folder(RemoteOutbox(place)) for place in places]
    assert len(set(folders)) == len(places)
    assert {folder.parent for folder in folders} == {tmp_path / "digitbox"}
    assert all(len(os.fsencode(folder.name)) < 200 for folder in folders)
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/somebody")
    assert locations.remote_state_folder(None) == Path("/somebody/.local/state/digitbox")
    elsewhere = locations.with_state_folder(RemoteOutbox("s3://b/c"), tmp_path / "volume")
    assert locations.state_folder(elsewhere).parent == tmp_path / "volume"
    assert locations.with_state_folder(Path("out"), tmp_path) == Path("out")


def test_without_a_home_the_state_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigError, match="--state"):
        locations.state_folder(RemoteOutbox("s3://b/c"))


def test_an_address_is_the_same_in_any_folder() -> None:
    assert locations.absolute("s3://b/c") == locations.absolute(RemoteOutbox("s3://b/c")) == "s3://b/c"
    assert locations.absolute(Path("out")) == locations.absolute("out") == os.path.abspath("out")


def test_dots_behind_a_link_are_of_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("here/plain", "deep/in"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    Path("link").symlink_to("../deep/in")
    for given in ("link/../out", Path("link/../out"), tmp_path / "here/link/.././out"):
        assert locations.absolute(given) == str(tmp_path / "deep/out")
    assert locations.absolute("plain/../out") == str(tmp_path / "here/out")
    assert locations.absolute("link/out/") == str(tmp_path / "here/link/out")


@pytest.mark.parametrize("mode", [0o755, 0o757, 0o775])
@pytest.mark.parametrize("place", ["file", "folder"])
def test_others_that_can_write_are_not_trusted(tmp_path: Path, place: str, mode: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    path = folder / "file"
    path.touch(0o644)
    assert is_trusted(path)
    changed = path if place == "file" else folder
    changed.chmod(mode)
    is_own_group = changed.stat().st_gid in (0, changed.stat().st_uid)
    assert is_trusted(path) == (mode == 0o755 or (mode == 0o775 and is_own_group))


@pytest.mark.parametrize("place", ["folder", "linked"])
def test_a_link_is_trusted_only_if_both_folders_are(tmp_path: Path, place: str) -> None:
    folder, linked = tmp_path / "folder", tmp_path / "linked"
    for made in (folder, linked):
        made.mkdir(mode=0o755)
    (linked / "file").touch(0o644)
    path = folder / "file"
    path.symlink_to(linked / "file")
    assert is_trusted(path)
    (tmp_path / place).chmod(0o757)
    assert not is_trusted(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert is_trusted(path)
    os.chown(path, 12345, 12345)
    assert not is_trusted(path)
    assert not is_trusted(tmp_path / "gone")


def test_a_command_for_an_outbox_in_a_store_names_its_state() -> None:
    address = "s3://bucket/results"
    assert command_line("export", RemoteOutbox(address)) == f"digitbox export --outbox {address}"
    with_state = command_line("export", RemoteOutbox(address, Path("/s")))
    assert with_state == f"digitbox export --outbox {address} --state /s"
