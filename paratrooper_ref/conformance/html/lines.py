"""Line by line: a map of all cases by what was compared, and one of the steps that depart."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from paratrooper_ref.conformance.html.markup import Markup, join, tag
from paratrooper_ref.conformance.html.parts import count, section
from paratrooper_ref.conformance.html.pictures.levels import cell, legend, level
from paratrooper_ref.conformance.html.spelling import short
from paratrooper_ref.conformance.html.ways import kind
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import Share
from paratrooper_ref.lines import MODEL_TAGS, TAGS

FEW: Final = 10  # columns that need not be spread over the page
OPEN: Final = 100  # cases up to which the map of all lines is unfolded


def lines(report: Report) -> Markup | None:
    """Return the section with both maps, or None where no step was measured."""
    rows = [r for r in report.results if r.all_shares]
    if not rows:
        return None
    names = _in_order({s.tag for r in rows for s in r.all_shares})
    group = _group(report)
    heads = [tag("th", tag("bdi", _symbol(name), title=name), scope="col") for name in names]
    body = []
    for r in rows:
        by_tag: dict[str, list[Share]] = defaultdict(list)
        for s in r.all_shares:
            by_tag[s.tag].append(s)
        cells = [tag("td", cell(by_tag[n]) if n in by_tag else None) for n in names]
        of = kind(r, report)
        body.append(tag(
            "tr", tag("th", r.case.removeprefix(group), scope="row", class_=of, title=r.case),
            *cells,
        ))
    table = tag(
        "table",
        tag("caption", "Each case by parameters and state. Within a cell steps run from left to "
            "right; of a step the worst element of the worst layer is shown."),
        tag("thead", tag("tr", tag("th", "case", scope="col"), *heads)),
        tag("tbody", *body), class_="heat",
    )
    if len(rows) > OPEN:
        table = tag("details", tag("summary", "All ", count(len(rows)), " cases"), table)
    return section(
        "Line by line",
        tag("figure", legend(), tag("figcaption", "Error over bound", class_="hidden")),
        table, _departures(report),
    )


def _departures(report: Report) -> Markup | None:
    """Show the step that departs of each case, by all lines that were seen or should have been."""
    rows = [(r, r.departure) for r in report.results if r.departure is not None]
    if not rows:
        return None
    names = _in_order({
        n for _, d in rows for n in (d.at.tag, *(s.tag for s in d.agreed), *d.unseen)
    })
    group = _group(report)
    body = []
    for r, d in rows:
        cells = []
        agreed: dict[str, list[Share]] = defaultdict(list)
        for s in d.agreed:
            agreed[s.tag].append(s)
        for name in names:
            if name == d.at.tag:
                cells.append(tag("td", tag(
                    "span", class_=f"off l{level(d.at.share)}",
                    title=f"{name} departs: {short(d.at.share)} of the bound",
                )))
            elif at := max(agreed[name], key=lambda s: s.share, default=None):
                cells.append(tag("td", tag(
                    "span", class_=f"l{level(at.share)}",
                    title=f"{name} agrees: {short(at.share)} of the bound",
                )))
            elif name in d.unseen:
                cells.append(tag("td", tag("span", class_="open", title=f"{name}: not shown")))
            else:
                cells.append(tag("td"))
        body.append(tag(
            "tr", tag("th", r.case.removeprefix(group), scope="row", title=r.case), *cells,
        ))
    return join([
        tag("h3", "The step that departs"),
        tag(
            "table",
            tag("caption", "Lines up to the first that is off, which is framed; dashed ones the "
                "backend does not show. Of what comes after it nothing is said."),
            tag("thead", tag("tr", tag("th", "case", scope="col"),
                             *(tag("th", n, scope="col") for n in names))),
            tag("tbody", *body),
            class_="heat lines few" if len(names) <= FEW else "heat lines",
        ),
    ])


def _in_order(names: set[str]) -> list[str]:
    known = [name for name in (*TAGS, *MODEL_TAGS) if name in names]
    return known + sorted(names.difference(known))


def _symbol(name: str) -> str:
    return f"{TAGS[name].symbol} {name}" if name in TAGS and len(name) > 1 else name


def _group(report: Report) -> str:
    """Return what all cases begin with, up to a slash."""
    groups = {r.case.partition("/")[0] for r in report.results if "/" in r.case}
    whole = len(groups) == 1 and all("/" in r.case for r in report.results)
    return f"{groups.pop()}/" if whole else ""
