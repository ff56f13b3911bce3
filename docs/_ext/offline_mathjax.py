"""MathJax, served by the site itself.

The files come from a package that holds them (the distribution django-static-mathjax, which needs
no Django) and are copied when the site is built: formulas render without a network, and no reader's
browser asks a third party for them.  Nothing of it is in the repository.

The version is pinned: its fonts are those of MathJax 3.2.2 as its authors released it, byte by
byte, and its script differs from theirs in what a minifier leaves out.
"""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SCRIPT: Final = "tex-chtml.js"
FONTS: Final = "output/chtml/fonts/woff-v2"


def setup(app: Sphinx) -> dict[str, Any]:
    """Say where MathJax is, and bring it there."""
    app.connect("config-inited", _configure)
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _configure(app: Sphinx, config: Any) -> None:
    config.mathjax_path = f"mathjax/{SCRIPT}"
    config.mathjax3_config = {
        # A formula as wide as it is; the box around it scrolls on a phone (site.css).
        "chtml": {"displayAlign": "left", "matchFontHeight": False},
    }


def _copy(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / "mathjax"
    with as_file(files("mathjax") / "static" / "mathjax") as source:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / "LICENSE", target / "LICENSE")
        shutil.copy(source / "es5" / SCRIPT, target / SCRIPT)
        shutil.copytree(source / "es5" / FONTS, target / FONTS, dirs_exist_ok=True)
