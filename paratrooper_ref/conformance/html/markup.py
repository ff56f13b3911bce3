"""HTML and SVG as values: what is no markup is escaped, so nothing that a backend says is."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Final

EMPTY: Final = frozenset({"meta", "link", "input", "br", "col"})
DRAWN: Final = frozenset({"rect", "line", "path", "circle"})
NO_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def text(x: object) -> Markup:
    """Return text as markup; characters that HTML does not have are shown as such.

    Examples
    --------
    >>> text("<b>")
    '&lt;b&gt;'
    >>> text(text("<b>"))
    '&lt;b&gt;'
    """
    if isinstance(x, Markup):
        return x
    return Markup(html.escape(NO_TEXT.sub("\ufffd", str(x))))


def tag(name: str, /, *inside: object, **attributes: object) -> Markup:
    """Return an element; attributes that are None or False are left out, True ones have no value.

    A trailing underscore goes, and others become hyphens: ``class_``, ``stroke_width``.

    Examples
    --------
    >>> tag("p", "1 < 2", class_="a", hidden=True, title=None)
    '<p class="a" hidden>1 &lt; 2</p>'
    """
    said = "".join(
        f" {_named(key)}" if value is True else f' {_named(key)}="{text(value)}"'
        for key, value in attributes.items() if value is not None and value is not False
    )
    if name in EMPTY:
        return Markup(f"<{name}{said}>")
    content = join(inside)
    if name in DRAWN and not content:
        return Markup(f"<{name}{said}/>")
    return Markup(f"<{name}{said}>{content}</{name}>")


def join(parts: Iterable[object], between: str = "") -> Markup:
    """Return parts as one piece of markup."""
    return Markup(text(between).join(text(part) for part in parts if part is not None))


def _named(key: str) -> str:
    return key if key in ("viewBox", "preserveAspectRatio") else key.rstrip("_").replace("_", "-")
