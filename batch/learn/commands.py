"""The command `digitbox train`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from batch import stderr
from batch.errors import MissingExtraError
from batch.files import artefact


@click.command()
@click.option(
    "--network",
    type=click.Choice(["cnn", "mlp"]),
    default="cnn",
    show_default=True,
    help="cnn: the default model, trained on rendered scans. mlp: the small network of the teaching "
    "notebook, trained on the digits as they are.",
)
@click.option(
    "--data",
    "sources",
    multiple=True,
    default=["mnist"],
    show_default=True,
    metavar="mnist|FILE.npz",
    help="Labelled digits, white on black: mnist downloads MNIST; an .npz archive holds x_train, y_train "
    "(and x_test, y_test), or x and y. May be given several times.",
)
@click.option("--name", help="Name of the model.  [default: the network's name]")
@click.option(
    "--models",
    "models_dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("models"),
    show_default=True,
    help="Folder of models to write to.",
)
@click.option("--epochs", type=click.IntRange(1), help="Passes over the digits.  [default: mlp 10, cnn 40]")
@click.option(
    "--examples",
    "examples_per_epoch",
    type=click.IntRange(100),
    help="Rendered scans in an epoch of the cnn.  [default: as many as there are digits]",
)
@click.option("--batch-size", type=click.IntRange(1), help="Digits a step.  [default: mlp 32, cnn 256]")
@click.option(
    "--output",
    type=click.Choice(["softmax", "sigmoid"]),
    default="softmax",
    show_default=True,
    help="What makes probabilities of the last layer; sigmoid with the mlp only.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of every random choice.")
@click.option("--overwrite", is_flag=True, help="Replace a model of the same name.")
@click.option("--default", "make_default", is_flag=True, help="Make it the default model of that folder.")
def train(
    network: str,
    sources: tuple[str, ...],
    name: str | None,
    models_dir: Path,
    epochs: int | None,
    examples_per_epoch: int | None,
    batch_size: int | None,
    output: str,
    seed: int,
    overwrite: bool,
    make_default: bool,
) -> None:
    """Train a model and write its folder.

    A twelfth of the training digits is held out: the thresholds are set on it. The model's card.md says
    how it did, on the test digits too where the data has some. Nothing is written before the end.

    \b
    Examples:
      digitbox train --network mlp                      the teaching notebook's network
      digitbox train --network mlp --output sigmoid --name mlp-sigmoid
      digitbox train --data mnist.npz --data usps.npz --name mine
      digitbox run --model mine inbox/
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    name = name or network
    artefact.check_target(models_dir, name, overwrite)
    try:
        with stderr.quiet():
            import matplotlib  # noqa: F401
            import tensorflow  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("digitbox train", "train") from error
    from batch.learn import datasets
    from batch.learn.train import TrainOptions
    from batch.learn.train import train as run

    data = [datasets.load(source) for source in sources]
    options = TrainOptions(
        network, name, models_dir, epochs, examples_per_epoch, batch_size, output, seed, overwrite
    )
    folder = run(options, data, lambda line: click.echo(line, err=True))
    if make_default:
        artefact.make_default(models_dir, name)
    click.echo(folder)
