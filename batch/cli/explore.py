"""The command `digitbox explore`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from batch.cli.extras import check_extra
from batch.cli.options import run_options
from batch.cli.run import say_config_file
from batch.cli.types import NamedPath
from batch.config import ReadOptions
from batch.inference import model_store
from batch.lengths import ONE
from batch.options import build
from batch.terminal import console
from batch.terminal.number_types import Whole


@click.command()
@click.argument("data", metavar="DATA", type=NamedPath(readable=False))
@click.option(
    "--report",
    type=NamedPath(file_okay=False, path_type=Path),
    default=Path("exploration"),
    show_default=True,
    help="Folder for the pictures. digitbox replaces files of these names.",
)
@run_options("model", "max_pixels", "digits")
@click.option(
    "--seed", metavar="N", type=Whole(0), default=1, show_default=True, help="Seed for the choice of samples."
)
def explore(data: str, report: Path, seed: int, **values: Any) -> None:
    """Look at labelled scans before training or testing.

    DATA is as for digitbox evaluate. digitbox writes the number of scans of each class (counts.png) and their
    means (means.png). It also writes samples of each class, as they are (samples.png) and as the model sees
    them (digits.png). With --digits, labels are numbers, the classes are their lengths, and there are no
    means.
    """
    check_extra("digitbox explore", "matplotlib", "seaborn")
    from batch.training.data import labelled_scans
    from batch.training.evaluation import explore as exploration

    say_config_file()
    options = build(ReadOptions, values)
    with_numbers = options.digits != ONE
    manifest = model_store.load_manifest(model_store.find(options.model))
    seen = None if with_numbers else manifest.preprocess.input
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        scans = labelled_scans.load(data, Path(scratch), console.say, numbers=with_numbers)
        counts = exploration.write(report, scans, seed, seen, options.max_pixels)
    for name, count in counts.items():
        console.print_line(f"{name}: {count}")
    console.say(f"pictures: {report}")
