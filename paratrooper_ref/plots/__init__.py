"""Figures: a trajectory, a problem or a slice in, matplotlib Axes out.

A function that draws one thing draws on the Axes it is given (or on new ones) and returns them;
`overview` composes them, and `animate` sets them in motion.  The colours are told apart by eyes
without one kind of cone too, and each optimizer keeps its own everywhere.
"""

from paratrooper_ref.plots.basins import Basins, attraction, basins
from paratrooper_ref.plots.claims import (
    claim_curves,
    claim_cuts,
    claim_differences,
    claim_figure,
    claim_look,
    claim_verdicts,
)
from paratrooper_ref.plots.heat import Margins, margins
from paratrooper_ref.plots.landscapes import (
    against_depth,
    principal_shares,
    ratio_map,
    slice_lines,
    slice_map,
    slice_surface,
)
from paratrooper_ref.plots.motion import FILMS, animate, film_writer, save_animation
from paratrooper_ref.plots.noise import (
    expected_losses,
    largest_rates,
    saw_tooth,
    variance_ratio,
)
from paratrooper_ref.plots.overview import overview
from paratrooper_ref.plots.planes import contour, path
from paratrooper_ref.plots.runs import line, losses, trust
from paratrooper_ref.plots.scalars import curves, scalar_curves
from paratrooper_ref.plots.style import (
    AREAS,
    CATEGORIES,
    DASHED,
    INK,
    LOOKS,
    STYLE,
    Look,
    key,
    look,
    pale,
)
from paratrooper_ref.plots.sweeps import ends, sweep

__all__ = [
    "AREAS",
    "CATEGORIES",
    "DASHED",
    "FILMS",
    "INK",
    "LOOKS",
    "STYLE",
    "Basins",
    "Look",
    "Margins",
    "against_depth",
    "animate",
    "attraction",
    "basins",
    "claim_curves",
    "claim_cuts",
    "claim_differences",
    "claim_figure",
    "claim_look",
    "claim_verdicts",
    "contour",
    "curves",
    "ends",
    "expected_losses",
    "film_writer",
    "key",
    "largest_rates",
    "line",
    "look",
    "losses",
    "margins",
    "overview",
    "pale",
    "path",
    "principal_shares",
    "ratio_map",
    "save_animation",
    "saw_tooth",
    "scalar_curves",
    "slice_lines",
    "slice_map",
    "slice_surface",
    "sweep",
    "trust",
    "variance_ratio",
]
