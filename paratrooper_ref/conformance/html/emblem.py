"""The emblem of the kit: a parachute."""

from typing import Final
from urllib.parse import quote

from paratrooper_ref.conformance.html.markup import Markup, tag

CANOPY: Final = "M2 11a10 9 0 0 1 20 0c-2-2-5-2-6.7 0-1.8-2-4.8-2-6.6 0C7 9 4 9 2 11z"
CORDS: Final = "M2 11 12 22 22 11M8.7 11 12 22 15.3 11"


def emblem() -> Markup:
    """Draw it in the colours of the page."""
    return tag(
        "svg", tag("path", d=CANOPY, class_="canopy"), tag("path", d=CORDS),
        viewBox="0 0 24 24", aria_hidden="true",
    )


def icon(color: str) -> str:
    """Return it in one colour, as an address that holds all of it."""
    drawn = tag(
        "svg", tag("path", d=CANOPY, fill=color),
        tag("path", d=CORDS, fill="none", stroke=color, stroke_width="1.6"),
        xmlns="http://www.w3.org/2000/svg", viewBox="0 0 24 24",
    )
    return f"data:image/svg+xml,{quote(drawn)}"
