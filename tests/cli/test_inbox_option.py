"""The inbox of a command that names no scans: an option, a variable and a key."""

from pathlib import Path

import pytest

from command import Digitbox
from formats import FORMATS, two

TWO = FORMATS["png-8"](two())


@pytest.fixture
def folders(tmp_path: Path) -> None:
    for name in ("inbox", "by-key", "by-variable", "by-option", "named"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").write_bytes(TWO)


@pytest.mark.parametrize("command", ["run", "watch"])
@pytest.mark.usefixtures("folders")
def test_the_closest_word_counts(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def reads(*arguments: str) -> list[str]:
        result = digitbox(command, "--dry-run", *arguments)
        assert result.code == 0
        return result.out.split()

    assert reads() == ["inbox.png"]
    (tmp_path / "digitbox.toml").write_text('inbox = "by-key"\n')
    assert reads() == ["by-key.png"]
    monkeypatch.setenv("DIGITBOX_INBOX", "by-variable")
    assert reads() == ["by-variable.png"]
    assert reads("--inbox", "by-option") == ["by-option.png"]
    assert reads("named", "--inbox", "by-option") == ["named.png"]


@pytest.mark.parametrize(
    ("command", "inbox", "code", "says"),
    [
        ("run", "gone", 4, "gone"),
        ("watch", "gone", 4, "no inbox gone"),
        ("run", "", 2, "it is empty"),
        ("watch", "", 2, "it is empty"),
        ("watch", "s3://bucket/scans", 2, "needs files on a disk"),
        ("run", "outbox", 2, "must not lie in each other"),
        ("watch", "outbox", 2, "must not lie in each other"),
    ],
)
def test_an_inbox_that_cannot_be(digitbox: Digitbox, command: str, inbox: str, code: int, says: str) -> None:
    result = digitbox(command, "--inbox", inbox)
    assert (result.code, says in result.err) == (code, True), result.err


@pytest.mark.usefixtures("folders")
def test_a_file_is_no_inbox(digitbox: Digitbox) -> None:
    file = "inbox/inbox.png"
    result = digitbox("watch", file)
    wanted = f"the inbox {file} is a file: name its folder, or read it with digitbox run\n"
    assert (result.code, result.err.endswith(wanted)) == (4, True)
    assert "it would fail: the inbox " in digitbox("schedule", "--watch", file).err


@pytest.mark.usefixtures("folders")
def test_a_scheduled_run_reads_it(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITBOX_INBOX", "by-variable")
    line = digitbox("schedule", "--cron", "--at", "04:00").out
    assert f" {tmp_path / 'by-variable'} #" in line and "--inbox" not in line
