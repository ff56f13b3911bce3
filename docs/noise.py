"""Measure what docs/noise.md says, and write it and its figures: `python docs/noise.py`.

Needs the extra "plot" and some two minutes.  With ``--check`` nothing is written: the numbers are
compared with the page, and the exit status is 1 where they differ.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import paratrooper_ref as pr
import problems
from paratrooper_ref import plots
from paratrooper_ref.noise_floor import (
    EMA,
    Average,
    Curve,
    Modes,
    Tail,
    after,
    curve,
    envelope,
    largest_rate,
    lookahead_ratio,
    lookahead_variance,
    sgd_variance,
    steady,
)

PAGE = Path(__file__).with_name("noise.md")
FIGURES = Path(__file__).parent / "figures"

STEPS, K = 1000, 5
RATES = np.geomspace(1e-3, 1.99, 36)
FLOORS = np.geomspace(0.01, 1.0, 60)
ROWS = 16
LEVEL = 0.99  # of an interval of simulated runs


class Member(NamedTuple):
    """One setting of a method, whose learning rate is free."""

    label: str
    optimizer: pr.Optimizer
    average: Average = None


METHODS: Mapping[str, Sequence[Member]] = {
    "SGD": [Member("", pr.SGD())],
    "momentum": [Member(f"μ = {x:g}", pr.SGD(momentum=x)) for x in (0.5, 0.8, 0.9, 0.95, 0.98)],
    "Lookahead": [
        Member(f"α = {x:.2g}", pr.Lookahead(inner=pr.SGD(), k=K, alpha=float(x)))
        for x in np.geomspace(0.01, 1, 24)
    ],
    "EMA": [
        Member(f"d = {1 - x:.4g}", pr.SGD(), EMA(decay=float(1 - x)))
        for x in np.geomspace(5e-4, 0.2, 14)
    ],
}
TAILS = [Member(f"last {m}", pr.SGD(), Tail(last=m)) for m in (200, 400, 600, 800)]
LONG = [
    Member(f"α = {x:.2g}", pr.Lookahead(inner=pr.SGD(), k=20, alpha=float(x)))
    for x in np.geomspace(0.05, 1, 12)
]


@dataclass(frozen=True)
class Point:
    """A setting with its rate, and the expected losses that it has there."""

    member: Member
    lr: float
    floor: float
    loss: float


def modes(n: int) -> Modes:
    """Return those of the project's noisy quadratic."""
    return Modes.of(problems.noisy_quadratic(n=n))


@cache
def curves(method: str, n: int) -> tuple[Curve, ...]:
    """Return the curves of a method's settings."""
    members = {"tail": TAILS, "k = 20": LONG}.get(method) or METHODS[method]
    found = []
    for m in members:
        rates = RATES * (1 - m.optimizer.hyper()["momentum"])  # what a gradient amounts to in all
        found.append(curve(m.optimizer, modes(n), rates, STEPS, average=m.average))
    return tuple(found)


def points(method: str, n: int) -> list[Point]:
    """Return all settings and rates of a method that settle."""
    members = {"tail": TAILS, "k = 20": LONG}.get(method) or METHODS[method]
    return [
        Point(member, float(lr), float(floor), float(loss))
        for member, each in zip(members, curves(method, n), strict=True)
        for lr, floor, loss in zip(each.rates, each.floors, each.losses, strict=True)
        if np.isfinite(floor)
    ]


def best(method: str, n: int) -> Point:
    """Return the setting of the lowest loss."""
    return min(points(method, n), key=lambda p: p.loss)


def best_at(method: str, n: int, floor: float) -> Point:
    """Return the setting of the lowest loss at a floor, and its rate from those beside it."""
    pairs = list(zip(METHODS[method], curves(method, n), strict=True))
    at = np.array([floor])
    member, each = min(pairs, key=lambda pair: np.nan_to_num(envelope([pair[1]], at)[0], nan=9e9))
    known = np.isfinite(each.floors)
    floors, rates = np.log(each.floors[known]), np.log(each.rates[known])
    lr = float(np.exp(np.interp(np.log(floor), floors, rates)))
    exact = curve(member.optimizer, modes(n), [lr], STEPS, average=member.average)
    return Point(member, lr, float(exact.floors[0]), float(exact.losses[0]))


def with_rate(optimizer: pr.Optimizer, lr: float) -> pr.Optimizer:
    """Return the optimizer at another learning rate."""
    spec = optimizer.spec
    hyper = spec["hyper"]["inner"]["hyper"] if "inner" in spec["hyper"] else spec["hyper"]
    hyper["lr"] = lr
    return pr.build(spec)


# ------------------------------------------------------------------------------------ simulation


def simulated(point: Point, n: int) -> tuple[float, float]:
    """Return the mean loss of runs, and the half width of the interval that theory gives it."""
    problem = problems.noisy_quadratic(n=n, seed=range(ROWS))
    optimizer, average = with_rate(point.member.optimizer, point.lr), point.member.average
    state = optimizer.init({"x": np.ones((ROWS, n))}, batch_axes=1)
    mean = state.params["x"]
    for t in range(1, STEPS + 1):
        state, _ = optimizer.step(state, problem.grad(state.params, t))
        x = state.params["x"]
        mean = average.joined(mean, x) if average else x
    losses = problem.loss({"x": mean}) - problem.minimum
    spread = after(optimizer, modes(n), STEPS, average=average).spread()
    return float(losses.mean()), normal() * float(spread) / np.sqrt(ROWS)


@cache
def dots() -> tuple[tuple[str, Point, float, float], ...]:
    """Return the simulated points of the figure."""
    floors = {
        "SGD": (0.013, 0.06, 0.25, 0.8),
        "momentum": (0.02, 0.1, 0.5),
        "Lookahead": (0.03, 0.15, 0.35),
        "EMA": (0.05, 0.12, 0.3),
    }
    chosen = [(name, best_at(name, 1000, floor)) for name in METHODS for floor in floors[name]]
    return tuple((name, point, *simulated(point, 1000)) for name, point in chosen)


def teeth() -> tuple[pr.Optimizer, Modes, tuple[Any, Any, Any]]:
    """Return Lookahead's losses over three cycles of its steady state, simulated."""
    n, rows, k, before = 20, 400, 6, 600
    problem = problems.noisy_quadratic(n=n, seed=range(rows))
    look = pr.Lookahead(inner=pr.SGD(lr=0.5), k=k, alpha=0.5)
    run = pr.run(
        look, problem, before + 3 * k, start={"x": np.ones((rows, n))}, record="loss"
    )
    losses = (run.losses[before:] - problem.minimum).mean(axis=1)
    error = [steady(look, modes(n), phase=t % k).spread() for t in range(3 * k + 1)]
    steps = np.arange(3 * k + 1)
    return look, modes(n), (steps, losses, normal() * np.array(error) / np.sqrt(rows))


def normal() -> float:
    """Return the quantile of the level."""
    return NormalDist().inv_cdf((1 + LEVEL) / 2)


# ------------------------------------------------------------------------------ blocks of the page


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def matched() -> str:
    """Return the expected losses at matched floors."""
    floors = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5])
    found = {name: envelope(curves(name, 1000), floors) for name in METHODS}
    rows = [
        (f"{floor:g}", *(f"{found[name][i]:.3f}" for name in METHODS))
        for i, floor in enumerate(floors)
    ]
    gain = [100 * (1 - found[name] / found["SGD"]) for name in ("Lookahead", "EMA")]
    ahead = [f"{floor:g}" for floor, x, y in zip(floors, *gain, strict=True) if x > y]
    said = (
        f"At these floors Lookahead's loss is {gain[0].min():.1f} to {gain[0].max():.1f} % below "
        f"SGD's, that of the EMA {gain[1].min():.1f} to {gain[1].max():.1f} % below it. Lookahead "
        f"is below the EMA at the floors {' and '.join(ahead)} alone."
    )
    return table(("floor", *METHODS), rows) + f"\n\n{said}"


def lowest() -> str:
    """Return the lowest expected loss of each method, by spectrum."""
    names = [*METHODS, "k = 20", "tail"]
    labels = {"k = 20": "Lookahead, k = 20", "tail": "tail", "Lookahead": f"Lookahead, k = {K}"}
    rows = []
    for name in names:
        row: list[str] = [labels.get(name, name)]
        for n in (10, 100, 1000):
            p = best(name, n)
            setting = ", ".join(filter(None, (f"γ = {p.lr:.2g}", p.member.label)))
            row.append(f"{p.loss:.4f} ({setting})")
        rows.append(row)
    return table(("method", "n = 10", "n = 100", "n = 1000"), rows)


def runs() -> str:
    """Return what the recursions say beside what the optimizers do."""
    rows = []
    for name, p, mean, error in dots():
        inside = "yes" if abs(mean - p.loss) <= error else "no"
        setting = ", ".join(filter(None, (f"γ = {p.lr:.3g}", p.member.label)))
        found = f"{mean:.4f} ± {error:.4f}"
        rows.append((name, setting, f"{p.floor:.4f}", f"{p.loss:.4f}", found, inside))
    within = sum(row[-1] == "yes" for row in rows)
    said = (
        f"{within} of {len(rows)} means lie within their {100 * LEVEL:g} % intervals; {ROWS} runs "
        f"each, the same seeds for all, n = 1000."
    )
    head = ("method", "setting", "floor", "exact", "simulated", "within")
    return f"{said}\n\n{table(head, rows)}"


def ratios() -> str:
    """Return the share of SGD's variance that Lookahead leaves."""
    rows = [
        (f"{alpha:g}", *(f"{lookahead_ratio(1 - x, k=K, alpha=alpha):.4f}" for x in (0, 0.1, 1)))
        for alpha in (0.05, 0.2, 0.5, 0.8)
    ]
    v, w = sgd_variance(1, 1, 0.5), lookahead_variance(1, 1, 0.5, k=5, alpha=0.5)
    said = f"At a = q = 1, γ = 1/2, k = 5, α = 1/2: SGD {v:.6f}, Lookahead {w:.6f}."
    return table(("α", "γ a → 0", "γ a = 0.1", "γ a = 1"), rows) + f"\n\n{said}"


def limits() -> str:
    """Return the largest rates, and the excess of runs below and beyond one."""
    rows = [
        (k, *(f"{largest_rate(1.0, k=k, alpha=alpha):.4f}" for alpha in (0.1, 0.3, 0.5, 0.8, 1.0)))
        for k in (1, 3, 5, 6, 7, 9)
    ]
    problem, limit = problems.noisy_quadratic(n=3, noise=0.0), largest_rate(1.0, k=5, alpha=0.5)
    ends = []
    for share in (0.99, 1.01):
        look = pr.Lookahead(inner=pr.SGD(lr=share * limit), k=5, alpha=0.5)
        ends.append(float(pr.run(look, problem, STEPS, record="loss").losses[-1]))
    said = (
        f"Lookahead with k = 5, α = 1/2 on three modes without noise, after {STEPS:,} steps: a "
        f"loss of {ends[0]:.0e} at 0.99 times its limit, of {ends[1]:.0e} at 1.01 times."
    )
    return table(("k", "α = 0.1", "0.3", "0.5", "0.8", "1"), rows) + f"\n\n{said}"


# ----------------------------------------------------------------------------------- the figures


def draw() -> None:
    """Draw both figures."""
    lines = {name: (FLOORS, envelope(curves(name, 1000), FLOORS)) for name in METHODS}
    shown: dict[str, tuple[Any, Any, Any]] = {}
    for name in METHODS:
        of_name = [(p.floor, mean, error) for at, p, mean, error in dots() if at == name]
        shown[name] = tuple(np.array(x) for x in zip(*of_name, strict=True))  # type: ignore[assignment]
    with mpl.rc_context({**plots.STYLE, "font.size": 12}):
        figure = Figure(figsize=(13, 5.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        plots.expected_losses(lines, left, faint=curves("Lookahead", 1000), dots=shown)
        left.set(title="Noisy quadratic, n = 1000", ylabel=f"expected loss after {STEPS:,} steps")
        plots.expected_losses(lines, right, relative="SGD")
        right.set_title("The same, relative to SGD at the same floor")
        figure.savefig(FIGURES / "noise-floor.png", dpi=130)

        figure = Figure(figsize=(15, 4.8), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        plots.variance_ratio(left, k=K)
        look, of, found = teeth()
        plots.saw_tooth(look, of, middle, dots=found)
        plots.largest_rates(right)
        figure.savefig(FIGURES / "noise-lookahead.png", dpi=130)


BLOCKS: dict[str, Callable[[], str]] = {
    "matched": matched,
    "lowest": lowest,
    "runs": runs,
    "ratios": ratios,
    "limits": limits,
}


def block(name: str) -> re.Pattern[str]:
    """Return the pattern of a measured block of the page."""
    return re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Measure and write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    args = parser.parse_args()
    page, differ = PAGE.read_text(), []
    for name, measured in BLOCKS.items():
        print(f"measuring {name}", file=sys.stderr)
        found = measured()
        new, count = block(name).subn(lambda m, found=found: m[1] + found + "\n" + m[2], page)
        assert count == 1, f"the page needs one block {name}"
        if new != page:
            differ.append(name)
        page = new
    if args.check:
        for name in differ:
            print(f"{PAGE.name}: {name} is not what is measured now", file=sys.stderr)
        return int(bool(differ))
    PAGE.write_text(page)
    draw()
    return 0


if __name__ == "__main__":
    sys.exit(main())
