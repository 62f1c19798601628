"""Which package may import which: arrows run down, no circles, and nothing heavy where it is not needed."""

import ast
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from command import ROOT

# What the packages share: nouns, errors, options, and how text and times are written.
BASE = {
    "records",
    "errors",
    "text",
    "clock",
    "options",
    "locations",
    "lengths",
    "tolerance",
    "config",
    "intervals",
}
# The top level of the checkout.
FOLDERS = {".ci", "batch", "benchmarks", "deploy", "docs", "findings", "inbox", "models", "outbox", "tests"}
FILES = {
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "digitbox.py",
    "pyproject.toml",
    "ruff.toml",
    "setup.cfg",
}
# Package (or module at the top) to the packages that it may import, beside itself.
MAY_IMPORT: dict[str, set[str]] = {
    "records": set(),
    "text": set(),
    "clock": set(),
    "options": set(),
    "intervals": set(),
    "lengths": set(),
    "tolerance": set(),
    "opencv": set(),
    "errors": {"records"},
    "locations": {"errors"},
    "config": {"records", "errors", "lengths", "tolerance", "locations", "options"},
    "terminal": {"text", "clock", "errors"},
    "preprocessing": {"records"},
    "storage": {"records", "errors", "locations"},
    "images": {"records", "errors", "storage", "terminal"},
    "inputs": {"records", "errors", "locations", "storage", "images"},
    "results": {"records", "errors", "lengths", "text", "clock"},
    "outbox": BASE | {"storage", "results"},
    "inference": BASE | {"images", "preprocessing", "terminal"},
    "engines": {"records", "errors", "text", "locations", "terminal", "opencv"},
    "scheduling": {"errors", "clock", "text"},
    "monitoring": BASE | {"terminal", "storage", "inputs", "outbox"},
    "run": BASE | {"storage", "inputs", "results", "outbox", "inference", "engines"},
    "watcher": BASE
    | {"terminal", "storage", "inputs", "results", "outbox", "monitoring", "inference", "engines", "run"},
    "report": BASE
    | {"storage", "images", "preprocessing", "inputs", "results", "outbox", "inference", "terminal"},
    "training": BASE
    | {"storage", "images", "preprocessing", "inputs", "results", "inference", "engines", "terminal"},
}
# What stands above the packages may import all of them.
TOP = {"cli", "__main__", "api"}
HEAVY = (
    "tensorflow",
    "keras",
    "pandas",
    "matplotlib",
    "pyarrow",
    "seaborn",
    "ray",
    "xlsxwriter",
    "watchdog",
    "fsspec",
    "s3fs",
    "botocore",
    "aiohttp",
    "prometheus_client",
    "starlette",
    "uvicorn",
)


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "batch").rglob("*.py")):
        parts = path.relative_to(ROOT / "batch").with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def named(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that are imported by these nodes."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


@cache
def imported(path: Path) -> set[str]:
    """Return the modules of digitbox that a file imports, anywhere in it."""
    names = named(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    found = {name.removeprefix("batch.") for name in names if name.startswith("batch.")} & modules().keys()
    # `from batch.storage import disk` names the package only to reach the module in it.
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


def package(module: str) -> str:
    return module.partition(".")[0]


def test_every_package_has_a_row_in_the_table() -> None:
    assert {package(module) for module in modules()} - {"", *TOP} == set(MAY_IMPORT)


def test_the_table_has_no_circle() -> None:
    list(TopologicalSorter(MAY_IMPORT).static_order())


@pytest.mark.parametrize("module", sorted(name for name in modules() if package(name) in MAY_IMPORT))
def test_arrows_run_down(module: str) -> None:
    packages = {package(name) for name in imported(modules()[module])}
    assert packages - {package(module)} <= MAY_IMPORT[package(module)]


def test_the_top_level_has_nothing_but_what_belongs_there() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and its folder")
    listed = subprocess.run([git, "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True)
    assert {path.split("/")[0] for path in listed.stdout.splitlines()} == FOLDERS | FILES


def test_no_modules_import_each_other_in_a_circle() -> None:
    arrows = {module: imported(path) - {module} for module, path in modules().items()}
    try:
        list(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", sorted(name for name in modules() if package(name) == "preprocessing"))
def test_preprocessing_is_pure(module: str) -> None:
    source = ast.parse(modules()[module].read_text(encoding="utf-8"))
    names = {name.partition(".")[0] for name in named(ast.walk(source))}
    assert not names & {"os", "sys", "io", "pathlib", "time", "datetime", "logging", "random", "tempfile"}


def test_to_collect_the_tests_loads_no_tensorflow() -> None:
    """Each process that runs some collects all of them, and with TensorFlow in it, its forks take longer."""

    def at_once(path: Path) -> set[str]:
        return named(ast.parse(path.read_text(encoding="utf-8")).body)

    heavy = {"tensorflow", "keras"}
    heavy |= {f"batch.{name}" for name, path in modules().items() if heavy & at_once(path)}
    assert {"batch.training.look.further", "batch.training.networks", "batch.training.train"} <= heavy
    assert not [path for path in (ROOT / "tests").rglob("*.py") if heavy & at_once(path)]


def test_files_have_one_subject() -> None:
    assert {name for name, path in modules().items() if len(path.read_text().splitlines()) > 400} == set()


def heavy_after(code: str, cwd: Path) -> str:
    script = f"import sys\n{code}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=cwd)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("module", ["batch", "digitbox"])
def test_ctrl_c_while_it_starts_is_no_traceback(module: str, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_importing_the_command_line_imports_nothing_heavy(tmp_path: Path) -> None:
    assert heavy_after("import batch.cli.main", tmp_path) == "[]"


@pytest.mark.slow
def test_a_whole_run_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        f"sys.argv = ['digitbox', 'run', {str(ROOT / 'inbox')!r}, '--workers', '1', '--quiet']\n"
        "from batch.cli.main import main\n"
        "try: main()\nexcept SystemExit as e: assert e.code in (0, 3), e.code"
    )
    assert heavy_after(code, tmp_path) == "[]"


def test_names_of_tests_are_short() -> None:
    names = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert {name for name in names if len(name) > 60} == set()
