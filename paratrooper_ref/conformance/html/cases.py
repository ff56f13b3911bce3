"""Tables of cases: every one in order, and those that took longest."""

from __future__ import annotations

from typing import Final

from paratrooper_ref.conformance.html.markup import Markup, tag
from paratrooper_ref.conformance.html.parts import anchor, badge, count, number, section
from paratrooper_ref.conformance.html.pictures.scale import scale
from paratrooper_ref.conformance.html.pictures.small import mini
from paratrooper_ref.conformance.html.spelling import place
from paratrooper_ref.conformance.html.ways import kind
from paratrooper_ref.conformance.report import Report

SLOWEST: Final = 5


def cases(report: Report) -> Markup:
    """Return the section with one row for each case."""
    axis = scale(report)
    rows = []
    for i, r in enumerate(report.results):
        of, at = kind(r, report), r.worst
        rows.append(tag(
            "tr",
            tag("th", r.case, scope="row"),
            tag("td", badge(r, report)),
            tag("td", number(at.share) if at else None, class_="n"),
            tag("td", mini(at, axis, of) if at else None, class_="axis"),
            tag("td", place(at) if at else r.detail if of != "holds" else None,
                class_="detail where"),
            tag("td", count(r.steps), " of ", count(r.of), class_="n", data_label="steps"),
            tag("td", number(r.seconds, f"{r.seconds:.2f}"), class_="n", data_label="seconds"),
            id=anchor(i), data_verdict=r.verdict,
        ))
    heads = (
        ("case", ""), ("verdict", ""), ("worst error ∕ bound", "n"), ("from the bound", "axis"),
        ("where", ""), ("steps", "n"), ("seconds", "n"),
    )
    return section("Every case", tag(
        "table",
        tag("caption", "Verdict, worst error over bound and where it is, steps looked at."),
        tag("thead", tag("tr", *(
            tag("th", name, scope="col", class_=of or None) for name, of in heads
        ))),
        tag("tbody", *rows), class_="list many", id="cases",
    ))


def slowest(report: Report) -> Markup | None:
    """Return the section on the cases that took longest, or None where there is no case."""
    order = sorted(report.results, key=lambda r: (-r.seconds, r.case))[:SLOWEST]
    if not order:
        return None
    rows = [
        tag("tr", tag("th", r.case, scope="row"),
            tag("td", number(r.seconds, f"{r.seconds:.2f}"), class_="n"),
            tag("td", count(r.steps), class_="n"))
        for r in order
    ]
    return section("What took longest", tag(
        "table", tag("caption", "Of each case the first time it was run."),
        tag("thead", tag("tr", tag("th", "case", scope="col"),
                         tag("th", "seconds", scope="col", class_="n"),
                         tag("th", "steps", scope="col", class_="n"))),
        tag("tbody", *rows), class_="list",
    ))
