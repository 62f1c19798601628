"""Fixed scans for the golden test of the preprocessing: MNIST's test digits on papers of many kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from batch.records import Grey
from golden_sheet import Sheet


def _page(sheet: Sheet) -> None:
    """Begin with white paper of a hundred pixels or so, nearly even."""
    sheet.paper(sheet.whole(70, 112), sheet.whole(70, 112), sheet.part(170, 240), 20.0)


def _plain(sheet: Sheet) -> None:
    # 120x160, uneven light and grain.
    sheet.paper(120, 160, sheet.part(150, 240), 40.0, sheet.part(0, 90))
    sheet.digit(sheet.whole(1, 4) * 28, sheet.part(0.2, 0.9), aside=0.5)
    sheet.grain(sheet.part(0, 8))


def _mnist(sheet: Sheet) -> None:
    # An MNIST digit as it is, black on white.
    sheet.paper(28, 28, 255.0)
    sheet.digit(28, 1.0, 0.5)


def _tiny(sheet: Sheet) -> None:
    # A few pixels with grain.
    sheet.paper(sheet.whole(14, 60), sheet.whole(14, 60), sheet.part(150, 240), 30.0)
    sheet.digit(28, sheet.part(0.3, 0.9))
    sheet.grain(sheet.part(0, 3))


def _faint(sheet: Sheet) -> None:
    # Pale pencil.
    _page(sheet)
    sheet.digit(56, sheet.part(0.02, 0.12))
    sheet.grain(sheet.part(0, 2.5))


def _dim(sheet: Sheet) -> None:
    # Badly lit paper.
    sheet.paper(100, 100, sheet.part(18, 60), 10.0, sheet.part(0, 40))
    sheet.digit(56, sheet.part(0.3, 0.9))
    sheet.grain(sheet.part(0, 1.5))


def _shadow(sheet: Sheet) -> None:
    # A shadow, with or without a digit.
    _page(sheet)
    if sheet.whole(0, 2):
        sheet.digit(56, sheet.part(0.2, 0.9), aside=0.8)
    sheet.shadow(sheet.part(0.05, 0.6), sheet.part(0.02, 0.4))
    sheet.grain(sheet.part(0.3, 2.5))


def _box(sheet: Sheet) -> None:
    # A printed box around the digit.
    _page(sheet)
    sheet.digit(56, sheet.part(0.2, 0.9), aside=0.3)
    ink, thick = sheet.part(0.15, 0.9), sheet.whole(1, 6)
    margin = sheet.whole(0, 24)
    for _ in range(4):
        sheet.bar(margin, margin, thick, sheet.width - 2 * margin - thick, ink)
        sheet.turn()
    sheet.grain(sheet.part(0, 3))


def _borders(sheet: Sheet) -> None:
    # Pieces of borders, some of them thick or sloping.
    _page(sheet)
    sheet.digit(56, sheet.part(0.2, 0.9), aside=1.0)
    for _ in range(4):
        if sheet.whole(0, 1):
            span = int(sheet.part(0.4, 1.0) * sheet.width)
            left = (0, sheet.width - span, (sheet.width - span) // 2)[sheet.whole(0, 2)]
            top = int(sheet.part(0.0, 0.3) * sheet.height)
            thick = sheet.whole(1, 20) if sheet.whole(0, 2) == 0 else sheet.whole(2, 5)
            sheet.bar(top, left, thick, span, sheet.part(0.2, 0.9), sheet.part(-0.12, 0.12))
        sheet.turn()
    sheet.grain(sheet.part(0, 2))


def _ruled(sheet: Sheet) -> None:
    # Ruled or squared paper.
    _page(sheet)
    sheet.digit(56, sheet.part(0.1, 0.9), aside=0.3)
    step, thick, ink = sheet.whole(10, 40), sheet.whole(1, 3), sheet.part(0.1, 0.8)
    for _ in range(sheet.whole(1, 2)):
        for top in range(sheet.whole(0, step), sheet.height, step):
            sheet.bar(top, 0, thick, sheet.width, ink, 0.02)
        sheet.turn()
    sheet.grain(sheet.part(0, 3))


def _slanted(sheet: Sheet) -> None:
    # Many faint sloping lines.
    _page(sheet)
    sheet.digit(28, sheet.part(0.4, 0.9), aside=0.5)
    ink = sheet.part(0.05, 0.35)
    for top in range(-sheet.width, sheet.height, sheet.whole(8, 20)):
        sheet.bar(top, 0, 1, sheet.width, ink, 0.3)
    sheet.grain(sheet.part(0, 1))


def _comb(sheet: Sheet) -> None:
    # A digit between two tines.
    _page(sheet)
    sheet.digit(56, sheet.part(0.5, 0.9))
    margin, height = int(sheet.part(0.02, 0.35) * sheet.width), int(sheet.part(0.3, 0.9) * sheet.height)
    wide = sheet.whole(2, 16)
    for left in (margin, sheet.width - margin - wide):
        sheet.bar((sheet.height - height) // 2, left, height, wide, 0.8)
    sheet.grain(sheet.part(0, 1))


def _pieces(sheet: Sheet) -> None:
    # Many pieces of ink.
    _page(sheet)
    if sheet.whole(0, 1):
        sheet.digit(56, sheet.part(0.2, 0.9), aside=0.3)
    for _ in range(sheet.whole(1, 16)):
        top, left = sheet.whole(0, sheet.height - 4), sheet.whole(0, sheet.width - 4)
        sheet.bar(top, left, sheet.whole(1, 14), sheet.whole(1, 14), sheet.part(0.2, 0.9))
    sheet.grain(sheet.part(0, 1))


def _tight(sheet: Sheet) -> None:
    # A digit cut out tightly.
    side = 28 * sheet.whole(1, 4)
    sheet.paper(int(side * 0.72), int(side * sheet.part(0.4, 0.75)), sheet.part(150, 240), 20.0)
    sheet.digit(side, sheet.part(0.2, 0.9), sheet.part(0.05, 0.5))
    sheet.grain(sheet.part(0, 2))


def _full(sheet: Sheet) -> None:
    # Nearly all ink.
    sheet.paper(100, 100, 220.0)
    sheet.bar(0, 0, sheet.whole(60, 98), sheet.whole(80, 98), sheet.part(0.2, 0.9))
    sheet.grain(sheet.part(0, 2))


def _doubt(sheet: Sheet) -> None:
    # Hard shadows that leave the polarity open.
    sheet.paper(sheet.whole(44, 160), sheet.whole(44, 160), sheet.part(170, 240))
    sheet.digit(28 * sheet.whole(1, 2), sheet.part(0.3, 0.7), aside=0.6)
    for _ in range(sheet.whole(1, 2)):
        sheet.shadow(sheet.part(0.35, 0.7), sheet.part(0.03, 0.2))
    sheet.grain(sheet.part(0, 1.5))


def _dark(sheet: Sheet) -> None:
    # Paper that is nearly black in the corners.
    sheet.paper(sheet.whole(60, 112), sheet.whole(60, 112), sheet.part(22, 45), 20.0, sheet.part(40, 140))
    sheet.digit(56, sheet.part(0.5, 0.9))


def _edge(sheet: Sheet) -> None:
    # The edge of a shadow, crisp and soft.
    sheet.paper(90, 90, 220.0)
    height, middle, ink = int(sheet.part(0.6, 1.0) * 90), sheet.whole(30, 60), sheet.part(0.1, 0.2)
    crisp = int(height * sheet.part(0.35, 0.75))
    sheet.ridge(0, crisp, middle, sheet.part(2.0, 4.0), ink)
    sheet.ridge(crisp, height - crisp, middle, sheet.part(6.0, 10.0), ink)
    sheet.grain(sheet.part(0.3, 1.5))


def _blot(sheet: Sheet) -> None:
    # A small clean scan that is mostly ink.
    side = sheet.whole(12, 38)
    sheet.paper(side, side, sheet.part(180, 255))
    free = sheet.part(0.05, 0.5)
    sheet.bar(0, 0, int(side * (1.0 - free)), side, 0.8)
    if sheet.whole(0, 1):
        sheet.digit(28, 0.8)


def _dots(sheet: Sheet) -> None:
    # A grid of dots.
    sheet.paper(100, 100, sheet.part(170, 240))
    side, step = sheet.whole(6, 10), sheet.whole(16, 22)
    for number in range(sheet.whole(8, 12)):
        top, left = 10 + step * (number // 3), 12 + 2 * step * (number % 3)
        sheet.bar(top, left, side, side, 0.8)
    sheet.grain(sheet.part(0, 1))


def _pair(sheet: Sheet) -> None:
    # Two strokes side by side.
    sheet.paper(100, 100, sheet.part(170, 240))
    high, wide = sheet.whole(40, 60), sheet.whole(6, 20)
    left = sheet.whole(6, 40)
    sheet.bar(20, left, high, wide, 0.8)
    beside = left + wide + sheet.whole(1, 16)
    sheet.bar(sheet.whole(15, 55), beside, int(high * sheet.part(0.5, 1.0)), sheet.whole(4, 20), 0.8)
    sheet.grain(sheet.part(0, 1))


def _rivals(sheet: Sheet) -> None:
    # A digit and a stroke at the edge.
    _page(sheet)
    sheet.digit(28, sheet.part(0.4, 0.9), sheet.part(0.3, 0.7), aside=0.8)
    high, slope = sheet.whole(4, 16), sheet.part(0.4, 0.9)
    sheet.bar((0, sheet.whole(8, 60))[sheet.whole(0, 2) > 0], 0, high, sheet.whole(8, 40), 0.8, slope)
    sheet.turn()
    sheet.grain(sheet.part(0, 1))


def _thick(sheet: Sheet) -> None:
    # Thick sloping bars.
    _page(sheet)
    sheet.digit(56, 0.7)
    for _ in range(sheet.whole(1, 2)):
        thick = int(sheet.part(0.1, 0.22) * sheet.height)
        sheet.bar(sheet.whole(1, 20), 0, thick, sheet.width, 0.8, sheet.part(-0.14, 0.14))
        sheet.turn()
    sheet.grain(sheet.part(0, 1))


def _corners(sheet: Sheet) -> None:
    # A box with open corners.
    _page(sheet)
    sheet.digit(28, 0.7)
    margin, gap = sheet.whole(3, 12), sheet.whole(0, 7)
    for _ in range(4):
        start = margin + sheet.whole(0, gap)
        sheet.bar(margin, start, 3, int(sheet.part(0.55, 1.0) * (sheet.width - 2 * start)), 0.8)
        sheet.turn()
    sheet.grain(sheet.part(0, 1))


def _ends(sheet: Sheet) -> None:
    # A box whose sides meet near their ends.
    _page(sheet)
    sheet.digit(28, 0.7)
    sheet.bar(5, 12, 3, sheet.width - 24, 0.8)
    sheet.turn()
    for _ in range(2):
        sheet.bar(12 + sheet.whole(2, 20), 0, 3, sheet.width, 0.8)
        sheet.turn()
        sheet.turn()
    sheet.grain(sheet.part(0, 1))


def _strip(sheet: Sheet) -> None:
    # A scan much wider than high.
    sheet.paper(sheet.whole(5, 22), sheet.whole(60, 112), sheet.part(170, 240))
    sheet.digit(28, 0.7)
    for _ in range(sheet.whole(1, 4)):
        wide = sheet.whole(2, sheet.width)
        sheet.bar(sheet.whole(0, 4), sheet.whole(0, sheet.width - wide), sheet.whole(1, 2), wide, 0.8)
        sheet.turn()
    sheet.grain(sheet.part(0, 1))


def _peels(sheet: Sheet) -> None:
    # Lines of many contrasts.
    _page(sheet)
    sheet.digit(56, sheet.part(0.08, 0.3))
    for number, ink in enumerate((0.9, 0.6, 0.4, 0.26, 0.17, 0.11)):
        if sheet.whole(0, 3):
            sheet.bar(6 + 16 * number, 0, sheet.whole(2, 4), sheet.width, ink)
        if sheet.whole(0, 1):
            sheet.turn()
    sheet.grain(sheet.part(0, 1))


def _far(sheet: Sheet) -> None:
    # A digit far away in a large scan.
    sheet.paper(sheet.whole(250, 900), sheet.whole(250, 700), sheet.part(150, 240))
    sheet.digit(28 * sheet.whole(1, 3), sheet.part(0.5, 0.9), aside=0.8)
    sheet.grain(sheet.part(0, 1))


def _net(sheet: Sheet) -> None:
    # A dark box on a faint net.
    sheet.paper(100, 100, sheet.part(180, 240))
    ink = sheet.part(0.1, 0.3)
    for top in range(-100, 100, sheet.whole(7, 12)):
        sheet.bar(top, 0, 1, 100, ink, 0.4)
    margin, dark = sheet.whole(4, 20), 0.8
    for _ in range(4):
        sheet.bar(margin, margin, 2, 100 - 2 * margin - 2, dark)
        sheet.turn()
    sheet.bar(45, 40, sheet.whole(4, 30), sheet.whole(2, 9), dark)


def _few(sheet: Sheet) -> None:
    # A few pixels of ink.
    sheet.paper(sheet.whole(26, 39), sheet.whole(26, 39), 220.0)
    sheet.bar(10, 10, 1, sheet.whole(1, 5), 0.5)
    sheet.grain(0.7)


def _weak(sheet: Sheet) -> None:
    # A stroke hardly above the grain.
    sheet.paper(90, 90, 220.0)
    sheet.bar(25, 30, 40, sheet.whole(8, 20), sheet.part(0.03, 0.055))
    sheet.grain(sheet.part(0.2, 3.5))


KINDS: Mapping[str, tuple[Callable[[Sheet], None], tuple[int, ...]]] = {
    "plain": (_plain, (1, 6)),
    "mnist": (_mnist, (0,)),
    "tiny": (_tiny, (3, 6)),
    "faint": (_faint, (16, 38, 43)),
    "dim": (_dim, (3,)),
    "shadow": (_shadow, (5, 7)),
    "box": (_box, (2,)),
    "borders": (_borders, (7, 19, 39)),
    "ruled": (_ruled, (10,)),
    "slanted": (_slanted, (5,)),
    "comb": (_comb, (1, 3, 4, 13, 41, 51, 58)),
    "pieces": (_pieces, (15,)),
    "tight": (_tight, (0,)),
    "full": (_full, (4, 36)),
    "doubt": (_doubt, (32, 38, 137)),
    "dark": (_dark, (1,)),
    "edge": (_edge, (24, 51, 71)),
    "blot": (_blot, (0, 4, 7, 10)),
    "dots": (_dots, (3,)),
    "pair": (_pair, (46, 59)),
    "rivals": (_rivals, (21, 37, 46, 55)),
    "thick": (_thick, (9,)),
    "corners": (_corners, (6, 11, 70)),
    "ends": (_ends, (3, 37)),
    "strip": (_strip, (0, 1, 5, 37, 38)),
    "peels": (_peels, (0, 14)),
    "far": (_far, (3,)),
    "net": (_net, (3, 5, 24)),
    "few": (_few, (3,)),
    "weak": (_weak, (4,)),
}
"""Kinds of scans, and the seeds in use. They were chosen out of thousands: together they notice nearly every
constant of the preprocessing that is changed by a fifth."""
SCANS = [(kind, seed) for kind, (_, seeds) in KINDS.items() for seed in seeds]


def make(kind: str, seed: int, digits: Grey) -> Grey:
    """Make the scan of a kind that belongs to a seed, with digits out of (n, 28, 28)."""
    sheet = Sheet(digits, seed)
    KINDS[kind][0](sheet)
    return sheet.scan()
