"""Whether somebody has a file open for writing, as the system tells its owner, root and others."""

import errno
import fcntl
import hashlib
import os
import pathlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.errors import ImageError, MeansError, ShareError
from batch.inputs.find import Inputs
from batch.outbox import turns
from batch.records import Reason, ScanRef
from batch.storage import disk, durable, locks, open_files
from batch.storage.disk import Disk, digest_if_readable, read_start
from batch.storage.open_files import has_writer
from faults import fast_folder
from interrupts import descriptors, interruptions
from others import as_another, needs_root, open_to_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has leases")


def reads(path: Path) -> list[Callable[[], object]]:
    """Return all ways in which digitbox reads a file."""
    return [
        lambda: Disk().content(ScanRef(str(path), path.name), 100),
        lambda: read_start(str(path), 100),
        lambda: digest_if_readable(path),
    ]


def test_an_open_file_has_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"content")
    assert has_writer(path) is False
    with path.open("ab"):
        assert has_writer(path) is True
        os.link(path, tmp_path / "link")
        assert has_writer(tmp_path / "link") is True
    with path.open("rb"):
        assert has_writer(path) is False


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    before = os.listdir("/proc/self/fd")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "link", tmp_path / "gone", Path("/dev/zero")):
        assert (digest_if_readable(path), read_start(str(path), 9)) == ("", b"")
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # Python closes a file that nobody has
def test_ctrl_c_leaves_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"content")

    def lock() -> None:
        with locks.hold_folders([tmp_path], exclusive=True):
            pass

    def take_turn() -> None:
        (tmp_path / "turn.lock").unlink(missing_ok=True)
        with turns.hold_turn(tmp_path):
            pass

    works: list[Callable[[], object]] = [
        lock,
        take_turn,
        *reads(path),
        lambda: has_writer(path),
        lambda: durable.sync(tmp_path),
        lambda: durable.are_on_other_mounts(path, tmp_path),
        lambda: durable.replace(path, b"content"),
    ]
    for work in works:
        before = descriptors()
        interrupts = 0
        for _ in interruptions(work, disk, durable, locks, open_files, pathlib, turns):
            interrupts += 1
            assert descriptors() == before
        assert interrupts > 2


def test_what_is_no_file_has_no_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    assert [has_writer(tmp_path / name) for name in ("", "pipe", "link", "gone", "pipe/a")] == [False] * 5


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOTCONN, errno.EHOSTDOWN]
)
def test_a_lack_of_open_files_is_no_fault_of_a_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"content")

    def call(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", call)
    monkeypatch.setattr(os, "scandir", call)
    inputs = Inputs([str(tmp_path)], True, tmp_path / "outbox")
    calls: list[Callable[[], object]] = [*reads(path), lambda: has_writer(path), lambda: list(inputs)]
    for read in calls:
        with pytest.raises((MeansError, ShareError), match=os.strerror(number)):
            read()


def test_a_share_that_goes_away_in_a_read_is_no_fault_of_a_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"content")

    def read(*_: object) -> bytes:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    monkeypatch.setattr(os, "read", read)
    monkeypatch.setattr(hashlib, "file_digest", read)
    for call in reads(path):
        with pytest.raises(ShareError):
            call()


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 25])
def test_a_large_file_is_read_with_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(disk, "CHUNK_BYTES", 10)
    path, beats = tmp_path / "a.png", []
    path.write_bytes(content := bytes(range(size)))
    ((_, data),) = Disk().contents([ScanRef(str(path), path.name)], 100, lambda: beats.append(size))
    assert (data if size else content) == content
    assert len(beats) >= 1 + (size - 1) // 10


def test_a_lease_that_is_asked_back_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer comes while digitbox holds the lease: the signal of the system must not end the process."""
    path = tmp_path / "a"
    path.write_bytes(b"content")
    calls = []
    real = fcntl.fcntl

    def call(descriptor: int, command: int, value: int) -> object:
        calls.append(command)
        if value == fcntl.F_UNLCK:
            with pytest.raises(BlockingIOError):
                os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        return real(descriptor, command, value)

    monkeypatch.setattr(fcntl, "fcntl", call)
    assert signal.getsignal(signal.SIGIO) is signal.SIG_DFL
    assert has_writer(path) is False
    assert len(calls) == 3


@needs_root
def test_the_system_does_not_tell_other_users(tmp_path: Path) -> None:
    with fast_folder(tmp_path) as folder:
        open_to_all(folder)
        (folder / "a").write_bytes(b"content")
        (folder / "secret").write_bytes(b"content")
        (folder / "secret").chmod(0o600)

        def look() -> None:
            assert has_writer(folder / "a") is None
            assert has_writer(folder / "secret") is None
            (folder / "mine").write_bytes(b"content")
            assert has_writer(folder / "mine") is False

        with (folder / "a").open("ab"):
            as_another(look)
            assert has_writer(folder / "a") is True


@pytest.mark.parametrize(
    ("kind", "tells"), [("ext4", True), ("nfs4", False), ("cifs", False), ("fuse.sshfs", False)]
)
def test_network_folders_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, tells: bool
) -> None:
    """NFS and SMB refuse leases on files without a writer, and do not know the writers elsewhere."""
    path = tmp_path / "a"
    path.write_bytes(b"content")
    device = os.stat(path).st_dev
    line = f"36 35 {os.major(device)}:{os.minor(device)} / /my\\040scans rw shared:1 - {kind} server:/ rw\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"a line of - another form\n{line}")
    open_files.is_network_device.cache_clear()
    try:
        assert has_writer(path) is (False if tells else None)
    finally:
        open_files.is_network_device.cache_clear()


def test_a_scan_with_a_writer_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"content")
    with path.open("r+b"):
        _, error = Disk().content(ScanRef(str(path), "a.png"), 100)
    assert isinstance(error, ImageError) and error.reason is Reason.CHANGED
    ref, content = Disk().content(ScanRef(str(path), "a.png"), 100)
    assert (content, ref.ctime_ns) == (b"content", os.stat(path).st_ctime_ns)
