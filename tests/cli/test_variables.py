"""Variables `DIGITBOX_...` that set no option."""

import json
from pathlib import Path

import pytest

from batch.cli.options import COMMANDS
from batch.cli.variables import find_unknown
from command import Digitbox
from formats import numbered_scan


def found(*names: str) -> list[str]:
    return [like for _, like in find_unknown(dict.fromkeys(names, ""))]


@pytest.mark.parametrize("key", sorted({key for options in COMMANDS.values() for key in options}))
def test_a_letter_too_few_or_two_swapped_is_found(key: str) -> None:
    name = key.upper()
    right = f"DIGITBOX_{name}"
    assert found(right) == []
    wrong = [f"{name[:-1]}", f"{name[:-2]}{name[-1]}{name[-2]}", name.lower(), name.replace("_", "-")]
    wrong = [word for word in wrong if word != name]
    assert found(*(f"DIGITBOX_{word}" for word in wrong)) == [right] * len(wrong)


@pytest.mark.parametrize(
    ("name", "like"), [("REVIEW", "REVIEW_BELOW"), ("TIMEOUT", "SCAN_TIMEOUT"), ("BATCH", "BATCH_SIZE")]
)
def test_a_part_of_a_name_is_found(name: str, like: str) -> None:
    assert found(f"DIGITBOX_{name}") == [f"DIGITBOX_{like}"]


@pytest.mark.parametrize(
    "names",
    [
        ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_METRICS", "PORT", "PORT_9600_TCP"],
        ["PORT_9600_TCP_ADDR", "PORT_9600_TCP_PORT", "PORT_9600_TCP_PROTO"],
        ["METRICS_SERVICE_HOST", "METRICS_PORT", "WEB_PORT", "WEB_PORT_80_TCP"],
        ["RUN_ID", "RUN_OUTBOX", "RUN_FAILED", "RUN_REVIEW", "RUN_EXIT_CODE"],
    ],
    ids=["kubernetes", "port", "services", "hook"],
)
def test_the_variables_of_others_are_left_alone(names: list[str]) -> None:
    assert found("HOME", "DIGITBOX", *(f"DIGITBOX_{name}" for name in names)) == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["THRESHOLD"], "unknown variable DIGITBOX_THRESHOLD"),
        (
            ["THRESHOLD", "HOME", "RUN_ID", ""],
            "unknown variables DIGITBOX_, DIGITBOX_HOME, DIGITBOX_THRESHOLD",
        ),
        (["A\nB"], "unknown variable DIGITBOX_A\\x0aB"),
    ],
)
def test_one_line_warns_of_all_that_are_like_no_option(
    digitbox: Digitbox, monkeypatch: pytest.MonkeyPatch, names: list[str], words: str
) -> None:
    for name in names:
        monkeypatch.setenv(f"DIGITBOX_{name}", "0.9")
    (line,) = digitbox("config").err.splitlines()
    assert line.endswith(f"{words}; see digitbox run --help")


@pytest.mark.parametrize("command", ["run", "watch --dry-run", "config", "history", "explain inbox"])
def test_each_command_warns_once(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (inbox / "a.png").write_bytes(numbered_scan(1))
    (inbox.parent / "outbox").mkdir()
    monkeypatch.setenv("DIGITBOX_DIGIT", "3")
    result = digitbox(*command.split())
    (line,) = [line for line in result.err.splitlines() if "DIGITBOX_DIGIT;" in line]
    assert line.endswith("unknown variable DIGITBOX_DIGIT; did you mean DIGITBOX_DIGITS")
    assert result.code == 0


def test_the_warning_is_a_json_object_as_all_lines(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(numbered_scan(1))
    monkeypatch.setenv("DIGITBOX_DIGIT", "3")
    first, *_ = map(json.loads, digitbox("run", "--log-format", "json").err.splitlines())
    assert (first["level"], first["variable"]) == ("warning", "DIGITBOX_DIGIT")
