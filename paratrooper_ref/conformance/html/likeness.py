"""What explains a failure: a known variant with its line, a constant, or another arithmetic."""

from __future__ import annotations

import difflib
import re

from paratrooper_ref.conformance.html.markup import Markup, join, tag, text
from paratrooper_ref.conformance.html.parts import count, link, number, value
from paratrooper_ref.conformance.html.spelling import in_full
from paratrooper_ref.conformance.report import LISTED, Report
from paratrooper_ref.conformance.verdict import DEPARTS, Like, Result
from paratrooper_ref.variants import VARIANTS


def explained(result: Result, report: Report) -> list[Markup]:
    """Return all that explains a failure, or one paragraph that says that nothing does."""
    said: list[Markup] = []
    if result.likes:
        everywhere = [v.variant for v in report.likes]
        n = sum(r.verdict == DEPARTS for r in report.results)
        whole = result.likes[0].variant in everywhere
        if whole:
            lead = join([
                "This explains every step of every case, ",
                join(["the one that departs"]) if n == 1 else join([
                    "those of the ", count(n), " that depart",
                ]),
                " among them." if n else ".",
            ])
        else:
            lead = text("Nothing known explains all cases; this explains this one.")
        said += [
            tag("h3", "What it looks like"), tag("p", lead),
            tag("ul", *(tag("li", *_like(like)) for like in result.likes[:LISTED]),
                class_="likes"),
        ]
        if len(result.likes) > LISTED:
            more = count(len(result.likes) - LISTED)
            said.append(tag("p", more, " more explain it as well.", class_="soft"))
    if report.constants:
        title = "Or a constant is another" if result.likes else "A constant is another"
        said += [
            tag("h3", title),
            tag("ul", *(tag("li", tag("code", c.name), " is ", _exact(c.found), " where ",
                            _exact(c.given), " was given; ",
                            "elsewhere it is the same multiple of what is given."
                            if c.multiple else "elsewhere too, whatever is given.")
                        for c in report.constants), class_="reasons"),
        ]
    if report.fits is not None:
        said += [
            tag("h3", "Or the arithmetic is another"),
            tag("p", "It fits the profile ", tag("code", str(report.fits)),
                ", which is to be declared if that is so."),
        ]
    if not said:
        said = [tag("p", "No known variant, single edit or constant explains it.", class_="soft")]
    return said


def _exact(x: float) -> Markup:
    return tag("data", in_full(x), value=value(x))


def _like(like: Like) -> list[Markup]:
    known = VARIANTS.get(like.variant)
    changes = known.changes if known else ((like.was, like.line),)
    named = f"an edit of {', '.join(like.tags)}" if like.kind == "edit" else like.variant
    kinds = {"bug": "a bug", "dialect": "another published choice", "edit": "in no list"}
    where = [tag("bdi", like.seen)] if like.seen else []
    where += [link(like.link)] if like.link else []
    return [
        tag("p", tag("b", named), ", ", kinds.get(like.kind, like.kind),
            "; with it the worst error over bound is ", number(like.misfit), "."),
        *(_diff(was, line) for was, line in changes),
        tag("p", "Seen: ", join(where, ", "), class_="small soft") if where else Markup(""),
    ]


def _diff(was: str, line: str) -> Markup:
    """Show a published line and what stands in its place, the words that differ marked."""
    before, after = _words(was), _words(line)
    old, new = [], []
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    for how, i, j, k, m in matcher.get_opcodes():
        a, b = "".join(before[i:j]), "".join(after[k:m])
        old.append(text(a) if how == "equal" else _bold(a))
        new.append(text(b) if how == "equal" else _bold(b))
    gone = tag("ins", "+ ", *new) if line.strip() else tag("ins", "+ ", tag("b", "(left out)"))
    return tag("pre", tag("del", "− ", *old), gone, class_="diff")


def _bold(said: str) -> Markup:
    core = said.strip()
    before, _, after = said.partition(core) if core else (said, "", "")
    return join([before, tag("b", core) if core else None, after])


def _words(line: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", line.strip().replace("\n", "\n  "))
