"""Small parts that several sections need."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from paratrooper_ref.conformance.html.markup import Markup, tag
from paratrooper_ref.conformance.html.spelling import short
from paratrooper_ref.conformance.html.ways import kind
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import VERDICTS, Result


def section(title: str, *inside: object) -> Markup:
    """Return a section under its heading."""
    return tag("section", tag("h2", title), *inside)


def number(x: float, said: str | None = None) -> Markup:
    """Return a number of the report, as people read it and as it is."""
    return tag("data", short(x) if said is None else said, value=value(x))


def count(n: int | None) -> Markup:
    """Return a count of the report, as it is read and as it is."""
    return tag("data", n, value=n)


def value(x: float) -> str:
    """Return the shortest decimal that is read back as the same double."""
    return repr(float(x))


def plural(word: str, n: int) -> str:
    """Return a word as it stands after a number."""
    return word if n == 1 else f"{word}s"


def badge(result: Result, report: Report) -> Markup:
    """Return the verdict on a case, coloured by the way in which it came out."""
    of = kind(result, report)
    said = f"{result.verdict}, expected" if of == "expected" else result.verdict
    return tag("span", said, class_=f"badge {of}", title=VERDICTS.get(result.verdict))


def link(to: str) -> Markup:
    """Return a link to the web; what leads elsewhere is text."""
    try:
        safe = urlsplit(to).scheme in ("http", "https") and not re.search(r"\s", to)
    except ValueError:
        safe = False
    return tag("a", to, href=to, rel="noopener noreferrer") if safe else tag("bdi", to)


def anchor(i: int) -> str:
    """Return the id of a case's row, by the place of the case in the report."""
    return f"case-{i + 1}"
