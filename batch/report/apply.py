"""The step that applies a file of corrections, as the report saves it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from batch.errors import ConfigError, InputError, OutboxError
from batch.lengths import MAX_DIGITS
from batch.outbox.corrections import CorrectionStore, load
from batch.report import answers
from batch.report.answers import MAX_COMMENT, Answer
from batch.report.rows import Entry, ResultsFolder, find_sources
from batch.results import reader
from batch.results.corrected import NONE, OPEN, Correction, Corrections, is_label

COLUMNS = ("file", "sha256", "corrected")
"""The columns that a file of corrections must have; digitbox also reads `source`, `page` and `comment`."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_HIDDEN_FORMULA = re.compile(r"^'(?=[=+@-])")  # so the page of a report keeps spreadsheets from running it
_Scan = tuple[str, str]  # file and SHA-256


class WrongLinesError(ConfigError):
    """Corrections that cannot be applied.

    Attributes:
        problems: One message for each wrong line.
    """

    def __init__(self, file: Path, problems: Sequence[str]) -> None:
        super().__init__(f"nothing of {file} was applied: put these lines right, or save the file again")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The result of applying corrections.

    Attributes:
        added: The corrections that say something new.
        known: Number of corrections in the file that say nothing new.
        outdated: Number of those that are older than another answer to the scan, which counts.
        copied: Number of scans newly copied to the folder of labelled scans.
        missing: Number of scans that could not be copied, because they are gone or have changed.
    """

    added: list[Correction]
    known: int
    outdated: int
    copied: int
    missing: int


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the file.

    Attributes:
        number: Its number in an editor.
        scan: File and SHA-256.
        source: The source; empty if the file does not say it.
        page: The page; empty for none.
        prediction: What digitbox read; empty if the file does not say it.
        label: The answer.
        reviewed_at: When the person looked at the scan.
        comment: What else the person says.
    """

    number: int
    scan: _Scan
    source: str
    page: str
    prediction: str
    label: str
    reviewed_at: str
    comment: str

    def matches(self, entry: Entry) -> bool:
        row = entry.row
        return self.source in ("", row.source) and self.page == str(row.page or "")


def find_saved(folders: Sequence[Path]) -> Path:
    """Return the newest file of corrections that a browser saved in one of these folders.

    Raises:
        InputError: There is none.
    """
    found: list[tuple[int, Path]] = []
    for folder in folders:
        with suppress(OSError):
            found += [(path.stat().st_mtime_ns, path) for path in folder.glob("corrections*.csv")]
    if not found:
        places = " or ".join(map(str, folders))
        raise InputError(f"no corrections*.csv in {places}: save the corrections, or name their file")
    return max(found)[1]


def download_folder() -> Path:
    """Return the folder in which browsers save files: the one of the desktop's settings, or ~/Downloads."""
    home = Path(os.path.expanduser("~"))  # without a home, there is no such folder
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "user-dirs.dirs"
    with suppress(OSError, UnicodeDecodeError):
        match = re.search(r'^XDG_DOWNLOAD_DIR="(.+)"$', settings.read_text(encoding="utf-8"), re.MULTILINE)
        if match:
            return Path(match[1].replace("$HOME", str(home)))
    return home / "Downloads"


def apply(file: Path, outbox: Path, by: str) -> ApplyResult:
    """Apply corrections, all of them or none.

    Args:
        file: File of corrections, as the report saves it.
        outbox: Folder of the results.
        by: Name of the person who corrected.

    Returns:
        What is new, and counts.

    Raises:
        InputError: The file or the outbox does not exist or cannot be read.
        WrongLinesError: A line is wrong.
        OutboxError: The outbox cannot be written.
        LedgerError: The ledger is damaged.
    """
    problems: dict[int, str] = {}  # by line
    lines = list(_parse(file, problems))
    corrections = load(outbox)
    entries = _find_entries(lines, outbox, corrections)
    found: dict[int, Entry] = {}
    first_lines: dict[str, _Line] = {}
    for line in lines:
        matching = [*filter(line.matches, entries.get(line.scan, ()))]
        if not matching:
            problems[line.number] = _why_not_found(line, entries.get(line.scan, ()), outbox)
            continue
        with_numbers = any(corrections.takes_number(entry.row) for entry in matching)
        if problem := _why_no_answer(line, matching, with_numbers=with_numbers):
            problems[line.number] = problem
            continue
        found[line.number] = matching[0]
        first = first_lines.setdefault(matching[0].key, line)
        if first.label != line.label:
            problems[line.number] = f"it says {line.label}, but line {first.number} says {first.label}"
    if problems:
        raise WrongLinesError(file, [f"line {number}: {text}" for number, text in sorted(problems.items())])
    all_answers = [
        Answer(found[line.number], line.label, line.reviewed_at, line.comment)
        for line in first_lines.values()
    ]
    try:
        with closing(CorrectionStore(outbox)) as store:
            new = answers.without_outdated(all_answers, store.current)
            added = answers.save(store, new, by)
        copies = answers.copy_labelled(((answer.entry, answer.label) for answer in new), outbox)
    except OSError as error:
        raise OutboxError(
            f"cannot write to the outbox {outbox}: {error.strerror}; make room, and apply again"
        ) from error
    outdated = len(all_answers) - len(new)
    return ApplyResult(added, len(new) - len(added), outdated, copies.copied, copies.missing)


def _parse(file: Path, problems: dict[int, str]) -> Iterator[_Line]:
    """Yield the lines that are right, and note what is wrong with the others."""
    for number, record in reader.table(file, COLUMNS):
        label, sha256 = record["corrected"].strip().lower(), record["sha256"].strip()
        page = record.get("page", "").strip()
        if not _DIGEST.fullmatch(sha256):
            problems[number] = (
                f"sha256 is {sha256!r}: a spreadsheet may have changed it; save the corrections again"
            )
        elif page and not page.isdecimal():
            problems[number] = f"page is {page!r}: it must be a number, or empty"
        else:
            yield _Line(
                number,
                (record["file"], sha256),
                record.get("source", ""),
                page,
                record.get("prediction", "").strip(),
                label,
                record.get("reviewed_at", "").strip(),
                _HIDDEN_FORMULA.sub("", record.get("comment", "").strip())[:MAX_COMMENT],
            )


def _why_not_found(line: _Line, entries: Sequence[Entry], outbox: Path) -> str:
    """Return what does not fit in a line, given the rows of its file and sha256."""
    row = f"no row of {line.scan[0]!r} with this sha256 in {outbox}"
    if not entries:
        return f"{row}: name its outbox with --outbox"
    if all(line.source not in ("", entry.row.source) for entry in entries):
        return f"{row} has the source {line.source!r}: name its outbox with --outbox"
    page = f"the page {line.page}" if line.page else "an empty page"
    return f"{row} has {page}: save the corrections again"


def _why_no_answer(line: _Line, entries: Sequence[Entry], *, with_numbers: bool) -> str:
    """Return what is wrong with the answer of a line, given its rows; empty if nothing is."""
    if with_numbers and (read := _find_reformatted(line, entries)):
        return (
            f"prediction is {line.prediction!r} and not {read!r}: a spreadsheet has taken text for numbers, "
            "and corrected may lack zeros; save the corrections again, and read both columns as text"
        )
    if not is_label(line.label, with_numbers=with_numbers):
        labels = f"a number of at most {MAX_DIGITS} digits" if with_numbers else "0 to 9"
        return f"corrected is {line.label!r}: it must be {labels}, {NONE} or {OPEN}"
    return ""


def _find_reformatted(line: _Line, entries: Sequence[Entry]) -> str:
    """Return the published prediction that a spreadsheet has made a number of in a line; empty if none has.

    Then the answer may have lost its zeros, too, if it does not begin with one.
    """
    has_whole_answer = line.label in (NONE, OPEN) or (line.label.startswith("0") and line.label != "0")
    published = [str(entry.row.prediction) for entry in entries if entry.row.prediction is not None]
    if has_whole_answer or not line.prediction or line.prediction in published:
        return ""
    # digitbox never writes e.g. 32281.0 or 3.2281E+04.
    if not (line.prediction.isascii() and line.prediction.isdecimal()):
        return next(iter(published), "")
    return next((read for read in published if read.lstrip("0") == line.prediction.lstrip("0")), "")


def _find_entries(lines: Sequence[_Line], outbox: Path, corrections: Corrections) -> dict[_Scan, list[Entry]]:
    """Return the rows of the scans that the lines name, the newest first."""
    wanted = {line.scan for line in lines}
    found: dict[_Scan, list[Entry]] = {}
    with closing(ResultsFolder(outbox, corrections)) as folder:
        scan_names = folder.scan_names()
        for path in reversed(find_sources([outbox])):
            for entry in folder.read(path, scan_names):
                scan = entry.row.file, entry.row.sha256
                if scan in wanted:
                    found.setdefault(scan, []).append(entry)
    return found
