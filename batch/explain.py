"""Why was it read so? One picture of every step from the scan to the decision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import cv2
import numpy as np
import numpy.typing as npt

from batch import job
from batch.classifier import Classifier
from batch.cli.options import NamedPath, ScanPath
from batch.config import MAX_PIXELS, RunOptions
from batch.digits import confidence, preprocess, quality
from batch.digits.confidence import Thresholds
from batch.errors import ConfigError, ImageError, OutboxError
from batch.files import artefact
from batch.flow import Reader
from batch.images import decode
from batch.records import Grey, ScanRef
from batch.text import text_cell

PANEL_PX = 120
TEXT_PX = 18
GAP_PX = 8
COLUMNS = 10
FONT = cv2.FONT_HERSHEY_SIMPLEX

Sheet = npt.NDArray[np.uint8]
"""(height, width), grey."""


@click.command()
@click.argument("scans", nargs=-1, required=True, metavar="SCAN...", type=ScanPath(readable=False))
@click.option(
    "--model", metavar="NAME|DIR", help="Model to read with.  [default: the one named in models/CURRENT]"
)
@click.option(
    "--output",
    type=NamedPath(dir_okay=False, path_type=Path),
    default=Path("explained.png"),
    show_default=True,
    help="Picture to write; must not exist.",
)
def explain(scans: tuple[str, ...], model: str | None, output: Path) -> None:
    """Show why scans were read as they were.

    Writes one picture with every step from the scan to what the model sees and its decision, and prints a
    line for each SCAN, which is a file, a folder or a quoted glob.
    """
    found = job.find(RunOptions(inputs=scans))
    classifier, thresholds = Reader(artefact.find(model), "litert", None, MAX_PIXELS).load()
    sheets = []
    for ref in found:
        words, sheet = explained(ref, classifier, thresholds, MAX_PIXELS)
        click.echo(words)
        sheets.append(sheet)
    if not sheets:
        click.echo("nothing to explain: no image files there", err=True)
        return
    _, picture = cv2.imencode(".png", stacked(sheets))
    try:
        with output.open("xb") as file:
            file.write(bytes(picture))
    except FileExistsError as error:
        raise ConfigError(f"{output} exists: give another --output") from error
    except OSError as error:
        raise OutboxError(f"cannot write {output}: {error.strerror}; give another --output") from error
    click.echo(f"picture: {output}", err=True)


def explained(ref: ScanRef, model: Classifier, thresholds: Thresholds, max_pixels: int) -> tuple[str, Sheet]:
    """Reads one scan and shows how.

    Returns:
        The decision in words, and the picture.
    """
    name = text_cell(ref.name)
    try:
        image = decode.read(ref, max_pixels).grey
    except ImageError as error:
        words = f"{name}: {error.reason.value}, {error.detail}"
        return words, _strip(words, [], None)
    panels = [("scan", image)]
    ink = preprocess.find_ink(image, lambda step, picture: panels.append((step, picture)))
    refusal = quality.inspect(ink)
    measures = (
        f"{ink.polarity.value.replace('_', ' ')}, contrast {ink.contrast:.0f}, noise {ink.noise:.1f}, "
        f"{len(ink.parts)} parts"
    )
    if refusal is not None:
        words = f"{name}: refused before the model, {refusal.value} ({measures})"
        return words, _strip(words, panels, None)
    digit = preprocess.normalise(ink, model.manifest.preprocess)
    views = preprocess.pictures(digit, model.manifest.preprocess)
    panels += [(f"model sees: {view}", picture) for view, picture in views.items()]
    (decision,) = confidence.decide(model.logits(digit[np.newaxis]), thresholds)
    said = decision.prediction
    reason = f", {decision.reason.value}" if decision.reason else ""
    words = (
        f"{name}: {said.label} with {said.confidence:.3f}, {decision.status.value}{reason} "
        f"(not a digit {said.not_a_digit:.3f}; {measures})"
    )
    return words, _strip(words, panels, said.probabilities)


def stacked(sheets: Sequence[Sheet]) -> Sheet:
    """Pictures of several scans under each other."""
    width = max(sheet.shape[1] for sheet in sheets)
    return np.vstack([np.pad(s, ((0, 0), (0, width - s.shape[1])), constant_values=255) for s in sheets])


def _strip(words: str, panels: Sequence[tuple[str, Grey]], shares: tuple[float, ...] | None) -> Sheet:
    cells = [_panel(name, picture) for name, picture in panels]
    if shares is not None:
        cells.append(_bars(shares))
    empty = np.full((PANEL_PX + TEXT_PX + GAP_PX, PANEL_PX + GAP_PX), 255, np.uint8)
    rows = [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
    heading = np.full((TEXT_PX + GAP_PX, COLUMNS * empty.shape[1]), 255, np.uint8)
    _write(heading, words, 0.45)
    return np.vstack([heading, *(np.hstack(row + [empty] * (COLUMNS - len(row))) for row in rows)])


def _write(picture: Sheet, words: str, size: float) -> None:
    shown = words.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters
    cv2.putText(picture, shown, (2, TEXT_PX - 5), FONT, size, 0, 1, cv2.LINE_AA)


def _panel(name: str, picture: Grey) -> Sheet:
    cell = np.full((PANEL_PX + TEXT_PX + GAP_PX, PANEL_PX + GAP_PX), 255, np.uint8)
    scale = PANEL_PX / max(picture.shape)
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    cell[TEXT_PX : TEXT_PX + size[1], : size[0]] = cv2.resize(picture, size, interpolation=how)
    cv2.rectangle(cell, (0, TEXT_PX), (size[0] - 1, TEXT_PX + size[1] - 1), 128, 1)
    _write(cell, name, 0.38)
    return cell


def _bars(shares: tuple[float, ...]) -> Sheet:
    cell = np.full((PANEL_PX + TEXT_PX + GAP_PX, PANEL_PX + GAP_PX), 255, np.uint8)
    _write(cell, "probabilities", 0.38)
    for digit, share in enumerate(shares):
        top = TEXT_PX + digit * PANEL_PX // 10
        cv2.putText(cell, str(digit), (2, top + 10), FONT, 0.35, 0, 1, cv2.LINE_AA)
        cv2.rectangle(cell, (14, top + 2), (14 + round(share * (PANEL_PX - 16)), top + 9), 80, -1)
    return cell
