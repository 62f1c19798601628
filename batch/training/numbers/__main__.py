"""The command that trains the reader of numbers: `python -m batch.training.numbers SOURCES OUT`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from batch.errors import RunError


@click.command()
@click.argument("sources", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--model",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Model folder with looks, which are asked for each digit. The network's file goes there.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.01),
    default=84.0,
    show_default=True,
    help="Duration of the training. The learning rate falls with it.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 900),
    help="Processes that render fields.  [default: one less than the cores]",
)
@click.option(
    "--held-out",
    type=click.IntRange(min=100),
    default=8_000,
    show_default=True,
    help="Held-out fields for the confidence, the thresholds and figures.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2_000), default=1, show_default=True, help="Seed of all chance."
)
def main(
    sources: Path, out: Path, model: Path, minutes: float, workers: int | None, held_out: int, seed: int
) -> None:
    """Train the reader of numbers, and put it into a model folder.

    SOURCES is the folder of the data sets, as for the look, or the packed sources.npz of the look's training.
    OUT gets the checkpoint and the log. A training that was killed goes on from its last checkpoint if you
    start it again with the same options.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The processes that render import this module, and need no TensorFlow.
    from batch.training.numbers import finish
    from batch.training.numbers.train import Options

    options = Options(minutes=minutes, workers=workers or max(1, (os.cpu_count() or 2) - 1), seed=seed)
    try:
        finish.make(sources, out, model, options, held_out, lambda line: click.echo(line, err=True))
    except RunError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
