"""The header: the verdict, the counts that add up to it, and the facts of the check."""

from __future__ import annotations

from collections import Counter
from typing import Final

from paratrooper_ref.conformance.html.emblem import emblem
from paratrooper_ref.conformance.html.markup import Markup, join, tag
from paratrooper_ref.conformance.html.outcome import outcome, sentence
from paratrooper_ref.conformance.html.parts import count, number, plural
from paratrooper_ref.conformance.html.pictures.small import proportions
from paratrooper_ref.conformance.html.spelling import place
from paratrooper_ref.conformance.html.ways import KINDS, kind
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import CONFORMS

WORST: Final = "Worst error over bound of what conforms"
VERSIONS: Final = "Versions"
ADAPTED: Final = "Asked with what it has"
UNGIVEN: Final = "Arguments that were never given"


def head(report: Report) -> Markup:
    """Return the header: who was asked what, what came of it, and under which conditions."""
    which = f"{report.algorithm}, {report.tier} tier"
    if report.only != "*":
        which += f", of it {report.only}"
    return tag(
        "header",
        tag("div", emblem(), tag("span", "Conformance report · ", tag("bdi", which)),
            class_="eyebrow"),
        tag("h1", tag("bdi", report.backend)),
        tag("p", sentence(report), class_=f"verdict {outcome(report)}"),
        proportions(report),
        _sum(report),
        _facts(report),
    )


def _sum(report: Report) -> Markup:
    """Say which counts add up to the number of cases."""
    parts = []
    for of in KINDS:
        verdicts = Counter(r.verdict for r in report.results if kind(r, report) == of)
        for verdict, n in sorted(verdicts.items(), key=lambda pair: (-pair[1], pair[0])):
            said = f"{verdict}, as expected" if of == "expected" else verdict
            said = "conform" if verdict == CONFORMS else said
            parts.append(tag(
                "span", tag("span", class_=f"key {of}"), tag("b", count(n)), f" {said}",
            ))
    n = len(report.results)
    total = tag("span", tag("b", count(report.total)), f" {plural('case', report.total)}")
    sign = tag("span", "=" if n == report.total else "≠")
    return tag(
        "p", total, " ", sign, " ", join(parts, tag("span", "+")) if parts else count(0),
        class_="sum",
    )


def _facts(report: Report) -> Markup:
    at = report.worst
    margin: object = "none"
    if at is not None:
        (case,) = [r.case for r in report.results if r.worst is at][:1] or [""]
        where = tag("span", f" {case}, {place(at)}", class_="small soft")
        margin = join([number(at.share), where])
    skipped = sum(r.of - r.steps for r in report.results if r.verdict == CONFORMS)
    facts = [
        ("Profile declared", tag("code", report.profile)),
        ("Dialect", tag("code", report.dialect) if report.dialect else "as published"),
        ("Corpus", report.corpus),
        ("Took", join([number(report.seconds, f"{report.seconds:.1f}"), " s"])),
        (WORST, margin),
        (VERSIONS, join([f"{k} {v}" for k, v in report.versions.items()], ", ") or "unknown"),
    ]
    if skipped:
        steps = join([count(skipped), f" {plural('step', skipped)}"])
        facts.append(("Not asked in cases that conform", steps))
    if report.ran:
        facts.append(("Compared", ", ".join(report.compared) or "nothing"))
    if report.adapted:
        asked = join([f"{what} ({n} cases)" for what, n in report.adapted.most_common()], ", ")
        facts.append((ADAPTED, asked))
    if report.ungiven:
        facts.append((UNGIVEN, ", ".join(report.ungiven)))
    rows = [
        tag("div", tag("dt", name), tag("dd", tag("bdi", said)),
            class_="two" if name in (WORST, VERSIONS, ADAPTED, UNGIVEN) else None)
        for name, said in facts
    ]
    digest = tag(
        "div", tag("dt", "Content digest of the corpus, SHA-256"),
        tag("dd", tag("code", report.digest)), class_="wide",
    )
    return tag("dl", *rows, digest, class_="facts")
