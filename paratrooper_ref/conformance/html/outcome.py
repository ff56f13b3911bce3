"""What a report comes to: in one word, and in one sentence with its counts."""

from __future__ import annotations

from collections import Counter

from paratrooper_ref.conformance.html.markup import Markup, join, tag, text
from paratrooper_ref.conformance.html.parts import count, plural
from paratrooper_ref.conformance.html.ways import kind
from paratrooper_ref.conformance.report import FAILED, HOLDS, Report


def outcome(report: Report) -> str:
    """Return whether the backend "holds" or "fails", or is "unasked" as there is no result."""
    return {HOLDS: "holds", FAILED: "fails"}.get(report.exit_code, "unasked")


def word(report: Report) -> str:
    """Return what a report comes to, as its title says it."""
    said = {"holds": "conforms", "fails": "does not conform", "unasked": "no result"}
    return said[outcome(report)]


def sentence(report: Report) -> Markup:
    """Return the verdict, and how many cases it rests on."""
    found = Counter(kind(r, report) for r in report.results)
    n, failed = len(report.results), found["fails"]
    total = count(report.total)
    if n != report.total:
        are = "is" if n == 1 else "are"
        return _said("No result.", f" There {are} ", count(n), f" {plural('result', n)} for ",
                     total, f" {plural('case', report.total)}.")
    if not report.complete:
        return _said("No result.", " A case has more than one result.")
    if not n:
        return _said("No result.", " There is no case.")
    if not report.ran:
        which = join(["None of ", total, " cases"]) if n > 1 else text("The one case")
        return _said("No result.", " ", which, " could ", "not " if n == 1 else "", "be asked.")
    if failed:
        fails = "fails" if failed == 1 else "fail"
        which = join([count(failed), " of ", total, " cases"])
        if failed == n:
            which = join(["All ", total, " cases"]) if n > 1 else text("The one case")
        return _said("Does not conform.", " ", which, f" {fails}.")
    if report.problems:
        return _said("Does not conform.", " No case fails, but expectations are not met.")
    if not report.held:
        return _said("No result.", " Nothing that the backend has shown was compared.")
    if found["holds"] == n:
        every = join(["All ", total, " cases are"]) if n > 1 else text("The one case is")
        return _said("Conforms.", " ", every, " within the bounds.")
    rest = []
    if found["unasked"]:
        rest.append(join([count(found["unasked"]), " could not be asked"]))
    if found["expected"]:
        fails = "fails" if found["expected"] == 1 else "fail"
        rest.append(join([count(found["expected"]), f" {fails} as expected"]))
    but = " but for what is known" if found["expected"] else " where it could be asked"
    are = "is" if found["holds"] == 1 else "are"
    return _said("Conforms", f"{but}: of ", total, " cases ", count(found["holds"]),
                 f" {are} within the bounds, ", join(rest, " and "), ".")


def _said(strong: str, *rest: object) -> Markup:
    return join([tag("strong", strong), *rest])
