"""What does not conform and is no failure: what is unsupported, and what is expected to fail."""

from __future__ import annotations

from collections import defaultdict

from paratrooper_ref.conformance.html.markup import Markup, join, tag
from paratrooper_ref.conformance.html.parts import count, link, plural, section
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import UNSUPPORTED


def unsupported(report: Report) -> Markup | None:
    """Return the section on cases that could not be asked, by reason, or None."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for r in report.results:
        if r.verdict == UNSUPPORTED:
            by_reason[r.detail].append(r.case)
    if not by_reason:
        return None
    order = sorted(by_reason.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return section("Unsupported", tag("ul", *(
        tag(
            "li", count(len(names)), f" {plural('case', len(names))}: ", tag("b", why), tag(
                "details", tag("summary", "which"),
                tag("p", join([tag("code", name) for name in names], ", ")),
            ),
        )
        for why, names in order
    ), class_="reasons"))


def expectations(report: Report) -> Markup | None:
    """Return the section on what is expected and what is wrong with that, or None."""
    if not report.expected and not report.problems:
        return None
    said = []
    if report.problems:
        said += [
            tag("h3", "What is wrong with them"),
            tag("ul", *(tag("li", problem) for problem in report.problems), class_="reasons"),
        ]
    if report.expected:
        lines = [
            tag(
                "tr", tag("th", case, scope="row"),
                tag("td", tag("span", e.verdict, class_="badge expected")),
                tag("td", tag("bdi", e.reason)), tag("td", link(e.link)),
                tag("td", tag("time", e.until.isoformat()), class_="n"),
            )
            for case, e in sorted(report.expected.items())
        ]
        said.append(tag(
            "table", tag("caption", "Failures that are as expected, and why."),
            tag("thead", tag("tr", *(
                tag("th", name, scope="col")
                for name in ("case", "verdict", "reason", "link", "until")
            ))),
            tag("tbody", *lines), class_="list",
        ))
    return section("Expectations", *said)
