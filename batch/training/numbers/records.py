"""Fields as the network sees them, rendered in another process, and the latest of them by their width."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from batch.preprocessing.number_line import STRIP, WIDTHS_PX, strip_of
from batch.training.farm import retrying
from batch.training.look.sources import Sources
from batch.training.numbers.fields import Renderer
from batch.training.numbers.mixture import FRAME_PX, MAX_LENGTH, Field
from batch.training.work_folder import load, npz_bytes

NO_LABEL, NO_FRAME = 255, -1


class Records(NamedTuple):
    """Fields of one width.

    Attributes:
        pictures: Strips, uint8 (n, 40, width).
        labels: Characters, uint8 (n, MAX_LENGTH), filled up with NO_LABEL.
        frames: The frame in which each character's middle lies, int16 (n, MAX_LENGTH), or NO_FRAME.
    """

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    frames: npt.NDArray[np.int16]


class RecordMaker:
    """Makes records of a renderer's fields, and passes over a field whose chances cannot be drawn."""

    def __init__(self, renderer: Renderer):
        self._render = retrying(renderer.field)

    def make(self, count: int) -> tuple[dict[int, Records], dict[int, list[str]]]:
        """Render fields.

        Returns:
            The records and the kinds of the fields, both by width of the strip.

        Raises:
            RuntimeError: Too many fields failed.
        """
        rows: dict[int, list[tuple[npt.NDArray[np.uint8], list[int], list[int]]]] = {}
        kinds: dict[int, list[str]] = {}
        for _ in range(count):
            field = self._field()
            strip = strip_of(field.grey)
            width = strip.picture.shape[1]
            last = width // FRAME_PX - 1
            frames = [
                min(max(int((place - strip.left) / strip.columns / FRAME_PX), 0), last)
                for place in field.places
            ]
            rows.setdefault(width, []).append((strip.picture, [*field.label], frames))
            kinds.setdefault(width, []).append(field.kind)
        return {width: _packed(fields) for width, fields in rows.items()}, kinds

    def _field(self) -> Field:
        while len((field := self._render()).label) > MAX_LENGTH:
            pass
        return field


def _packed(rows: list[tuple[npt.NDArray[np.uint8], list[int], list[int]]]) -> Records:
    labels = np.full((len(rows), MAX_LENGTH), NO_LABEL, np.uint8)
    frames = np.full((len(rows), MAX_LENGTH), NO_FRAME, np.int16)
    for index, (_, label, places) in enumerate(rows):
        labels[index, : len(label)] = label
        frames[index, : len(places)] = places
    return Records(np.stack([picture for picture, _, _ in rows]), labels, frames)


class Pool:
    """The latest fields of a training by width, from which each step draws its batch.

    Args:
        capacity: Fields of one width that the pool holds at most.
    """

    def __init__(self, capacity: int = 3_000):
        self._capacity = capacity
        self._rings: dict[int, Records] = {}
        self.added = dict.fromkeys(WIDTHS_PX, 0)

    def add(self, records: dict[int, Records]) -> None:
        """Add fields."""
        for width, fields in records.items():
            if width not in self._rings:
                self._rings[width] = Records(
                    np.zeros((self._capacity, STRIP.height_px, width), np.uint8),
                    np.zeros((self._capacity, MAX_LENGTH), np.uint8),
                    np.zeros((self._capacity, MAX_LENGTH), np.int16),
                )
            places = (self.added[width] + np.arange(len(fields.labels))) % self._capacity
            ring = self._rings[width]
            ring.pictures[places], ring.labels[places] = fields.pictures, fields.labels
            ring.frames[places] = fields.frames
            self.added[width] += len(fields.labels)

    def draw(self, columns: int, rng: np.random.Generator) -> Records:
        """Draw a batch of one width; each field is as likely as any other.

        Args:
            columns: Columns of all strips of the batch together.
            rng: Source of chance.
        """
        widths = np.array([*self._rings])
        shares = np.array([self.added[width] for width in widths.tolist()]) * widths
        width = int(rng.choice(widths, p=shares / shares.sum()))
        ring, count = self._rings[width], max(1, columns // width)
        chosen = rng.integers(0, min(self.added[width], self._capacity), count)
        return Records(ring.pictures[chosen], ring.labels[chosen], ring.frames[chosen])


def render(packed: Path, seed: int, chunk: int) -> Iterator[bytes]:
    """Yield chunks of fields, see `batch.training.farm.Render`."""
    maker = RecordMaker(Renderer(Sources(load(packed)), seed))
    while True:
        yield npz_bytes(
            {
                f"{width}/{name}": array
                for width, records in maker.make(chunk)[0].items()
                for name, array in records._asdict().items()
            }
        )


def received(content: bytes) -> dict[int, Records]:
    """Return the fields of a chunk by width."""
    arrays = load(io.BytesIO(content))
    widths = sorted({int(name.split("/")[0]) for name in arrays})
    return {width: Records(*(arrays[f"{width}/{name}"] for name in Records._fields)) for width in widths}
