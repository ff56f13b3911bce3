"""Where a step departs: the lines up to that one, its two numbers, and how far they are apart."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from paratrooper_ref.conformance.html.markup import Markup, join, tag, text
from paratrooper_ref.conformance.html.parts import number, value
from paratrooper_ref.conformance.html.spelling import in_full
from paratrooper_ref.conformance.verdict import Departure, Like, Share
from paratrooper_ref.lines import MODEL_TAGS, TAGS


def chain(departure: Departure, likes: Sequence[Like]) -> Markup:
    """Show the lines up to the one that departs, in the order of the algorithm."""
    suspects = {name for like in likes for name in like.tags}
    beads = [
        *((s.tag, "agrees", join([number(s.share), tag("span", " of its bound, agrees",
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


def twin(at: Share) -> Markup:
    """Show two numbers above each other, with the digits marked from which on they differ."""
    rows = []
    for name, x, other in (("got", at.got, at.wanted), ("wanted", at.wanted, at.got)):
        mine, theirs = in_full(x), in_full(other)
        rows.append(tag(
            "tr", tag("th", name, scope="row"),
            tag("td", tag("data", _differing(mine, theirs), value=value(x))),
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


def _differing(mine: str, other: str) -> Markup:
    same = next((i for i, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b),
                min(len(mine), len(other)))
    return join([mine[:same], tag("mark", mine[same:])]) if mine[same:] else text(mine)


def _bits(x: float) -> str:
    return struct.pack(">d", x).hex()


def error(at: Share) -> Markup:
    """Say how many times its bound an error is, and how many digits are right."""
    off, digits = abs(at.got - at.wanted), None
    if off > 0 and at.wanted and math.isfinite(off):
        digits = max(0.0, -math.log10(off / abs(at.wanted)))
    right = "" if digits is None else join([
        "; ", tag("data", f"{digits:.1f}", value=digits, class_="made"),
        " decimal digits are right",
    ])
    return tag(
        "p", "The error is ", tag("b", number(at.share)), " times its bound, which is ",
        number(at.bound), right, ".",
    )
