import logging
import os
import shutil
import signal
import stat
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, settings

import hanging
from batch.cli import main
from batch.engines import pool
from batch.inference import classifier, model_store
from batch.outbox import processes
from batch.terminal import log
from batch.training import model_writer
from command import Digitbox, Result
from fakes import MANIFEST, FakeClassifier, save_fake_model
from faults import fast_folder
from formats import FORMATS, two
from hanging import PoolTime
from scene import Scene
from stores import Store, serve

DEADLINE_S = 900  # for a test, and the only bound on time: the slowest takes a tenth of it on a quiet machine

# A deadline for an example would fail on a busy machine, and say nothing of the code.
settings.register_profile("digitbox", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("digitbox")

# Two processes that begin with the longest files end at about the same time.
LONG_FILES = (
    "test_ray_cluster.py",
    "test_look_training.py",
    "test_shipped.py",
    "test_train.py",
    "test_notebook.py",
    "test_protocol.py",
    "test_number_training.py",
)
PNG = FORMATS["png-8"](two())
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DATA = Path(__file__).parent / "data" / "mnist_test.npz"


# What the environment of a developer says to digitbox must not reach the tests.
for name in [name for name in os.environ if name.startswith("DIGITBOX_") and name != "DIGITBOX_FUZZ_CASES"]:
    del os.environ[name]

# A shell ignores Ctrl-C for background jobs, and nohup ignores SIGHUP. No test must inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the fast tests first, and of each kind those of long files, in the order of that list.

    Slow tests load TensorFlow, with which a process does not fork: some fast tests would wait for ever.
    """

    def place(item: pytest.Item) -> tuple[bool, int]:
        is_slow = item.get_closest_marker("slow") is not None
        return is_slow, [*LONG_FILES, item.path.name].index(item.path.name)

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that waits for what never comes, with the line that waits."""

    def fail(*_: object) -> None:
        pytest.fail(f"{item.nodeid} has not ended after {DEADLINE_S} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Make the log anew before all fixtures: the command before may have been told to be quiet."""
    log.set_up()


@pytest.fixture
def fake_model(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model folder that is read by a `FakeClassifier`; it is the default model.

    Another user may get to read it. pytest closes its own folders to others whenever it starts.
    """
    with fast_folder(tmp_path_factory.mktemp("models")) as models:
        folder = save_fake_model(models)
        monkeypatch.setattr(classifier, "build", lambda *_: FakeClassifier(MANIFEST))
        monkeypatch.setattr(model_store, "folders", lambda: (models,))
        model_writer.make_default(models, folder.name)
        yield folder


@pytest.fixture
def scan_limit_s(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds that a worker may take for a scan, in a time that passes only while the workers hang."""
    folder = tmp_path_factory.mktemp("hanging")
    time = PoolTime(folder)
    monkeypatch.setenv(hanging.FOLDER, str(folder))
    monkeypatch.setattr(pool, "connection", time)
    monkeypatch.setattr(pool, "monotonic", time.monotonic)
    return 60.0


@pytest.fixture(scope="session")
def mnist_test() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The 10,000 MNIST test images, (n, 28, 28), and their labels."""
    with np.load(DATA, allow_pickle=False) as archive:
        return archive["x"], archive["y"]


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The folder of the model that ships."""
    return model_store.find(None)


@pytest.fixture
def digitbox(
    tmp_path: Path,
    fake_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Digitbox:
    """Runs the command in this process, in an empty folder, with a fake model."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["digitbox", *arguments])
        try:
            main.main()
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return call


@pytest.fixture
def unlogged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing print the log, as in a program that sets none up."""
    monkeypatch.setattr(logging.getLogger("batch"), "handlers", [logging.NullHandler()])


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """An outbox whose state is empty."""
    (tmp_path / "outbox" / ".digitbox").mkdir(parents=True)
    return tmp_path / "outbox"


@pytest.fixture
def long_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be older than the entries that name it."""
    monkeypatch.setattr(processes, "_began_at", lambda _: 0.0)


@pytest.fixture
def scene(tmp_path: Path, fake_model: Path) -> Iterator[Scene]:
    """A watcher in this process, with a clock of its own, in a folder in memory."""
    with fast_folder(tmp_path) as folder:
        yield Scene(folder)


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    """A server of S3, for the tests of a file."""
    with serve() as found:
        yield found


@pytest.fixture
def store(server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The server, well-behaved at first; the state of outboxes is in `states`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "states"))
    server.requests.clear()
    yield server
    server.rule = None


@pytest.fixture
def scans(store: Store) -> str:
    """A bucket with three scans in a folder, one of them damaged, and a text."""
    return store.bucket(
        {
            "in/a.png": PNG,
            "in/half.png": PNG[:60],
            "in/sub/b.png": PNG,
            "in/notes.txt": b"no scan",
        }
    )


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads: Path) -> Iterator[Any]:
    """Chromium, driven by selenium, for the tests of a file."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with its driver here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


# Keeps the crontab in a file, as the real one does in a place of its own.
CRONTAB = """#!/bin/sh
[ -e "$HOME/denied" ] && { echo "you ($USER) are not allowed to use this program" >&2; exit 1; }
case "$1" in
-l) [ -e "$HOME/tab" ] || { echo "no crontab for $USER" >&2; exit 1; }; cat "$HOME/tab" ;;
-) cat > "$HOME/tab.new" && mv "$HOME/tab.new" "$HOME/tab" ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$HOME/called"
[ -e "$HOME/denied" ] && { echo "Failed to connect to bus" >&2; exit 1; }
exit 0
"""
SYSTEMD_RUN = """#!/bin/sh
[ ! -e "$HOME/no-namespaces" ]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a crontab and a systemctl."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    for folder in (home, programs, tmp_path / "inbox"):
        folder.mkdir()
    for name, text in (("crontab", CRONTAB), ("systemctl", SYSTEMCTL), ("systemd-run", SYSTEMD_RUN)):
        (programs / name).write_text(text)
        (programs / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", "nobody")
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("WSL_DISTRO_NAME", raising=False)
    return home
