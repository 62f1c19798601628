from pathlib import Path

import numpy as np
import pytest

from batch.training.data import datasets, fonts
from batch.training.rendering.non_digits import CHARACTERS

matplotlib = pytest.importorskip("matplotlib", reason="the extra train is not installed")
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def test_characters_fill_the_box_of_mnist() -> None:
    images, labels = fonts.draw([FONT])
    assert images.shape == (10 + len(CHARACTERS), 28, 28)
    assert labels.tolist() == [*range(10), *[-1] * len(CHARACTERS)]
    for image in images:
        rows, columns = np.nonzero(image > 40)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
    assert len({image.tobytes() for image in images}) == len(images)


def test_leave_out_characters_that_the_font_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "CHARACTERS", "A \ue123")
    assert len(fonts.draw([FONT])[0]) == 11


def test_train_can_load_the_archive_of_fonts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "fonts.npz"
    fonts.main([str(archive), str(FONT)])
    assert datasets.load(str(archive), lambda _: None).train.are_digits.sum() == 10
    assert capsys.readouterr().out == f"10 digits and {len(CHARACTERS)} letters of 1 fonts: {archive}\n"
    with pytest.raises(SystemExit, match="usage"):
        fonts.main([str(archive)])
