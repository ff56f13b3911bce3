"""Figures: a trajectory, a problem or a slice in, matplotlib Axes out.

A function that draws one thing draws on the Axes it is given (or on new ones) and returns them;
`overview` composes them.  The colours are distinguishable without red and green, and each
optimizer keeps its own everywhere.
"""

from paratrooper_ref.plots.claims import (
    claim_curves,
    claim_cuts,
    claim_differences,
    claim_figure,
    claim_look,
)
from paratrooper_ref.plots.overview import overview
from paratrooper_ref.plots.planes import contour, path
from paratrooper_ref.plots.runs import line, losses, sweep, trust
from paratrooper_ref.plots.scalars import curves, scalar_curves
from paratrooper_ref.plots.style import DASHED, INK, LOOKS, STYLE, Look, look

__all__ = [
    "DASHED",
    "INK",
    "LOOKS",
    "STYLE",
    "Look",
    "claim_curves",
    "claim_cuts",
    "claim_differences",
    "claim_figure",
    "claim_look",
    "contour",
    "curves",
    "line",
    "look",
    "losses",
    "overview",
    "path",
    "scalar_curves",
    "sweep",
    "trust",
]
