"""The source's three curves: what the betas alone decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.arithmetic import EXACT, scalar
from paratrooper_ref.explain import evaluate
from paratrooper_ref.optimizers.paratrooper import Paratrooper, paratrooper
from paratrooper_ref.plots.style import CATEGORIES, INK, axes, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Steps that a figure takes itself: more would be minutes, and betas in use have long settled.
LONGEST: Final = 100_000


def curves(
    ax: Axes | None = None, *, beta1: float = 0.95, beta2: float = 0.999, steps: int = 2000
) -> Axes:
    """Draw the source's three curves: b, 1/b and the ceiling 1/(r b), from Paratrooper's lines.

    Without the ceiling where none of the steps is rectified.

    Raises
    ------
    ValueError
        If a beta is not in [0, 1), or steps not in 1 to 100 000.
    """
    ax = axes(ax)
    b, ceiling = scalar_curves(beta1, beta2, steps)
    t = np.arange(1, steps + 1)
    draw(ax, t, b, color=CATEGORIES[0], lw=2, label=r"$b_t$, bias correction")
    draw(ax, t, 1 / b, color=CATEGORIES[1], lw=2, label=r"$1/b_t$")
    ax.axhline(1, color="#999999", lw=0.8, zorder=0)
    if np.isfinite(ceiling).any():
        opened = int(np.flatnonzero(np.isfinite(ceiling))[0])
        draw(ax, t, ceiling, color="#111111", lw=2.4, label=r"$1/(r_t b_t)$, the ceiling")
        ax.annotate(
            f"t = {t[opened]}: {ceiling[opened]:.1f}", (t[opened], ceiling[opened]),
            xytext=(14, -3), textcoords="offset points", color=INK,
        )
    low = int(np.argmin(b))
    ax.annotate(
        f"t = {t[low]}: {b[low]:.4f}", (t[low], b[low]), xytext=(-24, -16),
        textcoords="offset points", color=CATEGORIES[0],
    )
    ax.set(xscale="log", yscale="log", xlabel="step t")
    ax.set_xlim((1, steps) if steps > 1 else (0.5, 2))
    ax.set_ylim(bottom=0.5 * min(float(b[low]), 1 / float(b.max())))
    ax.set_title(rf"$\beta_1 = {beta1:g}$, $\beta_2 = {beta2:g}$")
    ax.grid(True, which="major", lw=0.7)
    ax.legend()
    return ax


def scalar_curves(beta1: float, beta2: float, steps: int) -> tuple[Any, Any]:
    """Return b and 1/(r b) for t = 1 to steps; the latter NaN where it is not rectified.

    Raises
    ------
    ValueError
        If a beta is not in [0, 1), or steps not in 1 to 100 000.
    """
    settings = Paratrooper(beta1=beta1, beta2=beta2).hyper()  # refuses betas out of range
    if not 1 <= steps <= LONGEST:
        msg = f"curves needs steps >= 1 and at most {LONGEST}, got steps={steps}"
        raise ValueError(msg)
    b, ceiling = np.full(steps, np.nan), np.full(steps, np.nan)
    wanted = ("beta1", "beta2", "threshold")
    names: dict[str, Any] = {name: scalar(EXACT, settings[name]) for name in wanted}
    names["cap"] = settings["cap"]
    names["scheduled"] = evaluate(paratrooper, "scheduled", names)
    for t in range(1, steps + 1):
        names["t"] = t
        tags = ["beta1_t", "beta2_t", "rho_inf", "rho", "bias_correction", "rectified"]
        for tag in tags:
            names[tag] = evaluate(paratrooper, tag, names)
        b[t - 1] = float(names["bias_correction"])
        if names["rectified"]:
            names["rectification"] = evaluate(paratrooper, "rectification", names)
            ceiling[t - 1] = float(evaluate(paratrooper, "cap", names))
    return b, ceiling
