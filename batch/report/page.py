"""From rows to one HTML file that needs nothing else: no network, no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import resources
from string import Template
from typing import Any

from batch.clock import iso
from batch.records import Reason, Status
from batch.report.pictures import Picture
from batch.report.rows import Entry, Found

SCRIPTS = ("data.js", "charts.js", "list.js", "corrections.js", "review.js", "main.js")

# What the machine words of the results mean, for people.
REASONS = {
    Reason.LOW_CONFIDENCE: "unsure",
    Reason.BLANK: "blank",
    Reason.SEVERAL_DIGITS: "several digits",
    Reason.NOT_A_DIGIT: "not a digit",
    Reason.SEVERAL_PAGES: "several pages",
    Reason.TOO_SMALL: "too few pixels",
    Reason.TRUNCATED: "the end of the file is missing",
    Reason.DAMAGED: "damaged",
    Reason.NOT_AN_IMAGE: "not an image",
    Reason.UNSUPPORTED: "a kind of image that is not read",
    Reason.TOO_LARGE: "too many pixels",
    Reason.EMPTY: "an empty file",
    Reason.UNREADABLE: "no permission, or a failing disk",
    Reason.VANISHED: "gone before it was read",
    Reason.CHANGED: "written to while it was read",
    Reason.NOT_A_FILE: "not a file",
    Reason.WORKER_CRASHED: "reading it ended the process",
}


def html(found: Found, pictures: Mapping[int, Picture], created: datetime, outbox: str) -> str:
    """The page.

    Nothing that comes from outside is ever markup: the rows are JSON without a `<`, and the script shows
    them as text. A policy in the page lets no script or style run but the two whose digests it names.

    Args:
        found: the rows.
        pictures: by place in `found.entries`.
        created: when; UTC.
        outbox: the folder, as the user would name it, for the command shown at the end.
    """
    style, script = _file("style.css"), "\n".join(map(_file, SCRIPTS))
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template(_file("template.html")).substitute(
        policy=policy,
        style=style,
        script=script,
        data=_json(_content(found, created, outbox)),
        pictures=_json(_of_pictures(pictures)),
    )


def _content(found: Found, created: datetime, outbox: str) -> dict[str, Any]:
    entries = found.entries
    rows = [entry.row for entry in entries]
    times = sorted(row.processed_at for row in rows)
    return {
        "id": _identity(entries),
        "created": iso(created),
        "outbox": outbox,
        "sources": [path.name for path in found.sources],
        "span": [times[0], times[-1]] if times else [],
        "counts": {status.value: found.counts[status] for status in Status},
        "digits": [found.digits[digit] for digit in range(10)],
        "confidences": [found.confidences[part] for part in range(20)],
        "left_out": found.left_out,
        "read_again": found.read_again,
        "reasons": {reason.value: words for reason, words in REASONS.items()},
        "file": [row.file for row in rows],
        "prediction": [row.prediction for row in rows],
        "confidence": [row.confidence for row in rows],
        "sha256": [row.sha256 for row in rows],
        "corrected": {place: entry.corrected for place, entry in enumerate(entries) if entry.corrected},
        "status": _coded(row.status.value for row in rows),
        "reason": _coded(row.reason for row in rows),
        "batch": _coded(row.batch for row in rows),
        "model": _coded(row.model for row in rows),
    }


def _coded(values: Iterable[str]) -> dict[str, list[Any]]:
    """Values that recur, as places in a list of the different ones."""
    places: dict[str, int] = {}
    codes = [places.setdefault(value, len(places)) for value in values]
    return {"values": list(places), "codes": codes}


def _identity(entries: Sequence[Entry]) -> str:
    """Under which the browser keeps what was said of these rows; the same for the same rows."""
    said = hashlib.sha256()
    for entry in entries:
        said.update(f"{entry.row.batch}\0{entry.row.file}\0{entry.row.sha256}\n".encode())
    return said.hexdigest()[:16]


def _of_pictures(pictures: Mapping[int, Picture]) -> dict[str, dict[int, Any]]:
    return {
        "scan": {place: picture.scan for place, picture in pictures.items() if picture.scan},
        "views": {place: picture.views for place, picture in pictures.items() if picture.views},
        "top": {place: picture.top for place, picture in pictures.items() if picture.top},
        "problem": {place: picture.problem for place, picture in pictures.items() if picture.problem},
    }


def _json(content: object) -> str:
    """JSON that ends no element and starts no comment, whatever it says."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _file(name: str) -> str:
    return resources.files("batch.report").joinpath(name).read_text(encoding="utf-8")


def _source(content: str) -> str:
    """How a policy names a script or a style by its content."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
