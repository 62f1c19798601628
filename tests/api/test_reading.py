"""Reading from Python: one scan or many, and from threads and processes."""

import csv
import dataclasses
import multiprocessing
import os
import pickle
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest

import digitbox
from batch.inference import model_store, models
from batch.records import Reason
from batch.training import model_writer
from command import ROOT
from waiting import wait_for

SAMPLE = ROOT / "inbox" / "sample-01-pen.png"
BLANK = np.full((40, 40), 255, np.uint8)


@pytest.fixture(autouse=True)
def _checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_command_gives_the_same_rows(tmp_path: Path) -> None:
    summary = digitbox.run("inbox", tmp_path / "out", workers=1, probabilities=True)
    (path,) = (tmp_path / "out").glob("*.csv")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    results = digitbox.read([ROOT / "inbox" / row["file"] for row in rows])
    assert summary.rows == len(rows) == len(results)
    for row, result in zip(rows, results, strict=True):
        assert row["prediction"] == ("" if result.prediction is None else str(result.prediction))
        assert row["confidence"] == ("" if result.confidence is None else f"{result.confidence:.6f}")
        assert (row["status"], row["reason"]) == (result.status, result.reason or "")
        written = [row[f"p{digit}"] for digit in range(10)]
        assert written == [f"{value:.6f}" for value in result.probabilities] or not any(
            [*written, *result.probabilities]
        )


def test_one_by_one_is_the_same_as_together() -> None:
    paths = sorted((ROOT / "inbox").iterdir())
    assert [digitbox.read(path) for path in paths] == digitbox.read(paths)


def test_one_gives_a_result_and_several_a_list() -> None:
    assert isinstance(digitbox.read(BLANK), digitbox.Result)
    results = digitbox.read((BLANK, str(SAMPLE)))
    assert isinstance(results, digitbox.Results)
    assert [result.file for result in results] == ["", str(SAMPLE)]
    assert digitbox.read([]) == []


def test_an_iterator_gives_an_iterator() -> None:
    taken = []

    def scans() -> Iterator[digitbox.Source]:
        for number in range(5):
            taken.append(number)
            yield BLANK

    results = digitbox.read(scans(), batch_size=2)
    assert isinstance(results, Iterator)
    assert taken == []
    assert next(results).reason is Reason.BLANK
    assert taken == [0, 1]
    assert len(list(results)) == 4


@pytest.mark.parametrize("kind", [np.asarray, PIL.Image.fromarray])
def test_large_scans_are_taken_in_smaller_batches(kind: Callable[[Any], digitbox.Source]) -> None:
    taken = []

    def scans() -> Iterator[digitbox.Source]:
        for number in range(3):
            taken.append(number)
            yield kind(np.full((1500, 1500), 255, np.uint8))

    next(digitbox.read(scans()))
    assert len(taken) == 2


def test_an_iterator_is_no_surprise_after_errors() -> None:
    def scans() -> Iterator[digitbox.Source]:
        yield BLANK
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(digitbox.read(scans()))
    with pytest.raises(digitbox.ModelError, match="no model 'gone'"):
        digitbox.read(iter([BLANK]), model="gone")
    assert digitbox.read(BLANK).reason is Reason.BLANK


def raising() -> Iterator[digitbox.Source]:
    yield from (BLANK, SAMPLE)
    raise KeyError("mine")


def mistaken() -> Iterator[Any]:
    yield from (BLANK, SAMPLE, None, BLANK)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
@pytest.mark.parametrize(("scans", "error"), [(raising, KeyError), (mistaken, digitbox.ConfigError)])
def test_the_results_before_an_error_of_an_iterator_come_first(
    scans: Callable[[], Iterator[Any]], error: type[Exception], batch_size: int
) -> None:
    results = digitbox.read(scans(), batch_size=batch_size)
    assert [next(results).prediction, next(results).prediction] == [None, 3]
    with pytest.raises(error):
        next(results)
    assert list(results) == []


def test_wrong_arguments_are_errors_that_say_so() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"batch_size": 0}, "batch_size is 0: it must be 1 to 65,536"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, not 2.5"),
        ({"batch_size": "4"}, "batch_size must be a whole number, not '4'"),
        ({"review_below": 2}, "review_below is 2: it must be 0 to 1"),
        ({"review_below": "0.9"}, "review_below must be a number, not '0.9'"),
        ({"review_below": True}, "review_below must be a number, not True"),
        ({"model": 5}, "model must be text or a Path, not 5"),
        ({"digits": "few"}, "digits: "),
        ({"digits": 2.0}, "digits must be a whole number or text, not 2.0"),
        ({"digits": None}, "digits must be a whole number or text, not None"),
    ]
    for arguments, message in wrong:
        with pytest.raises(digitbox.ConfigError, match=message):
            digitbox.read(BLANK, **arguments)
        if "batch_size" not in arguments:
            with pytest.raises(digitbox.ConfigError, match=message):
                digitbox.Reader(**arguments)


def test_what_threads_write_meanwhile_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    """Arrays need no decoder, so stderr stays as it is; the caller's own iterator has it, too."""

    def scans() -> Iterator[digitbox.Source]:
        for path in (SAMPLE, SAMPLE):
            os.write(2, b"mine\n")
            yield path

    list(digitbox.read(scans(), batch_size=1))
    assert capfd.readouterr().err == "mine\nmine\n"


def test_a_reader_keeps_its_options() -> None:
    reader = digitbox.Reader(review_below=1.0, max_pixels=1000)
    assert reader(BLANK).reason is Reason.TOO_LARGE
    reader = digitbox.Reader(model_store.find(None), review_below=1.0)
    assert reader(SAMPLE).reason is Reason.LOW_CONFIDENCE


def test_a_reader_brings_its_model_along(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(model_store.find(None), folder)
    content = pickle.dumps(digitbox.Reader(folder))
    shutil.rmtree(folder)
    assert pickle.loads(content)(SAMPLE) == digitbox.read(SAMPLE)


def test_a_model_behind_a_link_is_that_of_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, model in (("deep/models", "cnn"), ("here/models", "mlp")):
        shutil.copytree(ROOT / "models" / model, tmp_path / folder / "own")
    (tmp_path / "deep" / "scans").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("link").symlink_to("../deep/scans")
    result = digitbox.read(SAMPLE, model="link/../models/own")
    assert result == digitbox.read(SAMPLE, model=str(tmp_path / "deep/models/own"))
    assert result != digitbox.read(SAMPLE, model="models/own")


def test_a_model_that_was_trained_anew_is_loaded_anew(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(model_store.find(None), folder)
    assert digitbox.read(SAMPLE, model=folder).prediction == 3
    manifest = model_store.load_manifest(folder)
    model_writer.rewrite_card(
        folder, dataclasses.replace(manifest, look_above=(1.0, 1.0), review_below=1.0), ""
    )
    assert digitbox.read(SAMPLE, model=folder).reason is Reason.LOW_CONFIDENCE


def test_options_in_turn_load_a_model_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    build = models.build

    def count(*arguments: Any) -> models.Model:
        loaded.append(arguments)
        return build(*arguments)

    monkeypatch.setattr(models, "build", count)
    for below in [0.1, 0.2, 0.3, 0.4, 0.5] * 2:
        digitbox.read(BLANK, model="mlp", review_below=below)
    assert len(loaded) == 5


def test_threads_share_a_reader() -> None:
    reader = digitbox.Reader()
    paths = sorted((ROOT / "inbox").iterdir())
    expected = reader(paths)
    results: list[list[digitbox.Result]] = []
    threads = [threading.Thread(target=lambda: results.append(reader(paths))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # of Python 3.12, for threads
def test_forks_go_on_with_a_reader_that_threads_use() -> None:
    reader = digitbox.Reader()
    expected = reader(SAMPLE)
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            reader(SAMPLE)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(5):
            if (child := os.fork()) == 0:
                os._exit(0 if reader(SAMPLE) == expected else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


def test_a_fork_leaves_no_thread_of_opencv_behind() -> None:
    """A child may wait for ever for one that it does not have."""

    def threads() -> set[str]:
        return set(os.listdir("/proc/self/task"))

    count = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        before = threads()
        cv2.setNumThreads(3)
        cv2.GaussianBlur(np.zeros((2000, 2000), np.float32), (31, 31), 5)  # OpenCV starts its threads
        started = threads() - before
        assert len(started) == 2
        if (child := os.fork()) == 0:
            os._exit(cv2.getNumThreads())
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == cv2.getNumThreads() == 3
        wait_for(lambda: not threads() & started)
    finally:
        cv2.setNumThreads(count)


@pytest.mark.slow
def test_spawned_processes_get_a_reader() -> None:
    reader = digitbox.Reader()
    scans: list[digitbox.Source] = [SAMPLE, BLANK]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(reader, scans) == [reader(scan) for scan in scans]


def test_the_callers_array_stays_as_it_is() -> None:
    pixels = cv2.imread(str(SAMPLE), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    before = pixels.copy()
    pixels.setflags(write=False)
    digitbox.read(pixels)
    assert np.array_equal(pixels, before)
