import string
from pathlib import Path

import cv2
import numpy as np
import pytest

from batch.training.evaluation import non_digit_scans
from batch.training.rendering import non_digits, strokes
from command import ROOT

DIGITS = np.stack([strokes.draw(label, np.random.default_rng(label)) for label in range(10)])


def test_every_kind_has_its_folder_of_scans(tmp_path: Path) -> None:
    non_digit_scans.write(DIGITS, tmp_path / "all", count=3)
    kinds = {path.parent.parent.name for path in (tmp_path / "all").glob("*/none/*.png")}
    assert kinds == set(non_digit_scans.KINDS)
    for path in (tmp_path / "all").glob("*/none/*.png"):
        scan = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert scan is not None
        assert scan.ndim == 2
    with pytest.raises(SystemExit, match="usage"):
        non_digit_scans.main(["one"])


def test_digits_come_from_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "digits.npz", x=DIGITS, y=np.arange(10))
    monkeypatch.setattr(non_digit_scans, "COUNT", 1)
    non_digit_scans.main([str(tmp_path / "digits.npz"), str(tmp_path / "all")])
    assert capsys.readouterr().out == f"{tmp_path / 'all'}\n"


@pytest.mark.parametrize("page", ["README.md", "docs/looking-closer.md", "docs/robustness.md"])
def test_pages_say_which_letters_the_figures_leave_out(page: str) -> None:
    left_out = [letter for letter in string.ascii_letters if letter not in non_digits.CHARACTERS]
    assert f"`{''.join(left_out)}`" in (ROOT / page).read_text(encoding="utf-8")
