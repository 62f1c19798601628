"""Reading ahead must never change an answer."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from batch.files.lookahead import MOST, Lookahead

PATHS = st.integers(0, 60).map(lambda number: f"{number:03d}".encode())


class Table:
    """Rows as SQLite would give them."""

    def __init__(self, rows: list[tuple[bytes, int, int, str | None]]) -> None:
        self.rows = sorted(rows, key=lambda row: row[0])
        self.reads = 0

    def execute(self, _: str, values: Sequence[Any]) -> list[Any]:
        self.reads += 1
        path, count = values
        return [row for row in self.rows if row[0] >= path][:count]


@given(
    st.lists(st.tuples(PATHS, st.integers(0, 2), st.integers(0, 2), st.sampled_from([None, "empty"]))),
    st.lists(PATHS, max_size=200),
    st.booleans(),
)
def test_all_rows_of_a_path_whatever_was_asked_before(
    rows: list[tuple[bytes, int, int, str | None]], asked: list[bytes], in_order: bool
) -> None:
    known = Lookahead(Table(rows).execute)
    for path in sorted(asked) if in_order else asked:
        wanted = [row[1:] for row in sorted(rows, key=lambda row: row[0]) if row[0] == path]
        assert list(known.rows(path)) == wanted


def test_a_folder_in_order_takes_few_reads_and_others_do_not_read_much() -> None:
    table = Table([(f"{number:06d}".encode(), 1, 1, None) for number in range(3 * MOST)])
    known = Lookahead(table.execute)
    assert all(known.rows(row[0]) for row in table.rows)
    assert table.reads < 15
    known.forget()
    table.rows.pop(5)
    assert not known.rows(b"000005")
