"""The notebook in the docs: every cell runs, and what it shows is of this digitbox."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def cells() -> list[dict[str, Any]]:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def program() -> str:
    """Return the cells as one Python program; commands of the shell are calls of `shell`."""
    lines = []
    for cell in cells():
        for line in "".join(cell["source"]).splitlines():
            lines.append(f"shell(f{line[1:]!r})" if line.startswith("!") else line)
    return "\n".join(lines)


def test_every_cell_ran_without_errors() -> None:
    for cell in cells():
        assert cell["execution_count"], "".join(cell["source"])
        assert not [output for output in cell["outputs"] if output["output_type"] == "error"]


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    """One epoch is enough to see that it runs."""
    script = tmp_path / "notebook.py"
    script.write_text(
        "import shlex, subprocess, sys, tempfile\n"
        "import matplotlib\n"
        "matplotlib.use('Agg')\n"
        "def shell(line):\n"
        "    name, *arguments = shlex.split(line.replace('--epochs 10', '--epochs 1'))\n"
        "    assert name == 'digitbox'\n"
        "    subprocess.run([sys.executable, '-m', 'digitbox', *arguments], check=True)\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        f"{program()}\n"
        "assert frame['prediction'].notna().sum() == summary.counts['ok'] + summary.counts['review']\n"
        "assert digitbox.read(picture) == digitbox.read(255 - picture)\n"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, script],
        cwd=NOTEBOOK.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
