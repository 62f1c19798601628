"""What Python programs get for scans: a result for each, which Jupyter shows with its picture."""

from __future__ import annotations

import base64
import dataclasses
import html
from collections.abc import Iterable
from itertools import islice

import cv2

from batch.config import MAX_PIXELS
from batch.errors import DigitboxError
from batch.images import decode
from batch.locations import absolute
from batch.preprocessing.resize import shrink
from batch.records import Grey, Outcome, Reason, ScanRef, Status

PICTURE_PX = 64  # longer side of the pictures in Jupyter
MAX_SHOWN = 25  # results that Jupyter shows of a list
_COLUMNS = ("", "file", "prediction", "confidence", "status", "reason")


class _Pictured:
    """A place for the picture of a result, which is no part of its value."""

    __slots__ = ("_picture",)
    _picture: str | Grey


@dataclasses.dataclass(frozen=True, slots=True)
class Result(_Pictured):
    """What digitbox reads in one scan.

    Results are equal if digitbox read the same in both, from whatever source.

    Attributes:
        prediction: The digit, 0 to 9; the number as text if you asked for numbers; None if the scan was
            refused or failed.
        confidence: The calibrated probability that the prediction is right, 0 to 1; None as above.
        status: `ok`, `review`, `refused` or `failed`.
        reason: Why the status is not `ok`; None if it is.
        probabilities: Those of the ten digits, which sum to 1; empty for a number, and if the model did not
            see the scan.
        file: The path as it was given; empty for a scan that was no path.
        digit_confidences: Those of the digits of a number; empty without one.

    Examples:
        >>> import digitbox
        >>> result = digitbox.read("inbox/sample-12-blank.png")
        >>> result.prediction, result.status.value, result.reason.value, result.file
        (None, 'refused', 'blank', 'inbox/sample-12-blank.png')
    """

    prediction: int | str | None
    confidence: float | None
    status: Status
    reason: Reason | None
    probabilities: tuple[float, ...]
    file: str = dataclasses.field(default="", compare=False)
    digit_confidences: tuple[float, ...] = ()

    @classmethod
    def of(cls, outcome: Outcome, grey: Grey | None) -> Result:
        """Return the result that an outcome stands for.

        Args:
            outcome: The outcome. Its scan has no path if it was no file.
            grey: The picture of such a scan, of at most `PICTURE_PX`; None if it could not be read.
        """
        result = cls(
            outcome.label,
            outcome.confidence,
            outcome.status,
            outcome.reason,
            outcome.probabilities,
            outcome.ref.name,
            outcome.digit_confidences,
        )
        if outcome.ref.path:
            object.__setattr__(result, "_picture", absolute(outcome.ref.path))
        elif grey is not None:
            object.__setattr__(result, "_picture", grey)
        return result

    def _repr_html_(self) -> str:
        """Return the result as a table with a picture, for Jupyter."""
        return _table([self])


class Results(list[Result]):
    """A list of results, which Jupyter shows as a table with pictures.

    Examples:
        >>> import digitbox
        >>> results = digitbox.read(["inbox/sample-01-pen.png", "inbox/sample-12-blank.png"])
        >>> [result.status.value for result in results]
        ['ok', 'refused']
    """

    def _repr_html_(self) -> str:
        """Return the first results as a table with pictures, for Jupyter."""
        more = len(self) - MAX_SHOWN
        return _table(islice(self, MAX_SHOWN)) + (f"<p>and {more} more</p>" if more > 0 else "")


def _table(results: Iterable[Result]) -> str:
    rows = [
        [
            _picture_of(result),
            html.escape(result.file),
            "" if result.prediction is None else str(result.prediction),
            "" if result.confidence is None else f"{result.confidence:.6f}",
            result.status.value,
            "" if result.reason is None else result.reason.value,
        ]
        for result in results
    ]
    head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _picture_of(result: Result) -> str:
    """Return the picture of a result as an element of HTML; empty if there is none."""
    picture = getattr(result, "_picture", None)  # a result that was pickled has none
    if isinstance(picture, str):
        try:
            picture = decode.read(ScanRef(picture, picture), MAX_PIXELS).grey
        except DigitboxError:
            return ""
    if picture is None:
        return ""
    _, content = cv2.imencode(".png", shrink(picture, PICTURE_PX))
    data = base64.b64encode(bytes(content)).decode("ascii")
    return f'<img alt="" src="data:image/png;base64,{data}">'
