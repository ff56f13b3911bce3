"""Which names are public, and which of them the reference says something about.

Plain Python, so that a test can ask it without Sphinx.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

API: Final = Path(__file__).parents[1] / "reference" / "api"
PAGES: Final = {
    "paratrooper_ref": "paratrooper_ref",
    "paratrooper_ref.explain": "explain",
    "paratrooper_ref.comparison": "comparison",
    "paratrooper_ref.plots": "plots",
    "paratrooper_ref.landscape": "landscape",
    "paratrooper_ref.noise_floor": "noise_floor",
    "paratrooper_ref.claims": "claims",
    "paratrooper_ref.variants": "variants",
    "paratrooper_ref.conformance": "conformance",
    "problems": "problems",
}
"""The modules whose public names are documented, and the page of each."""

_BLOCK: Final = re.compile(r"^```\{api\} (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def public(module: str) -> list[str]:
    """Return the public names of a module: its ``__all__``, or else what it defines."""
    found = import_module(module)
    if hasattr(found, "__all__"):
        return list(found.__all__)
    return [
        name for name, value in vars(found).items()
        if not name.startswith("_") and inspect.getmodule(value) is found
        and (inspect.isclass(value) or inspect.isfunction(value))
    ]


def asked(module: str, content: str) -> list[str]:
    """Return the names that an ``api`` block documents: those it lists, or all if it lists none."""
    return content.split() or public(module)


def listed(page: str) -> set[str]:
    """Return the qualified names that the ``api`` blocks of a page document."""
    return {
        f"{module}.{name}"
        for module, content in _BLOCK.findall(page)
        for name in asked(module, content)
    }


def missing(documented: Collection[str]) -> Iterator[str]:
    """Yield the public names that are not among those documented."""
    for module in PAGES:
        for name in public(module):
            if f"{module}.{name}" not in documented:
                yield f"{module}.{name}"
