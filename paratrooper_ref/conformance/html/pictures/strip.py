"""One mark for each case, sorted: what hangs from the bound is within it, what stands is not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from paratrooper_ref.conformance.html.markup import Markup, join, tag
from paratrooper_ref.conformance.html.pictures.lengths import per_cent, px
from paratrooper_ref.conformance.html.pictures.scale import Scale, scale
from paratrooper_ref.conformance.html.spelling import SUPERSCRIPTS, place, short
from paratrooper_ref.conformance.html.ways import Kind, kind, odd
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import Result

BELOW, ABOVE = 130, 104  # pixels of the strip on either side of the bound, where both are used
MARGIN: Final = 22
CROWDED: Final = 150  # cases from which on there is no room between marks


def strip(report: Report, places: Mapping[str, str] | None = None) -> Markup:
    """Draw the worst error over bound of every case, sorted, from the bound up or down.

    Parameters
    ----------
    report : Report
    places : mapping of case to str, optional
        Where each case's mark leads.
    """
    heights = _Heights(scale(report))
    order = sorted(report.results, key=lambda r: _rank(r, report))
    n = len(order)
    slot = 100 / max(1, n)
    marks, endless = [], []
    for i, result in enumerate(order):
        of, crossed = kind(result, report), odd(result, report)
        mid = slot * (i + 0.5)
        if of != "unasked" and not crossed and _endless(result):
            endless.append(mid)
        wide = min(slot * (0.72 if n <= CROWDED else 1), 2.2)
        hit = tag("rect", x=per_cent(slot * i), width=per_cent(slot), y=0,
                  height=px(heights.whole), class_="hit")
        drawn = _drawn(result, of, heights, mid, wide, crossed=crossed)
        inside = (tag("title", _said(result)), hit, *drawn)
        to = (places or {}).get(result.case)
        marks.append(tag("a", *inside, href=to, tabindex=-1) if to else tag("g", *inside))
    bound = (
        tag("line", x1=0, x2="100%", y1=px(heights.bound), y2=px(heights.bound), class_="bound"),
        tag("text", "beyond the bound", x=6, y=px(heights.top + 14), class_="note"),
    )
    if endless:
        middle = sum(endless) / len(endless)
        marks.append(tag("text", "∞", x=per_cent(middle), y=px(heights.top - 5), class_="end"))
    return tag(
        "svg", *_grid(heights), *marks, *bound, class_="strip", width="100%",
        height=px(heights.whole), role="img",
        aria_label=f"Error over bound of {n} cases, sorted; the table has the numbers",
    )


class _Heights:
    """Where errors over bounds are, in pixels from the top of the strip."""

    def __init__(self, axis: Scale) -> None:
        self.axis = axis
        # A side without a case on it need not be as high.
        up = ABOVE * min(1.0, max(0.2, axis.high / 3))
        self._decade = BELOW / -axis.low, up / max(1, axis.high)
        self.bound = MARGIN + up
        self.top = self._of(axis.high) if axis.high else self.bound - up
        self.whole = self._of(axis.low) + MARGIN

    def of(self, share: float) -> float:
        """Return where an error over bound is; what is beyond an end is at that end."""
        return self._of(self.axis.decades(share))

    def _of(self, decades: float) -> float:
        return self.bound - decades * self._decade[decades > 0]


def _grid(heights: _Heights) -> list[Markup]:
    bound, top = heights.bound, heights.top
    return [
        tag("rect", x=0, y=px(top), width="100%", height=px(bound - top), class_="beyond"),
        *(
            join([
                tag("line", x1=0, x2="100%", y1=px(at), y2=px(at), class_="grid"),
                tag("text", _tick(x), x=-8, y=px(at + 4), class_="tick"),
            ])
            for x in heights.axis.ticks() for at in [heights.of(x)]
        ),
        tag("text", "1", x=-8, y=px(bound + 4), class_="tick one"),
    ]


def _tick(x: float) -> str:
    if 0.01 <= x <= 10:
        return f"{x:g}"
    return f"10{str(round(math.log10(x))).translate(SUPERSCRIPTS)}"


def _rank(result: Result, report: Report) -> tuple[int, float, str]:
    at, crossed = result.worst, odd(result, report)
    if kind(result, report) == "unasked":
        return 0, 0.0, result.case
    if at is None:
        return 3 if crossed else 1, 0.0, result.case
    return 3 if crossed else 2, math.inf if math.isnan(at.share) else at.share, result.case


def _endless(result: Result) -> bool:
    return result.worst is not None and not math.isfinite(result.worst.share)


def _said(result: Result) -> str:
    at = result.worst
    said = f"{result.case}: {result.verdict}"
    if at is not None:
        said += f", error over bound {short(at.share)} ({place(at)})"
    return said


def _drawn(
    result: Result, of: Kind, heights: _Heights, mid: float, wide: float, *, crossed: bool
) -> list[Markup]:
    """Draw a mark around a place: a bar, on it a cross for a failure that is no number.

    What has no number and does not fail is a short mark across the bound.
    """
    x, w, at = per_cent(mid - wide / 2), per_cent(wide), result.worst
    if of == "unasked" or (at is None and not crossed):
        return [tag("rect", x=x, width=w, y=px(heights.bound - 3), height=6, class_=f"bar {of}")]
    drawn = []
    if at is not None:
        upper, lower = sorted((heights.bound, heights.of(at.share)))
        drawn.append(tag(
            "rect", x=x, width=w, y=px(upper), height=px(max(1.5, lower - upper)),
            class_=f"bar {of}",
        ))
    if crossed:
        drawn.append(tag(
            "svg", tag("path", d="M-4-4 4 4M4-4-4 4", class_=f"cross {of}"), x=per_cent(mid),
            y=px(heights.bound - 12), overflow="visible",
        ))
    return drawn
