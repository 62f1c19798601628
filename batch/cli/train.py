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
    help="cnn: the default model, trained on rendered scans. mlp: the small network of the teaching "
    "notebook, trained on the digits as they are.",
)
@click.option(
    "--data",
    "sources",
    multiple=True,
    default=["mnist"],
    show_default=True,
    metavar="mnist|fashion_mnist|FILE.npz",
    help="Labelled digits, white on black: mnist downloads MNIST, and fashion_mnist clothes, which are not "
    "digits; an .npz archive holds x_train, y_train (and x_test, y_test), or x and y, with -1 for what is "
    "not a digit. May be given several times.",
)
@click.option(
    "--extra",
    "folders",
    multiple=True,
    type=click.Path(readable=False),
    help="Your own labelled scans (as for digitbox evaluate, and as digitbox apply leaves them), to train "
    "on as well; about a fifth of them is held out, and the card says how well those are read. May be given "
    "several times.",
)
@click.option(
    "--from",
    "start",
    metavar="NAME|DIR",
    help="Go on from a trained model, of the same --network: a few short epochs, minutes.",
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
@click.option(
    "--epochs",
    metavar="N",
    type=Whole(1),
    help="Passes over the digits.  [default: mlp 10, cnn 40; 4 with --from]",
)
@click.option(
    "--examples",
    "examples_per_epoch",
    metavar="N",
    type=Whole(100),
    help="Rendered scans in an epoch of the cnn.  [default: as many as there are digits]",
)
@click.option("--batch-size", metavar="N", type=Whole(1), help="Digits a step.  [default: mlp 32, cnn 256]")
@click.option(
    "--learning-rate",
    metavar="X",
    type=Number(0, 1, min_open=True),
    help="Of the optimiser, at its highest.  [default: mlp 0.001, cnn 0.002; a fifth of it with --from]",
)
@click.option(
    "--output",
    type=click.Choice(["softmax", "sigmoid"]),
    default="softmax",
    show_default=True,
    help="What makes probabilities of the last layer; sigmoid with the mlp only.",
)
@click.option(
    "--seed", metavar="N", type=Whole(0), default=1, show_default=True, help="Of every random choice."
)
@click.option("--overwrite", is_flag=True, help="Replace a model of the same name.")
@click.option("--default", "make_default", is_flag=True, help="Make it the default of runs in this folder.")
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

    A twelfth of the training digits is held out: the thresholds are set on it. The model's card.md says
    how it did, on the test digits too where the data has some. Nothing is written before the end. With
    --from, a table says whether the new model is better than that one; on a terminal, you are asked whether
    it shall be the default.

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
    # Loaded now: a model of its name may take its place.
    old = None if start_dir is None else models.load(start_dir, model_store.load_manifest(start_dir))
    data = [datasets.load(source) for source in sources]
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
        found = _compared(old, folder, own, data)
        make_default = make_default or _offered(found, folder)
    if make_default:
        model_store.make_default(models_dir, name)
    click.echo(folder)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _compared(old: Model, folder: Path, own: Sequence[OwnScan], data: Sequence[Dataset]) -> Verdict:
    """Has the new model and the one it went on from read the same scans, and says which is better."""
    from batch.training.evaluation import compare

    _say("comparing with the model it went on from")
    new = models.load(folder, model_store.load_manifest(folder))
    pairs = compare.compare(old, new, own, data)
    found = compare.verdict(pairs)
    if pairs:
        _say(compare.table(old.manifest.version, new.manifest.version, pairs))
    _say(f"the new model: {found.value}; p is that of McNemar's exact test")
    return found


def _offered(found: Verdict, folder: Path) -> bool:
    """Asks on a terminal whether a model that is no worse shall be the default; elsewhere, it is not."""
    from batch.training.evaluation.compare import Verdict

    is_searched = folder.parent.resolve() in [known.resolve() for known in model_store.folders()]
    if found is Verdict.WORSE or not is_searched:
        _say(f"the default model stays; to read with the new one: digitbox run --model {folder}")
        return False
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return click.confirm(f"make {folder.name} the default model?", default=found is Verdict.BETTER, err=True)
