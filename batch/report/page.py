"""The HTML file of a report, which needs no network and no other file."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import resources
from string import Template
from typing import Any

from batch.clock import iso
from batch.records import Reason, Status
from batch.report.pictures import Picture
from batch.report.rows import CONFIDENCE_BINS, Entry, ReportRows
from batch.results.corrected import Correction

SCRIPTS = (
    "data.js",
    "answers.js",
    "charts.js",
    "list.js",
    "review.js",
    "filters.js",
    "live.js",
    "main.js",
)  # in this order

REASONS = {
    Reason.LOW_CONFIDENCE: "low confidence",
    Reason.BLANK: "blank",
    Reason.SEVERAL_DIGITS: "several digits",
    Reason.WRONG_LENGTH: "not so many digits as asked for",
    Reason.NOT_A_NUMBER: "not a number",
    Reason.NOT_A_DIGIT: "not a digit",
    Reason.SEVERAL_PAGES: "several pages",
    Reason.ENCRYPTED: "has a password",
    Reason.TOO_SMALL: "image too small",
    Reason.TRUNCATED: "file cut short",
    Reason.DAMAGED: "file damaged",
    Reason.NOT_AN_IMAGE: "not an image",
    Reason.UNSUPPORTED: "file type not supported",
    Reason.TOO_LARGE: "image too large",
    Reason.EMPTY: "empty file",
    Reason.UNREADABLE: "no permission, or disk error",
    Reason.VANISHED: "file gone before it was read",
    Reason.CHANGED: "file changed while it was read",
    Reason.NOT_A_FILE: "not a file",
    Reason.WORKER_CRASHED: "digitbox crashed while reading it",
    Reason.NO_MEMORY: "too little memory",
    Reason.TIMEOUT: "reading it took too long",
}
"""The words on the page for each reason."""


def html(
    report_rows: ReportRows,
    pictures: Mapping[int, Picture],
    created: datetime,
    outbox: str,
    live: Mapping[str, Any] | None = None,
) -> str:
    """Return the page.

    Text from outside never becomes markup. The rows are JSON without a `<`, and the script shows them as
    text. The page's policy allows one style and one script, which it names by their digests.

    Args:
        report_rows: The rows to show.
        pictures: Pictures by index in `report_rows.entries`.
        created: UTC time of the report.
        outbox: Folder of the results, for the command that the page shows.
        live: What a served page must know of its server; None for a page that stands alone.
    """
    return Template(_read_asset("template.html")).substitute(
        policy=policy(is_live=live is not None),
        style=_style(),
        script=_script(),
        data=_to_json(_page_data(report_rows, created, outbox, live)),
        pictures=_to_json(_picture_data(pictures)),
    )


@functools.cache
def policy(*, is_live: bool) -> str:
    """Return the content security policy of the page; a served one may ask its own server."""
    images, connections = ("'self' data:", "connect-src 'self'; ") if is_live else ("data:", "")
    return (
        f"default-src 'none'; style-src {_policy_source(_style())}; script-src {_policy_source(_script())}; "
        f"img-src {images}; {connections}base-uri 'none'; form-action 'none'"
    )


def columns(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return rows of the page by column."""
    rows = [entry.row for entry in entries]
    return {
        "key": [entry.key for entry in entries],
        "file": [row.file for row in rows],
        "prediction": [row.prediction for row in rows],
        "confidence": [row.confidence for row in rows],
        "sha256": [row.sha256 for row in rows],
        "page": {index: row.page for index, row in enumerate(rows) if row.page is not None},
        "has_number": {index: 1 for index, row in enumerate(rows) if row.has_number},
        "answers": {
            index: answer(entry.correction)
            for index, entry in enumerate(entries)
            if entry.correction is not None
        },
        "status": _encode_column(row.status.value for row in rows),
        "reason": _encode_column(row.reason for row in rows),
        "batch": _encode_column(row.batch for row in rows),
        "source": _encode_column(row.source for row in rows),
        "processed_at": _encode_column(row.processed_at for row in rows),
    }


def answer(correction: Correction) -> dict[str, str]:
    """Return what a person said, as the page has it."""
    return {
        "corrected": correction.corrected,
        "comment": correction.comment,
        "by": correction.corrected_by,
        "at": correction.reviewed_at or correction.applied_at,
    }


def counts(report_rows: ReportRows) -> dict[str, Any]:
    """Return the counts of rows for the page."""
    return {
        "counts": {status.value: report_rows.counts[status] for status in Status},
        "digits": [report_rows.digits[digit] for digit in range(10)],
        "confidences": [report_rows.confidences[number] for number in range(CONFIDENCE_BINS)],
        "left_out": len(report_rows.left_out),
        "read_again": report_rows.read_again,
    }


def models(entries: Iterable[Entry]) -> list[str]:
    """Return the names of the models that read the rows."""
    return list(dict.fromkeys(entry.row.model for entry in entries))


def _page_data(
    report_rows: ReportRows, created: datetime, outbox: str, live: Mapping[str, Any] | None
) -> dict[str, Any]:
    entries = report_rows.entries
    return {
        "created": iso(created),
        "outbox": outbox,
        "store": _store(outbox),
        "sources": [path.name for path in report_rows.sources],
        "models": models(entries),
        **counts(report_rows),
        "reasons": {reason.value: words for reason, words in REASONS.items()},
        "columns": columns(entries),
        "live": live,
    }


def _store(outbox: str) -> str:
    """Return a name for what a browser keeps of an outbox: a digest of its absolute path."""
    path = os.path.abspath(outbox).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(path, digest_size=8).hexdigest()


def _encode_column(values: Iterable[str]) -> dict[str, list[Any]]:
    """Return a column as its different values, and a code for each row: the index of its value."""
    code_by_value: dict[str, int] = {}
    codes = [code_by_value.setdefault(value, len(code_by_value)) for value in values]
    return {"values": list(code_by_value), "codes": codes}


def _picture_data(pictures: Mapping[int, Picture]) -> dict[str, dict[int, Any]]:
    return {
        "scan": {index: picture.scan for index, picture in pictures.items() if picture.scan},
        "views": {index: picture.views for index, picture in pictures.items() if picture.views},
        "others": {index: picture.others for index, picture in pictures.items() if picture.others},
        "problem": {index: picture.problem for index, picture in pictures.items() if picture.problem},
    }


def _to_json(content: object) -> str:
    """Return JSON that can neither end its element nor begin a comment."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@functools.cache
def _style() -> str:
    return _read_asset("style.css")


@functools.cache
def _script() -> str:
    return "\n".join(map(_read_asset, SCRIPTS))


def _read_asset(name: str) -> str:
    return resources.files("batch.report").joinpath(name).read_text(encoding="utf-8")


def _policy_source(content: str) -> str:
    """Return the name of a script or style in a content security policy: its digest."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
