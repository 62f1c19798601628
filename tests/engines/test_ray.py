"""What of reading on Ray needs no cluster; `test_ray_cluster.py` has the rest."""

import asyncio
import importlib.util
import pickle
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from batch.engines import ray
from batch.engines.ray import RayEngine
from batch.engines.ray_workers import END, NOTHING, Feed, Worker
from batch.errors import ConfigError, InputError, MissingExtraError
from batch.records import Outcome, Reason, ScanRef, Status
from command import Digitbox
from fakes import FakeReader


@pytest.fixture
def has_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())


@pytest.mark.usefixtures("has_ray")
@pytest.mark.parametrize("address", ["host", "host:", ":6379", "host:x", "host:99999", "ray://host:10001"])
def test_what_is_no_address_is_said_before_anything_is_done(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, address: str
) -> None:
    result = digitbox("run", "--engine", "ray", "--ray-address", address)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "HOST:PORT" in result.err
    assert not (tmp_path / "outbox").exists()


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


@pytest.mark.usefixtures("has_ray")
def test_rays_own_variable_names_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "no address")
    RayEngine(FakeReader(), address="127.0.0.1:6379")
    with pytest.raises(ConfigError, match="no address"):
        RayEngine(FakeReader())


@pytest.mark.usefixtures("has_ray")
def test_pieces_grow_when_each_worker_has_had_some(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = RayEngine(FakeReader())
    refs = [ScanRef(str(number), str(number), source="/in") for number in range(10_000)]
    pieces = list(engine._pieces(iter(refs), 100))
    assert [ref for piece in pieces for ref in piece] == refs
    assert [len(piece) for piece in pieces[:9]] == [100] * 4 + [200] * 4 + [400]
    assert max(map(len, pieces)) == 1600
    assert [len(piece) for piece in engine._pieces(iter(refs), 5000)] == [5000, 5000]


def test_the_listing_can_be_read_again_from_its_beginning() -> None:
    async def play() -> list[bytes]:
        feed = Feed()
        waits = asyncio.create_task(feed.take(2))
        for number, piece in enumerate((b"a", b"b", b"c", END)):
            await feed.put(number, piece, given=max(0, number - 2))
        return [await feed.take(number) for number in range(4)] + [await waits]

    assert asyncio.run(play()) == [NOTHING, b"b", b"c", END, b"c"]


def test_a_run_does_not_outlive_the_head_of_its_cluster() -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        port = head.getsockname()[1]
    code = (
        "import threading; from batch.engines import ray; ray.LOOK_S = 0\n"
        f"ray._leave_with_head(('127.0.0.1', {port}), threading.Event())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"digitbox: the Ray cluster failed: its head 127.0.0.1:{port} is lost; what was published stays: "
        "run again\n"
    )


def test_a_head_that_is_there_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "LOOK_S", 0)
    has_ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as head:
        looks = threading.Thread(target=ray._leave_with_head, args=(head.getsockname(), has_ended))
        looks.start()
        for _ in range(2 * ray.MISSES):
            head.accept()[0].close()
        has_ended.set()
        looks.join(10)
    assert not looks.is_alive()


def answer(content: object, number: int = 0) -> Any:
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({"number": [number], "node": ["far"], "answer": [pickle.dumps(content)]})


def vanished(path: Path) -> Outcome:
    return Outcome(ScanRef(str(path), path.name), Status.FAILED, Reason.VANISHED)


def test_a_machine_that_does_not_see_the_scans_is_no_machine_for_them(tmp_path: Path) -> None:
    here, gone = tmp_path / "here.png", tmp_path / "gone.png"
    here.touch()
    with pytest.raises(InputError, match=r"here\.png cannot be seen from far"):
        ray._outcomes(answer([vanished(gone), vanished(here)]), 0)
    found = [vanished(gone), vanished(gone)]  # they are gone indeed
    assert ray._outcomes(answer(found), 0) == found
    found = [vanished(here), Outcome(ScanRef("a", "a"), Status.OK)]  # came back, or the share is slow
    assert ray._outcomes(answer(found), 0) == found


def test_what_no_worker_could_begin_with_ends_the_run() -> None:
    with pytest.raises(MissingExtraError, match="'train'"):
        ray._outcomes(answer(MissingExtraError("--runtime tensorflow", "train")), 0)


def test_a_worker_of_another_version_reads_nothing() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    worker = Worker("0.0.9", b"what it could not load", "/", 10)
    piece = pickle.dumps([ScanRef("a", "a")])
    with pytest.raises(ConfigError, match="pip install"):
        ray._outcomes(worker(pyarrow.table({"number": [0], "scans": [piece]})), 0)


def test_an_answer_out_of_order_is_not_taken_for_another() -> None:
    with pytest.raises(RuntimeError, match="piece 5 of the listing where 4 was due"):
        ray._outcomes(answer([], number=5), 4)
