"""The command `digitbox evaluate`."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import click

from batch.cli.extras import check_extra
from batch.cli.options import run_options
from batch.cli.run import say_config_file
from batch.cli.types import NamedPath
from batch.config import ReadOptions
from batch.errors import ConfigError
from batch.lengths import ONE
from batch.options import build
from batch.run import job
from batch.terminal import console


@click.command()
@click.argument("data", metavar="DATA", type=NamedPath(readable=False))
@run_options("model", "runtime", "review_below", "max_pixels", "digits", "workers")
@click.option(
    "--report",
    type=NamedPath(file_okay=False, path_type=Path),
    default=Path("evaluation"),
    show_default=True,
    help="Folder for evaluation.json, evaluation.md and the pictures. digitbox replaces such files.",
)
@click.option(
    "--record", metavar="NAME", help="Write the figures into the model's manifest and card, under this name."
)
def evaluate(data: str, report: Path, record: str | None, **values: Any) -> None:
    """Test a model on labelled scans.

    DATA is a folder with labels.csv (columns file and label), or with folders named 0 to 9 and none (for
    scans that are not digits). It may also be mnist, fashion_mnist, or a data set in NumPy, IDX, CSV or
    Parquet, or the text of USPS or Semeion. Or it has the labels of Label Studio, COCO or YOLO, also of boxes
    on sheets. digitbox tells the layout by the content, and says what it took for what. Every scan takes the
    whole way of digitbox run. digitbox writes the accuracy with its interval, also for each class, and the
    confusion matrix. It also writes the names of all misread scans, the calibration, and risk against
    coverage.

    With --digits, labels are numbers, and so may be the names of folders. Then digitbox measures right
    numbers, right digits, edit distance and wrong lengths.

    \b
    Examples:
      digitbox evaluate mnist
      digitbox evaluate meter-readings/ --digits 5
      digitbox evaluate my-scans/ --model mine --report my-report/ --record "exam marks"
    """
    check_extra("digitbox evaluate", "matplotlib", "seaborn")
    from batch.training import model_card, model_writer
    from batch.training.data import labelled_scans
    from batch.training.evaluation import evaluate as evaluation
    from batch.training.evaluation import numbers

    say_config_file()
    options = build(ReadOptions, values)
    if record is not None and options.review_below is not None:
        raise ConfigError("--record is for the model's own threshold: leave --review-below out")
    if record is not None and options.digits != ONE:
        raise ConfigError("--record keeps figures of single digits: leave --digits or --record out")
    reader, manifest = job.new_reader(options)
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        scans = labelled_scans.load(data, Path(scratch), console.say, numbers=options.digits != ONE)
        outcomes = evaluation.answer(reader, scans, job.workers_of(options))
        if options.digits == ONE:
            result = evaluation.write(report, data, manifest.version, scans, outcomes)
        else:
            result = numbers.write(report, data, manifest.numbers_version, scans, outcomes)
    if record is not None:
        metrics = {**manifest.metrics, record: evaluation.for_manifest(result)}
        manifest = dataclasses.replace(manifest, metrics=metrics)
        model_writer.rewrite_card(reader.model_dir, manifest, model_card.text(manifest))
    console.print_line((report / "evaluation.md").read_text(encoding="utf-8").rstrip("\n"))
