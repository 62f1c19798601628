"""The command `digitbox review`."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import closing, suppress
from pathlib import Path

import click

from batch.cli.options import by_option, model_option, outbox_option
from batch.cli.types import COPY_RESULTS, LocalPath
from batch.cli.values import seconds
from batch.errors import ConfigError, MissingExtraError
from batch.inference import model_store
from batch.locations import Location, state_folder
from batch.report.address import is_loopback, listen
from batch.report.live import LiveRows
from batch.report.pictures import Models
from batch.terminal import console
from batch.terminal.number_types import Whole
from batch.text import count, text_cell


@click.command()
@click.argument("results", required=False, metavar="[OUTBOX]", type=LocalPath(COPY_RESULTS))
@outbox_option("Folder of the results, if no OUTBOX is given.", metavar="DIR")
@by_option
@click.option(
    "--audit",
    type=Whole(1),
    metavar="N",
    help="Review N scans that were ok, chosen at random, to see how many are wrong.",
)
@click.option(
    "--browser/--no-browser", default=True, help="Open the page in a browser, if this machine has a screen."
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. With the name or address by which others reach this machine, they can open "
    "the page. 0.0.0.0 is no such address.",
)
@click.option(
    "--port",
    type=Whole(1, 65535),
    metavar="N",
    help="Port to listen on.  [default: that of the last review, else any that is free]",
)
@click.option(
    "--idle",
    callback=seconds,
    metavar="DURATION",
    default="1h",
    show_default=True,
    help="End if nobody looks at scans for so long.",
)
@model_option
def review(
    results: Path | None,
    outbox: Location,
    by: str,
    audit: int | None,
    browser: bool,
    host: str,
    port: int | None,
    idle: float,
    model: str | None,
) -> None:
    """Look at results in a browser, and correct them in place.

    OUTBOX is a folder of results. digitbox prints the address of the page and opens it. It saves each answer
    as you give it. From then on, your answer is the result of the scan, see digitbox apply. New results
    appear on the page, so digitbox watch may run meanwhile. Several windows may be open at once.

    The page is for this machine only, and its address has a secret. digitbox ends with Ctrl-C, or when nobody
    looks at scans for an hour. It needs the extra 'review'.

    \b
    Examples:
      digitbox review
      digitbox review results/ --by Anna
      digitbox review --audit 200
    """
    try:
        from batch.report.server import ReviewServer
    except ImportError as error:
        raise MissingExtraError("digitbox review", "review") from error
    place = outbox if results is None else results
    if not isinstance(place, Path):
        raise ConfigError(f"digitbox review needs files on a disk, not {place}: {COPY_RESULTS}")
    models = Models(None if model is None else model_store.find(model))
    with closing(LiveRows(place, by, models, audit or 0)) as rows:
        address, listener = listen(host, port, state_folder(place))
        if not is_loopback(address.host):
            console.say(
                f"other machines can open this page; the network can read what goes to {text_cell(host)}"
            )
        console.print_line(address.url)
        console.say("stop with Ctrl-C; your answers are saved as you give them")
        if browser:
            _open_browser(address.url)
        try:
            if ReviewServer(rows, address, listener, idle).run():
                console.say("ended, because nobody looked at scans for a while; start it again to go on")
        finally:
            console.say(f"{count(rows.saved, 'answer')} saved")
            if audit:
                console.print_line(f"audit: {rows.audit()}")


def _open_browser(url: str) -> None:
    """Open a page, if that does not put a browser of text into this terminal."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(url)
