"""The documents against the product: every option is in them, and every command in them runs."""

import ast
import dataclasses
import os
import re
import shlex
from pathlib import Path

import click
import pytest

import commands_page
import digitbox
from batch import errors, records
from batch.cli import main
from batch.results import schema
from command import ROOT

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "deploy/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
OF_OTHER_PROGRAMS = {
    *("--now", "--system", "--shell", "--home-dir", "--user"),  # systemd and useradd
    *("--base-time",),  # systemd-analyze
    *("--cap-drop", "--read-only", "--rm", "--tmpfs"),  # podman
    *("--address", "--num-cpus"),  # Ray
    *("--beside", "--counts", "--files", "--fresh", "--images", "--rounds", "--scale"),  # benchmarks/
    *(
        "--checkpoint-seconds",
        "--failed",
        "--fashion",
        "--fields",
        "--numbers-of",
        "--places",
    ),  # python -m batch.training
}
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


def read(name: str) -> str:
    """Return the text of a file of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def commands() -> dict[str, click.Command]:
    """Return the commands of digitbox by name."""
    context = click.Context(main.cli)
    by_name = {name: main.cli.get_command(context, name) for name in main.cli.list_commands(context)}
    return {name: command for name, command in by_name.items() if command is not None}


def understood(name: str, arguments: list[str]) -> click.Context:
    """Return what a command makes of its arguments; it is called as digitbox calls it."""
    parent = click.Context(main.cli, info_name="digitbox", **main.cli.context_settings)
    return commands()[name].make_context(name, arguments, parent=parent)


def shown_lines() -> list[str]:
    """Return the command lines in the documents' console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("name", commands())
def test_every_option_is_documented(name: str) -> None:
    assert f"digitbox {name}" in TEXT
    for parameter in commands()[name].params:
        if isinstance(parameter, click.Option):
            for flag in (*parameter.opts, *parameter.secondary_opts):
                assert re.search(rf"`{flag}\b", TEXT), f"{flag} of {name}"


@pytest.mark.parametrize("name", ["", *commands()])
def test_words_beside_an_example_are_a_comment(name: str) -> None:
    text = (commands()[name] if name else main.cli).help or ""
    examples = [line for block in text.split("\b")[1:] for line in block.splitlines() if "digitbox " in line]
    assert [line for line in examples if re.search(r"\S {2,}[^\s#]", line)] == []
    assert all(shlex.split(line, comments=True) for line in examples)


def test_the_page_of_commands_is_up_to_date() -> None:
    page = commands_page.PAGE.read_text(encoding="utf-8")
    assert page == commands_page.text(), f"make it anew: {commands_page.COMMAND}"


def test_every_option_in_the_documents_exists() -> None:
    flags = {
        flag
        for command in [main.cli, *commands().values()]
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT))
    assert shown - flags - {"--help", *OF_OTHER_PROGRAMS} == set()


def test_every_reason_status_column_and_exit_code_is_documented() -> None:
    usage = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    for word in (*records.Reason, *records.Status, *schema.COLUMNS, *schema.ORIGIN_COLUMNS):
        assert f"`{word}`" in usage, word
    for code in errors.ExitCode:
        assert f"| {code.value} |" in usage, code


@pytest.mark.parametrize("line", sorted({line for line in shown_lines() if line.startswith("digitbox ")}))
def test_shown_digitbox_commands_are_understood(line: str) -> None:
    name, *arguments = map(os.path.expanduser, shlex.split(line)[1:])  # as a shell does
    understood(name, arguments)


@pytest.mark.parametrize("line", sorted({line for line in shown_lines() if line.startswith("make ")}))
def test_shown_make_targets_exist(line: str) -> None:
    assert re.search(rf"^{line.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_shown_commands_are_of_known_kinds() -> None:
    assert {line.split()[0] for line in shown_lines()} <= {"digitbox", "make", "pip"}


def test_the_table_for_clusters_has_the_measured_speeds() -> None:
    speeds = re.findall(r"\| ([\w-]+): digitbox, steady \| ([\d,]+)/s", read("docs/speed.md"))
    measured = {name: int(figure.replace(",", "")) for name, figure in speeds}
    source = ast.parse(read("benchmarks/cluster.py"))
    (kinds,) = (
        ast.literal_eval(node.value)
        for node in source.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KINDS"
    )
    rates = [rate for _, rate in kinds.values()]
    assert rates == [measured["digits"], measured["scans-png"], measured["photos"]]
    for kind, rate in zip(kinds, rates, strict=True):  # an actor has one of two cores, and Ray takes a little
        (figure,) = re.findall(rf"\| {kind} \| ([\d,]+) \|", read("docs/cluster.md"))
        assert 0.8 < 2 * int(figure.replace(",", "")) / rate <= 1


def test_attributes_of_results_are_documented() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", read("docs/python.md"), re.MULTILINE)
    for field in dataclasses.fields(digitbox.Result):
        assert field.name in documented


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), target
