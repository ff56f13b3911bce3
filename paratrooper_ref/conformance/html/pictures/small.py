"""Two small pictures: a bar of what all cases add up to, and one error beside its bound."""

from __future__ import annotations

from collections import Counter

from paratrooper_ref.conformance.html.markup import Markup, tag
from paratrooper_ref.conformance.html.pictures.lengths import per_cent
from paratrooper_ref.conformance.html.pictures.scale import Scale
from paratrooper_ref.conformance.html.ways import KINDS, Kind, kind
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import Share


def proportions(report: Report) -> Markup:
    """Draw one bar, of as many parts as there are ways in which a case came out."""
    found = Counter(kind(r, report) for r in report.results)
    total, x, parts = max(1, sum(found.values())), 0.0, []
    for name, said in KINDS.items():
        if n := found[name]:
            width = 100 * n / total
            parts.append(tag(
                "rect", tag("title", f"{n} of {total}: {said}"), x=per_cent(x), y=0,
                width=per_cent(width), height=10, class_=f"part {name}",
            ))
            x += width
    label = ", ".join(f"{found[name]} {said}" for name, said in KINDS.items() if found[name])
    return tag(
        "svg", *parts, class_="proportions", width="100%", height=10, role="img",
        aria_label=label or "no case",
    )


def mini(at: Share, axis: Scale, of: Kind) -> Markup:
    """Draw one error over bound beside the bound, for a row of a table."""
    x, one = 100 * axis.along(at.share), 100 * axis.along(1.0)
    low, high = sorted((x, one))
    return tag(
        "svg",
        tag("line", x1=0, x2="100%", y1=7, y2=7, class_="track"),
        tag("line", x1=per_cent(low), x2=per_cent(high), y1=7, y2=7, class_=f"stem {of}"),
        tag("line", x1=per_cent(one), x2=per_cent(one), y1=1, y2=13, class_="bound"),
        tag("circle", cx=per_cent(x), cy=7, r=3.2, class_=f"dot {of}"),
        class_="mini", width="100%", height=14, aria_hidden="true",
    )
