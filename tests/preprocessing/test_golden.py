"""The preprocessing's output over fixed scans, bound to its version."""

import functools

import pytest

import golden
import golden_scans

ADVICE = (
    "The output of the preprocessing has changed, and the models know the old one. If that is meant: raise "
    "the version in SPECS of batch/records.py, train the models anew, and run `python tests/golden.py`."
)


@functools.cache
def stored() -> list[golden.Measures]:
    assert golden.FILE.exists(), f"{golden.FILE.name} is missing. {ADVICE}"
    return golden.load()


@functools.cache
def fresh() -> list[golden.Measures]:
    return [golden.measure(scan) for scan in golden.scans()]


def test_one_file_is_stored_for_this_version() -> None:
    assert list(golden.DATA.glob("preprocessing-v*.npz")) == [golden.FILE], ADVICE
    assert len(stored()) == len(golden_scans.SCANS)


@pytest.mark.parametrize(
    "number",
    range(len(golden_scans.SCANS)),
    ids=[f"{kind}-{seed}" for kind, seed in golden_scans.SCANS],
)
def test_output_is_that_of_the_version(number: int) -> None:
    changes = list(golden.differences(stored()[number], fresh()[number]))
    assert not changes, f"{'; '.join(changes)}. {ADVICE}"


def test_another_output_is_noticed() -> None:
    record = stored()[0]
    changed = record | {"digit": record["digit"].astype(float) + 2.0}
    assert list(golden.differences(record, changed)) == ["the digit by 2.00 levels"]
