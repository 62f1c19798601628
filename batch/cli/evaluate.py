"""The command `digitbox evaluate`."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import click

from batch.cli.extras import check_extra
from batch.cli.types import Whole
from batch.config import MAX_PIXELS
from batch.engines.limits import usable_cores
from batch.inference import model_store
from batch.inference.reader import Reader


@click.command()
@click.argument("data", metavar="DATA", type=click.Path(readable=False))
@click.option(
    "--model", metavar="NAME|DIR", help="Test this model.  [default: the one that models/CURRENT names]"
)
@click.option(
    "--runtime",
    type=click.Choice(["litert", "tensorflow"]),
    default="litert",
    show_default=True,
    help="Library that runs the model.",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("evaluation"),
    show_default=True,
    help="Folder for evaluation.json, evaluation.md and the pictures. digitbox replaces such files.",
)
@click.option(
    "--workers", metavar="N", type=Whole(1, 256), help="Read with N processes.  [default: one for each core]"
)
@click.option(
    "--record", metavar="NAME", help="Write the figures into the model's manifest and card, under this name."
)
def evaluate(
    data: str, model: str | None, runtime: str, report: Path, workers: int | None, record: str | None
) -> None:
    """Test a model on labelled scans.

    DATA is a folder with labels.csv (columns file and label), or with folders named 0 to 9 and none (for
    scans that are not digits). It may also be mnist, fashion_mnist or an .npz archive with x_test and y_test,
    or x and y. Every scan takes the whole way of digitbox run. digitbox writes the accuracy with its
    interval, also for each class, and the confusion matrix. It also writes the most confident mistakes, the
    calibration, and risk against coverage.

    \b
    Examples:
      digitbox evaluate mnist
      digitbox evaluate my-scans/ --model mine --report my-report/ --record "exam marks"
    """
    check_extra("digitbox evaluate", "matplotlib", "seaborn")
    from batch.training import model_card
    from batch.training.data import labelled_scans
    from batch.training.evaluation import evaluate as evaluation

    folder = model_store.find(model)
    reader = Reader(folder, runtime, None, MAX_PIXELS)
    manifest = reader.check()
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        scans = labelled_scans.load(data, Path(scratch))
        cores = 1 if runtime == "tensorflow" else workers or usable_cores()
        outcomes = evaluation.answer(reader, scans, cores)
        result = evaluation.write(report, data, manifest.version, scans, outcomes)
    if record is not None:
        metrics = {**manifest.metrics, record: evaluation.figure(result)}
        manifest = dataclasses.replace(manifest, metrics=metrics)
        model_store.rewrite_card(folder, manifest, model_card.text(manifest))
    click.echo((report / "evaluation.md").read_text(encoding="utf-8"), nl=False)
