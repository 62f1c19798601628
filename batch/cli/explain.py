"""The command `digitbox explain`."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any

import click
import cv2

from batch.cli.options import run_options
from batch.cli.run import say_config_file
from batch.cli.types import NamedPath, ScanPath
from batch.config import ReadOptions
from batch.errors import ConfigError, OutboxError, OutputExistsError
from batch.inference.explain import explain_scan
from batch.inference.sheet import stack
from batch.inputs.find import Inputs
from batch.options import build
from batch.run import job
from batch.storage import durable
from batch.terminal import console
from batch.terminal.number_types import Whole

MAX_SCANS = 50  # in a picture; with more, it would be too high for most programs


@click.command()
@click.argument("scans", nargs=-1, required=True, metavar="SCAN...", type=ScanPath(readable=False))
@run_options("model", "runtime", "review_below", "max_pixels", "digits")
@click.option("--page", type=Whole(1), metavar="N", help="Explain this page of a file of several pages.")
@click.option(
    "--output",
    type=NamedPath(dir_okay=False, path_type=Path),
    default=Path("explained.png"),
    show_default=True,
    help="Picture to write; the file must not exist.",
)
def explain(scans: tuple[str, ...], page: int | None, output: Path, **values: Any) -> None:
    """Show why digitbox reads scans as it does.

    SCAN is a file, a folder or a quoted glob, for at most 50 scans in all. digitbox prints a line for each
    scan. It writes one picture with every step from the scan to the model's input and the decision.
    """
    say_config_file()
    options = build(ReadOptions, values)
    _check_new(output)
    refs = list(islice(Inputs(scans, options.recursive, options.outbox), MAX_SCANS + 1))
    if len(refs) > MAX_SCANS:
        raise ConfigError(
            f"there are more than {MAX_SCANS} scans, too many for one picture: name those to explain"
        )
    if not refs:
        console.say("nothing to explain: no images or PDFs there")
        return
    reader, _ = job.new_reader(options)
    model = reader.load()
    lines, sheets = zip(
        *(explain_scan(ref, model, options.max_pixels, page or 0) for ref in refs), strict=True
    )
    _, picture = cv2.imencode(".png", stack(sheets))
    try:
        durable.write_new(output, bytes(picture))
    except FileExistsError as error:
        raise OutputExistsError(output) from error
    except OSError as error:
        raise OutboxError(f"cannot write {output}: {error.strerror}; give another --output") from error
    console.say(f"picture: {output}")
    for line in lines:
        console.print_line(line)


def _check_new(output: Path) -> None:
    """Check before the work that the picture can be written.

    Raises:
        OutputExistsError: There is such a file.
        OutboxError: Its folder is missing or cannot be written.
    """
    if os.path.lexists(output):
        raise OutputExistsError(output)
    if not os.access(output.parent, os.W_OK):
        raise OutboxError(f"cannot write to the folder {output.parent}: give another --output")
