"""The signals that stop the watcher."""

import os
import signal

import pytest

from batch.outbox import run_history
from batch.outbox.ledger import open_ledger
from batch.watcher.signals import StopSignal
from formats import numbered_scan
from scene import Scene


def test_a_signal_asks_to_stop_and_wakes() -> None:
    woken: list[bool] = []
    stop = StopSignal()
    stop.wake = lambda: woken.append(True)
    before = signal.getsignal(signal.SIGINT)
    with stop.listen():
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.is_asked(), stop.number, woken) == (True, signal.SIGINT, [True])
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    """A shell ignores it for what it runs in the background."""
    stop = StopSignal()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop.listen():
            os.kill(os.getpid(), signal.SIGINT)
            assert not stop.is_asked()
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.number == signal.SIGTERM
    finally:
        signal.signal(signal.SIGINT, before)


def test_sighup_asks_to_begin_anew_and_a_stop_goes_before_it() -> None:
    stop = StopSignal()
    with stop.listen():
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        assert (stop.is_asked(), stop.must_reload, stop.number) == (True, True, 0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.number == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGHUP)  # is no second signal to stop
    assert stop.number == signal.SIGTERM


@pytest.mark.parametrize(
    ("number", "end", "error"), [(signal.SIGTERM, 0, ""), (signal.SIGINT, 130, "stopped by Ctrl-C")]
)
def test_the_entry_of_a_watcher_has_its_exit_code(
    number: signal.Signals, end: int, error: str, scene: Scene
) -> None:
    scene.drop("a.png", numbered_scan(1))
    scene.ticking.at(20, lambda: os.kill(os.getpid(), number))
    scene.watch(90)
    scene.check()
    with open_ledger(scene.outbox, read_only=True) as ledger:
        (entry,) = run_history.last_runs(ledger, 5)
    assert (entry.exit_code, entry.error, entry.counts) == (end, error, {"ok": 1})
