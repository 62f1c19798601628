"""Text for cells and lines: escaped names, and counts in words."""

from __future__ import annotations

import re
import unicodedata

_PLAIN = re.compile(r"[A-Za-z0-9_./][\x21-\x7e ]*")
# Spreadsheets run a cell with such a start as a formula. In East Asian locales, full-width signs count, too.
_FORMULA_STARTS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_FORMULA_AFTER_SPLIT = re.compile(rf';(?=[\s"]*[{re.escape("".join(_FORMULA_STARTS))}])')
_TURNS_TEXT = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def text_cell(text: str) -> str:
    """Make a file name safe to write, to print and to open in a spreadsheet.

    Args:
        text: The name, with undecodable bytes as surrogates.

    Returns:
        The text with control characters, undecodable bytes and marks that turn the direction of writing as
        `\\x0a`, `\\xff` or `\\u202e`. An apostrophe stands in front if the text would start a formula.
    """
    if not _PLAIN.fullmatch(text):
        text = "".join(map(_escape, text))
        if text.lstrip().startswith(_FORMULA_STARTS):
            text = "'" + text
    return text


def inner_text_cell(text: str) -> str:
    """Return a text as `text_cell` does, for a cell that is not the first of its line.

    In many countries a spreadsheet splits lines at semicolons. It sees the quotes of the first cell, but
    those of another cell are in the middle of a cell then. So no formula may begin after a semicolon, either.
    """
    return _FORMULA_AFTER_SPLIT.sub(";'", text_cell(text))


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a surrogate that stands for an undecodable byte
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _TURNS_TEXT:
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return character


def count_scans(number: int) -> str:
    """Return a number of scans in words: `1 scan`, `1,200 scans`."""
    return count(number, "scan")


def count_pages(scans: int, pages: int) -> str:
    """Return a number of scans in words, and of their pages if some have several: `1 scan of 12 pages`."""
    return count_scans(scans) if scans == pages else f"{count_scans(scans)} of {count(pages, 'page')}"


def count_others(number: int) -> str:
    """Return a number of files and folders that are no scans, in words: `2 other files or folders`."""
    return f"{count(number, 'other file')} or {'folder' if number == 1 else 'folders'}"


def count(number: int, noun: str) -> str:
    """Return a number of things in words: `1 row`, `1,200 rows`."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
