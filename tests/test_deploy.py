"""The files of deploy/: systemd understands them, and digitbox understands their commands."""

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
    """Return the command lines of digitbox in a file."""
    lines = re.findall(rf"^[^#\n]*{PROGRAM} (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [str(line) for line in lines]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(PROGRAM, sys.executable)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    copies = [str(tmp_path / unit.name) for unit in UNITS]
    result = subprocess.run(
        ["systemd-analyze", "verify", *copies], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    "path", [DEPLOY / "digitbox.cron", *DEPLOY.glob("*.service")], ids=lambda path: path.name
)
def test_the_commands_are_understood(path: Path) -> None:
    (line,) = lines_of(path)
    assert "%" not in line
    name, *arguments = shlex.split(line)
    params = commands()[name].make_context(name, arguments).params
    assert str(params["outbox"]) == "/srv/digitbox/outbox"
    assert params["inputs" if name == "run" else "inbox"] in (
        ("/srv/digitbox/inbox",),
        Path("/srv/digitbox/inbox"),
    )


def test_each_file_is_in_the_readme() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert [name for name in os.listdir(DEPLOY) if f"`{name}`" not in text] == ["README.md"]


def test_services_are_confined_and_the_timer_is_persistent() -> None:
    for unit in DEPLOY.glob("*.service"):
        settings = unit.read_text(encoding="utf-8").splitlines()
        for line in ("ProtectSystem=strict", "ReadWritePaths=/srv/digitbox", "NoNewPrivileges=yes"):
            assert line in settings
        capabilities = [line for line in settings if re.match("(Ambient|Capability)", line)]
        assert capabilities == ["CapabilityBoundingSet=CAP_LEASE", "AmbientCapabilities=CAP_LEASE"]
    assert "Persistent=true" in (DEPLOY / "digitbox-nightly.timer").read_text(encoding="utf-8").splitlines()
