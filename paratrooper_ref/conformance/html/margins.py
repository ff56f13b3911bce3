"""How close each case is to its bound."""

from __future__ import annotations

from paratrooper_ref.conformance.html.markup import Markup, tag
from paratrooper_ref.conformance.html.parts import anchor, section
from paratrooper_ref.conformance.html.pictures.strip import strip
from paratrooper_ref.conformance.html.ways import KINDS, kind, odd
from paratrooper_ref.conformance.report import Report


def margins(report: Report) -> Markup:
    """Return the section with one bar for each case, or with the reason why there is none."""
    places = {r.case: f"#{anchor(i)}" for i, r in enumerate(report.results)}
    measured = sum(bool(r.all_shares) for r in report.results)
    if not measured:
        return section("How close to the bound", tag(
            "p", "No step was measured, so there is nothing to draw.", class_="soft",
        ))
    found = {kind(r, report) for r in report.results}
    keys = [
        tag("span", tag("span", class_=f"key {of}"), said)
        for of, said in KINDS.items() if of in found
    ]
    if any(odd(r, report) for r in report.results):
        keys.append(tag("span", "× fails with no number beyond its bound"))
    return section(
        "How close to the bound",
        tag("p", "The largest error over bound of each case, from the best to the worst. A bar "
            "hangs from the bound as far as there is room below it, and stands on it where the "
            "bound is broken. Each decade is as high as any other on its side."),
        tag(
            "figure",
            tag("div", strip(report, places), class_="figure"),
            tag("figcaption", *keys, class_="keys"),
        ),
    )
