"""The command `digitbox train`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch.cli.extras import check_extra
from batch.cli.types import NamedPath
from batch.errors import ConfigError
from batch.inference import model_store, models
from batch.inference.models import Model
from batch.terminal import console
from batch.terminal.number_types import Number, Whole
from batch.training import model_writer

if TYPE_CHECKING:
    from batch.training.data.datasets import Dataset
    from batch.training.data.own_scans import OwnScan
    from batch.training.evaluation.compare import Tested, Verdict


@click.command()
@click.option(
    "--network",
    type=click.Choice(["cnn", "mlp"]),
    help="Network to train. cnn is the default model. mlp is the small network of the teaching notebook, "
    "trained on digits as they are.  [default: that of --from, else cnn]",
)
@click.option(
    "--data",
    "sources",
    multiple=True,
    metavar="mnist|fashion_mnist|PATH",
    help="Labelled digits for an mlp. mnist downloads MNIST; fashion_mnist downloads clothes, which are not "
    "digits. PATH is a data set: NumPy, IDX, CSV or Parquet. Label -1 means not a digit. You can give it "
    "several times.  [default: mnist]",
)
@click.option(
    "--extra",
    "folders",
    multiple=True,
    type=NamedPath(readable=False),
    help="Train on your own labelled scans, as for digitbox evaluate, or as digitbox apply writes them. "
    "digitbox holds out about a fifth of them, and the card says how well it reads those. You can give it "
    "several times.",
)
@click.option(
    "--from",
    "start",
    metavar="NAME|DIR",
    help="Train this model further. A cnn needs --extra for that, and no other data. It takes minutes.",
)
@click.option("--name", help="Name of the model.  [default: the network's name]")
@click.option(
    "--models",
    "models_dir",
    type=NamedPath(file_okay=False, path_type=Path),
    default=Path("models"),
    show_default=True,
    help="Folder of models; digitbox writes the new model there.",
)
@click.option(
    "--epochs",
    metavar="N",
    type=Whole(1),
    help="Train an mlp for N passes over the digits.  [default: 10; 4 with --from]",
)
@click.option(
    "--batch-size", metavar="N", type=Whole(1), help="Show an mlp N digits in a step.  [default: 32]"
)
@click.option(
    "--learning-rate",
    metavar="X",
    type=Number(0, 1, min_open=True),
    help="Learning rate of an mlp.  [default: 0.001; a fifth of it with --from]",
)
@click.option(
    "--output",
    type=click.Choice(["softmax", "sigmoid"]),
    help="Function that turns the last layer of an mlp into probabilities.  [default: softmax]",
)
@click.option(
    "--seed",
    metavar="N",
    type=Whole(0, 2**32 - 1),
    default=1,
    show_default=True,
    help="Seed of every random choice.",
)
@click.option("--overwrite", is_flag=True, help="Replace a model of the same name.")
@click.option(
    "--default", "make_default", is_flag=True, help="Make the model the default of runs in this folder."
)
def train(
    network: str | None,
    sources: tuple[str, ...],
    folders: tuple[str, ...],
    start: str | None,
    name: str | None,
    models_dir: Path,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    output: str | None,
    seed: int,
    overwrite: bool,
    make_default: bool,
) -> None:
    """Train a model and write its folder.

    The model's card.md has the figures, on scans and digits that the training did not see. digitbox writes
    nothing before the end. With --from, a table compares the new model with the old one. On a terminal,
    digitbox then asks whether to make the new one the default.

    \b
    Examples:
      digitbox train --from cnn --extra my-labelled-scans/ --name office
      digitbox train --network mlp                      # the teaching notebook's network
      digitbox train --network mlp --output sigmoid --name mlp-sigmoid
      digitbox run --model office inbox/
    """
    start_dir = None if start is None else model_store.find(start)
    network = _network(network, start_dir)
    name = network if name is None else name
    model_writer.check_target(models_dir, name, overwrite)
    check_extra("digitbox train", "tensorflow", "matplotlib", "seaborn")
    if network == "cnn":
        _check_cnn(start_dir, folders, sources, epochs, batch_size, learning_rate, output)
    from batch.training.data import datasets, own_scans
    from batch.training.evaluation import compare

    # The new model may take its place, so digitbox loads the old one before.
    old = None if start_dir is None else models.load(start_dir)
    own = [scan for source in folders for scan in own_scans.read(source, _say)]
    if network == "cnn":
        from batch.training.look import retrain

        assert start_dir is not None
        folder, tested = retrain.retrain(
            retrain.Options(start_dir, own, name, models_dir, seed, overwrite), _say
        )
    else:
        from batch.training import train as mlp

        data = [datasets.load(source, _say) for source in sources or (datasets.MNIST,)]
        options = mlp.TrainOptions(
            name=name,
            models_dir=models_dir,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            output=output or "softmax",
            seed=seed,
            overwrite=overwrite,
            start=start_dir,
            own=own,
        )
        folder = mlp.train(options, data, _say)
        tested = [] if old is None else compare.test(models.load(folder), _held_out(own, data))
    if old is not None:
        verdict = _compare(old, folder, tested, bool(own))
        make_default = make_default or _offer_default(verdict, folder)
    if make_default:
        model_writer.make_default(models_dir, name)
    console.print_line(folder)


def _network(network: str | None, start: Path | None) -> str:
    """Return the network to train: that of the model to go on from, or the one that the user names."""
    if start is None:
        return network or "cnn"
    found = model_store.load_manifest(start).network
    if network not in (None, found):
        raise ConfigError(f"--from {start} is a {found}: give the same --network, or leave it out")
    return found


def _check_cnn(start: Path | None, folders: tuple[str, ...], *of_mlp: object) -> None:
    """Fail if the options do not suit a cnn."""
    if start is None:
        raise ConfigError(
            "to train a cnn with your scans, give --from cnn --extra FOLDER; to train one from data sets, "
            "see python -m batch.training --help"
        )
    if not folders:
        raise ConfigError("--from a cnn needs your labelled scans: give --extra FOLDER")
    if any(of_mlp):
        raise ConfigError(
            "--data, --epochs, --batch-size, --learning-rate and --output are for an mlp: leave them out"
        )


def _say(text: str) -> None:
    for line in text.splitlines():
        console.say(line)


def _held_out(own: Sequence[OwnScan], data: Sequence[Dataset]) -> list[tuple[str, Sequence[OwnScan]]]:
    """Return the scans that an mlp was not trained on, by kind."""
    from batch.training.data import own_scans
    from batch.training.evaluation import compare

    tests = ((f"{part.name} test", part.test.pairs()) for part in data if part.test is not None)
    return [(compare.OWN, own_scans.split(own)[0]), *tests]


def _compare(old: Model, folder: Path, tested: Sequence[Tested], has_own: bool) -> Verdict:
    """Let the old model read what the new one has read, print a table, and return which is better."""
    from batch.training.evaluation import compare

    _say("comparing with the old model")
    pairs = compare.compare(old, tested)
    verdict = compare.verdict(pairs)
    if pairs:
        _say(compare.table(old.manifest.version, model_store.load_manifest(folder).version, pairs))
    if has_own and compare.own_verdict(pairs) is not compare.Verdict.BETTER:
        _say("your own scans held out do not show that the new model reads them better: more of them may")
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
