import resource
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from command import Digitbox
from formats import FORMATS, two

TWO = FORMATS["png-8"](two())
BLANK = FORMATS["png-8"](np.full((40, 40), 240, np.uint8))


def test_explain_draws_every_step(digitbox: Digitbox, tmp_path: Path) -> None:
    (tmp_path / "two.png").write_bytes(TWO)
    (tmp_path / "blank.png").write_bytes(BLANK)
    (tmp_path / "half.png").write_bytes(TWO[:50])
    result = digitbox("explain", "two.png", "blank.png", "half.png")
    assert result.code == 0
    two_line, blank_line, half_line = result.out.splitlines()
    assert two_line.startswith("two.png: 0 with 0.99")
    assert "refused before the model, blank" in blank_line
    assert "truncated" in half_line
    picture = cv2.imread(str(tmp_path / "explained.png"))
    assert picture is not None
    assert picture.shape[1] > 1000
    assert digitbox("explain", "two.png").code == 2  # the picture exists
    assert digitbox("explain", "two.png", "--output", "gone/a.png").code == 6
    assert digitbox("explain").code == 2


def test_explain_says_before_its_work_what_it_cannot_do(digitbox: Digitbox, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(51):
        (many / f"{number:02d}.png").write_bytes(FORMATS["png-8"](two()))
    (tmp_path / "taken.png").write_bytes(b"mine")
    for arguments, code, message in (
        (["many"], 2, "there are more than 50 scans, too many for one picture: name those to explain"),
        (["many/00.png", "--output", "taken.png"], 2, "taken.png exists: give another --output"),
        (
            ["many/00.png", "--output", "gone/a.png"],
            6,
            "cannot write to the folder gone: give another --output",
        ),
    ):
        result = digitbox("explain", *arguments)
        assert (result.code, result.out, result.err) == (code, "", f"digitbox: {message}\n")
    (many / "50.png").unlink()
    assert len(digitbox("explain", "many").out.splitlines()) == 50


def test_explain_leaves_no_half_picture_on_a_full_disk(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two.png").write_bytes(TWO)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python would keep half of a module
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        result = digitbox("explain", "two.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (result.code, list(tmp_path.glob("explained*"))) == (6, [])
    assert "cannot write explained.png" in result.err


def test_explain_reads_as_a_run_does(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two.png").write_bytes(FORMATS["png-8"](two()))
    (tmp_path / "digitbox.toml").write_text("review-below = 1.0\n")
    result = digitbox("explain", "two.png")
    assert "review, low_confidence" in result.out
    assert "options: digitbox.toml" in result.err
    monkeypatch.setenv("DIGITBOX_REVIEW_BELOW", "0.0")
    assert ", ok (" in digitbox("explain", "two.png", "--output", "b.png").out
    assert "review, low" in digitbox("explain", "two.png", "--output", "c.png", "--review-below", "1").out
    (tmp_path / "digitbox.toml").write_text('model = "gone"\nmax-pixels = 20\n')
    assert digitbox("explain", "two.png", "--output", "d.png").code == 5
    (tmp_path / "digitbox.toml").write_text("max-pixels = 20\n")
    assert "too_large" in digitbox("explain", "two.png", "--output", "e.png").out
    (tmp_path / "digitbox.toml").write_text('digits = "5"\n')
    assert "reads single digits only" in digitbox("explain", "two.png", "--output", "f.png").err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evaluate", "explore"])
def test_commands_that_look_closer_take_the_model_of_a_run(
    name: str, digitbox: Digitbox, tmp_path: Path
) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "digitbox.toml").write_text('model = "gone"\n')
    result = digitbox(name, ".")
    assert result.code == 5
    assert "no model 'gone'" in result.err


def test_explain_takes_scans_of_the_outbox(digitbox: Digitbox, tmp_path: Path) -> None:
    done = tmp_path / "outbox" / "done"
    done.mkdir(parents=True)
    (done / "two.png").write_bytes(TWO)
    assert digitbox("explain", "outbox").out.startswith("done/two.png: ")
