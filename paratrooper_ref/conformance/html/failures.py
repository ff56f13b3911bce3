"""What fails: the first of each kind at the top, the others further down, each told in full."""

from __future__ import annotations

from paratrooper_ref.conformance.html.departure import chain, error, twin
from paratrooper_ref.conformance.html.likeness import explained
from paratrooper_ref.conformance.html.markup import Markup, join, tag
from paratrooper_ref.conformance.html.parts import badge, count, section
from paratrooper_ref.conformance.report import SHOWN, Report
from paratrooper_ref.conformance.verdict import VERDICTS, Result
from paratrooper_ref.lines import TAGS


def first_failures(report: Report) -> Markup | None:
    """Return the section on the first failure of each kind, or None where nothing fails."""
    shown = _shown(report)
    if not shown:
        return None
    departs = shown[0].departure is not None
    told = [tag("div", *_told(r, report), class_="card fails") for r in shown]
    note = None
    if len(shown) > 1:
        note = tag("p", "One failure of each kind, early steps first.")
    return section("Where it first departs" if departs else "What fails first", note, *told)


def other_failures(report: Report) -> Markup | None:
    """Return the section on all other failures, or None where there are no others."""
    shown = _shown(report)
    others = [r for r in report.failed if r not in shown]
    if not others:
        return None
    said = []
    first = report.failed[0].likes
    for r in others:
        head: list[object] = [tag("code", r.case), " "]
        if r.departure is not None:
            head += ["departs first at ", tag("b", r.departure.at.tag)]
        else:
            head.append(badge(r, report))
        if r.t is not None:
            head += [", t = ", count(r.t)]
        told = _told(r, report, likes=r.likes != first)
        said.append(tag("details", tag("summary", *head), tag("div", *told, class_="card")))
    return section("All that fails besides", *said)


def _shown(report: Report) -> list[Result]:
    """Return the failures that are told at the top: the first of each kind."""
    kinds: dict[tuple[str, str], Result] = {}
    for r in report.failed:
        kinds.setdefault((r.verdict, r.departure.at.tag if r.departure else ""), r)
    return list(kinds.values())[:SHOWN]


def _told(result: Result, report: Report, *, likes: bool = True) -> list[Markup]:
    at = join([" at step t = ", count(result.t)]) if result.t is not None else ""
    if result.departure is None:
        return [
            tag("p", tag("code", result.case), at, ": ", badge(result, report), " ",
                VERDICTS.get(result.verdict, ""), "."),
            tag("pre", result.detail, class_="said"),
        ]
    departure = result.departure
    first = departure.at
    meaning = TAGS[first.tag].meaning if first.tag in TAGS else ""
    said = [
        tag("p", "In ", tag("code", result.case), at, " the first line that is off is ",
            tag("b", first.tag), f", {meaning}," if meaning else "", " of layer ",
            tag("code", first.layer), " at element ", count(first.index), ". ",
            "Each line is worked out from the backend’s own lines before it."),
        chain(departure, result.likes if likes else ()),
        twin(first),
        error(first),
    ]
    return said + (explained(result, report) if likes else [])
