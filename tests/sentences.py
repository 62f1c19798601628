"""The prose of Markdown and help texts, and its sentences."""

import re
from collections.abc import Iterator

ABBREVIATIONS = ("e.g.", "i.e.", "vs.", "approx.")
MAY_END = ("etc.", "al.", "...", "…")  # they end a sentence before a capital letter
CODE = "`code`"  # one word: people read it as a name
_CLOSING = "\"')]*_"
_ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s+")
_SKIPPED = re.compile(r"\s*(?:\||#|<!--|!\[|```)")  # tables, headings, comments, pictures


def split_sentences(text: str) -> list[str]:
    """Return the sentences of one paragraph.

    A sentence ends with a full stop, a question mark or an exclamation mark before a space. Abbreviations,
    numbers (`2.5`) and file names (`a.png`) do not end it. "..." or "etc." ends it before a capital letter.
    """
    words = text.split()
    sentences: list[list[str]] = [[]]
    for word, following in zip(words, [*words[1:], ""], strict=False):
        sentences[-1].append(word)
        if _ends_sentence(word, following):
            sentences.append([])
    return [" ".join(sentence) for sentence in sentences if sentence]


def _ends_sentence(word: str, following: str) -> bool:
    bare = word.rstrip(_CLOSING)
    if not bare.endswith((".", "?", "!")) or bare.lstrip("(").lower() in ABBREVIATIONS:
        return False
    return not bare.endswith(MAY_END) or following.lstrip("\"'([`*_")[:1].isupper()


def count_words(sentence: str) -> int:
    """Return the number of words: what has a letter or a digit in it, between spaces."""
    return sum(any(character.isalnum() for character in word) for word in sentence.split())


def count_marks(sentence: str, mark: str) -> int:
    """Return how often a colon or semicolon parts a sentence; those in times and addresses do not."""
    return len(re.findall(rf"{mark}(?=[{re.escape(_CLOSING)}]*(?:\s|$))", sentence))


def markdown_paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs and list items of a page, without code, tables, headings and pictures."""
    text = re.sub(r"^```.*?^```", "\n", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]+`", CODE, text)
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        is_item = _ITEM.match(line)
        if lines and (not line.strip() or is_item or _SKIPPED.match(line)):
            yield " ".join(lines)
            lines = []
        if line.strip() and not _SKIPPED.match(line):
            lines.append(line[is_item.end() :] if is_item else line.strip())


def help_paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text without its examples, and each line of other preformatted ones."""
    for paragraph in re.split(r"\n\s*\n", text):
        plain = re.sub(r"\s*\[default: [^\]]*\]", "", paragraph).strip()
        if not plain.startswith("\b"):
            yield plain
        elif "Examples:" not in plain:
            yield from (line.strip() for line in plain.splitlines() if line.strip("\b "))
