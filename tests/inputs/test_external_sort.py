"""The external sort: its order, and that it loses no name, however little fits into memory."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.inputs import external_sort
from batch.inputs.external_sort import sorted_names

NAMES = st.binary(min_size=1, max_size=9).filter(lambda name: b"\0" not in name).map(os.fsdecode)


@given(st.lists(NAMES, max_size=60), st.integers(1, 20), st.integers(1, 30))
def test_names_are_sorted_by_their_bytes(names: list[str], run_length: int, block_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(external_sort, "RUN_LENGTH", run_length)
        patched.setattr(external_sort, "BLOCK_BYTES", block_bytes)
        assert list(sorted_names(iter(names))) == sorted(names, key=os.fsencode)
