import importlib.util
import os
import re
import shlex
import socket
from pathlib import Path

import pytest

from command import Digitbox


def test_a_running_watcher_and_a_log_are_no_problem(digitbox: Digitbox, home: Path, tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client", reason="needs the extra 'metrics'")
    (tmp_path / "log").touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        result = digitbox("schedule", "--watch", "--metrics-listen", address, "--log-file", "log")
    assert (result.code, result.err) == (0, "")


def test_a_watcher_is_installed_and_taken_away(
    digitbox: Digitbox, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / ".config" / "systemd" / "user"
    monkeypatch.setenv("DIGITBOX_KEEP_DONE", "90d")
    given = ["--watch", "--settle", "3", "--outbox", "out box", "inbox"]
    printed = digitbox("schedule", *given).out
    result = digitbox("schedule", *given, "--install")
    assert (result.code, result.out) == (0, "")
    assert os.listdir(folder) == ["digitbox-watch.service"]
    text = (folder / "digitbox-watch.service").read_text()
    assert text in printed
    (line,) = re.findall("^ExecStart=(.*)$", text, re.MULTILINE)
    words = shlex.split(line)
    assert words[words.index("watch") :] == [
        "watch",
        "--outbox",
        f"{tmp_path}/out box",
        "--settle",
        "3.0",
        "--keep-done",
        "90d",
        f"{tmp_path}/inbox",
    ]
    assert (home / "called").read_text().splitlines()[-2:] == [
        "--user enable --now digitbox-watch.service",
        "--user restart digitbox-watch.service",
    ]
    result = digitbox("schedule", "--watch", "--uninstall")
    assert "uninstalled digitbox-watch.service" in result.err
    assert os.listdir(folder) == []
    assert "--user disable --now digitbox-watch.service" in (home / "called").read_text()


def test_a_watcher_without_an_inbox_is_told(digitbox: Digitbox, home: Path) -> None:
    result = digitbox("schedule", "--watch", "gone")
    assert (result.code, "it would fail: no inbox" in result.err) == (0, True)


def test_a_watcher_without_its_extra_is_not_planned(
    digitbox: Digitbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = digitbox("schedule", "--watch", "--metrics-listen", "127.0.0.1:9600", "--install")
    assert (result.code, "'metrics'" in result.err) == (7, True)
    assert not (home / ".config" / "systemd" / "user" / "digitbox-watch.service").exists()
