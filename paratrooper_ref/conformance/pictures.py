"""Pictures of a report, as SVG written by hand: they need nothing but a page to stand on.

Places from left to right are in per cent, so a picture is as wide as its page and its letters
stay as large as they are.  Errors over bounds are drawn on a logarithmic axis, from the bound:
what hangs from it is within it, what stands on it is not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, Literal

from paratrooper_ref.conformance.markup import Markup, join, tag
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import CONFORMS, UNSUPPORTED, Result, Share

Kind = Literal["holds", "fails", "expected", "unasked"]
KINDS: Final[Mapping[Kind, str]] = {
    "holds": "conforms",
    "fails": "fails",
    "expected": "fails as expected",
    "unasked": "unsupported",
}

# Upper ends of the levels of colour: nothing at all, six within the bound, three beyond it.
LEVELS: Final = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0, 1e3, math.inf)
LEVEL_NAMES: Final = ("0", "≤ 0.01", "≤ 0.03", "≤ 0.1", "≤ 0.3", "≤ 1", "≤ 10", "≤ 10³", "more")
WITHIN: Final = LEVELS.index(1.0)

BELOW, ABOVE = 130, 104  # pixels of the strip on either side of the bound, where both are used
LEFT: Final = 0.4  # of an axis from left to right is within the bound, where both are used
MARGIN: Final = 22
CROWDED: Final = 150  # cases from which on there is no room between marks
MOST_TICKS: Final = 4  # on either side
DEEPEST: Final = -6.0  # decades: what is closer to the truth is drawn so
LEAST: Final = -0.75  # decades below the bound are there at least
SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def kind(result: Result, report: Report) -> Kind:
    """Return in which of four ways a case came out."""
    if result.case in report.expected:
        return "expected"
    if result.verdict == UNSUPPORTED:
        return "unasked"
    return "holds" if result.verdict == CONFORMS else "fails"


def odd(result: Result, report: Report) -> bool:
    """Return whether a case fails with no number beyond its bound."""
    at = result.worst
    beyond = at is not None and not at.share <= 1
    return kind(result, report) in ("fails", "expected") and not beyond


def short(x: float) -> str:
    """Return a number for people.

    Examples
    --------
    >>> [short(x) for x in (0.0, 0.4, 12.34, 999.9, 15812.3, 1e-9, float("inf"), float("nan"))]
    ['0', '0.400', '12.3', '1000', '1.58 × 10⁴', '1.00 × 10⁻⁹', '∞', 'NaN']
    """
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else "∞" if x > 0 else "−∞"
    if x == 0:
        return "0"
    if 1e-3 <= abs(x) < 1e4:
        said = f"{x:#.3g}"
        return f"{float(said):.0f}" if "e" in said else said.rstrip(".")
    digits, _, power = f"{x:.2e}".partition("e")
    return f"{digits} × 10{str(int(power)).translate(SUPERSCRIPTS)}"


def place(at: Share) -> str:
    """Return where a number is, in words."""
    return f"{at.tag} of {at.layer}[{at.index}], t\u00a0=\u00a0{at.t}"


class Scale:
    """A logarithmic axis around the bound, for all errors over bound of a report.

    Parameters
    ----------
    shares : iterable of float
        0, infinite ones and NaN among them: those are at the ends.
    """

    def __init__(self, shares: Iterable[float]) -> None:
        shares = list(shares)
        logs = [math.log10(x) for x in shares if 0 < x < math.inf]
        self.low = min(LEAST, *(max(DEEPEST, x - 0.06 * abs(x)) for x in logs), LEAST)
        if 0.0 in shares:
            self.low = min(-1.0, 1.1 * self.low)
        self.high = max([0, *(math.ceil(x) for x in logs)])
        if any(not math.isfinite(x) for x in shares):
            self.high = max(1, self.high + max(1, self.high // 8))

    def decades(self, x: float) -> float:
        """Return how many decades above the bound a number is drawn."""
        if not math.isfinite(x):
            return self.high
        return min(self.high, max(self.low, math.log10(x))) if x > 0 else self.low

    def along(self, x: float) -> float:
        """Return where a number is between the ends, from 0 to 1.

        Decades on one side of the bound are as long as the others on that side.
        """
        decades = self.decades(x)
        bound = LEFT if self.high else 1.0
        return bound * (1 - decades / self.low) if decades < 0 else (
            bound + (1 - bound) * decades / max(1, self.high)
        )

    def ticks(self) -> list[float]:
        """Return numbers to be marked, but for the bound."""
        deep = math.floor(-self.low)
        below = [10.0**-d for d in range(1, deep + 1) if d % math.ceil(deep / MOST_TICKS) == 0]
        if deep < 2:
            below += [x for x in (0.5, 0.2, 0.05, 0.02) if math.log10(x) >= self.low]
        step = math.ceil(max(1, self.high) / MOST_TICKS)
        return sorted([*below, *(10.0**d for d in range(step, self.high + 1, step))])


def scale(report: Report) -> Scale:
    """Return the axis of a report."""
    shares = (r.worst for r in report.results)
    return Scale(s.share for s in shares if s is not None)


def level(share: float) -> int:
    """Return the level of colour of an error over bound."""
    if math.isnan(share):
        return len(LEVELS) - 1
    return next(i for i, end in enumerate(LEVELS) if share <= end)


# ------------------------------------------------------------------------------ what they add up to


def proportions(report: Report) -> Markup:
    """Draw one bar, of as many parts as there are ways in which a case came out."""
    found = Counter(kind(r, report) for r in report.results)
    total, x, parts = max(1, sum(found.values())), 0.0, []
    for name, said in KINDS.items():
        if n := found[name]:
            width = 100 * n / total
            parts.append(tag(
                "rect", tag("title", f"{n} of {total}: {said}"), x=_per_cent(x), y=0,
                width=_per_cent(width), height=10, class_=f"part {name}",
            ))
            x += width
    label = ", ".join(f"{found[name]} {said}" for name, said in KINDS.items() if found[name])
    return tag(
        "svg", *parts, class_="proportions", width="100%", height=10, role="img",
        aria_label=label or "no case",
    )


# ------------------------------------------------------------------------------ one mark a case


def strip(report: Report, places: Mapping[str, str] | None = None) -> Markup:
    """Draw the worst error over bound of every case, sorted, from the bound up or down.

    Parameters
    ----------
    report : Report
    places : mapping of case to str, optional
        Where each case's mark leads.
    """
    axis = scale(report)
    # A side without a case on it need not be as high.
    up = ABOVE * min(1.0, max(0.2, axis.high / 3))
    heights = BELOW / -axis.low, up / max(1, axis.high)
    zero = MARGIN + up

    def y(decades: float) -> float:
        return zero - decades * heights[decades > 0]

    bottom, top = y(axis.low), y(axis.high) if axis.high else zero - up
    height = bottom + MARGIN
    grid = [
        tag("rect", x=0, y=_px(top), width="100%", height=_px(zero - top), class_="beyond"),
        *(
            join([
                tag("line", x1=0, x2="100%", y1=_px(at), y2=_px(at), class_="grid"),
                tag("text", _tick(x), x=-8, y=_px(at + 4), class_="tick"),
            ])
            for x in axis.ticks() for at in [y(math.log10(x))]
        ),
        tag("text", "1", x=-8, y=_px(zero + 4), class_="tick one"),
    ]
    order = sorted(report.results, key=lambda r: _rank(r, report))
    slot = 100 / max(1, len(order))
    marks, ends_at = [], []
    for i, result in enumerate(order):
        of, at = kind(result, report), result.worst
        mid, wide = slot * (i + 0.5), min(slot * (0.72 if len(order) <= CROWDED else 1), 2.2)
        x, w = _per_cent(mid - wide / 2), _per_cent(wide)
        said = f"{result.case}: {result.verdict}"
        if at is not None:
            said += f", error over bound {short(at.share)} ({place(at)})"
            ends = sorted((zero, y(axis.decades(at.share))))
            drawn = [tag(
                "rect", x=x, width=w, y=_px(ends[0]), height=_px(max(1.5, ends[1] - ends[0])),
                class_=f"bar {of}",
            )]
        else:
            drawn = []
        if of == "unasked":
            drawn = [tag(
                "rect", x=x, width=w, y=_px(zero - 3), height=6, class_="bar unasked",
            )]
        elif odd(result, report):
            drawn.append(_cross(mid, zero - 12, of))
        elif at is not None and not math.isfinite(at.share):
            ends_at.append(mid)
        hit = tag("rect", x=_per_cent(slot * i), width=_per_cent(slot), y=0, height=_px(height),
                  class_="hit")
        inside = (tag("title", said), hit, *drawn)
        to = (places or {}).get(result.case)
        marks.append(tag("a", *inside, href=to, tabindex=-1) if to else tag("g", *inside))
    bound = (
        tag("line", x1=0, x2="100%", y1=_px(zero), y2=_px(zero), class_="bound"),
        tag("text", "beyond the bound", x=6, y=_px(top + 14), class_="note"),
    )
    if ends_at:
        middle = sum(ends_at) / len(ends_at)
        marks.append(tag("text", "∞", x=_per_cent(middle), y=_px(top - 5), class_="end"))
    n = len(order)
    return tag(
        "svg", *grid, *marks, *bound, class_="strip", width="100%", height=_px(height),
        role="img", aria_label=f"Error over bound of {n} cases, sorted; the table has the numbers",
    )


def _rank(result: Result, report: Report) -> tuple[int, float, str]:
    at = result.worst
    of = kind(result, report)
    if of == "unasked":
        return 0, 0.0, result.case
    share = math.inf if at is None or math.isnan(at.share) else at.share
    return 2 if odd(result, report) else 1, share, result.case


def _cross(x: float, y: float, of: Kind) -> Markup:
    """Draw a failure that is no number: a cross on the bound."""
    return tag(
        "svg", tag("path", d="M-4-4 4 4M4-4-4 4", class_=f"cross {of}"), x=_per_cent(x), y=_px(y),
        overflow="visible",
    )


def mini(at: Share, axis: Scale, of: Kind) -> Markup:
    """Draw one error over bound beside the bound, for a row of a table."""
    x, one = 100 * axis.along(at.share), 100 * axis.along(1.0)
    low, high = sorted((x, one))
    return tag(
        "svg",
        tag("line", x1=0, x2="100%", y1=7, y2=7, class_="track"),
        tag("line", x1=_per_cent(low), x2=_per_cent(high), y1=7, y2=7, class_=f"stem {of}"),
        tag("line", x1=_per_cent(one), x2=_per_cent(one), y1=1, y2=13, class_="bound"),
        tag("circle", cx=_per_cent(x), cy=7, r=3.2, class_=f"dot {of}"),
        class_="mini", width="100%", height=14, aria_hidden="true",
    )


# ------------------------------------------------------------------------------ one cell a line


def cell(shares: Sequence[Share]) -> Markup:
    """Draw one line of one case: a slice a step, in order, each as dark as its error over bound.

    A step has as many layers as it has; the worst of them is drawn.
    """
    by_step: dict[int, float] = {}
    for s in shares:
        one = by_step.get(s.t, 0.0)
        by_step[s.t] = s.share if math.isnan(s.share) or s.share > one else one
    levels = [level(by_step[t]) for t in sorted(by_step)]
    paths: dict[int, str] = {}
    x = 0
    for of, run in groupby(levels):
        n = len(list(run))
        paths[of] = f"{paths.get(of, '')}M{x} 0h{n}v1h-{n}z"
        x += n
    at = max(shares, key=lambda s: s.share, default=None)
    assert at is not None
    said = f"{short(at.share)} of the bound at {place(at)}; steps: {len(levels)}"
    return tag(
        "svg", tag("title", said),
        *(tag("path", d=d, class_=f"l{of}") for of, d in sorted(paths.items())),
        viewBox=f"0 0 {x} 1", preserveAspectRatio="none", class_="cell", role="img",
    )


def legend() -> Markup:
    """Draw what the levels of colour mean."""
    n = len(LEVELS)
    wide = 100 / n
    return tag(
        "svg",
        *(
            join([
                tag("rect", x=_per_cent(i * wide), y=0, width=_per_cent(wide), height=12,
                    class_=f"l{i}"),
                tag("text", name, x=_per_cent((i + 0.5) * wide), y=27, class_="step"),
            ])
            for i, name in enumerate(LEVEL_NAMES)
        ),
        tag("line", x1=_per_cent(wide * (WITHIN + 1)), x2=_per_cent(wide * (WITHIN + 1)), y1=-3,
            y2=15, class_="bound"),
        class_="legend", width="100%", height=32, role="img",
        aria_label="Colours: blue is within the bound, darker nearer to it; orange is beyond it",
    )


# ------------------------------------------------------------------------------ numbers in SVG


def _px(x: float) -> str:
    return f"{x:.1f}".removesuffix(".0")


def _per_cent(x: float) -> str:
    return f"{x:.3f}".rstrip("0").rstrip(".") + "%"


def _tick(x: float) -> str:
    if 0.01 <= x <= 10:
        return f"{x:g}"
    return f"10{str(round(math.log10(x))).translate(SUPERSCRIPTS)}"
