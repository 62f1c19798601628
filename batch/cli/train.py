"""The command `digitbox train`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch.cli.extras import check_extra
from batch.cli.types import Number, Whole
from batch.inference import model_store, models
from batch.inference.models import Model

if TYPE_CHECKING:
    from batch.training.data.datasets import Dataset
    from batch.training.data.own_scans import OwnScan
    from batch.training.evaluation.compare import Verdict


@click.command()
@click.option(
    "--network",
    type=click.Choice(["cnn", "mlp"]),
    default="cnn",
    show_default=True,
    help="Network to train. cnn is the default model, trained on rendered scans. mlp is the small network of "
    "the teaching notebook, trained on the digits as they are.",
)
@click.option(
    "--data",
    "sources",
    multiple=True,
    default=["mnist"],
    show_default=True,
    metavar="mnist|fashion_mnist|PATH",
    help="Labelled digits. mnist downloads MNIST; fashion_mnist downloads clothes, which are not digits. "
    "PATH is a data set: NumPy, IDX, CSV or Parquet. Label -1 means not a digit. You can give it several "
    "times.",
)
@click.option(
    "--extra",
    "folders",
    multiple=True,
    type=click.Path(readable=False),
    help="Also train on your own labelled scans, as for digitbox evaluate, or as digitbox apply writes them. "
    "digitbox holds out about a fifth of them, and the card says how well it reads those. You can give it "
    "several times.",
)
@click.option(
    "--from",
    "start",
    metavar="NAME|DIR",
    help="Train a model of the same --network further. This takes a few short epochs, i.e. minutes.",
)
@click.option("--name", help="Name of the model.  [default: the network's name]")
@click.option(
    "--models",
    "models_dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("models"),
    show_default=True,
    help="Folder of models; digitbox writes the new model there.",
)
@click.option(
    "--epochs",
    metavar="N",
    type=Whole(1),
    help="Train for N passes over the digits.  [default: mlp 10, cnn 40; 4 with --from]",
)
@click.option(
    "--examples",
    "examples_per_epoch",
    metavar="N",
    type=Whole(100),
    help="Render N scans in an epoch of the cnn.  [default: as many as there are digits]",
)
@click.option(
    "--batch-size",
    metavar="N",
    type=Whole(1),
    help="Show the network N digits in a step.  [default: mlp 32, cnn 256]",
)
@click.option(
    "--learning-rate",
    metavar="X",
    type=Number(0, 1, min_open=True),
    help="Highest learning rate.  [default: mlp 0.001, cnn 0.002; a fifth of it with --from]",
)
@click.option(
    "--output",
    type=click.Choice(["softmax", "sigmoid"]),
    default="softmax",
    show_default=True,
    help="Function that turns the last layer into probabilities. sigmoid is for the mlp only.",
)
@click.option(
    "--seed", metavar="N", type=Whole(0), default=1, show_default=True, help="Seed of every random choice."
)
@click.option("--overwrite", is_flag=True, help="Replace a model of the same name.")
@click.option(
    "--default", "make_default", is_flag=True, help="Make the model the default of runs in this folder."
)
def train(
    network: str,
    sources: tuple[str, ...],
    folders: tuple[str, ...],
    start: str | None,
    name: str | None,
    models_dir: Path,
    epochs: int | None,
    examples_per_epoch: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    output: str,
    seed: int,
    overwrite: bool,
    make_default: bool,
) -> None:
    """Train a model and write its folder.

    digitbox holds out a twelfth of the training digits and sets the thresholds on it. The model's card.md has
    the figures, also on the test digits if the data has some. digitbox writes nothing before the end. With
    --from, a table compares the new model with the old one. On a terminal, digitbox then asks whether to make
    the new one the default.

    \b
    Examples:
      digitbox train --network mlp                      the teaching notebook's network
      digitbox train --network mlp --output sigmoid --name mlp-sigmoid
      digitbox train --data mnist.npz --data usps.npz --name mine
      digitbox train --from cnn --extra my-labelled-scans/ --name office
      digitbox run --model mine inbox/
    """
    name = name or network
    model_store.check_target(models_dir, name, overwrite)
    check_extra("digitbox train", "tensorflow", "matplotlib", "seaborn")
    from batch.training.data import datasets, own_scans
    from batch.training.train import TrainOptions
    from batch.training.train import train as run

    start_dir = None if start is None else model_store.find(start)
    # The new model may take its place, so digitbox loads the old one before.
    old = None if start_dir is None else models.load(start_dir, model_store.load_manifest(start_dir))
    data = [datasets.load(source, _say) for source in sources]
    own = [scan for source in folders for scan in own_scans.read(source, _say)]
    options = TrainOptions(
        network,
        name,
        models_dir,
        epochs,
        examples_per_epoch,
        batch_size,
        learning_rate,
        output,
        seed,
        overwrite,
        start_dir,
        own,
    )
    folder = run(options, data, _say)
    if old is not None:
        verdict = _compare(old, folder, own, data)
        make_default = make_default or _offer_default(verdict, folder)
    if make_default:
        model_store.make_default(models_dir, name)
    click.echo(folder)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _compare(old: Model, folder: Path, own: Sequence[OwnScan], data: Sequence[Dataset]) -> Verdict:
    """Let the new and the old model read the same scans, print a table, and return which is better."""
    from batch.training.evaluation import compare

    _say("comparing with the old model")
    new = models.load(folder, model_store.load_manifest(folder))
    pairs = compare.compare(old, new, own, data)
    verdict = compare.verdict(pairs)
    if pairs:
        _say(compare.table(old.manifest.version, new.manifest.version, pairs))
    _say(f"the new model: {verdict.value}; p is that of McNemar's exact test")
    return verdict


def _offer_default(verdict: Verdict, folder: Path) -> bool:
    """Ask on a terminal whether to make a model the default that is no worse. Return False elsewhere."""
    from batch.training.evaluation.compare import Verdict

    is_searched = folder.parent.resolve() in [known.resolve() for known in model_store.folders()]
    if verdict is Verdict.WORSE or not is_searched:
        _say(f"the default model stays; to read with the new one: digitbox run --model {folder}")
        return False
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return click.confirm(
        f"make {folder.name} the default model?", default=verdict is Verdict.BETTER, err=True
    )
