"""The packing of the data sets into one small file: strokes thinned, scans reduced, held-out parts marked."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from batch.config import MAX_PIXELS
from batch.errors import ImageError, InputError
from batch.images import decode
from batch.records import Grey, ScanRef
from batch.storage import durable
from batch.training.look.mixture import Field
from batch.training.look.sources import Packed
from batch.training.progress import Progress
from batch.training.work_folder import keep, load, npz_bytes

SOURCES_FILE, DATA_FILE = "sources.npz", "data.json"

# What is held out never changes, so that trainings and thresholds of all times can be compared.
HELD_OUT_SEED = 19
HELD_OUT_UNIPEN_WRITERS = 30  # of 200; their letters and signs are held out with their digits
HELD_OUT_SWISS_WRITERS = ("0003_CH3M", "0008_CH3F", "0012_CH3M")  # of 14; they wrote 1,431 of the 6,444
HELD_OUT_FRACTION = 0.1  # the last images of MNIST train, USPS train and Fashion-MNIST train

MAX_OF_A_CHARACTER = 300  # letters or signs kept of each kind; more add weight to the file and no hand
MAX_FASHION = 12_000  # pictures of clothes; 1 scene in 100 shows one
SWISS_PX = 64  # the longer side of a packed Swiss scan; no scene shows it larger than 100
SWISS_WHITE = 250  # brighter levels of a Swiss scan are paper

COARSE_FROM = 9  # units: from this step of the tablet's grid on, a stroke shows stairs
MAX_SMOOTHING = 22.0  # units: as far as a coarse grid is smoothed; further, corners go
STEP = 12  # units between the points that are smoothed
TOLERANCE = 5.0  # units that a thinned stroke may be away from its points: a third of the thinnest pen


@dataclass(frozen=True)
class DataPaths:
    """Where the data sets lie.

    Attributes:
        mnist: npz with x_train and y_train.
        usps: npz with x and y.
        unipen_digits: npz of pen strokes, see `_pack_strokes`.
        unipen_others: The same of letters and signs.
        swiss: Folder with scans and labels.csv (file, label, writer).
        fashion: train-images-idx3-ubyte.gz of Fashion-MNIST; None for none.
    """

    mnist: Path
    usps: Path
    unipen_digits: Path
    unipen_others: Path
    swiss: Path
    fashion: Path | None = None

    @classmethod
    def in_folder(cls, folder: Path, fashion: Path | None = None) -> DataPaths:
        """Return the paths of the data sets in a folder, by their usual names."""
        return cls(
            folder / "mnist.npz",
            folder / "usps_train.npz",
            folder / "unipen_digits.npz",
            folder / "unipen_others.npz",
            folder / "train_scans" / "swiss_pen",
            fashion,
        )


def packed_at(sources: Path) -> Packed:
    """Return the packed data sets.

    Args:
        sources: Folder of the data sets with their usual names, or a file in which they are packed.

    Raises:
        InputError: A data set is missing or is not what it should be.
    """
    if sources.is_dir():
        return pack(DataPaths.in_folder(sources))
    try:
        return load(sources)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {sources}: {error}; name the folder of the data sets") from error


def pack_once(paths: DataPaths, folder: Path, say: Progress) -> Path:
    """Pack the data sets, if the folder does not have their file yet; return the file.

    Args:
        paths: The data sets.
        folder: Folder of the training; digitbox makes it.
        say: Gets lines of progress.

    Raises:
        ConfigError: The folder holds a training on other data sets.
        InputError: A data set is missing or is not what it should be.
    """
    names = {name: str(path) for name, path in dataclasses.asdict(paths).items() if path}
    keep(folder / DATA_FILE, names, "other data sets")
    file = folder / SOURCES_FILE
    if not file.exists():
        say("packing the data sets")
        durable.replace(file, npz_bytes(pack(paths), compress=True))
    return file


def pack(paths: DataPaths) -> Packed:
    """Read the data sets and pack what scenes are made from.

    Returns:
        Arrays by name. `<set>_held` says of each image or character whether it is held out.

    Raises:
        InputError: A data set is missing or is not what it should be.
    """
    try:
        return _pack(paths)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read the data sets: {error}; docs/training.md names them") from error


def _pack(paths: DataPaths) -> Packed:
    rng = np.random.default_rng(HELD_OUT_SEED)
    with np.load(paths.unipen_digits, allow_pickle=False) as archive:
        writers = np.unique(archive["writers"])
    held_out = set(rng.permutation(writers)[:HELD_OUT_UNIPEN_WRITERS].tolist())
    packed: Packed = {"held_writers": np.array(sorted(held_out))}
    for name, path, limit in (
        ("digits", paths.unipen_digits, None),
        ("others", paths.unipen_others, MAX_OF_A_CHARACTER),
    ):
        strokes = _pack_strokes(path, limit, held_out, rng)
        packed |= {f"{name}_{key}": value for key, value in strokes.items()}
    with np.load(paths.mnist, allow_pickle=False) as mnist, np.load(paths.usps, allow_pickle=False) as usps:
        packed |= {"mnist": mnist["x_train"], "mnist_labels": mnist["y_train"]}
        packed |= {"usps": usps["x"], "usps_labels": usps["y"].astype(np.uint8)}
    packed |= _pack_swiss(paths.swiss)
    packed["fashion"] = _read_fashion(paths.fashion)
    for name in ("mnist", "usps", "fashion"):
        count = len(packed[name])
        packed[f"{name}_held"] = np.arange(count) >= round(count * (1 - HELD_OUT_FRACTION))
    return packed


def _pack_strokes(path: Path, limit: int | None, held_out: set[int], rng: np.random.Generator) -> Packed:
    """Thin the characters of a UNIPEN archive.

    Args:
        path: npz with points (n, 2), stroke_starts, char_starts, chars and writers.
        limit: How many of each character to keep; None for all.
        held_out: Writers that are held out.
        rng: Source of chance.
    """
    with np.load(path, allow_pickle=False) as archive:
        points, stroke_starts = archive["points"].astype(np.float32), archive["stroke_starts"]
        char_starts, chars, writers = archive["char_starts"], archive["chars"], archive["writers"]
    chosen = np.sort(
        np.concatenate([rng.permutation(np.flatnonzero(chars == char))[:limit] for char in np.unique(chars)])
    )
    thinned: list[npt.NDArray[np.int16]] = []
    strokes, starts = [0], [0]
    for index in chosen:
        for stroke in range(char_starts[index], char_starts[index + 1]):
            thin = smooth_stroke(points[stroke_starts[stroke] : stroke_starts[stroke + 1]])
            thinned.append(np.round(thin).astype(np.int16))
            strokes.append(strokes[-1] + len(thin))
        starts.append(len(strokes) - 1)
    return {
        "points": np.concatenate(thinned),
        "strokes": np.array(strokes, np.int32),
        "starts": np.array(starts, np.int32),
        "chars": chars[chosen],
        "writers": writers[chosen],
        "held": np.isin(writers[chosen], list(held_out)),
    }


def smooth_stroke(stroke: Field) -> Field:
    """Smooth a stroke as much as its tablet's grid is coarse, and leave out the points it does not need.

    Args:
        stroke: Points (n, 2) in units of 1/1000 of the character's longer side.

    Returns:
        Points (m, 2), m at most n or a little more; the ends stay where they are.
    """
    moves = np.r_[True, np.any(np.diff(stroke, axis=0) != 0, axis=1)]
    stroke = stroke[moves]
    if len(stroke) < 3:
        return stroke
    steps = np.abs(np.diff(stroke, axis=0))
    steps_made = steps[steps > 0]
    length = np.r_[0, np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))]
    places = np.linspace(0, length[-1], max(3, int(length[-1] / STEP)))
    even = np.stack([np.interp(places, length, stroke[:, axis]) for axis in (0, 1)], 1)
    grid = float(steps_made.min())
    reach = min(MAX_SMOOTHING, grid * 1.2 if grid >= COARSE_FROM else 0.3 * float(np.median(steps_made)))
    padded = np.concatenate([np.repeat(even[:1], 8, 0), even, np.repeat(even[-1:], 8, 0)]).astype(np.float32)
    smooth = _blur(padded, max(0.5, reach / STEP))[8:-8]
    smooth[0], smooth[-1] = even[0], even[-1]
    thin = cv2.approxPolyDP(smooth.astype(np.float32)[:, None], TOLERANCE, False)[:, 0]
    return np.asarray(thin, np.float32)


def _blur(points: Field, sigma: float) -> Field:
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / sigma) ** 2)
    kernel /= kernel.sum()
    return np.stack([np.convolve(points[:, axis], kernel, "same") for axis in (0, 1)], 1).astype(np.float32)


def _pack_swiss(folder: Path) -> Packed:
    """Reduce the Swiss scans, each in the left top corner of a white square."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    scans = [_reduce(folder / row["file"]) for row in rows]
    squares = np.full((len(scans), SWISS_PX, SWISS_PX), 255, np.uint8)
    for square, scan in zip(squares, scans, strict=True):
        square[: scan.shape[0], : scan.shape[1]] = scan
    return {
        "swiss": squares,
        "swiss_shapes": np.array([scan.shape for scan in scans], np.uint8),
        "swiss_labels": np.array([int(row["label"]) for row in rows], np.uint8),
        "swiss_held": np.array([row["writer"] in HELD_OUT_SWISS_WRITERS for row in rows], bool),
    }


def _reduce(path: Path) -> Grey:
    try:
        grey = decode.read(ScanRef(str(path), str(path)), MAX_PIXELS).grey
    except ImageError as error:
        raise ValueError(f"{path}: {error.reason}, {error.detail}") from error
    scale = SWISS_PX / max(grey.shape)
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    small[small > SWISS_WHITE] = 255
    return small


def _read_fashion(path: Path | None) -> npt.NDArray[np.uint8]:
    if path is None:
        return np.zeros((0, 28, 28), np.uint8)
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)[:MAX_FASHION]
