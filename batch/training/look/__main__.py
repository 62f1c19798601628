"""The command that trains a cnn from data sets: `python -m batch.training.look SOURCES OUT --images N`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from batch.errors import RunError
from batch.training.look.weigh import SCENES


@click.command()
@click.argument("sources", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--images", type=click.IntRange(min=1), required=True, help="Pictures that each network sees.")
@click.option(
    "--fashion",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="train-images-idx3-ubyte.gz of Fashion-MNIST.  [default: without it]",
)
@click.option(
    "--batch", type=click.IntRange(min=2), default=256, show_default=True, help="Pictures in a step."
)
@click.option(
    "--fresh",
    type=click.FloatRange(min=0.01),
    default=0.5,
    show_default=True,
    help="Scenes rendered for each picture seen.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 900),
    help="Processes that render scenes.  [default: one less than the cores]",
)
@click.option(
    "--held-out",
    type=click.IntRange(min=100),
    default=20_000,
    show_default=True,
    help="Held-out scenes for the figures of each network.",
)
@click.option(
    "--scenes",
    type=click.IntRange(min=100),
    default=SCENES,
    show_default=True,
    help="Held-out scenes for the model's weights and thresholds.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2_000), default=1, show_default=True, help="Seed of all chance."
)
@click.option(
    "--checkpoint-seconds",
    type=click.FloatRange(min=0.0),
    default=180.0,
    show_default=True,
    help="Time between two checkpoints.",
)
def main(
    sources: Path,
    out: Path,
    images: int,
    fashion: Path | None,
    batch: int,
    fresh: float,
    workers: int | None,
    held_out: int,
    scenes: int,
    seed: int,
    checkpoint_seconds: float,
) -> None:
    """Train a cnn on the data sets in SOURCES, and write the folder of its model to OUT/cnn.

    A training that was killed goes on from its last checkpoint if you start it again with the same options.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The processes that render import this module, and need no TensorFlow.
    from batch.training.look.packing import DataPaths
    from batch.training.look.train import Options, train

    options = Options(
        images=images,
        batch=batch,
        fresh=fresh,
        workers=workers or max(1, (os.cpu_count() or 2) - 1),
        held_out=held_out,
        scenes=scenes,
        seed=seed,
        checkpoint_seconds=checkpoint_seconds,
    )
    try:
        click.echo(train(DataPaths.in_folder(sources, fashion), out, options, _say))
    except RunError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
