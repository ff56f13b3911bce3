"""A report as one HTML page: it asks nothing of the network, and reads without its script."""

from __future__ import annotations

import base64
import difflib
import hashlib
import math
import re
import struct
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlsplit

from paratrooper_ref.conformance import pictures
from paratrooper_ref.conformance.markup import Markup, join, tag, text
from paratrooper_ref.conformance.pictures import KINDS, kind, place, short
from paratrooper_ref.conformance.report import LISTED, SHOWN, Report
from paratrooper_ref.conformance.style import SCRIPT, SHEET
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    UNSUPPORTED,
    VERDICTS,
    Departure,
    Like,
    Result,
    Share,
)
from paratrooper_ref.lines import MODEL_TAGS, TAGS
from paratrooper_ref.variants import VARIANTS

SLOWEST: Final = 5
WORST: Final = "Worst error over bound of what conforms"
VERSIONS: Final = "Versions"
ADAPTED: Final = "Asked with what it has"
UNGIVEN: Final = "Arguments that were never given"
FEW: Final = 10  # columns that need not be spread over the page
OPEN: Final = 100  # cases up to which the map of all lines is unfolded
CANOPY: Final = "M2 11a10 9 0 0 1 20 0c-2-2-5-2-6.7 0-1.8-2-4.8-2-6.6 0C7 9 4 9 2 11z"
CORDS: Final = "M2 11 12 22 22 11M8.7 11 12 22 15.3 11"


def page(report: Report) -> str:
    """Return a report as an HTML document.

    What a backend, an expectation or an exception says is escaped, a link leads to the web or
    nowhere, and the document forbids itself every request and every script but its own.
    """
    body = join([
        _head(report),
        tag("main", _first(report), _expectations(report), _unsupported(report),
            _margins(report), _lines(report), _cases(report), _others(report), _slowest(report)),
        _foot(report),
        tag("script", Markup(SCRIPT)),
    ])
    document = tag("html", _metadata(report), tag("body", body), lang="en")
    return f"<!DOCTYPE html>\n{document}\n"


# --------------------------------------------------------------------------------- what is outside


def _metadata(report: Report) -> Markup:
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(SHEET)}; "
        f"script-src {_digest(SCRIPT)}; base-uri 'none'; form-action 'none'"
    )
    color = {"holds": "#0072b2", "fails": "#d55e00", "unasked": "#8b949c"}[_outcome(report)]
    icon = tag(
        "svg", tag("path", d=CANOPY, fill=color),
        tag("path", d=CORDS, fill="none", stroke=color, stroke_width="1.6"),
        xmlns="http://www.w3.org/2000/svg", viewBox="0 0 24 24",
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{report.backend} on {report.algorithm}: {_word(report)}"),
        tag("link", rel="icon", href=f"data:image/svg+xml,{quote(icon)}"),
        tag("style", Markup(SHEET)),
    )


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _foot(report: Report) -> Markup:
    return tag(
        "footer", "Single steps from stored states are held to proved numbers, those of runs, of "
        "dialects and of fewer hyperparameters to the reference's and its error; the bounds "
        "follow from the declared arithmetic, and none is set by hand. Made by paratrooper-ref",
        f" {report.versions['paratrooper-ref']}" if "paratrooper-ref" in report.versions else "",
        ".",
    )


# --------------------------------------------------------------------------------- what it comes to


def _outcome(report: Report) -> str:
    if not report.complete or not report.ran:
        return "unasked"
    return "holds" if report.ok else "fails"


def _word(report: Report) -> str:
    said = {"holds": "conforms", "fails": "does not conform", "unasked": "no result"}
    return said[_outcome(report)]


def _head(report: Report) -> Markup:
    mark = tag(
        "svg", tag("path", d=CANOPY, class_="canopy"), tag("path", d=CORDS),
        viewBox="0 0 24 24", aria_hidden="true",
    )
    which = f"{report.algorithm}, {report.tier} tier"
    if report.only != "*":
        which += f", of it {report.only}"
    return tag(
        "header",
        tag("div", mark, tag("span", "Conformance report · ", tag("bdi", which)), class_="eyebrow"),
        tag("h1", tag("bdi", report.backend)),
        tag("p", _sentence(report), class_=f"verdict {_outcome(report)}"),
        pictures.proportions(report),
        _sum(report),
        _facts(report),
    )


def _sentence(report: Report) -> Markup:
    found = Counter(kind(r, report) for r in report.results)
    n, failed = len(report.results), found["fails"]
    total = _count(report.total)
    if n != report.total:
        are = "is" if n == 1 else "are"
        return _said("No result.", f" There {are} ", _count(n), f" {_plural('result', n)} for ",
                     total, f" {_plural('case', report.total)}.")
    if not report.complete:
        return _said("No result.", " A case has more than one result.")
    if not n:
        return _said("No result.", " There is no case.")
    if not report.ran:
        which = join(["None of ", total, " cases"]) if n > 1 else text("The one case")
        return _said("No result.", " ", which, " could ", "not " if n == 1 else "", "be asked.")
    if failed:
        fails = "fails" if failed == 1 else "fail"
        which = join([_count(failed), " of ", total, " cases"])
        if failed == n:
            which = join(["All ", total, " cases"]) if n > 1 else text("The one case")
        return _said("Does not conform.", " ", which, f" {fails}.")
    if report.problems:
        return _said("Does not conform.", " No case fails, but expectations are not met.")
    if found["holds"] == n:
        every = join(["All ", total, " cases are"]) if n > 1 else text("The one case is")
        return _said("Conforms.", " ", every, " within the bounds.")
    rest = []
    if found["unasked"]:
        rest.append(join([_count(found["unasked"]), " could not be asked"]))
    if found["expected"]:
        fails = "fails" if found["expected"] == 1 else "fail"
        rest.append(join([_count(found["expected"]), f" {fails} as expected"]))
    but = " but for what is known" if found["expected"] else " where it could be asked"
    are = "is" if found["holds"] == 1 else "are"
    return _said("Conforms", f"{but}: of ", total, " cases ", _count(found["holds"]),
                 f" {are} within the bounds, ", join(rest, " and "), ".")


def _said(strong: str, *rest: object) -> Markup:
    return join([tag("strong", strong), *rest])


def _plural(word: str, n: int) -> str:
    return word if n == 1 else f"{word}s"


def _sum(report: Report) -> Markup:
    """Say which counts add up to the number of cases."""
    parts = []
    for of in KINDS:
        verdicts = Counter(r.verdict for r in report.results if kind(r, report) == of)
        for verdict, n in sorted(verdicts.items(), key=lambda pair: (-pair[1], pair[0])):
            said = f"{verdict}, as expected" if of == "expected" else verdict
            said = "conform" if verdict == CONFORMS else said
            parts.append(tag(
                "span", tag("span", class_=f"key {of}"), tag("b", _count(n)), f" {said}",
            ))
    n = len(report.results)
    total = tag("span", tag("b", _count(report.total)), f" {_plural('case', report.total)}")
    sign = tag("span", "=" if n == report.total else "≠")
    return tag(
        "p", total, " ", sign, " ", join(parts, tag("span", "+")) if parts else _count(0),
        class_="sum",
    )


def _facts(report: Report) -> Markup:
    at = report.worst
    margin: object = "none"
    if at is not None:
        (case,) = [r.case for r in report.results if r.worst is at][:1] or [""]
        where = tag("span", f" {case}, {place(at)}", class_="small soft")
        margin = join([_number(at.share), where])
    skipped = sum(r.of - r.steps for r in report.results if r.verdict == CONFORMS)
    facts = [
        ("Profile declared", tag("code", report.profile)),
        ("Dialect", tag("code", report.dialect) if report.dialect else "as published"),
        ("Corpus", report.corpus),
        ("Took", join([_number(report.seconds, f"{report.seconds:.1f}"), " s"])),
        (WORST, margin),
        (VERSIONS, join([f"{k} {v}" for k, v in report.versions.items()], ", ") or "unknown"),
    ]
    if skipped:
        steps = join([_count(skipped), f" {_plural('step', skipped)}"])
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


# --------------------------------------------------------------------------------- a failure


def _first(report: Report) -> Markup | None:
    shown = _shown(report)
    if not shown:
        return None
    departs = shown[0].departure is not None
    told = [tag("div", *_told(r, report), class_="card fails") for r in shown]
    note = None
    if len(shown) > 1:
        note = tag("p", "One failure of each kind, in the order of the cases.")
    return _section("Where it first departs" if departs else "What fails first", note, *told)


def _shown(report: Report) -> list[Result]:
    """Return the failures that are told at the top: the first of each kind."""
    kinds: dict[tuple[str, str], Result] = {}
    for r in report.failed:
        kinds.setdefault((r.verdict, r.departure.at.tag if r.departure else ""), r)
    return list(kinds.values())[:SHOWN]


def _told(result: Result, report: Report, *, likes: bool = True) -> list[Markup]:
    at = join([" at step t = ", _count(result.t)]) if result.t is not None else ""
    if result.departure is None:
        return [
            tag("p", tag("code", result.case), at, ": ", _badge(result, report), " ",
                VERDICTS.get(result.verdict, ""), "."),
            tag("pre", result.detail, class_="said"),
        ]
    departure = result.departure
    first = departure.at
    meaning = TAGS[first.tag].meaning if first.tag in TAGS else ""
    said = [
        tag("p", "In ", tag("code", result.case), at, " the first line that is off is ",
            tag("b", first.tag), f", {meaning}," if meaning else "", " of layer ",
            tag("code", first.layer), " at element ", _count(first.index), ". ",
            "Each line is worked out from the backend’s own lines before it."),
        _chain(departure, result.likes if likes else ()),
        _twin(first),
        _error(first),
    ]
    return said + (_explained(result, report) if likes else [])


def _error(at: Share) -> Markup:
    off, digits = abs(at.got - at.wanted), None
    if off > 0 and at.wanted and math.isfinite(off):
        digits = max(0.0, -math.log10(off / abs(at.wanted)))
    right = "" if digits is None else join([
        "; ", tag("data", f"{digits:.1f}", value=digits, class_="made"),
        " decimal digits are right",
    ])
    return tag(
        "p", "The error is ", tag("b", _number(at.share)), " times its bound, which is ",
        _number(at.bound), right, ".",
    )


def _chain(departure: Departure, likes: Sequence[Like]) -> Markup:
    """Show the lines up to the one that departs, in the order of the algorithm."""
    suspects = {name for like in likes for name in like.tags}
    beads = [
        *((s.tag, "agrees", join([_number(s.share), tag("span", " of its bound, agrees",
                                                        class_="hidden")]))
          for s in departure.agreed),
        *((name, "unseen", tag("span", "not shown", class_="hidden"))
          for name in departure.unseen),
        (departure.at.tag, "departs", text("departs")),
    ]
    items = []
    for name, how, under in beads:
        suspect = how == "unseen" and name in suspects
        known = {**TAGS, **MODEL_TAGS}.get(name)
        symbol = known.symbol.replace("^t", "ᵗ") if known else name
        bead = "bead long" if len(symbol) > 4 else "bead"
        items.append(tag(
            "li", tag("span", symbol, class_=bead, aria_hidden="true"), _breakable(name),
            tag("span", tag("span", "changed in what it looks like", class_="hidden")
                if suspect else under, class_="under"),
            class_=f"{how} suspect" if suspect else how,
            title=f"{name}: {known.meaning}" if known else None,
        ))
    changed = suspects.intersection(departure.unseen)
    keys = [
        tag("span", tag("span", class_=f"key {of}"), said)
        for of, said, there in (
            ("holds", "agrees, with its error over bound", departure.agreed),
            ("unasked", "not shown by the backend", changed != set(departure.unseen)),
            ("suspect", "not shown, and changed in what it looks like", changed),
            ("fails", "departs", True),
        )
        if there
    ]
    return join([
        tag("ol", *items, class_="chain", aria_label="Lines up to the one that departs"),
        tag("p", *keys, class_="keys"),
    ])


def _breakable(name: str) -> Markup:
    return join([text(part) for part in name.split("_")], Markup("_<wbr>"))


def _twin(at: Share) -> Markup:
    """Show two numbers above each other, with the digits marked from which on they differ."""
    rows = []
    for name, x, other in (("got", at.got, at.wanted), ("wanted", at.wanted, at.got)):
        mine, theirs = _aligned(x), _aligned(other)
        rows.append(tag(
            "tr", tag("th", name, scope="row"),
            tag("td", tag("data", _differing(mine, theirs), value=_value(x))),
            tag("td", tag("span", _differing(_bits(x), _bits(other)), class_="bits")),
        ))
    return tag(
        "table",
        tag("caption", "What it got and what was wanted, and both as the bits of a double",
            class_="hidden"),
        tag("thead", tag("tr", tag("th", tag("span", "which", class_="hidden"), scope="col"),
                         tag("th", "decimal", scope="col"),
                         tag("th", "bits of the double", scope="col"))),
        tag("tbody", *rows), class_="twin",
    )


def _aligned(x: float) -> str:
    return repr(float(x)).replace("-", "−")


def _differing(mine: str, other: str) -> Markup:
    same = next((i for i, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b),
                min(len(mine), len(other)))
    return join([mine[:same], tag("mark", mine[same:])]) if mine[same:] else text(mine)


def _bits(x: float) -> str:
    return struct.pack(">d", x).hex()


def _explained(result: Result, report: Report) -> list[Markup]:
    said: list[Markup] = []
    if result.likes:
        everywhere = [v.variant for v in report.likes]
        n = sum(r.verdict == DEPARTS for r in report.results)
        whole = result.likes[0].variant in everywhere
        if whole:
            lead = join([
                "This explains every step of every case, ",
                join(["the one that departs"]) if n == 1 else join([
                    "those of the ", _count(n), " that depart",
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
            more = _count(len(result.likes) - LISTED)
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


def _like(like: Like) -> list[Markup]:
    known = VARIANTS.get(like.variant)
    changes = known.changes if known else ((like.was, like.line),)
    named = f"an edit of {', '.join(like.tags)}" if like.kind == "edit" else like.variant
    kinds = {"bug": "a bug", "dialect": "another published choice", "edit": "in no list"}
    where = [tag("bdi", like.seen)] if like.seen else []
    where += [_link(like.link)] if like.link else []
    return [
        tag("p", tag("b", named), ", ", kinds.get(like.kind, like.kind),
            "; with it the worst error over bound is ", _number(like.misfit), "."),
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


def _link(link: str) -> Markup:
    """Return a link to the web; what leads elsewhere is text."""
    try:
        safe = urlsplit(link).scheme in ("http", "https") and not re.search(r"\s", link)
    except ValueError:
        safe = False
    return tag("a", link, href=link, rel="noopener noreferrer") if safe else tag("bdi", link)


# --------------------------------------------------------------------------------- the pictures


def _margins(report: Report) -> Markup:
    places = {r.case: f"#{_id(i)}" for i, r in enumerate(report.results)}
    measured = sum(bool(r.all_shares) for r in report.results)
    if not measured:
        return _section("How close to the bound", tag(
            "p", "No step was measured, so there is nothing to draw.", class_="soft",
        ))
    found = {kind(r, report) for r in report.results}
    keys = [
        tag("span", tag("span", class_=f"key {of}"), said)
        for of, said in KINDS.items() if of in found
    ]
    if any(pictures.odd(r, report) for r in report.results):
        keys.append(tag("span", "× fails with no number beyond its bound"))
    return _section(
        "How close to the bound",
        tag("p", "The largest error over bound of each case, from the best to the worst. A bar "
            "hangs from the bound as far as there is room below it, and stands on it where the "
            "bound is broken. Each decade is as high as any other on its side."),
        tag(
            "figure",
            tag("div", pictures.strip(report, places),
                class_="figure"),
            tag("figcaption", *keys, class_="keys"),
        ),
    )


def _lines(report: Report) -> Markup | None:
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
        cells = [tag("td", pictures.cell(by_tag[n]) if n in by_tag else None) for n in names]
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
        table = tag("details", tag("summary", "All ", _count(len(rows)), " cases"), table)
    return _section(
        "Line by line",
        tag("figure", pictures.legend(), tag("figcaption", "Error over bound", class_="hidden")),
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
                    "span", class_=f"off l{pictures.level(d.at.share)}",
                    title=f"{name} departs: {short(d.at.share)} of the bound",
                )))
            elif at := max(agreed[name], key=lambda s: s.share, default=None):
                cells.append(tag("td", tag(
                    "span", class_=f"l{pictures.level(at.share)}",
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


# --------------------------------------------------------------------------------- every case


def _id(i: int) -> str:
    return f"case-{i + 1}"


def _cases(report: Report) -> Markup:
    axis = pictures.scale(report)
    rows = []
    for i, r in enumerate(report.results):
        of, at = kind(r, report), r.worst
        rows.append(tag(
            "tr",
            tag("th", r.case, scope="row"),
            tag("td", _badge(r, report)),
            tag("td", _number(at.share) if at else None, class_="n"),
            tag("td", pictures.mini(at, axis, of) if at else None, class_="axis"),
            tag("td", place(at) if at else r.detail if of != "holds" else None,
                class_="detail where"),
            tag("td", _count(r.steps), " of ", _count(r.of), class_="n", data_label="steps"),
            tag("td", _number(r.seconds, f"{r.seconds:.2f}"), class_="n", data_label="seconds"),
            id=_id(i), data_verdict=r.verdict,
        ))
    heads = (
        ("case", ""), ("verdict", ""), ("worst error ∕ bound", "n"), ("from the bound", "axis"),
        ("where", ""), ("steps", "n"), ("seconds", "n"),
    )
    return _section("Every case", tag(
        "table",
        tag("caption", "Verdict, worst error over bound and where it is, steps looked at."),
        tag("thead", tag("tr", *(
            tag("th", name, scope="col", class_=of or None) for name, of in heads
        ))),
        tag("tbody", *rows), class_="list many", id="cases",
    ))


def _badge(result: Result, report: Report) -> Markup:
    of = kind(result, report)
    said = f"{result.verdict}, expected" if of == "expected" else result.verdict
    return tag("span", said, class_=f"badge {of}", title=VERDICTS.get(result.verdict))


def _others(report: Report) -> Markup | None:
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
            head.append(_badge(r, report))
        if r.t is not None:
            head += [", t = ", _count(r.t)]
        told = _told(r, report, likes=r.likes != first)
        said.append(tag("details", tag("summary", *head), tag("div", *told, class_="card")))
    return _section("All that fails besides", *said)


def _unsupported(report: Report) -> Markup | None:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for r in report.results:
        if r.verdict == UNSUPPORTED:
            by_reason[r.detail].append(r.case)
    if not by_reason:
        return None
    order = sorted(by_reason.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return _section("Unsupported", tag("ul", *(
        tag(
            "li", _count(len(names)), f" {_plural('case', len(names))}: ", tag("b", why), tag(
                "details", tag("summary", "which"),
                tag("p", join([tag("code", name) for name in names], ", ")),
            ),
        )
        for why, names in order
    ), class_="reasons"))


def _expectations(report: Report) -> Markup | None:
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
                tag("td", tag("bdi", e.reason)), tag("td", _link(e.link)),
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
    return _section("Expectations", *said)


def _slowest(report: Report) -> Markup | None:
    order = sorted(report.results, key=lambda r: (-r.seconds, r.case))[:SLOWEST]
    if not order:
        return None
    rows = [
        tag("tr", tag("th", r.case, scope="row"),
            tag("td", _number(r.seconds, f"{r.seconds:.2f}"), class_="n"),
            tag("td", _count(r.steps), class_="n"))
        for r in order
    ]
    return _section("What took longest", tag(
        "table", tag("caption", "Of each case the first time it was run."),
        tag("thead", tag("tr", tag("th", "case", scope="col"),
                         tag("th", "seconds", scope="col", class_="n"),
                         tag("th", "steps", scope="col", class_="n"))),
        tag("tbody", *rows), class_="list",
    ))


# --------------------------------------------------------------------------------- small parts


def _section(title: str, *inside: object) -> Markup:
    return tag("section", tag("h2", title), *inside)


def _number(x: float, said: str | None = None) -> Markup:
    """Return a number of the report, as people read it and as it is."""
    return tag("data", short(x) if said is None else said, value=_value(x))


def _exact(x: float) -> Markup:
    return tag("data", _aligned(x), value=_value(x))


def _count(n: int | None) -> Markup:
    return tag("data", n, value=n)


def _value(x: float) -> str:
    return repr(float(x))
