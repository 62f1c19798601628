"""The parts of the Ray engine that need no cluster; `test_ray_cluster.py` has the others."""

import asyncio
import importlib.util
import logging
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from batch import __version__
from batch.engines import ray
from batch.engines.ray import RayEngine
from batch.engines.ray_workers import END, NO_SCANS, Feed, Worker
from batch.errors import ConfigError, InputError, MissingExtraError
from batch.records import Outcome, Reason, ScanRef, Status
from command import Digitbox, environment
from fakes import FakeReader
from formats import FORMATS, two


@pytest.fixture
def has_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())


class FakeRay(types.ModuleType):
    """Ray in a process of its own, without a cluster. It notes whether it runs."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.runs = False
        self.starts = 0
        self.error: Exception | None = None
        self.data = types.ModuleType("ray.data")
        self._private = types.ModuleType("ray._private")
        context = types.SimpleNamespace(copy=lambda: None)
        vars(self.data)["DataContext"] = types.SimpleNamespace(
            get_current=lambda: context, current=nullcontext
        )
        vars(self._private).update(
            auto_init_hook=types.SimpleNamespace(enable_auto_connect=True),
            worker=types.SimpleNamespace(_worker_logs_enabled=True),
        )

    def init(self, *_: object, **__: object) -> None:
        self.starts += 1
        if self.error is not None:
            raise self.error
        self.runs = True
        os.environ["PYTHONBREAKPOINT"] = "ray"  # as Ray does
        logging.getLogger("ray").setLevel(logging.ERROR)

    def is_initialized(self) -> bool:
        return self.runs

    def shutdown(self) -> None:
        self.runs = False

    def get_runtime_context(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(gcs_address="127.0.0.1:1")

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 1.0}


@pytest.fixture
def fake_ray(has_ray: None, monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay()
    for module in (fake, fake.data, fake._private):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return fake


@pytest.mark.usefixtures("has_ray")
@pytest.mark.parametrize("address", ["host", "host:", ":6379", "host:x", "host:99999", "ray://host:10001"])
def test_a_wrong_address_is_refused_before_anything_else(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, address: str
) -> None:
    result = digitbox("run", "--engine", "ray", "--ray-address", address)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "HOST:PORT" in result.err
    assert not (tmp_path / "outbox").exists()


@pytest.mark.usefixtures("has_ray")
def test_a_host_that_cannot_be_is_a_wrong_option() -> None:
    engine = RayEngine(FakeReader(), address="a..b:10001")
    with pytest.raises(ConfigError, match=r"no Ray cluster at a\.\.b:10001"):
        engine._connect()


def test_without_ray_the_extra_is_named(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = digitbox("run", "--engine", "ray")
    assert (result.code, result.out, result.err.count("\n")) == (7, "", 1)
    assert "digitbox[ray]" in result.err
    assert digitbox("run", "--engine", "ray", "--dry-run").code == 0


@pytest.mark.usefixtures("has_ray")
def test_nothing_to_read_needs_no_cluster(digitbox: Digitbox, inbox: Path) -> None:
    assert digitbox("run", "--engine", "ray", "--ray-address", "127.0.0.1:1").code == 0


@pytest.mark.parametrize(
    ("error", "starts"),
    [
        (Exception("The current node timed out during startup."), 3),  # the machine may be busy
        (TimeoutError(), 1),
        (KeyError("x"), 1),
    ],
)
def test_a_ray_that_cannot_start_is_no_bug(
    digitbox: Digitbox, inbox: Path, fake_ray: FakeRay, error: Exception, starts: int
) -> None:
    fake_ray.error = error
    (inbox / "a.png").write_bytes(FORMATS["png-8"](two()))
    result = digitbox("run", "--engine", "ray")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result.err
    assert "Ray cannot be started" in result.err
    assert "leave --engine out" in result.err
    assert fake_ray.starts == starts


@pytest.mark.parametrize("address", [None, "auto"])
def test_the_ray_of_the_program_itself_goes_on(fake_ray: FakeRay, address: str | None) -> None:
    fake_ray.init()
    with RayEngine(FakeReader(), address=address) as engine, pytest.raises(ConfigError, match="uses Ray"):
        engine._connect()
    assert fake_ray.runs


def test_the_program_can_print_while_ray_reads(fake_ray: FakeRay, capsys: pytest.CaptureFixture[str]) -> None:
    with RayEngine(FakeReader()) as engine:
        engine._connect()
        print("hello")
    assert capsys.readouterr().out == "hello\n"


@pytest.mark.parametrize("error", [None, TimeoutError()], ids=["runs", "fails"])
def test_the_program_gets_its_settings_of_ray_back(
    fake_ray: FakeRay, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    def settings() -> tuple[object, ...]:
        return (
            dict(os.environ),
            [logging.getLogger(name).level for name in ("ray", "ray.data")],
            [dict(vars(part)) for part in (fake_ray._private.auto_init_hook, fake_ray._private.worker)],
        )

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.delenv("PYTHONBREAKPOINT", raising=False)
    fake_ray.error = error
    before = settings()
    with RayEngine(FakeReader()) as engine, suppress(ConfigError):
        engine._connect()
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert settings() == before


def test_a_run_in_a_thread_starts_ray(fake_ray: FakeRay) -> None:
    """Only the main thread may set a handler of a signal."""
    with RayEngine(FakeReader()) as engine, ThreadPoolExecutor(1) as pool:
        pool.submit(engine._connect).result()
        assert fake_ray.runs
    assert not fake_ray.runs


@pytest.mark.usefixtures("has_ray")
def test_rays_own_variable_names_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "no address")
    RayEngine(FakeReader(), address="127.0.0.1:6379")
    with pytest.raises(ConfigError, match="no address"):
        RayEngine(FakeReader())


@pytest.mark.usefixtures("has_ray")
def test_chunks_grow_when_each_worker_has_had_some(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = RayEngine(FakeReader())
    refs = [ScanRef(str(number), str(number), source="/in") for number in range(10_000)]
    chunks = list(engine._chunks(iter(refs), 100))
    assert [ref for chunk in chunks for ref in chunk] == refs
    assert [len(chunk) for chunk in chunks[:9]] == [100] * 4 + [200] * 4 + [400]
    assert max(map(len, chunks)) == 1600
    assert [len(chunk) for chunk in engine._chunks(iter(refs), 5000)] == [5000, 5000]


def test_the_listing_can_be_read_again_from_its_beginning() -> None:
    async def play() -> list[bytes]:
        feed = Feed()
        waits = asyncio.create_task(feed.take(2))
        for number, chunk in enumerate((b"a", b"b", b"c", END)):
            await feed.put(number, chunk, answered=max(0, number - 2))
        return [await feed.take(number) for number in range(4)] + [await waits]

    assert asyncio.run(play()) == [NO_SCANS, b"b", b"c", END, b"c"]


def test_a_run_does_not_outlive_the_head_of_its_cluster(tmp_path: Path) -> None:
    with socket.socket() as lost:
        lost.bind(("127.0.0.1", 0))  # nobody else can listen there meanwhile
        port = lost.getsockname()[1]
        code = (
            "import threading; from batch.engines import ray; ray.HEAD_CHECK_S = 0\n"
            "from pathlib import Path; from batch.terminal import log; log.set_up(file=Path('log'))\n"
            f"ray._exit_with_head(('127.0.0.1', {port}), threading.Event())"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (
        2,
        f"digitbox: the Ray cluster failed: its head 127.0.0.1:{port} is lost; what was published stays: "
        "run again\n",
    )
    assert (tmp_path / "log").read_text().endswith(done.stderr)


def test_a_head_that_answers_keeps_the_run_going(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "HEAD_CHECK_S", 0)
    has_ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as head:
        args = (head.getsockname(), has_ended)
        checks = threading.Thread(target=ray._exit_with_head, args=args, daemon=True)
        checks.start()
        for _ in range(2 * ray.MAX_MISSED_CHECKS):
            head.accept()[0].close()
        has_ended.set()
        checks.join()


@pytest.mark.parametrize("name", ["StreamingExecutor-dataset_1_0", "iter_threaded"])
def test_ray_goes_after_its_threads(name: str) -> None:
    """One that called Ray after that would end this process, with 1."""

    def call() -> None:
        for _ in range(1000):
            os.sched_yield()

    calls = threading.Thread(target=call, name=name)
    calls.start()
    ray._join_ray_data()
    assert not calls.is_alive()


def sources_of_ray() -> Path:
    package = importlib.util.find_spec("ray")
    if package is None or not package.submodule_search_locations:
        pytest.skip("Ray is not installed")
    return Path(package.submodule_search_locations[0])


def test_the_threads_of_ray_data_have_these_names() -> None:
    sources = (sources_of_ray() / "data" / "_internal").rglob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    for name in ray.RAY_DATA_THREADS:
        assert f'"{name}' in text, name


@pytest.mark.parametrize(
    ("module", "flag"), [("auto_init_hook", "enable_auto_connect"), ("worker", "_worker_logs_enabled")]
)
def test_ray_has_the_flags_that_digitbox_sets(module: str, flag: str) -> None:
    text = (sources_of_ray() / "_private" / f"{module}.py").read_text(encoding="utf-8")
    assert f"\n{flag} = " in text
    assert re.search(rf"if (not )?{flag}\b", text)


def answer_of(content: object, number: int = 0) -> Any:
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({"number": [number], "node": ["far"], "answer": [pickle.dumps(content)]})


def vanished(path: Path) -> Outcome:
    return Outcome(ScanRef(str(path), path.name), Status.FAILED, Reason.VANISHED)


def test_every_machine_must_see_the_scans(tmp_path: Path) -> None:
    here, gone = tmp_path / "here.png", tmp_path / "gone.png"
    here.touch()
    with pytest.raises(InputError, match=r"here\.png cannot be seen from far"):
        ray._outcomes(answer_of([vanished(gone), vanished(here)]), 0)
    outcomes = [vanished(gone), vanished(gone)]  # they are gone indeed
    assert ray._outcomes(answer_of(outcomes), 0) == outcomes
    outcomes = [vanished(here), Outcome(ScanRef("a", "a"), Status.OK)]  # it came back, or the share is slow
    assert ray._outcomes(answer_of(outcomes), 0) == outcomes


def test_an_error_of_a_worker_ends_the_run() -> None:
    with pytest.raises(MissingExtraError, match="'train'"):
        ray._outcomes(answer_of(MissingExtraError("--runtime tensorflow", "train")), 0)


@pytest.mark.usefixtures("has_ray")
def test_a_cluster_whose_only_node_is_replaced_keeps_its_room() -> None:
    resources = {"CPU": 4.0}
    with RayEngine(FakeReader(), address="auto") as engine:
        engine._ray = types.SimpleNamespace(cluster_resources=lambda: resources)
        assert engine._measure_room() and engine._room == 4
        resources.clear()
        assert not engine._measure_room() and engine._room == 4


def test_a_worker_of_another_version_reads_nothing() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    worker = Worker("0.0.9", b"what it could not load", "/", 10)
    chunk = pickle.dumps([ScanRef("a", "a")])
    advice = rf"digitbox here is 0\.0\.9, .* has version {re.escape(__version__)}: pip install '.*==0\.0\.9'"
    with pytest.raises(ConfigError, match=advice):
        ray._outcomes(worker(pyarrow.table({"number": [0], "scans": [chunk]})), 0)


@pytest.mark.slow
def test_a_worker_outlives_a_scan_that_hangs(scan_limit_s: float) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    worker = Worker(__version__, pickle.dumps(FakeReader()), "/", 10, scan_limit_s)
    try:
        for names in (["a", "hang", "c"], ["stop"]):
            chunk = pickle.dumps([ScanRef(name, name) for name in names])
            outcomes = ray._outcomes(worker(pyarrow.table({"number": [0], "scans": [chunk]})), 0)
            assert [outcome.reason for outcome in outcomes] == [
                "timeout" if name in ("hang", "stop") else None for name in names
            ]
    finally:
        worker._engine.__exit__(None)


def test_an_answer_out_of_order_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="chunk 5 of the listing, and chunk 4 was due"):
        ray._outcomes(answer_of([], number=5), 4)
