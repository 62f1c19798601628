"""The commands `digitbox train`, `evaluate` and `explore`."""

from __future__ import annotations

import dataclasses
import importlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch import classifier, engines
from batch.classifier import Classifier
from batch.cli.options import Number, Whole
from batch.config import MAX_PIXELS
from batch.errors import MissingExtraError
from batch.files import artefact
from batch.flow import Reader
from batch.terminal import stderr

if TYPE_CHECKING:
    from batch.learn.compare import Verdict
    from batch.learn.datasets import Dataset
    from batch.learn.own_scans import OwnScan


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
    artefact.check_target(models_dir, name, overwrite)
    _need("digitbox train", "tensorflow", "matplotlib", "seaborn")
    from batch.learn import datasets, own_scans
    from batch.learn.train import TrainOptions
    from batch.learn.train import train as run

    start_dir = None if start is None else artefact.find(start)
    # Loaded now: a model of its name may take its place.
    old = None if start_dir is None else classifier.load(start_dir, artefact.load_manifest(start_dir))
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
        artefact.make_default(models_dir, name)
    click.echo(folder)


@click.command()
@click.argument("data", metavar="DATA", type=click.Path(readable=False))
@click.option(
    "--model", metavar="NAME|DIR", help="Model to test.  [default: the one named in models/CURRENT]"
)
@click.option(
    "--runtime",
    type=click.Choice(["litert", "tensorflow"]),
    default="litert",
    show_default=True,
    help="What runs the model.",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("evaluation"),
    show_default=True,
    help="Folder for evaluation.json, evaluation.md and the pictures; files of these names are replaced.",
)
@click.option(
    "--workers", metavar="N", type=Whole(1, 256), help="Processes to read with.  [default: one a core]"
)
@click.option(
    "--record", metavar="NAME", help="Write the figures into the model's manifest and card, under this name."
)
def evaluate(
    data: str, model: str | None, runtime: str, report: Path, workers: int | None, record: str | None
) -> None:
    """Test a model on labelled scans.

    DATA is a folder with labels.csv (columns file and label), a folder with folders named 0 to 9 (and none,
    for what is no digit), an .npz archive with x_test and y_test or x and y, or mnist or fashion_mnist.
    Every scan takes the whole way of digitbox run. Written are accuracy with its interval, per class too, the
    confusion matrix, the most confident mistakes, calibration, and risk against coverage.

    \b
    Examples:
      digitbox evaluate mnist
      digitbox evaluate my-scans/ --model mine --report my-report/ --record "exam marks"
    """
    _need("digitbox evaluate", "matplotlib", "seaborn")
    from batch.learn import card, labelled_scans
    from batch.learn import evaluate as evaluation

    folder = artefact.find(model)
    reader = Reader(folder, runtime, None, MAX_PIXELS)
    manifest = reader.check()
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        scans = labelled_scans.load(data, Path(scratch))
        cores = 1 if runtime == "tensorflow" else workers or engines.usable_cores()
        outcomes = evaluation.answer(reader, scans, cores)
        result = evaluation.write(report, data, manifest.version, scans, outcomes)
    if record is not None:
        metrics = {**manifest.metrics, record: evaluation.figure(result)}
        manifest = dataclasses.replace(manifest, metrics=metrics)
        artefact.describe(folder, manifest, card.text(manifest))
    click.echo((report / "evaluation.md").read_text(encoding="utf-8"), nl=False)


@click.command()
@click.argument("data", metavar="DATA", type=click.Path(readable=False))
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("exploration"),
    show_default=True,
    help="Folder for the pictures; files of these names are replaced.",
)
@click.option(
    "--seed", metavar="N", type=Whole(0), default=1, show_default=True, help="Of the choice of samples."
)
def explore(data: str, report: Path, seed: int) -> None:
    """Look at labelled scans before training or testing.

    DATA is as for digitbox evaluate. Written are the number of scans of each class (counts.png), samples of
    each as they are (samples.png) and as the model sees them (digits.png), and their means (means.png).
    """
    _need("digitbox explore", "matplotlib", "seaborn")
    from batch.learn import explore as exploration
    from batch.learn import labelled_scans

    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        scans = labelled_scans.load(data, Path(scratch))
        counts = exploration.write(report, scans, seed)
    for name, count in counts.items():
        click.echo(f"{name}: {count}")
    click.echo(f"pictures: {report}", err=True)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _compared(old: Classifier, folder: Path, own: Sequence[OwnScan], data: Sequence[Dataset]) -> Verdict:
    """Has the new model and the one it went on from read the same scans, and says which is better."""
    from batch.learn import compare

    _say("comparing with the model it went on from")
    new = classifier.load(folder, artefact.load_manifest(folder))
    pairs = compare.compare(old, new, own, data)
    found = compare.verdict(pairs)
    if pairs:
        _say(compare.table(old.manifest.version, new.manifest.version, pairs))
    _say(f"the new model: {found.value}; p is that of McNemar's exact test")
    return found


def _offered(found: Verdict, folder: Path) -> bool:
    """Asks on a terminal whether a model that is no worse shall be the default; elsewhere, it is not."""
    from batch.learn.compare import Verdict

    is_searched = folder.parent.resolve() in [known.resolve() for known in artefact.folders()]
    if found is Verdict.WORSE or not is_searched:
        _say(f"the default model stays; to read with the new one: digitbox run --model {folder}")
        return False
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return click.confirm(f"make {folder.name} the default model?", default=found is Verdict.BETTER, err=True)


def _need(what: str, *packages: str) -> None:
    """Imports what a command needs, quietly, or says which extra brings it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with stderr.quiet():
            for package in packages:
                importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(what, "train") from error
