"""How well the default model reads numbers of hands that no training saw, as a table in Markdown.

python benchmarks/number_sets.py SOURCES [--fields 500] [--model MODEL]

SOURCES is the file `sources.npz` of a training (docs/training.md). Each set is read with --digits any, with
the right length, and with a length that one digit is missing from.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import cv2
import numpy as np

import digitbox
from batch.inference import model_store
from batch.records import Grey
from batch.training.look.sources import Sources
from batch.training.numbers.fields import Renderer
from batch.training.work_folder import load
from digitbox import Result

MNIST = Path(__file__).parents[1] / "tests" / "data" / "mnist_test.npz"
SEED = 4711
MAX_ROW = 6  # digits of a row
PAPER, GRAIN = 235, 4.0  # levels of the rows of MNIST's digits


class Field(NamedTuple):
    """A scan and the number in it."""

    grey: Grey
    number: str


def mnist_rows(count: int) -> list[Field]:
    """Set 2 to 6 of MNIST's test digits side by side, from overlapping a little to half a digit apart."""
    rng = np.random.default_rng(SEED)
    with np.load(MNIST, allow_pickle=False) as arrays:
        pictures, labels = arrays["x"], arrays["y"]
    fields = []
    for _ in range(count):
        chosen = rng.integers(0, len(labels), rng.integers(2, MAX_ROW + 1))
        ink = np.zeros((48, 40 + 34 * len(chosen)), np.uint8)
        x = 20
        for index in chosen.tolist():
            columns = np.flatnonzero(pictures[index].any(axis=0))
            digit = pictures[index][:, columns[0] : columns[-1] + 1]
            y = 10 + int(rng.integers(-2, 3))
            place = ink[y : y + 28, x : x + digit.shape[1]]
            np.maximum(place, digit, out=place)
            x += digit.shape[1] + int(rng.integers(-1, 12))
        paper = PAPER - ink[:, : x + 20] * (0.8 * PAPER / 255) + rng.normal(0, GRAIN, (48, x + 20))
        fields.append(
            Field(np.clip(paper, 0, 255).astype(np.uint8), "".join(map(str, labels[chosen].tolist())))
        )
    return fields


def in_cells(fields: list[Field]) -> list[Field]:
    """Put fields into cells up to five times as large, with slanted lines and the heads of another line."""
    rng = np.random.default_rng(SEED)
    cells = []
    for index, field in enumerate(fields):
        height, width = field.grey.shape
        tall, wide = round(height * rng.uniform(1.5, 5)), round(width * rng.uniform(1.5, 5))
        cell = rng.normal(PAPER, GRAIN, (tall, wide))
        other = fields[index - 1].grey[12 : 12 + height // 6, : wide - 8].astype(float)
        cell[-other.shape[0] :, 4 : 4 + other.shape[1]] = other
        y, x = int(rng.uniform(0.2, 0.7) * (tall - height)), int(rng.uniform(0.1, 0.9) * (wide - width))
        cell[y : y + height, x : x + width] = field.grey
        lines = np.zeros((tall, wide), np.uint8)
        cv2.rectangle(lines, (5, 5), (wide - 6, tall - 6), 125, int(rng.integers(1, 4)))
        turn = cv2.getRotationMatrix2D((wide / 2, tall / 2), rng.normal(0, 1), 1)
        cell -= cv2.warpAffine(lines, turn, (wide, tall))
        cells.append(Field(np.clip(cell, 0, 255).astype(np.uint8), field.number))
    return cells


def plain_rows(sources: Sources, count: int, in_combs: bool = False) -> list[Field]:
    """Write 2 to 6 digits of a writer side by side, with an ordinary pen on plain paper.

    Args:
        sources: Held-out writers.
        count: Number of fields.
        in_combs: Print a box or the teeth of a comb around each digit.
    """
    random, rng = Random(SEED), np.random.default_rng(SEED)
    writers = [digits for digits in sources.digits.by_writer.values() if len(digits) > MAX_ROW]
    fields = []
    for _ in range(count):
        chosen = random.sample(random.choice(writers), random.randint(2, MAX_ROW))
        height = random.uniform(30, 70)
        pen, gap, depth = (
            height * random.uniform(0.05, 0.11),
            random.uniform(0.05, 0.5),
            random.uniform(0.4, 0.9),
        )
        pitch = random.uniform(1.1, 1.5) * height
        ink = np.zeros((round(1.5 * height), round((1.9 * len(chosen) + 1) * height)), np.uint8)
        x = 0.4 * height
        for index in chosen:
            strokes = sources.digits.strokes_of(index)
            low, high = np.concatenate(strokes).min(axis=0), np.concatenate(strokes).max(axis=0)
            wide, tall = (high - low).tolist()
            size = height * random.uniform(0.85, 1.0) / max(tall, (0.75 if in_combs else 0.5) * wide)
            left = x + (pitch - size * wide) * random.uniform(0.3, 0.7) if in_combs else x
            place = np.array((left, 1.25 * height - size * tall))
            lines = [(((stroke - low) * size + place) * 16).astype(np.int32) for stroke in strokes]
            cv2.polylines(ink, lines, False, 255, round(pen), cv2.LINE_AA, 4)
            x += pitch if in_combs else size * wide + gap * height
        paper = PAPER - ink * (depth * PAPER / 255)
        if in_combs:
            printed = _comb(
                ink.shape, [0.4 * height + pitch * edge for edge in range(len(chosen) + 1)], random
            )
            paper = np.minimum(paper, PAPER - printed)
        paper = (paper + rng.normal(0, GRAIN, ink.shape))[:, : round(x + 0.4 * height)]
        number = "".join(str(sources.digits.chars[index]) for index in chosen)
        fields.append(Field(np.clip(paper, 0, 255).astype(np.uint8), number))
    return fields


def _comb(shape: tuple[int, ...], edges: list[float], random: Random) -> Grey:
    """Print boxes, or the teeth of a comb, and return how much darker than the paper each pixel is."""
    printed = np.zeros(shape, np.uint8)
    height, depth, pen = shape[0], random.randint(40, 160), random.choice((1, 1, 2, 3))
    top, bottom = round(0.06 * height), round(0.93 * height)
    tooth = top if random.random() < 0.5 else round(height * random.uniform(0.55, 0.8))
    for edge in edges:
        cv2.line(printed, (round(edge), tooth), (round(edge), bottom), depth, pen)
    for y in (bottom,) if tooth > top else (top, bottom):
        cv2.line(printed, (round(edges[0]), y), (round(edges[-1]), y), depth, pen)
    return printed


def rendered(renderer: Renderer, count: int) -> list[Field]:
    """Take fields from a renderer."""
    fields = [renderer.field() for _ in range(count)]
    return [Field(field.grey, "".join(map(str, field.label))) for field in fields]


def read(fields: list[Field], model: str | None, digits: Callable[[str], str]) -> list[Result]:
    """Read fields, each with the lengths that a user gives for its number."""
    results: dict[int, Result] = {}
    given = [digits(field.number) for field in fields]
    for lengths in dict.fromkeys(given):
        rows = [row for row, its in enumerate(given) if its == lengths]
        found = digitbox.Reader(model=model, digits=lengths)([fields[row].grey for row in rows])
        results |= dict(zip(rows, found, strict=True))
    return [results[row] for row in range(len(fields))]


def figures(fields: list[Field], results: list[Result]) -> list[str]:
    """Return the shares of right numbers and of those that are ok, and the wrong ones among these."""
    right = [str(result.prediction) == field.number for field, result in zip(fields, results, strict=True)]
    ok = [result.status == "ok" for result in results]
    wrong = sum(is_ok and not is_right for is_ok, is_right in zip(ok, right, strict=True))
    return [f"{sum(right) / len(fields):.1%}", f"{sum(ok) / len(fields):.1%}", f"{wrong} of {sum(ok)}"]


def main() -> None:
    """Read each set, and print a row for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", type=Path)
    parser.add_argument("--fields", type=int, default=500)
    parser.add_argument("--model", default=None)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    version = model_store.load_manifest(model_store.find(options.model)).numbers_version
    sources = Sources(load(options.sources), held_out=True)
    number, unipen = {"number": 1.0}, {"unipen": 1.0}
    rows = mnist_rows(options.fields)
    sets = {
        "digits of MNIST's test images side by side, 2 to 6": rows,
        "the same, small in large cells of tables": in_cells(rows),
        "2 to 6 digits by 30 writers of UNIPEN, on plain paper": plain_rows(sources, options.fields),
        "the same in combs and boxes": plain_rows(sources, options.fields, in_combs=True),
        "1 to 7 digits by these writers, rendered": rendered(
            Renderer(sources, SEED, kinds=number, hands=unipen), options.fields
        ),
        "numbers of these writers in combs and boxes": rendered(
            Renderer(sources, SEED, kinds=number, hands=unipen, gaps={"cells": 1.0}), options.fields
        ),
    }
    print(f"{version}, {options.fields} fields each\n")
    print("| numbers | right | ok | wrong among ok | length given: right | ok | wrong | one missing: ok |")
    print("|---|---|---|---|---|---|---|---|")
    for name, fields in sets.items():
        with_any = figures(fields, read(fields, options.model, lambda _: "any"))
        with_length = figures(fields, read(fields, options.model, lambda number: str(len(number))))
        missing = read(fields, options.model, lambda number: str(len(number) + 1))
        ok = sum(result.status == "ok" for result in missing)
        print("|", " | ".join([name, *with_any, *with_length, f"{ok} of {len(missing)}"]), "|")


if __name__ == "__main__":
    main()
