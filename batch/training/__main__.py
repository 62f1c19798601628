"""The recipe of the default model: `python -m batch.training SOURCES OUT`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from batch.errors import RunError
from batch.terminal.number_types import Number, Whole
from batch.training.look.weigh import SCENES

PLACE_FOLDER, NUMBERS_FOLDER = "place", "numbers"  # in that of the training
HELD_OUT_FIELDS = 48_000  # of 24,000, two dozen errors made the threshold, and it differed from draw to draw


@click.command()
@click.argument("sources", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--images",
    type=Whole(min=1),
    default=12_000_000,
    show_default=True,
    help="Pictures that each network for whole scans sees.",
)
@click.option(
    "--places",
    type=Whole(min=1),
    default=2_500_000,
    show_default=True,
    help="Pictures that the network for the place of the digit sees.",
)
@click.option(
    "--fields",
    type=Whole(min=1),
    default=4_000_000,
    show_default=True,
    help="Fields that the reader of numbers sees.",
)
@click.option(
    "--numbers-of",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Train no looks, and put a new reader of numbers into this model folder.",
)
@click.option(
    "--fashion",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="train-images-idx3-ubyte.gz of Fashion-MNIST.  [default: without it]",
)
@click.option("--batch", type=Whole(min=2), default=256, show_default=True, help="Pictures in a step.")
@click.option(
    "--fresh",
    type=Number(min=0.01),
    default=0.5,
    show_default=True,
    help="Scenes rendered for each picture seen.",
)
@click.option(
    "--workers",
    type=Whole(1, 900),
    help="Processes that render.  [default: one less than the cores]",
)
@click.option(
    "--held-out",
    type=Whole(min=100),
    default=20_000,
    show_default=True,
    help="Held-out scenes for the figures of each look.",
)
@click.option(
    "--scenes",
    type=Whole(min=100),
    default=SCENES,
    show_default=True,
    help="Held-out scenes for the looks' weights and thresholds.",
)
@click.option(
    "--held-out-fields",
    type=Whole(min=100),
    default=HELD_OUT_FIELDS,
    show_default=True,
    help="Held-out fields for the confidence and the thresholds of numbers.",
)
@click.option("--seed", type=Whole(0, 2_000), default=1, show_default=True, help="Seed of all chance.")
@click.option(
    "--checkpoint-seconds",
    type=Number(min=0.0),
    default=180.0,
    show_default=True,
    help="Time between two checkpoints.",
)
def main(
    sources: Path,
    out: Path,
    images: int,
    places: int,
    fields: int,
    numbers_of: Path | None,
    fashion: Path | None,
    batch: int,
    fresh: float,
    workers: int | None,
    held_out: int,
    scenes: int,
    held_out_fields: int,
    seed: int,
    checkpoint_seconds: float,
) -> None:
    """Train the default model on the data sets in SOURCES, and write its folder to OUT/cnn.

    First come the looks at whole scans, then that at the place of the digit, then the reader of numbers.
    A training that was killed goes on from its last checkpoint if you start it again with the same options.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The processes that render import this module, and need no TensorFlow.
    from batch.training.look import place
    from batch.training.look import train as looks
    from batch.training.look.packing import DataPaths, pack_once
    from batch.training.numbers import finish
    from batch.training.numbers import train as numbers

    workers = workers or max(1, (os.cpu_count() or 2) - 1)
    try:
        packed = pack_once(DataPaths.in_folder(sources, fashion), out, _say)
        folder = numbers_of
        if folder is None:
            common: dict[str, Any] = {
                "batch": batch,
                "fresh": fresh,
                "workers": workers,
                "scenes": scenes,
                "seed": seed,
                "checkpoint_seconds": checkpoint_seconds,
            }
            of_wholes = looks.Options(images=images, held_out=held_out, **common)
            folder = looks.train(packed, out, of_wholes, _say)
            place.make(packed, out / PLACE_FOLDER, folder, place.Options(places=places, **common), _say)
        options = numbers.Options(
            fields=fields, workers=workers, seed=seed, checkpoint_seconds=checkpoint_seconds
        )
        finish.make(packed, out / NUMBERS_FOLDER, folder, options, held_out_fields, _say)
        click.echo(folder)
    except RunError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
