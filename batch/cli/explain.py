"""The command `digitbox explain`."""

from __future__ import annotations

from pathlib import Path

import click
import cv2

from batch.cli.types import NamedPath, ScanPath
from batch.config import MAX_PIXELS, RunOptions
from batch.errors import ConfigError, OutboxError
from batch.inference import model_store
from batch.inference.explain import explain_scan, stack
from batch.inference.reader import Reader
from batch.run import job


@click.command()
@click.argument("scans", nargs=-1, required=True, metavar="SCAN...", type=ScanPath(readable=False))
@click.option(
    "--model", metavar="NAME|DIR", help="Read with this model.  [default: the one that models/CURRENT names]"
)
@click.option(
    "--output",
    type=NamedPath(dir_okay=False, path_type=Path),
    default=Path("explained.png"),
    show_default=True,
    help="Picture to write; the file must not exist.",
)
def explain(scans: tuple[str, ...], model: str | None, output: Path) -> None:
    """Show why digitbox reads scans as it does.

    SCAN is a file, a folder or a quoted glob. digitbox prints a line for each scan. It writes one picture
    with every step from the scan to the model's input and the decision.
    """
    inputs = job.find(RunOptions(inputs=scans))
    loaded = Reader(model_store.find(model), "litert", None, MAX_PIXELS).load()
    sheets = []
    for ref in inputs:
        line, sheet = explain_scan(ref, loaded, MAX_PIXELS)
        click.echo(line)
        sheets.append(sheet)
    if not sheets:
        click.echo("nothing to explain: no image files there", err=True)
        return
    _, picture = cv2.imencode(".png", stack(sheets))
    try:
        with output.open("xb") as file:
            file.write(bytes(picture))
    except FileExistsError as error:
        raise ConfigError(f"{output} exists: give another --output") from error
    except OSError as error:
        raise OutboxError(f"cannot write {output}: {error.strerror}; give another --output") from error
    click.echo(f"picture: {output}", err=True)
