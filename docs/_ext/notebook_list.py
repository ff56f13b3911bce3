"""The block ``notebooks``: a table of contents of docs/notebooks, which may be empty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inserted import inserting

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER: Final = Path(__file__).parents[1] / "notebooks"


def contents(_: str, draw: object) -> str:
    """Return a toctree of the notebooks in the order of their names."""
    found = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    lines = "\n".join(f"../notebooks/{name}" for name in found)
    return f"```{{toctree}}\n:maxdepth: 1\n\n{lines}\n```" if found else "There are none yet."


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the block."""
    return inserting(app, "notebooks", contents)
