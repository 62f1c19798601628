"""The notebook in the docs: every cell runs, and what it shows is of this digitbox."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
TABLE = 'frame[["file", "prediction", "confidence", "status", "reason"]]'  # what the default model reads


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
    """One epoch over a tenth of the images is enough to see that it runs, and one import of TensorFlow."""
    code = program()
    for whole, few in (("--epochs 10", "--epochs 1"), ("[:8000]", "[:800]"), ("[8000:]", "[9800:]")):
        assert whole in code
        code = code.replace(whole, few)
    script = tmp_path / "notebook.py"
    script.write_text(
        "import shlex, tempfile\n"
        "import matplotlib\n"
        "matplotlib.use('Agg')\n"
        "from batch.cli.main import cli\n"
        "def shell(line):\n"
        "    name, *arguments = shlex.split(line)\n"
        "    assert name == 'digitbox'\n"
        "    cli.main(arguments, standalone_mode=False)\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        f"{code}\n"
        "assert frame['prediction'].notna().sum() == summary.counts['ok'] + summary.counts['review']\n"
        "assert digitbox.read(picture) == digitbox.read(255 - picture)\n"
        f"print({TABLE})\n"
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
    (shown,) = (cell["outputs"] for cell in cells() if "".join(cell["source"]).endswith(TABLE))
    assert "".join(shown[0]["data"]["text/plain"]) in done.stdout
