"""The block ``pages PATTERN ...``: a table of contents of those that are there.

Of a ``toctree`` it differs in one thing: that nothing matches is no warning.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inserted import inserting

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS: Final = Path(__file__).parents[1]


def contents(patterns: str, draw: object) -> str:
    """Return a toctree of the pages and notebooks that match, pattern by pattern, by name."""
    found = [
        "/" + path.relative_to(DOCS).with_suffix("").as_posix()
        for pattern in patterns.split()
        for path in sorted(DOCS.glob(pattern)) if path.suffix in (".md", ".ipynb")
    ]
    lines = "\n".join(found)
    return f"```{{toctree}}\n:maxdepth: 1\n\n{lines}\n```" if found else "There are none yet."


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the block."""
    return inserting(app, "pages", contents)
