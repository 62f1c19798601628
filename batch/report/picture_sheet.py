"""A file of Excel with the pictures of the scans that are not ok."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from batch.outbox import renamed
from batch.outbox.ledger import Ledger
from batch.preprocessing.resize import shrink
from batch.records import Status
from batch.report import pictures
from batch.report.rows import BatchScans
from batch.results.schema import Record
from batch.results.spreadsheets import PICTURE_PX, ExcelWriter
from batch.terminal import stderr

PICTURE = "scan"
"""The last column, with the picture or the reason why there is none."""
TOO_MANY = "no picture: give more --pictures"


class PictureWriter:
    """A writer of Excel's files with a column of pictures.

    Args:
        target: The file, open and empty.
        names: The columns, in order.
        ledger: The ledger of the outbox, which says where scans lie now; None if it has none.
        outbox: The folder of the results.
        max_pictures: Largest number of pictures.
    """

    def __init__(
        self,
        target: IO[bytes],
        names: Sequence[str],
        *,
        ledger: Ledger | None,
        outbox: Path,
        max_pictures: int,
    ) -> None:
        self._writer = ExcelWriter(target, [*names, PICTURE])
        self._names = names
        self._ledger, self._outbox = ledger, outbox
        self._left = max_pictures
        self._scan_names = renamed.load(ledger)
        self._batch_id, self._scans = "", BatchScans(None, "", outbox, {})

    def add(self, row: Sequence[Any]) -> None:
        """Write one row, with the picture of its scan if that is not ok."""
        record: Record = dict(zip(self._names, row, strict=True))
        self._writer.add([*row, None if record["status"] == Status.OK else self._picture(record)])

    def close(self) -> None:
        """Write what is still in memory; see `ExcelWriter.close`."""
        self._writer.close()

    def _picture(self, record: Record) -> bytes | str:
        """Return the picture of a row as PNG, or why there is none."""
        if not self._left:
            return TOO_MANY
        if record["batch"] != self._batch_id:
            self._batch_id = record["batch"]
            self._scans = BatchScans(self._ledger, self._batch_id, self._outbox, self._scan_names)
        scan = record["file"], record["sha256"] or ""
        page = record.get("page")
        paths = self._scans.paths(*scan, record.get("source") or "", page)
        with stderr.silence():  # the row already has what the decoders print here
            picture = pictures.find_scan(paths, *scan, page)
        if isinstance(picture, str):
            return f"no picture: {picture}"
        self._left -= 1
        return pictures.encode(shrink(picture, PICTURE_PX), ".png")
