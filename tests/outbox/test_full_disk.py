"""Commands on a disk without a free byte: those that look do so, and `prune` makes room."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from command import ROOT, Digitbox
from formats import two

TWO = bytes(cv2.imencode(".bmp", cv2.resize(two(), (500, 500)))[1])  # that there is room without it
SCRIPT = """
mount -t tmpfs -o size=2m tmpfs disk
cp -r outbox disk
dd if=/dev/zero of=disk/rest bs=4k 2>&- || true
exec "$@"
"""
PRUNE = """
import json
from datetime import UTC, datetime
from pathlib import Path
from batch.outbox.prune import Limits, prune_outbox
later = datetime(2999, 1, 1, tzinfo=UTC)
pruned = prune_outbox(Path("disk/outbox"), Limits(later, later))
files = [path.name for path in Path("disk/outbox/done").rglob("*.bmp")]
print(json.dumps([pruned.files, pruned.scans, pruned.notes, files]))
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
def test_prune_makes_room_and_status_looks(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    for name in ("a.bmp", "b.bmp"):
        (inbox / name).write_bytes(TWO)
    assert digitbox("run", "--after", "move", "--settle", "0").code == 0
    (tmp_path / "disk").mkdir()
    before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-e", "-c", SCRIPT, "sh"]

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [*before, *command], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )

    if run("sh", "-c", "! echo more > disk/more").returncode:
        pytest.skip("no file system of one's own here")
    status = run(sys.executable, "-m", "batch", "status", "--deep", "--outbox", "disk/outbox")
    assert (status.returncode, status.stderr) == (0, ""), status.stdout
    pruned = run(sys.executable, "-c", PRUNE)
    assert pruned.stderr == ""
    assert json.loads(pruned.stdout) == [2, 2, [], []]
