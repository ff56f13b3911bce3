"""Figures that are drawn while the site is built, and stand nowhere in the repository."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from paratrooper_ref.plots import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sphinx.application import Sphinx


def drawn(
    app: Sphinx,
    docname: str,
    name: str,
    draw: Callable[[Axes], Any],
    size: tuple[float, float] = (6.4, 4.4),
    *,
    bare: bool = False,
) -> str:
    """Draw on new Axes, save the picture, and return its path as the page writes it.

    ``bare`` leaves out axes and title, for a thumbnail.  A warning is an error.
    """
    folder = Path(app.doctreedir) / "drawn"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    with warnings.catch_warnings(), mpl.rc_context(STYLE):
        warnings.simplefilter("error")
        figure, ax = plt.subplots(figsize=size, layout=None if bare else "constrained")
        draw(ax)
        if bare:
            ax.set(title="", position=(0, 0, 1, 1))
            ax.axis("off")
            if ax.get_legend() is not None:
                ax.get_legend().remove()
        figure.savefig(path, dpi=100 if bare else 150)
        plt.close(figure)
    page = (Path(app.srcdir) / docname).parent
    return Path(os.path.relpath(path, page)).as_posix()
