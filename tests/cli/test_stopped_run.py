"""Tests of `digitbox run` that ends before its end: what it has published, and what it says."""

import os
import signal
from pathlib import Path

import pytest

from batch.engines import local
from batch.errors import OutboxError
from batch.records import Outcome, ScanRef, Status
from batch.terminal import console
from command import Digitbox
from formats import FORMATS, two

TWO = FORMATS["png-8"](two())
FIVE = [Outcome(ScanRef("x", "x"), Status.OK, label=1, confidence=0.9)] * 5


def test_ctrl_c_keeps_and_names_what_was_published(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(TWO)

    def stopped(*_: object) -> object:
        yield FIVE
        raise KeyboardInterrupt

    monkeypatch.setattr(local.Engine, "map", stopped)
    result = digitbox("run", "--rows-per-file", "2")
    assert result.code == 130
    assert "published results stay" in result.err
    published = {f"outbox/{path.name}" for path in (tmp_path / "outbox").glob("*.csv")}
    assert (len(published), set(result.out.splitlines())) == (2, published)
    assert not list((tmp_path / "outbox" / ".digitbox" / "staging").iterdir())


def test_a_full_stdout_does_not_hide_why_a_run_ends(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results and the file behind stdout are often on one disk."""
    (inbox / "a.png").write_bytes(TWO)

    def ended(*_: object) -> object:
        yield FIVE
        raise OutboxError("cannot write to the outbox")

    def full(_: object) -> bool:
        raise OutboxError("cannot write to stdout")

    monkeypatch.setattr(local.Engine, "map", ended)
    monkeypatch.setattr(console, "print_line", full)
    result = digitbox("run", "--rows-per-file", "2")
    assert (result.code, result.err) == (6, "digitbox: cannot write to the outbox\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_and_names_what_was_published(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    (inbox / "a.png").write_bytes(TWO)

    def stopped(*_: object) -> object:
        yield FIVE
        os.kill(os.getpid(), number)

    monkeypatch.setattr(local.Engine, "map", stopped)
    result = digitbox("run", "--rows-per-file", "2")
    assert (result.code, len(result.err.splitlines())) == (143, 1)
    published = {f"outbox/{path.name}" for path in (tmp_path / "outbox").glob("*.csv")}
    assert (len(published), set(result.out.splitlines())) == (2, published)
