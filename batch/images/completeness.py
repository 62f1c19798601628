"""The checks that all of a file is there: zeros at its end, and bytes after it."""

from __future__ import annotations

from batch.images.container import raise_damaged, raise_truncated

# A copy that was preallocated and never finished ends in zeros. tests/images/test_formats.py holds these
# limits to flat images, to digits on black ground and to copies of half a file.
ZERO_RUN_BYTES = 32  # no encoder ends compressed data with this many zeros
ZERO_RUN_FRACTION = 1 / 16  # of short compressed data; no encoder ends them with a larger share of zeros
SUSPECT_FRACTION = 1 / 8  # of uncompressed pixels; a shorter tail of zeros is no sign of anything
UNFINISHED_FRACTION = 0.45  # of uncompressed pixels; below a digit on black ground, fewer are zero
MIN_REST_BYTES = 4  # fewer zeros at the end are no sign of anything
PADDING_BYTES = 128  # the smallest blocks that programs fill up with zeros
BLOCK_BYTES = 4096  # copies are written in multiples of this
TAPERED_FRACTION = 0.75  # of the width of a stroke; the last row but one of its end is thinner
TAPER_ROWS = 7  # that digitbox compares with the last
LINE_WIDTH = 1.5  # times the width of the ink in most rows
BLACK_GROUND_FRACTION = 0.25  # of the pixels before the tail; on black ground, more are zero


def zero_tail(data: bytes, start: int, end: int) -> int:
    """Return the number of zero bytes at the end of `data[start:end]`."""
    if end <= start or data[end - 1]:
        return 0
    return end - start - len(data[start:end].rstrip(b"\0"))


def check_compressed(
    data: bytes, start: int, end: int, usual: int = 4, run_bytes: int = ZERO_RUN_BYTES
) -> None:
    """Check that compressed data do not end in more zeros than an encoder writes.

    Args:
        data: The whole file.
        start: Position of the first byte of the compressed data.
        end: Position after their last byte.
        usual: Number of zeros that data of any length may end with.
        run_bytes: Number of zeros that no data may end with.

    Raises:
        ImageError: `truncated`, if the data end in too many zeros.
    """
    zeros = zero_tail(data, start, end)
    if zeros >= run_bytes or zeros > max(usual, (end - start) * ZERO_RUN_FRACTION):
        raise_truncated("its data end in zeros: a copy that was not finished")


def check_rest(data: bytes, end: int) -> None:
    """Check that nothing but padding follows the last byte of an image: bytes were inserted otherwise.

    Args:
        data: The whole file.
        end: Position after the last byte.

    Raises:
        ImageError: `damaged`.
    """
    rest = data[end:].rstrip(b" \t\r\n\v\f\x1a")
    if rest.strip(b"\0") or (len(rest) >= MIN_REST_BYTES and len(data) % PADDING_BYTES):
        raise_damaged("it is longer than its header says")


def check_pixels(
    data: bytes, start: int, end: int, row_bytes: int, padding_bytes: int = 0, offset: int = 0
) -> None:
    """Check that uncompressed pixels do not end in zeros that nobody wrote.

    Args:
        data: The whole file.
        start: Position of the first byte of the pixels.
        end: Position after their last byte.
        row_bytes: Size of a row.
        padding_bytes: Size of what no pixel uses at the end of a row.
        offset: Position in the file of the first byte of `data`.

    Raises:
        ImageError: `truncated`, if the last pixels look as if nobody had written them.
    """
    size, zeros = end - start, zero_tail(data, start, end)
    if zeros == size or zeros < SUSPECT_FRACTION * size:
        return
    padding = (size - zeros) // row_bytes * padding_bytes
    zeros_before = data.count(0, start, end - zeros) - padding
    is_unfinished = zeros_before < BLACK_GROUND_FRACTION * (size - zeros - padding)
    if is_unfinished or (
        zeros >= UNFINISHED_FRACTION * size and _is_cut(data, start, end - zeros, row_bytes, offset)
    ):
        raise_truncated("its pixels end in zeros: a copy that was not finished")


def _is_cut(data: bytes, start: int, end: int, row_bytes: int, offset: int) -> bool:
    """Return whether ink ends where a copy can have stopped, on paper of zeros.

    Copies stop at the end of a block. Ink that is cut there has its whole width in its last rows, and would
    go on in the next row. A stroke that ends by itself grows thinner. A line that runs along the last rows
    ends there by itself, too.
    """
    next_block = -(-(end + offset) // BLOCK_BYTES) * BLOCK_BYTES - offset
    if next_block > end + row_bytes * 3 // 2:
        return False
    last = (end - 1 - start) // row_bytes  # a copy may have stopped inside this row
    starts = range(start, start + last * row_bytes, row_bytes)
    widths = [row_bytes - data.count(0, row, row + row_bytes) for row in starts]
    inked = sorted(width for width in widths if width)
    if not inked:
        return False
    is_tapered = widths[-1] <= TAPERED_FRACTION * max(widths[-TAPER_ROWS:])
    return not is_tapered and widths[-1] < LINE_WIDTH * inked[len(inked) // 2]
