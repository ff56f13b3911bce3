"""What runs have recorded, over their steps: losses, lines, trust ratios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.lines import MODEL_TAGS, TAGS
from paratrooper_ref.plots.spread import MIDDLE_NAME, band, quantiles
from paratrooper_ref.plots.style import (
    DASHED,
    INK,
    axes,
    category,
    cut_above,
    draw,
    fit_steps,
    key,
    look,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.optimizers.state import Array
    from paratrooper_ref.trajectory import Trajectory

APART: Final = 8  # elements drawn one by one; of more, the spread
SHOWN: Final = 20  # times the loss at the start: what is higher is beyond the top
FAR: Final = 1e3  # times that: where a band ends that goes on
ROOM: Final = 3  # layers whose key finds room among the curves; of more it is beside them
MARKS: Final = "osD^vP"  # of layers, so that one is seen where another lies upon it
PLACES: Final = 6  # marks along a curve
TINY, MOST = 1e-300, 1e150  # the margins of a logarithmic axis overflow beyond


def losses(
    trajectories: Mapping[str, Trajectory], ax: Axes | None = None, *, floor: float = 0.0
) -> Axes:
    """Draw the loss above the problem's minimum over the steps, on a logarithmic axis.

    Where a minimum is unknown the loss itself is drawn.  ``floor`` hides what is below it.  Of a
    batch the median is drawn, in a band from the first to the ninth decile; in it a run that has
    diverged counts as infinitely high from there on.  A run that has diverged, or a median that
    is no longer finite, ends in a cross, and the name says when, or how many runs were lost.

    Raises
    ------
    ValueError
        If there is no run.

    Examples
    --------
    >>> import problems
    >>> import paratrooper_ref as pr
    >>> ax = losses({"sgd": pr.run(pr.SGD(lr=0.05), problems.booth(), 3)})
    >>> ax.get_lines()[0].get_ydata().round(1).tolist()
    [170.0, 80.1, 64.3, 52.1]
    """
    if not trajectories:
        msg = "losses needs trajectories by name, got none"
        raise ValueError(msg)
    ax = axes(ax)
    known = all(trajectory.problem.minimum is not None for trajectory in trajectories.values())
    heights = {
        name: _losses(trajectory) - ((trajectory.problem.minimum or 0.0) if known else 0.0)
        for name, trajectory in trajectories.items()
    }
    top = SHOWN * max(float(np.median(height[0])) for height in heights.values())
    for name, trajectory in trajectories.items():
        style, height = look(name), heights[name]
        drawn: dict[str, Any] = {
            "ls": style.dashes, "lw": style.width, "label": style.label + _fate(trajectory),
            "zorder": 3 + (style.width > 2),
        }
        if trajectory.state.batch_axes:
            least = max(floor, TINY)
            band(
                ax, trajectory.t, height, color=style.color, within=(least, FAR * top), **drawn
            )
            curve = quantiles(height, (0.5,))[0]
            lost = not np.isfinite(curve[-1])
        else:
            curve = np.where(height[:, 0] > floor, np.minimum(height[:, 0], MOST), np.nan)
            draw(ax, trajectory.t, curve, color=style.color, **drawn)
            lost = trajectory.stopped is not None
        low = np.flatnonzero((curve > floor) & (curve <= top))
        if lost and low.size:
            ax.plot(
                trajectory.t[low[-1]], curve[low[-1]], "X", ms=9, color=style.color, mec="white",
                mew=0.8, zorder=6,
            )
    ax.set_yscale("log")
    ax.grid(True, which="major", lw=0.7)
    cut_above(ax, top)
    what = "loss above the minimum" if known else "loss"
    if any(trajectory.state.batch_axes for trajectory in trajectories.values()):
        what += f" ({MIDDLE_NAME})"
    ax.set(xlabel="step", ylabel=what)
    fit_steps(ax)
    return ax


def _fate(trajectory: Trajectory) -> str:
    """Return what is to be said beside the name of a run that has diverged."""
    if trajectory.stopped is None:
        return ""
    alive = trajectory.state.alive
    if alive is None or not trajectory.state.batch_axes:
        return f", not finite after step {trajectory.t[-1]}"
    return f", {np.count_nonzero(~alive)} of {alive.size} not finite"


def _losses(trajectory: Trajectory) -> Array:
    """Return the losses as (times, runs), infinite from where a row of a batch was lost."""
    found = trajectory.losses.astype(float)
    if trajectory.alive is not None:
        found = np.where(trajectory.alive, found, np.inf)
    return found.reshape(len(trajectory.t), -1)


def line(
    trajectory: Trajectory, tag: str, ax: Axes | None = None, *, layer: str | None = None
) -> Axes:
    r"""Draw a tagged line over the steps.

    A number a step or a layer is one curve, up to eight elements are one each, and more are
    their median and a band from the first to the ninth decile.  So is a batch: each element over
    the runs that are still finite, or elements and runs together where there are more than eight
    elements.  A step between two without the line, such as a synchronisation of slow weights, is
    a dot.

    Raises
    ------
    ValueError
        If the run did not record the line in that layer.

    Examples
    --------
    >>> import problems
    >>> import paratrooper_ref as pr
    >>> ax = line(pr.run(pr.Adam(), problems.rosenbrock(), 9), "v_hat")
    >>> ax.get_ylabel(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('$\\hat v$', ['x[0]', 'x[1]'])
    """
    values, layer = _recorded(trajectory, tag, layer)
    about = (TAGS | MODEL_TAGS)[tag]
    ax = axes(ax)
    t, (_, runs, elements) = trajectory.t, values.shape
    own: dict[str, Any] = {"color": look(trajectory.optimizer.algorithm).color}
    if elements <= APART:
        shape = trajectory.problem.layers.get(layer, ()) if about.extent == "element" else ()
        for i, place in enumerate(np.ndindex(shape)):
            name = f"{layer}[{', '.join(map(str, place))}]" if place else layer
            style = category(i) if elements > 1 else own
            if runs > 1:
                band(ax, t, values[:, :, i], lw=1.8, label=name, **style)
            else:
                draw(ax, t, values[:, 0, i], lw=1.8, label=name, **style)
    else:
        name = f"{elements} elements of {layer}"
        band(ax, t, values.reshape(len(t), -1), lw=1.8, label=name, **own)
    if elements > 1:
        ax.legend()
    spread = f" ({MIDDLE_NAME})" if runs > 1 or elements > APART else ""
    where = f", {layer}" if about.extent != "step" else ""
    ax.set(xlabel="step", ylabel=f"${about.tex}${spread}", title=f"{about.meaning}{where}")
    ax.grid(True, lw=0.7)
    fit_steps(ax)
    return ax


def _recorded(trajectory: Trajectory, tag: str, layer: str | None) -> tuple[Array, str]:
    """Return a line as (times, runs, elements), NaN where it is not finite, and its layer."""
    if tag in MODEL_TAGS and tag in trajectory.model and layer is None:
        layer, values, extent = "model", trajectory.model[tag], "step"
    else:
        by_layer = [name for name, tags in trajectory.lines.items() if tag in tags]
        layer = layer or next(iter(by_layer or trajectory.lines), "")
        recorded = trajectory.lines.get(layer, {})
        if tag not in recorded:
            if layer not in trajectory.lines:
                known = f"its layers: {[*trajectory.lines]}"
            else:
                known = f"recorded: {[*recorded]}"
            msg = f"line needs a recorded line of a layer, got {tag!r} in {layer!r}; {known}"
            raise ValueError(msg)
        values, extent = recorded[tag], TAGS[tag].extent
    values = np.where(np.isfinite(values.astype(float)), values.astype(float), np.nan)
    batch = trajectory.state.batch if values.ndim > trajectory.state.batch_axes else ()
    runs = int(np.prod(batch, dtype=int))
    return values.reshape(len(trajectory.t), runs, -1 if extent == "element" else 1), layer


def trust(trajectory: Trajectory, ax: Axes | None = None) -> Axes:
    """Draw the trust ratio of each layer under its ceiling.

    Of a batch the median is drawn, in a band from the first to the ninth decile.  Layers have
    marks at steps of their own, so that those of one ratio are all seen.

    Raises
    ------
    ValueError
        If the run has no trust ratio.
    """
    layers = [name for name, tags in trajectory.lines.items() if "trust_ratio" in tags]
    if not layers:
        msg = f"trust needs a recorded trust ratio, got a run of {trajectory.optimizer.name}"
        raise ValueError(msg)
    ax = axes(ax)
    t = trajectory.t
    caps: dict[bytes, tuple[list[str], Array]] = {}
    for i, name in enumerate(layers):
        style = category(i) | {"lw": 1.8, "label": f"T, layer {name}", "zorder": 3}
        if len(layers) > 1:
            style |= _marked(i, len(layers), len(t))
        ratio = _recorded(trajectory, "trust_ratio", name)[0][:, :, 0]
        if ratio.shape[1] > 1:
            band(ax, t, ratio, **style)
        else:
            draw(ax, t, ratio[:, 0], **style)
        if "cap" in trajectory.lines[name]:
            cap = _recorded(trajectory, "cap", name)[0][:, 0, 0]
            caps.setdefault(cap.tobytes(), ([], cap))[0].append(name)
    for names, cap in caps.values():
        own = "" if len(caps) == 1 else f", layer {', '.join(names)}"
        color = INK if len(caps) == 1 else category(layers.index(names[0]))["color"]
        draw(ax, t, cap, color=color, lw=1.3, ls=DASHED, label=f"ceiling R{own}")
    spread = f" ({MIDDLE_NAME})" if trajectory.state.batch_axes else ""
    ax.set(yscale="log", xlabel="step", ylabel=f"trust ratio{spread}")
    ax.grid(True, which="major", lw=0.7)
    ax.margins(x=0.01)
    if len(layers) > ROOM:
        return key(ax)
    ax.legend()
    return ax


def _marked(i: int, layers: int, rows: int) -> dict[str, Any]:
    """Return the mark of the i-th of several layers, and where along the rows it stands."""
    apart = max(1, rows // PLACES)
    first = round(i * apart / layers) + 1  # the row of the start has no ratio
    return {
        "marker": MARKS[i % len(MARKS)], "ms": 6, "mec": "white", "mew": 0.7,
        "markevery": (min(first, rows - 1), apart),
    }

