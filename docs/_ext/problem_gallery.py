"""The block ``gallery``: every problem of the catalogue, as it looks and as it is declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from inserted import inserting

from paratrooper_ref import plots
from paratrooper_ref.plots.planes import has_plane
from problems import CATALOGUE, Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sphinx.application import Sphinx

LINE: Final = np.linspace(-0.5, 1.5, 401)
POINTS: Final = 321  # a side; Ackley's ripples need five a ripple
SHOWN: Final = 6  # numbers of a point; the rest is dots


def page(_: str, draw: Callable[..., str]) -> str:
    """Return the gallery in Markdown."""
    problems = {name: make() for name, make in CATALOGUE.items()}
    thumbnails = [thumbnail(name, problem, draw) for name, problem in problems.items()]
    parts = ["::::{container} gallery\n" + "\n\n".join(thumbnails) + "\n::::"]
    parts += [section(name, problem, draw) for name, problem in problems.items()]
    return "\n\n".join(parts)


def thumbnail(name: str, problem: Problem, draw: Callable[..., str]) -> str:
    """Return a small picture that leads to the section."""
    picture = draw(f"thumbnail-{name}", picture_of(problem), (2.4, 1.8), bare=True)
    return f"[![]({picture}){title(name)}](#{title(name).replace(' ', '-')})"


def section(name: str, problem: Problem, draw: Callable[..., str]) -> str:
    """Return the section of a problem."""
    plane = has_plane(problem)
    picture = draw(f"problem-{name}", picture_of(problem))
    what = "Level sets" if plane else "The loss along lines"
    seen = [] if plane else [caption(problem)]
    rows = "\n".join(f"{term}\n: {value}\n" for term, value in facts(problem))
    parts = [
        f"## {title(name)}", f"*{problem.teaches}*", f"![{what} of {name}]({picture})",
        *seen, rows, f"In Python: {{py:obj}}`problems.{name}`.",
    ]
    return "\n\n".join(parts)


def title(name: str) -> str:
    """Return a name as people write it."""
    return name.replace("_", " ")


def facts(problem: Problem) -> Iterator[tuple[str, str]]:
    """Yield what is declared of a problem, as (term, value)."""
    shapes = ", ".join(
        f"{name} {'×'.join(map(str, shape)) or '1'}" for name, shape in problem.layers.items()
    )
    yield "Layers", f"{shapes}: {problem.size} parameters"
    yield "Start", " or ".join(point(start) for start in problem.starts)
    minimum = "unknown" if problem.minimum is None else f"{problem.minimum:.10g}"
    at = ", ".join(point(p) for p in problem.minimizers)
    yield "Minimum", minimum + (f" at {at}" if at else "")
    others = [f"a {c.kind} of {c.value:.6g} at {point(c.params)}" for c in problem.critical_points]
    if others:
        yield "Also", "; ".join(others[:SHOWN]) + (
            f"; and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        )
    if problem.stochastic:
        yield "Noise", "its gradient is drawn at each step; the loss is the expected one"
    yield "Source", problem.source


def point(params: Mapping[str, Any]) -> str:
    """Return a point, short."""
    flat = np.concatenate([np.ravel(x) for x in params.values()])
    numbers = [f"{x:.6g}".replace("-", "−") for x in flat[:SHOWN]]
    return f"({', '.join(numbers)}{', …' if flat.size > SHOWN else ''})"


def picture_of(problem: Problem) -> Callable[[Axes], Any]:
    """Return what draws the problem: its plane, or the loss along lines."""
    if has_plane(problem):
        return partial(plots.contour, problem, points=POINTS)
    return partial(_lines, problem)


def _lines(problem: Problem, ax: Axes) -> None:
    """Draw the loss along the line from the start to each minimizer, or else downhill."""
    start = problem.starts[0]
    colors = ("#0072b2", "#d55e00", "#009e73")
    for color, (label, end) in zip(colors, ends(problem), strict=False):
        along = {
            name: x + LINE.reshape(-1, *[1] * x.ndim) * (end[name] - x) for name, x in start.items()
        }
        loss = np.asarray(problem.loss(along))
        ax.plot(LINE, loss, color=color, lw=2, label=label)
        at = np.searchsorted(LINE, [0.0, 1.0])
        ax.plot(LINE[at], loss[at], "o", color=color, ms=6, mec="white", ls="none")
    ax.set(xlabel="0 is the start", ylabel="loss", xlim=(-0.5, 1.5))
    ax.legend()
    ax.grid(True, lw=0.7)


def ends(problem: Problem) -> list[tuple[str, Mapping[str, Any]]]:
    """Return where the lines go: the minimizers, or a step along the negative gradient."""
    if problem.minimizers:
        return [
            (f"1 is the minimizer {point(p)}" if len(problem.minimizers) > 1
             else "1 is the minimizer", p)
            for p in problem.minimizers[:2]
        ]
    start = problem.starts[0]
    gradient = problem.grad(start)
    square = sum(float((g * g).sum()) for g in gradient.values())
    step = float(problem.loss(start)) / square  # where a line of that slope would reach 0
    end = {name: start[name] - step * gradient[name] for name in problem.layers}
    return [("1 is where the tangent at the start reaches 0", end)]


def caption(problem: Problem) -> str:
    """Return what the lines are."""
    if problem.minimizers:
        return "The loss along the straight line from the start to a minimizer, and beyond."
    return "The loss from the start along its negative gradient."


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the block."""
    return inserting(app, "gallery", page)
