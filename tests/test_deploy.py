"""The files of deploy/: systemd understands them, and digitbox understands their commands."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from batch.monitoring.metrics_server import MetricsCollector
from batch.monitoring.news import State
from batch.outbox.run_stats import RunStats
from command import ROOT
from others import needs_root
from test_docs import understood

DEPLOY = ROOT / "deploy"
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
PROGRAM = "/opt/digitbox/bin/digitbox"
VOLUMES = ("inbox", "outbox", "tmp")
METRIC = re.compile(r"digitbox_[a-z_]+?(?=_bucket|[{\[)])")


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
    params = understood(name, arguments).params
    assert str(params["outbox"]) == "/srv/digitbox/outbox"
    assert params["inputs" if name == "run" else "folder"] in (
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


def container_commands() -> list[tuple[str, list[str]]]:
    """Return the commands of digitbox in the files for containers."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    found = []
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    found.append(("compose.yaml", compose["services"]["digitbox"]["command"]))
    watcher, nightly = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    for name, template in (
        ("Deployment", watcher["spec"]["template"]),
        ("CronJob", nightly["spec"]["jobTemplate"]["spec"]["template"]),
    ):
        pod = template["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001, name
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert {mount["name"] for mount in container["volumeMounts"]} == {
            one["name"] for one in pod["volumes"]
        }
        found.append((name, container["args"]))
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    found += [("Containerfile", json.loads(line[4:])) for line in lines if line.startswith("CMD ")]
    (health,) = (line for line in lines if line.startswith("HEALTHCHECK "))
    found.append(("health", json.loads(health[health.index("[") :])[1:]))
    return found


def test_the_commands_of_containers_are_understood() -> None:
    found = container_commands()
    assert len(found) == 5
    for _, (name, *arguments) in found:
        params = understood(name, list(map(str, arguments))).params
        assert str(params["outbox"]) == "/outbox"


def test_the_image_is_made_from_what_the_checkout_has() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    copied = {
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert {"setup.cfg", "digitbox.py", "batch", "models"} <= copied
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_dashboard_shows_metrics_that_exist() -> None:
    pytest.importorskip("prometheus_client", reason="needs the extra 'metrics'")
    from prometheus_client import generate_latest

    collector = MetricsCollector(RunStats("watch"), State(), "out")
    served = generate_latest(collector.registry).decode()
    text = (DEPLOY / "grafana-dashboard.json").read_text()
    panels = json.loads(text)["panels"]
    shown = {
        name for panel in panels for target in panel["targets"] for name in METRIC.findall(target["expr"])
    }
    assert len(shown) == 6
    assert [name for name in sorted(shown) if name.removesuffix("_total") not in served] == []


CONFINED = """
mount -t tmpfs -o mode=755 tmpfs /mnt
for folder in inbox outbox tmp; do mkdir /mnt/$folder; mount --bind $folder /mnt/$folder; done
mount -o remount,ro,bind /
cd /mnt
exec setpriv --reuid=10001 --regid=10001 --clear-groups --bounding-set=-all --no-new-privs "$@"
"""
"""Runs a command as compose.yaml does: no root, no capability, and only its volumes to write to."""


@pytest.mark.slow
@needs_root
@pytest.mark.skipif(not (shutil.which("unshare") and shutil.which("setpriv")), reason="needs util-linux")
def test_the_rights_of_the_container_are_enough(tmp_path: Path, default_model: Path) -> None:
    folders = [tmp_path / name for name in VOLUMES]
    for folder in folders:
        folder.mkdir()
        folder.chmod(0o777)
    shutil.copy(ROOT / "inbox" / "sample-01-pen.png", tmp_path / "inbox" / "a.png")
    before = ["unshare", "--mount", "sh", "-e", "-c", CONFINED, "sh", sys.executable, "-B"]
    variables = {"HOME": "/nonexistent", "TMPDIR": "/mnt/tmp", "PYTHONPATH": str(ROOT)}
    environment = {"PATH": os.environ["PATH"], **variables}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*before, *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )

    if run("-c", "import batch.cli.main").returncode:
        pytest.skip("no mounts of one's own here, or other users may not read this Python")
    is_confined = "import os; print(os.getuid(), os.access('/', os.W_OK), os.access(os.curdir, os.W_OK))"
    assert run("-c", is_confined).stdout == "10001 False False\n"
    with subprocess.Popen(
        [*before, "-m", "batch", "watch", "inbox", "--outbox", "outbox", "--settle", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env=environment,
    ) as watcher:
        assert watcher.stdout is not None
        results = watcher.stdout.readline().strip()
        health = run("-m", "batch", "status", "--outbox", "outbox")
        watcher.terminate()
        assert watcher.wait() == 0
    assert (health.returncode, health.stderr) == (0, ""), health.stdout
    assert len((tmp_path / results).read_text().splitlines()) == 2
    assert [path.name for path in (tmp_path / "outbox" / "done").rglob("*.png")] == ["a.png"]
    nightly = run("-m", "batch", "run", "--only-new", "inbox", "--outbox", "outbox")
    assert (nightly.returncode, nightly.stdout) == (0, ""), nightly.stderr
