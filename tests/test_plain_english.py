"""Plain English: sentences of help texts and documents are short, and no chains."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from batch.cli import main
from command import ROOT
from sentences import count_marks, count_words, help_paragraphs, markdown_paragraphs, split_sentences
from test_docs import DOCUMENTS, commands

MAX_WORDS = 25


def faults_of(sentence: str) -> Iterator[str]:
    """Yield what is wrong with a sentence, as lines that show it."""
    if (words := count_words(sentence)) > MAX_WORDS:
        yield f"{words} words: {sentence}"
    for mark, name in ((";", "semicolons"), (":", "colons")):
        if (marks := count_marks(sentence, mark)) > 1:
            yield f"{marks} {name}: {sentence}"


def faults_in(paragraphs: Iterator[str]) -> list[str]:
    return [
        fault for text in paragraphs for sentence in split_sentences(text) for fault in faults_of(sentence)
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_sentences_of_documents(path: Path) -> None:
    faults = faults_in(markdown_paragraphs(path.read_text(encoding="utf-8")))
    if faults:
        pytest.fail("\n".join([str(path.relative_to(ROOT)), *faults]), pytrace=False)


@pytest.mark.parametrize("name", ["", *commands()])
def test_sentences_of_help(name: str) -> None:
    command = commands()[name] if name else main.cli
    texts = {"": command.help or "", "epilog": command.epilog or ""}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            texts[parameter.opts[-1]] = parameter.help or ""
    faults = [
        f"digitbox {name} {place}: {fault}"
        for place, text in texts.items()
        for fault in faults_in(help_paragraphs(text))
    ]
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ("digitbox reads it. digitbox moves it.", ["digitbox reads it.", "digitbox moves it."]),
        (
            "It takes 2.5 s for a.png, e.g. here, i.e. there.",
            ["It takes 2.5 s for a.png, e.g. here, i.e. there."],
        ),
        ("See (Mu et al. 2019) for it.", ["See (Mu et al. 2019) for it."]),
        ("It reads one, two ... and ten. Then it ends.", ["It reads one, two ... and ten.", "Then it ends."]),
        ("It waits... Then it ends.", ["It waits...", "Then it ends."]),
        ("One, two, etc. Then it ends, etc. at once.", ["One, two, etc.", "Then it ends, etc. at once."]),
        ('He said "Go." (She went.) *Done.* End', ['He said "Go."', "(She went.)", "*Done.*", "End"]),
        ("", []),
    ],
)
def test_sentences_are_split(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_words_are_counted() -> None:
    assert count_words("Read N scans - at 04:00, in `code` | or a half-finished one.") == 11


def test_marks_in_times_and_addresses_do_not_count() -> None:
    assert count_marks("At 04:00, s3://bucket is read: all of it (so:) or not:", ":") == 3


def test_markdown_is_reduced_to_prose() -> None:
    page = (
        "# Heading\n\nA line with `some code: here`\nand [a link](over/there.md).\n![picture](x.png)\n\n"
        "| a | table |\n|---|---|\n\n```sh\ncode\n```\n- one item\n  goes on\n2. another\n"
    )
    paragraphs = ["A line with `code` and a link.", "one item goes on", "another"]
    assert [paragraph.strip() for paragraph in markdown_paragraphs(page)] == paragraphs


def test_help_is_reduced_to_prose() -> None:
    text = "Read it.\n\nAnd it.  [default: one. Two]\n\n\b\nExamples:\n  digitbox\n\n\b\nCodes:\n  0 done"
    assert list(help_paragraphs(text)) == ["Read it.", "And it.", "Codes:", "0 done"]


def test_long_sentences_and_chains_are_faults() -> None:
    assert not list(faults_of(" ".join(["word"] * MAX_WORDS)))
    assert [fault[:8] for fault in faults_of(" ".join(["word"] * 26))] == ["26 words"]
    assert list(faults_of("One; two; three.")) == ["2 semicolons: One; two; three."]
    assert list(faults_of("One: two: three.")) == ["2 colons: One: two: three."]
