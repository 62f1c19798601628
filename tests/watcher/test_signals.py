"""The signals that stop the watcher."""

import os
import signal

from batch.watcher.signals import StopSignal


def test_a_signal_asks_to_stop_and_wakes() -> None:
    woken: list[bool] = []
    stop = StopSignal(lambda: woken.append(True))
    before = signal.getsignal(signal.SIGINT)
    with stop.listen():
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.is_asked(), stop.number, woken) == (True, signal.SIGINT, [True])
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    """A shell ignores it for what it runs in the background."""
    stop = StopSignal(lambda: None)
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
