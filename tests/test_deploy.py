"""The files of deploy/: they are understood, and their commands are those of digitbox."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command import ROOT
from test_docs import commands

DEPLOY = ROOT / "deploy"
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
PROGRAM = "/opt/digitbox/bin/digitbox"


def lines_of(path: Path) -> list[str]:
    """Command lines of digitbox in a file."""
    found = re.findall(rf"^[^#\n]*{PROGRAM} (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [str(line) for line in found]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd to ask")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(PROGRAM, sys.executable)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    copies = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *copies], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "path", [DEPLOY / "digitbox.cron", *DEPLOY.glob("*.service")], ids=lambda path: path.name
)
def test_the_commands_are_understood(path: Path) -> None:
    (line,) = lines_of(path)
    assert "%" not in line
    name, *arguments = shlex.split(line)
    given = commands()[name].make_context(name, arguments).params
    assert str(given["outbox"]) == "/srv/digitbox/outbox"
    assert given["inputs" if name == "run" else "inbox"] in (
        ("/srv/digitbox/inbox",),
        Path("/srv/digitbox/inbox"),
    )


def test_each_file_is_in_the_readme() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert [name for name in os.listdir(DEPLOY) if f"`{name}`" not in text] == ["README.md"]


def test_the_services_are_confined_and_a_missed_night_is_made_up_for() -> None:
    for unit in DEPLOY.glob("*.service"):
        settings = unit.read_text(encoding="utf-8").splitlines()
        for wanted in ("ProtectSystem=strict", "ReadWritePaths=/srv/digitbox", "NoNewPrivileges=yes"):
            assert wanted in settings
    assert "Persistent=true" in (DEPLOY / "digitbox-nightly.timer").read_text(encoding="utf-8").splitlines()
