"""How a page of the kit looks, in light, in the dark and in print."""

from typing import Final

from paratrooper_ref.conformance.html.style.colours import DARK, LIGHT
from paratrooper_ref.conformance.html.style.failure import FAILURE
from paratrooper_ref.conformance.html.style.media import NARROW, PRINT
from paratrooper_ref.conformance.html.style.pictures import PICTURES
from paratrooper_ref.conformance.html.style.tables import TABLES
from paratrooper_ref.conformance.html.style.text import TEXT

FONTS: Final = """\
--sans: Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
--mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;"""

GROUND: Final = f"""\
:root {{ {FONTS}
{LIGHT} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{
{DARK} }} }}
"""

SHEET: Final = "".join((GROUND, TEXT, FAILURE, PICTURES, TABLES, NARROW, PRINT))
"""In the order in which they override each other."""
