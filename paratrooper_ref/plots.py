"""Figures: a trajectory or a problem in, matplotlib Axes out.

A function that draws one thing draws on the Axes it is given (or on new ones) and returns them;
`overview` composes them.  The colours are distinguishable without red and green, and each
optimizer keeps its own everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from paratrooper_ref.arithmetic import EXACT, scalar
from paratrooper_ref.explain import evaluate
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers.paratrooper import Paratrooper, paratrooper
from paratrooper_ref.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paratrooper_ref.comparison import Entry
    from problems import Problem


class Look(NamedTuple):
    """How an optimizer is drawn."""

    color: str
    dashes: str | tuple[float, tuple[float, ...]] = "-"
    width: float = 1.6
    label: str = ""


DASHED: Final = (0, (4, 1.6))
LOOKS: Final[Mapping[str, Look]] = {
    "sgd": Look("#8c8c8c", label="SGD"),
    "adam": Look("#56b4e9", DASHED, label="Adam"),
    "adamw": Look("#0072b2", label="AdamW"),
    "radam": Look("#5fc9a8", DASHED, label="RAdam"),
    "radamw": Look("#009e73", label="RAdamW"),
    "lars": Look("#c9a400", DASHED, label="LARS"),
    "lamb": Look("#e69f00", label="LAMB"),
    "lookahead": Look("#cc79a7", DASHED, label="Lookahead"),
    "ranger": Look("#8a4fa3", label="Ranger"),
    "rangerlars": Look("#d55e00", label="RangerLars"),
    "paratrooper": Look("#111111", width=2.6, label="Paratrooper"),
}
INK: Final = "#2b2b2b"
STYLE: Final = {
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.dpi": 160,
}


def look(name: str) -> Look:
    """Return how an optimizer is drawn; one of another name is dark grey."""
    base = name.partition("(")[0]
    found = LOOKS.get(base, Look("#444444", label=name))
    return found if base == name else found._replace(label=name)


def contour(problem: Problem, ax: Axes | None = None, *, points: int = 240) -> Axes:
    """Draw the level sets of a problem with two parameters, evenly spaced in the log of the loss.

    Declared minimizers are stars, other critical points small marks.

    Raises
    ------
    ValueError
        If the problem does not have two parameters in one layer, or declares no domain.
    """
    ax = _axes(ax)
    layer, low, high = _plane(problem)
    xs, ys = (np.linspace(low[i], high[i], points) for i in (0, 1))
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    loss = np.asarray(problem.loss({layer: grid})).reshape(points, points)
    floor = loss.min() if problem.minimum is None else min(problem.minimum, loss.min())
    # NOTE: the logarithm shows a valley's floor; a thousandth of the median keeps it from
    # spending all its levels on the last digits around the minimum.
    height = np.log10(loss - floor + 1e-3 * (np.median(loss) - floor))
    ax.contourf(xs, ys, height, levels=28, cmap=_pale(), zorder=0)
    ax.contour(
        xs, ys, height, levels=14, colors="#5b7690", linewidths=0.45, alpha=0.55, zorder=1
    )
    marks = {"saddle": "x", "maximum": "^", "minimum": "o"}
    for point in problem.critical_points:
        x, y = np.ravel(point.params[layer])
        ax.plot(x, y, marks[point.kind], color="#47606f", markersize=5, zorder=3)
    for minimizer in problem.minimizers:
        x, y = np.ravel(minimizer[layer])
        ax.plot(
            x, y, "*", markersize=17, color="#ffd23f", markeredgecolor=INK, zorder=6, clip_on=False
        )
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="x", ylabel="y")
    return ax


def path(trajectory: Trajectory, ax: Axes | None = None, *, name: str | None = None) -> Axes:
    """Draw where a run with two parameters went, from a ring to a dot.

    Raises
    ------
    ValueError
        If the problem does not have two parameters, or the run did not record them or is a batch.
    """
    from matplotlib.patheffects import Normal, Stroke

    _single("path", trajectory)
    ax = _axes(ax)
    layer, _, _ = _plane(trajectory.problem)
    if layer not in trajectory.params:
        msg = f"path needs recorded parameters, got record={trajectory.record!r}"
        raise ValueError(msg)
    style = look(name or trajectory.optimizer.algorithm)
    x, y = trajectory.params[layer].astype(float).T
    halo = [Stroke(linewidth=style.width + 1.6, foreground="white", alpha=0.8), Normal()]
    on_top = 4 + (style.width > 2)
    ax.plot(
        x, y, color=style.color, ls=style.dashes, lw=style.width, label=style.label,
        path_effects=halo, zorder=on_top,
    )
    ax.plot(x[0], y[0], "o", ms=8, mfc="white", mec=INK, mew=1.4, zorder=7)
    ax.plot(x[-1], y[-1], "o", ms=6, color=style.color, mec="white", mew=0.8, zorder=on_top + 1)
    return ax


def losses(
    trajectories: Mapping[str, Trajectory], ax: Axes | None = None, *, floor: float = 0.0
) -> Axes:
    """Draw the loss above the problem's minimum over the steps, on a logarithmic axis.

    Where a minimum is unknown the loss itself is drawn.  ``floor`` hides what is below it.

    Raises
    ------
    ValueError
        If a run is a batch.
    """
    ax = _axes(ax)
    known = all(trajectory.problem.minimum is not None for trajectory in trajectories.values())
    top = 0.0
    for name, trajectory in trajectories.items():
        _single("losses", trajectory)
        base = trajectory.problem.minimum if known else 0.0
        height = trajectory.losses.astype(float) - (base or 0.0)
        top = max(top, float(height[0]))
        height = np.where(height > floor, height, np.nan)
        style = look(name)
        ax.plot(
            trajectory.t, height, color=style.color, ls=style.dashes, lw=style.width,
            label=style.label, zorder=3 + (style.width > 2),
        )
    ax.set_yscale("log")
    ax.grid(True, which="major", lw=0.7)
    _cut_above(ax, 20 * top)
    ax.set(xlabel="step", ylabel="loss above the minimum" if known else "loss")
    ax.margins(x=0)
    return ax


def sweep(
    entries: Sequence[Entry], ax: Axes | None = None, *, floor: float = 0.0
) -> Axes:
    """Draw the final loss of each optimizer against its learning rate; the best is a dot.

    What ended far above the start is beyond the top.
    """
    ax = _axes(ax)
    top = 0.0
    for entry in entries:
        style = look(entry.name)
        base = entry.best.problem.minimum or 0.0
        top = max(top, float(entry.best.losses[0]) - base)
        finals = np.array(entry.finals) - base
        finals = np.where(np.isfinite(finals) & (finals > floor), finals, np.nan)
        ax.plot(
            entry.rates, finals, color=style.color, ls=style.dashes, lw=style.width,
            label=style.label, zorder=3 + (style.width > 2),
        )
        best = float(entry.best.losses[-1]) - base
        if best > floor:
            ax.plot(entry.lr, best, "o", ms=5.5, color=style.color, mec="white", mew=0.7, zorder=6)
    ax.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="final loss")
    _cut_above(ax, 20 * top)
    ax.grid(True, which="major", lw=0.7)
    return ax


def line(
    trajectory: Trajectory, tag: str, ax: Axes | None = None, *, layer: str | None = None
) -> Axes:
    """Draw a tagged line over the steps: each element, or its quartiles where there are many.

    Raises
    ------
    ValueError
        If the run did not record the line in that layer.
    """
    ax = _axes(ax)
    layer = layer or next(iter(trajectory.lines), "")
    recorded = trajectory.lines.get(layer, {})
    if tag not in recorded:
        msg = f"line needs a recorded line of a layer, got {tag!r} in {layer!r}: {[*recorded]}"
        raise ValueError(msg)
    values = recorded[tag].astype(float).reshape(len(trajectory.t), -1)
    style = look(trajectory.optimizer.algorithm)
    if values.shape[1] <= 8:
        for i, column in enumerate(values.T):
            shade = 1 - 0.7 * i / max(1, values.shape[1] - 1)
            ax.plot(trajectory.t, column, color=style.color, alpha=shade, lw=1.5)
    else:
        low, middle, high = np.nanquantile(values[1:], (0.25, 0.5, 0.75), axis=1)
        ax.fill_between(trajectory.t[1:], low, high, color=style.color, alpha=0.25, lw=0)
        ax.plot(trajectory.t[1:], middle, color=style.color, lw=1.5)
    ax.set(xlabel="step", ylabel=f"${TAGS[tag].tex}$", title=f"{TAGS[tag].meaning}, {layer}")
    ax.grid(True, lw=0.7)
    ax.margins(x=0)
    return ax


def trust(trajectory: Trajectory, ax: Axes | None = None) -> Axes:
    """Draw the trust ratio of each layer under its ceiling.

    Raises
    ------
    ValueError
        If the run has no trust ratio.
    """
    ax = _axes(ax)
    layers = [name for name, tags in trajectory.lines.items() if "trust_ratio" in tags]
    if not layers:
        msg = f"trust needs a recorded trust ratio, got a run of {trajectory.optimizer.name}"
        raise ValueError(msg)
    palette = [s.color for s in LOOKS.values() if s.width < 2]
    for i, name in enumerate(layers):
        ax.plot(
            trajectory.t, trajectory.lines[name]["trust_ratio"].astype(float),
            color=palette[(1 + 3 * i) % len(palette)], lw=1.8, label=f"T, layer {name}", zorder=3,
        )
    cap = trajectory.lines[layers[0]].get("cap")
    if cap is not None:
        ax.plot(trajectory.t, cap.astype(float), color=INK, lw=1.1, ls=DASHED, label="ceiling R")
    ax.set(yscale="log", xlabel="step", ylabel="trust ratio")
    ax.grid(True, which="major", lw=0.7)
    ax.legend()
    ax.margins(x=0)
    return ax


def curves(
    ax: Axes | None = None, *, beta1: float = 0.95, beta2: float = 0.999, steps: int = 2000
) -> Axes:
    """Draw the source's three curves: b, 1/b and the ceiling 1/(r b), from Paratrooper's lines."""
    ax = _axes(ax)
    b, ceiling = scalar_curves(beta1, beta2, steps)
    t = np.arange(1, steps + 1)
    ax.plot(t, b, color="#0072b2", lw=2, label=r"$b_t$, bias correction")
    ax.plot(t, 1 / b, color="#009e73", lw=2, label=r"$1/b_t$")
    ax.plot(t, ceiling, color="#111111", lw=2.4, label=r"$1/(r_t b_t)$, the ceiling")
    ax.axhline(1, color="#999999", lw=0.8, zorder=0)
    opened = int(np.flatnonzero(np.isfinite(ceiling))[0]) if np.isfinite(ceiling).any() else None
    if opened is not None:
        ax.annotate(
            f"t = {t[opened]}: {ceiling[opened]:.1f}", (t[opened], ceiling[opened]),
            xytext=(14, -3), textcoords="offset points", color=INK,
        )
    low = int(np.argmin(b))
    ax.annotate(
        f"t = {t[low]}: {b[low]:.4f}", (t[low], b[low]), xytext=(-24, -16),
        textcoords="offset points", color="#0072b2",
    )
    ax.set_ylim(bottom=0.5 * float(b[low]))
    ax.set(xscale="log", yscale="log", xlabel="step t", xlim=(1, steps))
    ax.set_title(rf"$\beta_1 = {beta1:g}$, $\beta_2 = {beta2:g}$")
    ax.grid(True, which="major", lw=0.7)
    ax.legend()
    return ax


def scalar_curves(beta1: float, beta2: float, steps: int) -> tuple[Any, Any]:
    """Return b and 1/(r b) for t = 1 to steps; the latter NaN where it is not rectified.

    Raises
    ------
    ValueError
        If a beta is not in [0, 1), or there is no step.
    """
    settings = Paratrooper(beta1=beta1, beta2=beta2).hyper()  # refuses betas out of range
    if steps < 1:
        msg = f"curves needs steps >= 1, got steps={steps}"
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


def overview(entries: Sequence[Entry]) -> Figure:
    """Return one figure of a comparison: paths where there is a plane, losses, sweeps."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    problems: dict[str, list[Entry]] = {}
    for entry in entries:
        problems.setdefault(entry.best.problem.name, []).append(entry)
    planes = [rows for rows in problems.values() if _has_plane(rows[0].best.problem)]
    swept = any(len(entry.rates) > 1 for entry in entries)
    with mpl.rc_context(STYLE):
        columns = (["plane"] if planes else []) + ["losses"] + (["sweep"] if swept else [])
        widths = {"plane": 1.55, "losses": 1.15, "sweep": 1.0}
        rows = max(2, len(problems)) if planes else len(problems)
        wide = max(6.4, 4.6 * sum(widths[c] for c in columns))
        high = 3.6 * rows + 0.9
        figure: Figure = plt.figure(figsize=(wide, high))
        grid = figure.add_gridspec(  # margins in inches, so that labels fit at every size
            rows, len(columns), width_ratios=[widths[c] for c in columns],
            left=0.9 / wide, right=1 - 0.25 / wide, top=1 - 0.55 / high, bottom=1.1 / high,
            wspace=0.27, hspace=0.42,
        )
        for group in planes:
            problem = group[0].best.problem
            place: Any = slice(None) if len(planes) == 1 else list(problems).index(problem.name)
            ax = figure.add_subplot(grid[place, 0])
            contour(problem, ax)
            for entry in group:
                path(entry.best, ax, name=entry.name)
            ax.set_title(f"{problem.name}: the way down")
        for i, (name, group) in enumerate(problems.items()):
            row: Any = i if len(problems) > 1 or not planes else slice(None)
            ax = figure.add_subplot(grid[row, columns.index("losses")])
            losses({e.name: e.best for e in group}, ax, floor=1e-10)
            ax.set_title(name)
            if swept:
                ax = figure.add_subplot(grid[row, columns.index("sweep")])
                sweep(group, ax, floor=1e-10)
                ax.set(title="where each learning rate ends", ylabel="")
        handles, labels = _legend(entries)
        figure.legend(
            handles, labels, loc="lower center", ncols=max(1, min(len(labels), int(wide / 1.45))),
            bbox_to_anchor=(0.5, 0.008), handlelength=1.9, columnspacing=1.5,
        )
    return figure


def _legend(entries: Sequence[Entry]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    looks = {entry.name: look(entry.name) for entry in entries}
    handles = [Line2D([], [], color=s.color, ls=s.dashes, lw=s.width) for s in looks.values()]
    return handles, [s.label for s in looks.values()]


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    with mpl.rc_context(STYLE):
        new: Axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")[1]
    return new


def _cut_above(ax: Axes, top: float) -> None:
    """Leave what is above ``top`` beyond the edge, with a margin for the rest."""
    shown = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in ax.lines])
    shown = shown[(shown > 0) & (shown <= max(top, 0))]
    if shown.size:
        low, high = np.log10([shown.min(), shown.max()])
        margin = 0.05 * max(high - low, 0.1)
        ax.set_ylim(10 ** (low - margin), 10 ** (high + margin))


def _single(who: str, trajectory: Trajectory) -> None:
    if trajectory.state.batch_axes:
        msg = f"{who} needs a single trajectory, got a batch of shape {trajectory.state.batch}"
        raise ValueError(msg)


def _has_plane(problem: Problem) -> bool:
    shapes = list(problem.layers.values())
    return shapes == [(2,)] and problem.domain is not None


def _plane(problem: Problem) -> tuple[str, Any, Any]:
    if not _has_plane(problem) or problem.domain is None:
        msg = f"a contour needs two parameters in one layer and a domain, got {problem.name}"
        raise ValueError(msg)
    ((layer, (low, high)),) = problem.domain.items()
    return layer, np.ravel(low), np.ravel(high)


def _pale() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    shades = ["#3d6a8a", "#6f9ab5", "#a9c7d8", "#d5e4ec", "#eef4f7", "#fbfcfd"]
    return LinearSegmentedColormap.from_list("pale", shades)
