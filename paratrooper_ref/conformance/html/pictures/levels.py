"""Errors over bounds as levels of colour: one cell for a line of a case, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from paratrooper_ref.conformance.html.markup import Markup, join, tag
from paratrooper_ref.conformance.html.pictures.lengths import per_cent
from paratrooper_ref.conformance.html.spelling import place, short
from paratrooper_ref.conformance.verdict import Share

# Upper ends of the levels of colour: nothing at all, five within the bound, three beyond it.
LEVELS: Final = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0, 1e3, math.inf)
LEVEL_NAMES: Final = ("0", "≤ 0.01", "≤ 0.03", "≤ 0.1", "≤ 0.3", "≤ 1", "≤ 10", "≤ 10³", "more")
WITHIN: Final = LEVELS.index(1.0)


def level(share: float) -> int:
    """Return the level of colour of an error over bound."""
    if math.isnan(share):
        return len(LEVELS) - 1
    return next(i for i, end in enumerate(LEVELS) if share <= end)


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
    at = max(shares, key=lambda s: math.inf if math.isnan(s.share) else s.share)
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
                tag("rect", x=per_cent(i * wide), y=0, width=per_cent(wide), height=12,
                    class_=f"l{i}"),
                tag("text", name, x=per_cent((i + 0.5) * wide), y=27, class_="step"),
            ])
            for i, name in enumerate(LEVEL_NAMES)
        ),
        tag("line", x1=per_cent(wide * (WITHIN + 1)), x2=per_cent(wide * (WITHIN + 1)), y1=-3,
            y2=15, class_="bound"),
        class_="legend", width="100%", height=32, role="img",
        aria_label="Colours: blue is within the bound, darker nearer to it; orange is beyond it",
    )
