"""The page of a report is sound HTML, asks nothing of the network, and says what it should."""

from __future__ import annotations

import base64
import datetime
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paratrooper_ref.conformance import (
    VERDICTS,
    Departure,
    Expectation,
    Like,
    Profile,
    ReferenceBackend,
    Report,
    Result,
    Share,
    check,
)
from paratrooper_ref.conformance.html import page
from paratrooper_ref.conformance.html.pictures.levels import cell
from paratrooper_ref.conformance.verdict import CONFORMS, DEPARTS, RAISES, UNSUPPORTED, Constant

VOID = {"meta", "link", "input", "br", "col", "wbr"}
NASTY = """<script>alert("1")</script>'&\x00\ud800</title></style>"""


class Node:
    """An element, with what is in it."""

    def __init__(self, name: str, attributes: dict[str, str | None], parent: Node | None) -> None:
        self.name, self.attributes, self.parent = name, attributes, parent
        self.inside: list[Node | str] = []

    def all(self, *names: str) -> Iterator[Node]:
        """Yield elements of some names, or all, in order."""
        for node in self.inside:
            if isinstance(node, Node):
                if not names or node.name in names:
                    yield node
                yield from node.all(*names)

    def text(self, *without: str) -> str:
        """Return what is read, but for elements of some names."""
        return "".join(
            node if isinstance(node, str) else "" if node.name in without else node.text(*without)
            for node in self.inside
        )

    def has(self, name: str) -> bool:
        """Return whether it is of a class."""
        return name in (self.attributes.get("class") or "").split()


class Tree(HTMLParser):
    """A document as a tree; an element that is not closed in its turn is an error."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.at = Node("", {}, None)
        self.feed(source)
        self.close()
        assert self.at is self.root, f"{self.at.name} is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Go into an element."""
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}"
        node = Node(tag, dict(attrs), self.at)
        self.at.inside.append(node)
        if tag not in VOID:
            self.at = node

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add an element of SVG, where alone such are closed."""
        assert any(n.name == "svg" for n in _upwards(self.at)), f"<{tag}/> outside of SVG"
        self.at.inside.append(Node(tag, dict(attrs), self.at))

    def handle_endtag(self, tag: str) -> None:
        """Come out of it."""
        assert tag == self.at.name, f"</{tag}> in {self.at.name}"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        """Add text."""
        self.at.inside.append(data)


def _upwards(node: Node | None) -> Iterator[Node]:
    while node is not None:
        yield node
        node = node.parent


def tree(report: Report) -> Node:
    """Return the page of a report, parsed."""
    return Tree(page(report)).root


def result(case: str, verdict: str = CONFORMS, *shares: float, **more: Any) -> Result:
    """Return a result with an error over bound a step."""
    made = tuple(
        Share(t=t + 1, layer="w", tag=tag, share=x, index=2, got=1.25, wanted=1.5, bound=2.0**-20)
        for t, x in enumerate(shares) for tag in ("m", "theta")
    )
    if verdict == DEPARTS:
        more = {"departure": Departure(at=made[-1], agreed=made[:1], unseen=("rho",))} | more
    return Result(
        case=case, verdict=verdict, shares=made, steps=len(shares), of=len(shares) + 1, **more
    )


def report(*results: Result, **more: Any) -> Report:
    """Return a report of results."""
    given: dict[str, Any] = {
        "backend": "mine", "algorithm": "adam", "tier": "core", "corpus": "1.0.0",
        "digest": "ab" * 32, "profile": Profile(), "total": len(results), "results": results,
        "versions": {"paratrooper-ref": "0.2.0"},
    }
    return Report(**given | more)


LIKE = Like(
    variant="adam.eps_hat", kind="dialect", misfit=0.25, tags=("rho",), was="a = b + eps",
    line="a = b", seen="somewhere", link="https://example.org/1",
)
EXPECTED = Expectation(
    id="g/2", verdict=DEPARTS, line="theta", reason="known", link="https://example.org/2",
    until=datetime.date(2031, 5, 6),
)
MANY = {
    "conforming": report(result("g/1", CONFORMS, 0.25, 0.5), result("g/2", CONFORMS, 0.0)),
    "one": report(result("g/1", CONFORMS, 0.25)),
    "failing": report(
        result("g/1", CONFORMS, 0.25), result("g/2", DEPARTS, 0.5, 1234.5, t=2, likes=[LIKE]),
        result("g/3", DEPARTS, 7.0, t=3), result("g/4", RAISES, detail="ValueError: no", t=4),
        result("g/5", UNSUPPORTED, detail="not here"), likes=[LIKE],
        constants=[Constant(name="eps", given=1e-8, found=1e-7, multiple=True)],
    ),
    "all failing": report(*(result(f"g/{i}", DEPARTS, 10.0**i, t=1) for i in range(1, 9))),
    "only raising": report(result("g/1", RAISES, detail="no", t=1)),
    "unsupported": report(*(result(f"g/{i}", UNSUPPORTED, detail="no") for i in range(3))),
    "nothing": report(),
    "incomplete": report(result("g/1", CONFORMS, 0.5), total=3),
    "twice": report(result("g/1", CONFORMS, 0.5), result("g/1", CONFORMS, 0.5)),
    "expected": report(
        result("g/1", CONFORMS, 0.5), result("g/2", DEPARTS, 3.0, t=1), expected={"g/2": EXPECTED}
    ),
    "nothing held": report(
        result("g/1", RAISES, detail="no", t=1), expected={"g/1": EXPECTED}
    ),
    "problems": report(result("g/1", CONFORMS, 0.5), problems=["g/7 is no case"]),
    "infinite": report(
        result("g/1", DEPARTS, math.inf, t=1), result("g/2", DEPARTS, math.nan, t=1),
        result("g/5", DEPARTS, 2.0, math.nan, 3.0, t=2), result("g/3", CONFORMS, 1e-300),
        result("g/4", CONFORMS, 1.0),
    ),
    "without numbers": report(
        result("reload/1", CONFORMS), result("g/1", DEPARTS, math.inf, t=1),
        result("g/2", CONFORMS, 0.5), result("twice/1", CONFORMS), result("g/3", RAISES, t=2),
        result("g/4", UNSUPPORTED),
    ),
    "hundreds": report(
        *(result(f"g/{i}", CONFORMS, *(i / 400,) * (i % 9 + 1)) for i in range(170)),
        *(result(f"h/{i}", DEPARTS, 1.5 + i, t=1) for i in range(30)),
    ),
    "every verdict": report(
        *(result(f"g/{i}", v, 0.5, 2.0, t=2) for i, v in enumerate(VERDICTS))
    ),
    "nasty": report(
        result(NASTY, DEPARTS, 3.0, t=1, likes=[replace(
            LIKE, variant=NASTY, seen=NASTY, link="javascript:alert(1)", was=NASTY, line=NASTY,
            tags=(NASTY,), kind=NASTY,
        )], departure=Departure(
            at=Share(t=1, layer=NASTY, tag=NASTY, share=3.0), unseen=(NASTY,),
        )),
        result(f"g/{NASTY}", RAISES, detail=NASTY, t=1),
        result(f"h/{NASTY}", UNSUPPORTED, detail=NASTY),
        result(f"i/{NASTY}", "a new verdict", 0.5, detail=NASTY),
        backend=NASTY, algorithm=NASTY, tier=NASTY, only=NASTY, dialect=NASTY, problems=[NASTY],
        ungiven=[NASTY],
        versions={NASTY: NASTY}, expected={f"i/{NASTY}": replace(
            EXPECTED, reason=NASTY, link="data:text/html,<script>alert(1)</script>",
        )},
        constants=[Constant(name=NASTY, given=1.0, found=2.0, multiple=False)],
    ),
}


@pytest.fixture(params=MANY)
def made(request: pytest.FixtureRequest) -> Report:
    """Return each of the reports."""
    return MANY[request.param]


@pytest.fixture(scope="module")
def checked() -> Report:
    """Return a report on a backend that shows its lines and has one of them wrong."""
    return check(ReferenceBackend("float64", variant="adam.eps_hat", probes=True), "adam")


def test_every_element_is_closed_and_every_name_is_used_once(made: Report) -> None:
    """Whatever is in a report, the tree of its page is the one that was written."""
    root = tree(made)

    assert page(made).startswith("<!DOCTYPE html>\n")
    ids = [n.attributes["id"] for n in root.all() if "id" in n.attributes]
    assert len(ids) == len(set(ids))
    assert [len(list(root.all(name))) for name in ("html", "head", "body", "main", "h1")] == [1] * 5


def test_headings_go_down_one_by_one(made: Report) -> None:
    """Nobody who reads by headings misses a level."""
    levels = [int(n.name[1]) for n in tree(made).all("h1", "h2", "h3", "h4", "h5", "h6")]

    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_tables_have_captions_and_heads_a_scope(made: Report) -> None:
    """A table says what it is about, and a head what it is the head of."""
    for table in tree(made).all("table"):
        first = next(n for n in table.inside if isinstance(n, Node))
        assert first.name == "caption"
        assert first.text().strip()
        assert all(th.attributes.get("scope") in ("row", "col") for th in table.all("th"))
        widths = {len([n for n in row.inside if isinstance(n, Node)]) for row in table.all("tr")}
        assert len(widths) == 1


def test_a_page_loads_nothing(made: Report) -> None:
    """What leads out is a link that a reader follows; what leads within arrives."""
    root = tree(made)
    ids = {n.attributes.get("id") for n in root.all()}

    for node in root.all():
        assert node.name not in ("img", "iframe", "object", "embed", "base", "form", "image", "use")
        for name, value in node.attributes.items():
            assert not name.startswith("on"), "a handler in an attribute"
            assert name not in ("src", "srcset", "style", "action", "data", "poster", "xlink:href")
            if name == "href" and node.name == "link":
                assert str(value).startswith("data:image/svg+xml,")
            elif name == "href":
                assert node.name == "a"
                assert str(value).startswith("https://") or str(value).removeprefix("#") in ids
    (sheet,), (script,) = root.all("style"), root.all("script")
    assert not re.search(r"url\(|@import|https?:", sheet.text())
    assert not re.search(r"https?:|fetch|XMLHttp|import|innerHTML|eval", script.text())


def test_a_page_forbids_itself_all_but_its_own_sheet_and_script(made: Report) -> None:
    """The policy names both by their digests, so nothing that slips in can run."""
    root = tree(made)
    (policy,) = (
        n.attributes["content"] for n in root.all("meta")
        if n.attributes.get("http-equiv") == "Content-Security-Policy"
    )

    allowed = dict(part.strip().split(" ", 1) for part in str(policy).split(";"))
    assert allowed.pop("default-src") == "'none'"
    for name in ("style", "script"):
        (node,) = root.all(name)
        digest = base64.b64encode(hashlib.sha256(node.text().encode()).digest()).decode()
        assert allowed.pop(f"{name}-src") == f"'sha256-{digest}'"
    assert allowed == {"img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}


def test_what_others_say_is_text() -> None:
    """Names, reasons and details that are markup stand on the page as they are spelled."""
    root = tree(MANY["nasty"])
    spelled = NASTY.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")

    (script,) = root.all("script")
    assert "alert" not in script.text()
    (heading,) = root.all("h1")
    assert heading.text() == spelled
    assert root.text("style", "script").count(spelled) > 20
    page(MANY["nasty"]).encode("utf-8")


def test_what_was_not_asked_is_said(checked: Report) -> None:
    """Arguments that nobody gave, and hyperparameters that a backend lacks."""
    asked = replace(checked.results[0], adapted={"l2": 0.0})
    report = replace(checked, ungiven=["decay"], results=[asked, *checked.results[1:]])
    facts = {dt.text(): dd.text() for dt, dd in pairwise(tree(report).all("dt", "dd"))}
    assert facts["Arguments that were never given"] == "decay"
    assert facts["Asked with what it has"] == "l2=0.0 (1 cases)"
    assert facts["Compared"] == ", ".join(report.compared)


def test_another_arithmetic_is_told(checked: Report) -> None:
    """Where nothing else explains what departs, that does."""
    fits = Profile(dtype="float32", scalars="array")
    bad = next(replace(r, likes=()) for r in checked.results if r.verdict == DEPARTS)
    nothing = replace(checked, results=[bad], likes=(), constants=())
    told = tree(replace(nothing, fits=fits)).text()
    assert f"It fits the profile {fits}, which is to be declared" in told
    assert "No known variant" not in told
    assert "No known variant" in tree(nothing).text()


def test_links_lead_to_the_web_or_are_text() -> None:
    """A link of another scheme is shown, and cannot be followed."""
    root = tree(MANY["nasty"])

    assert all(str(a.attributes["href"]).startswith("#") for a in root.all("a"))
    assert "javascript:alert(1)" in root.text()
    links = [a.attributes["href"] for a in tree(MANY["failing"]).all("a")]
    assert "https://example.org/1" in links


def leaves(x: Any) -> Iterator[Any]:
    """Yield what is in nested data."""
    if isinstance(x, dict):
        for key, value in x.items():
            yield key
            yield from leaves(value)
    elif isinstance(x, list):
        for value in x:
            yield from leaves(value)
    else:
        yield x


def derived(report: Report) -> set[float]:
    """Return counts that a reader of the JSON can make."""
    found = report.to_json()
    unexpected = [r for r in found["results"] if r["case"] not in found["expected"]]
    failed = [r for r in unexpected if r["verdict"] not in (CONFORMS, UNSUPPORTED)]
    by_reason = Counter(r["detail"] for r in found["results"] if r["verdict"] == UNSUPPORTED)
    counts = Counter(r["verdict"] for r in unexpected)
    counts += Counter(r["verdict"] + "!" for r in found["results"] if r not in unexpected)
    skipped = sum(r["of"] - r["steps"] for r in found["results"] if r["verdict"] == CONFORMS)
    shown = sum(bool(r["shares"]) for r in found["results"])
    return {
        len(failed), len(found["expected"]), len(found["results"]), skipped, shown, 0,
        *by_reason.values(), *counts.values(), *found["counts"].values(),
    }


@pytest.mark.parametrize("name", [n for n in MANY if n != "nasty"])
def test_every_number_is_one_of_the_report(name: str) -> None:
    """Numbers are those of `Report.to_json`, or counts of what is in it; there are no others."""
    _assert_numbers(MANY[name])


def test_every_number_of_a_check_is_one_of_its_report(checked: Report) -> None:
    """The same for a report as it is made."""
    _assert_numbers(checked)


def _assert_numbers(report: Report) -> None:
    found = list(leaves(report.to_json()))
    numbers = {float(x) for x in found if type(x) in (int, float)} | derived(report)
    root = tree(report)
    data = [n for n in root.all("data") if not n.has("made")]
    wrong = [
        n.attributes["value"] for n in data
        if float(str(n.attributes["value"])) not in numbers
        and str(n.attributes["value"]) not in found
    ]
    assert not wrong
    # What is read is what is meant, up to the digits that are shown.
    for n in data:
        said, value = n.text(), float(str(n.attributes["value"]))
        assert _read(said) == pytest.approx(value, rel=6e-3, abs=6e-2, nan_ok=True), said
    # And outside of those elements no other number stands.
    (body,) = root.all("body")
    words = {x for x in found if isinstance(x, str)} | {str(report.profile), "SHA-256"}
    for expectation in report.expected.values():
        words |= {expectation.until.isoformat(), expectation.link}
    text = _outside(body)
    for word in sorted((w for w in words if re.search(r"\d", w)), key=len, reverse=True):
        text = text.replace(word, " ")
    assert not re.findall(r".{0,20}\d.{0,20}", text)


def _outside(node: Node) -> str:
    """Return what is read besides numbers, places, lines of algorithms, and their symbols."""
    if node.name in ("data", "svg", "script") or node.has("bits") or node.has("where"):
        return " "
    if node.has("bead") or node.has("diff") or node.has("small"):
        return " "
    if node.name == "th" and "title" in node.attributes:
        return " "
    return "".join(n if isinstance(n, str) else _outside(n) for n in node.inside)


def _read(said: str) -> float:
    said = said.replace("−", "-").replace("∞", "inf")
    said = said.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(said.replace(" × 10", "e"))


def test_a_row_says_what_its_result_says(made: Report) -> None:
    """Verdict, worst margin and where it is, steps and seconds, in the order of the results."""
    (table,) = (t for t in tree(made).all("table") if t.attributes.get("id") == "cases")
    (body,) = table.all("tbody")
    rows = list(body.all("tr"))

    assert len(rows) == len(made.results)
    for row, r in zip(rows, made.results, strict=True):
        cells = [n for n in row.inside if isinstance(n, Node)]
        values = [[str(d.attributes["value"]) for d in cell.all("data")] for cell in cells]
        worst = max(
            r.shares, key=lambda s: math.inf if math.isnan(s.share) else s.share, default=None
        )
        assert row.attributes["data-verdict"] == r.verdict.replace("\x00", "\ufffd")
        assert r.verdict in cells[1].text()
        assert values[2] == ([] if worst is None else [repr(worst.share)])
        assert worst is None or f"{worst.tag} of {worst.layer}[{worst.index}]" in cells[4].text()
        assert values[5] == [str(r.steps), str(r.of)]
        assert values[6] == [repr(r.seconds)]


SENTENCES = {
    "conforming": "Conforms. All 2 cases are within the bounds.",
    "one": "Conforms. The one case is within the bounds.",
    "failing": "Does not conform. 3 of 5 cases fail.",
    "all failing": "Does not conform. All 8 cases fail.",
    "only raising": "Does not conform. The one case fails.",
    "unsupported": "No result. None of 3 cases could be asked.",
    "nothing": "No result. There is no case.",
    "incomplete": "No result. There is 1 result for 3 cases.",
    "twice": "No result. A case has more than one result.",
    "expected": "Conforms but for what is known: of 2 cases 1 is within the bounds, "
    "1 fails as expected.",
    "nothing held": "No result. Nothing that the backend has shown was compared.",
    "problems": "Does not conform. No case fails, but expectations are not met.",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_verdict_is_one_sentence(name: str) -> None:
    """The first sentence says what it comes to, in words that fit the counts."""
    (sentence,) = (p for p in tree(MANY[name]).all("p") if p.has("verdict"))

    assert sentence.text() == SENTENCES[name]


def test_a_cell_is_titled_by_its_worst() -> None:
    """A number that is none is worse than any other, in the colour and in the words."""
    shares = [Share(t=1, layer="w", tag="m", share=x) for x in (2.0, math.nan, 3.0)]

    assert "<title>NaN of the bound" in str(cell(shares))


def test_the_counts_add_up(made: Report) -> None:
    """The line below the bar is an equation that holds, or says that it does not."""
    (line,) = (p for p in tree(made).all("p") if p.has("sum"))

    total, *parts = (int(str(d.attributes["value"])) for d in line.all("data"))
    assert (total == sum(parts)) == ("=" in line.text())
    assert ("≠" in line.text()) == (len(made.results) != made.total)


def test_a_picture_has_a_mark_for_every_case(made: Report) -> None:
    """Each is told on hover, leads to its row, and is coloured by how it came out."""
    strips = [n for n in tree(made).all("svg") if n.has("strip")]
    if not any(r.shares for r in made.results):
        assert not strips
        return
    marks = list(strips[0].all("a"))
    said = [m.text() for m in marks]

    assert len(marks) == len(made.results)
    for r in made.results:
        case = r.case.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
        assert sum(s.startswith(f"{case}: ") for s in said) == [
            x.case for x in made.results
        ].count(r.case)
    for mark in marks:
        ys = [float(str(n.attributes["y"])) for n in mark.all("rect") if "y" in n.attributes]
        assert all(map(math.isfinite, ys))
    drawn = Counter(
        of for m in marks
        for of in ("holds", "fails", "expected", "unasked") if any(n.has(of) for n in m.all())
    )
    failed = sum(r.verdict not in (CONFORMS, UNSUPPORTED) for r in made.results)
    assert drawn["fails"] + drawn["expected"] == failed
    assert drawn["unasked"] == sum(r.verdict == UNSUPPORTED for r in made.results)
    assert drawn.total() == len(marks)


def test_what_has_no_number_is_sorted_by_how_it_came_out() -> None:
    """In the strip what conforms without a number is no gap among what is infinitely wrong."""
    (strip,) = (n for n in tree(MANY["without numbers"]).all("svg") if n.has("strip"))
    (bound,) = (n for n in strip.all("line") if n.has("bound"))
    zero = float(str(bound.attributes["y1"]))
    marks = {m.text().partition(":")[0]: m for m in strip.all("a")}

    assert list(marks) == ["g/4", "reload/1", "twice/1", "g/2", "g/1", "g/3"]
    for case, of in (("g/4", "unasked"), ("reload/1", "holds"), ("twice/1", "holds")):
        (bar,) = (n for n in marks[case].all("rect") if n.has("bar"))
        top, height = float(str(bar.attributes["y"])), float(str(bar.attributes["height"]))
        assert bar.has(of)
        assert top < zero < top + height
    assert any(n.has("cross") for n in marks["g/3"].all())


def test_a_mark_is_beyond_the_bound_if_its_number_is() -> None:
    """In the strip what is within hangs from the bound, and what is beyond stands on it."""
    (strip,) = (n for n in tree(MANY["infinite"]).all("svg") if n.has("strip"))
    (bound,) = (n for n in strip.all("line") if n.has("bound"))
    zero = float(str(bound.attributes["y1"]))

    for mark in strip.all("a"):
        for bar in (n for n in mark.all("rect") if n.has("bar")):
            top, height = float(str(bar.attributes["y"])), float(str(bar.attributes["height"]))
            hangs = top >= zero - 1e-9
            assert hangs == (mark.text().partition(":")[0] in ("g/3", "g/4"))
            assert hangs or top + height == pytest.approx(zero, abs=0.11)


def test_the_map_has_a_slice_a_step_and_colours_what_is_beyond() -> None:
    """In a cell each step is as wide as any other, and 1 is the last level within."""
    root = tree(report(result("g/1", DEPARTS, 0.0, 0.02, 1.0, 1.0, 1.0001, t=5)))
    cells = [n for n in root.all("svg") if n.has("cell")]

    assert len(cells) == 2
    for drawn in cells:
        paths = {n.attributes["class"]: n.attributes["d"] for n in drawn.all("path")}
        assert drawn.attributes["viewbox"] == "0 0 5 1"
        assert paths == {
            "l0": "M0 0h1v1h-1z", "l2": "M1 0h1v1h-1z", "l5": "M2 0h2v1h-2z",
            "l6": "M4 0h1v1h-1z",
        }


def test_the_first_failure_is_told_in_full(checked: Report) -> None:
    """The chain of lines, both numbers, the error and the line that is another."""
    first = checked.failed[0]
    assert first.departure is not None
    at, root = first.departure.at, tree(checked)
    card = next(n for n in root.all("div") if n.has("card"))
    (chain,) = (n for n in card.all("ol"))

    beads = [(li.has("agrees"), li.has("unseen"), li.has("departs")) for li in chain.all("li")]
    agreed, unseen = len(first.departure.agreed), len(first.departure.unseen)
    expected = [(True, False, False)] * agreed + [(False, True, False)] * unseen
    assert beads == [*expected, (False, False, True)]
    assert at.tag == "denominator"
    assert [td.text() for td in card.all("td")] == [
        repr(at.got), _bits(at.got), repr(at.wanted), _bits(at.wanted)
    ]
    assert "adam.eps_hat" in card.text()
    ((gone, new),) = zip(card.all("del"), card.all("ins"), strict=True)
    assert gone.text() == "− denominator = sqrt(v_hat) + eps"
    assert new.text() == "+ denominator = sqrt(v_hat) + eps / sqrt(1 - beta2_t)"
    assert [b.text() for b in new.all("b")] == ["/ sqrt(1 - beta2_t)"]


def _bits(x: float) -> str:
    return f"{np.float64(x).view(np.uint64):016x}"


def test_lines_that_are_not_shown_are_hollow_and_suspects_marked() -> None:
    """A line that the likeness changes stands out among those that the backend hides."""
    card = next(n for n in tree(MANY["failing"]).all("div") if n.has("card"))
    (chain,) = card.all("ol")

    assert [li.attributes["class"] for li in chain.all("li")] == [
        "agrees", "unseen suspect", "departs"
    ]


def test_digits_are_counted_as_what_is_right_of_what_is_wanted() -> None:
    """1.25 for 1.5 is a sixth off: 0.78 decimal digits; of 0 wanted there are none to count."""
    made = [n for n in tree(MANY["failing"]).all("data") if n.has("made")]
    of_nothing = [n for n in tree(MANY["nasty"]).all("data") if n.has("made")]

    assert [float(str(n.attributes["value"])) for n in made] == [pytest.approx(np.log10(6))] * 2
    assert {n.text() for n in made} == {"0.8"}
    assert not of_nothing


def test_every_failure_is_told_once() -> None:
    """One of each kind at the top, and the others below."""
    for name in ("failing", "all failing", "hundreds", "every verdict"):
        root = tree(MANY[name])
        cards = [n for n in root.all("div") if n.has("card")]
        assert len(cards) == len(MANY[name].failed)
        kinds = {(r.verdict, r.departure and r.departure.at.tag) for r in MANY[name].failed}
        assert sum(n.has("fails") for n in cards) == min(3, len(kinds))


def test_a_page_is_the_same_for_the_same_report(checked: Report) -> None:
    """But for the seconds, two checks of a backend give the same bytes."""
    again = check(ReferenceBackend("float64", variant="adam.eps_hat", probes=True), "adam")

    def timeless(report: Report) -> Report:
        results = [replace(r, seconds=0.0) for r in report.results]
        return replace(report, results=results, seconds=0.0)

    assert page(timeless(checked)) == page(timeless(again))
    assert page(checked) == page(checked)


def test_save_writes_the_page_where_the_name_says_so(tmp_path: Path) -> None:
    """In UTF-8, whatever the names are."""
    for name, made in MANY.items():
        path = tmp_path / f"{name}.html"
        made.save(path)
        assert path.read_text("utf-8") == page(made)
