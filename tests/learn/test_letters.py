from pathlib import Path

import numpy as np
import pytest

from batch.learn import datasets, letters
from batch.learn.not_digits import CHARACTERS

matplotlib = pytest.importorskip("matplotlib", reason="the extra train is not installed")
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def test_letters_have_the_form_of_mnist() -> None:
    drawn = letters.draw([FONT])
    assert drawn.shape == (len(CHARACTERS), 28, 28)
    for letter in drawn:
        rows, columns = np.nonzero(letter > 40)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
    assert len({letter.tobytes() for letter in drawn}) == len(drawn)


def test_what_a_font_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "CHARACTERS", "A \ue123")
    assert len(letters.draw([FONT])) == 1


def test_the_archive_is_one_to_train_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "letters.npz"
    letters.main([str(archive), str(FONT)])
    assert not datasets.load(str(archive)).train.are_digits.any()
    assert capsys.readouterr().out == f"{len(CHARACTERS)} letters of 1 fonts: {archive}\n"
    with pytest.raises(SystemExit, match="usage"):
        letters.main([str(archive)])
