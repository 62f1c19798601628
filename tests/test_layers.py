"""Who may import whom: arrows run down, and nothing heavy is imported where it is not needed."""

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOUNS = {"addresses", "records", "errors", "config", "stderr", "account"}
FILES = {
    f"files.{name}"
    for name in (
        "archive",
        "artefact",
        "containers",
        "corrections",
        "durable",
        "events",
        "images",
        "inbox",
        "ledger",
        "listing",
        "locks",
        "names",
        "objects",
        "outbox",
        "proofs",
        "results",
        "readback",
        "retire",
        "runs",
        "settler",
        "sorting",
        "storage",
        "tables",
        "tiffs",
        "troubles",
    )
}
DIGITS = {
    f"digits.{name}"
    for name in (
        "confidence",
        "lines",
        "metrics",
        "polarity",
        "preprocess",
        "quality",
        "resize",
        "strength",
    )
}
LEARN = {
    f"learn.{name}"
    for name in (
        "calibration",
        "card",
        "conditions",
        "corruptions",
        "looks",
        "robustness",
        "charts",
        "evaluate",
        "explore",
        "labelled_scans",
        "fonts",
        "samples",
        "commands",
        "compare",
        "datasets",
        "distil",
        "examples",
        "export",
        "network",
        "not_digits",
        "own_scans",
        "prior",
        "refusals",
        "render",
        "strokes",
        "train",
    )
}
UPKEEP = {"addresses", "console", "options", "times", "config", "records", "errors"} | FILES
REPORT = {f"report.{name}" for name in ("apply", "commands", "page", "pictures", "rows", "writing")}
# Module to what it may import of this package; a package stands for its modules.
MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "__main__": {"cli"},
    "cli": {
        "addresses",
        "console",
        "job",
        "watch",
        "options",
        "config",
        "log",
        "telling",
        "errors",
        "records",
    }
    | {"files.inbox", "files.tables", "report.commands"},
    "schedule": {
        "addresses",
        "console",
        "job",
        "options",
        "installing",
        "units",
        "config",
        "records",
        "errors",
    },
    "installing": {"console", "units", "errors"},
    "units": {"errors"},
    "settings": {"console", "options", "config", "files.tables"},
    "export": UPKEEP,
    "retry": UPKEEP,
    "prune": UPKEEP,
    "options": {"addresses", "quantities", "config", "records", "errors"},
    "quantities": {"config"},
    "hooks": {"errors"},
    "ping": {"errors"},
    "console": {"summary", "account", "config", "log", "records", "errors", "files.tables"},
    "telling": {
        "addresses",
        "console",
        "summary",
        "prometheus",
        "hooks",
        "ping",
        "account",
        "records",
        "errors",
    }
    | FILES,
    "status": {
        "addresses",
        "console",
        "options",
        "summary",
        "quantities",
        "account",
        "config",
        "records",
        "errors",
    }
    | FILES,
    "history": {"addresses", "console", "options", "summary", "quantities", "records"} | FILES,
    "summary": {"addresses", "records", "files.tables"},
    "prometheus": {"records"},
    "explain": {"job", "options", "flow", "classifier", "config", "records", "errors"} | FILES | DIGITS,
    "watch": {
        "addresses",
        "job",
        "engines",
        "account",
        "config",
        "log",
        "sdnotify",
        "stop",
        "watched",
        "records",
        "errors",
    }
    | FILES,
    "watched": {"config", "log", "errors", "files.events", "files.locks"},
    "stop": set(),
    "job": {
        "addresses",
        "engines",
        "on_ray",
        "flow",
        "wanted",
        "drift",
        "account",
        "config",
        "records",
        "errors",
    }
    | FILES,
    "wanted": {"account", "files.inbox", "files.storage", "records"},
    "drift": set(),
    "account": {"records", "errors"},
    "engines": {"records", "errors"},
    "on_ray": {"engines", "ray_actors", "records", "errors", "stderr", ""},
    "ray_actors": {"engines", "records", "errors", ""},
    "flow": {"classifier", "records", "errors", "stderr"} | FILES | DIGITS,
    "classifier": {"records", "errors", "stderr", "files.artefact", "digits.confidence"},
    "records": set(),
    "errors": {"records"},
    "config": {"addresses", "errors", "records"},
    "addresses": {"errors"},
    "sdnotify": set(),
    "log": {"errors", "files.tables"},
    "stderr": set(),
    "times": set(),
    **{name: {"records", "errors"} | DIGITS for name in DIGITS},
    **dict.fromkeys(FILES, NOUNS | FILES),
    **{name: NOUNS | FILES | DIGITS | LEARN | {"classifier", "engines", "flow", "options"} for name in LEARN},
    **{name: NOUNS | FILES | DIGITS | REPORT | {"classifier", "console", "options"} for name in REPORT},
    "digits": set(),
    "files": set(),
    "learn": set(),
    "report": set(),
}
HEAVY = (
    "tensorflow",
    "keras",
    "pandas",
    "matplotlib",
    "pyarrow",
    "seaborn",
    "ray",
    "watchdog",
    "fsspec",
    "s3fs",
    "botocore",
    "aiohttp",
)


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "batch").rglob("*.py")):
        parts = path.relative_to(ROOT / "batch").with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def named(nodes: Iterable[ast.AST]) -> set[str]:
    """What is imported there."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def imported(path: Path) -> set[str]:
    """Modules of this package that a file imports, anywhere in it."""
    names = named(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    known = set(modules())
    return {name.removeprefix("batch.") for name in names if name.startswith("batch.")} & known


def test_every_module_has_a_place_in_the_table() -> None:
    assert set(modules()) == set(MAY_IMPORT)


@pytest.mark.parametrize("module", sorted(MAY_IMPORT))
def test_arrows_run_down(module: str) -> None:
    assert imported(modules()[module]) - {"digits", "files", "learn", "report"} <= MAY_IMPORT[module]


@pytest.mark.parametrize("module", sorted(name for name in MAY_IMPORT if name.startswith("digits.")))
def test_digits_are_pure(module: str) -> None:
    source = ast.parse(modules()[module].read_text(encoding="utf-8"))
    names = {
        name.split(".")[0]
        for node in ast.walk(source)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not names & {"os", "sys", "io", "pathlib", "time", "datetime", "logging", "random", "tempfile"}


def test_to_collect_the_tests_loads_no_tensorflow() -> None:
    """Each process that runs some collects all of them, and with TensorFlow in it, its forks take longer."""

    def at_once(path: Path) -> set[str]:
        return named(ast.parse(path.read_text(encoding="utf-8")).body)

    heavy = {"tensorflow", "keras"}
    heavy |= {f"batch.{name}" for name, path in modules().items() if heavy & at_once(path)}
    assert {"batch.learn.distil", "batch.learn.network", "batch.learn.train"} <= heavy
    assert not [path for path in (ROOT / "tests").rglob("*.py") if heavy & at_once(path)]


def test_files_have_one_subject() -> None:
    assert {name for name, path in modules().items() if len(path.read_text().splitlines()) > 400} == set()


def heavy_after(code: str, cwd: Path) -> str:
    script = f"import sys\n{code}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=cwd)
    return done.stdout.splitlines()[-1]


def test_ctrl_c_while_it_starts_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, "-m", "batch", "--version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=False,
        cwd=ROOT,
        # What runs in the background of a shell ignores it, and so do the tests then.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_importing_the_command_line_imports_nothing_heavy(tmp_path: Path) -> None:
    assert heavy_after("import batch.cli", tmp_path) == "[]"


@pytest.mark.slow
def test_a_whole_run_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        f"sys.argv = ['digitbox', 'run', {str(ROOT / 'inbox')!r}, '--workers', '1', '--quiet']\n"
        "from batch.cli import main\ntry: main()\nexcept SystemExit as e: assert e.code in (0, 3), e.code"
    )
    assert heavy_after(code, tmp_path) == "[]"
