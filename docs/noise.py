"""Measure what docs/noise.md says, and write it and its figures: `python docs/noise.py`.

Needs the extra "test" and about a minute.  With ``--check`` nothing is written: the numbers are
compared with the page, and the exit status is 1 where they differ.  In both cases the page's
sentences about numbers are held against these (`sentences`); one that is no longer true, or no
longer there, ends with status 1, and nothing is written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from generated import filled, parser, published
from matplotlib.figure import Figure
from scipy.optimize import brentq, minimize_scalar

import paratrooper_ref as pr
import problems
from paratrooper_ref import plots
from paratrooper_ref.noise_floor import (
    EMA,
    Average,
    Modes,
    Tail,
    after,
    curve,
    ema_variance,
    largest_rate,
    lookahead_ratio,
    lookahead_variance,
    momentum_variance,
    sgd_variance,
    steady,
    tail_variance,
)

PAGE = Path(__file__).with_name("noise.md")
FIGURES = Path(__file__).parent / "figures"

STEPS, K, LONG = 1000, 5, 20  # whole cycles, so that a run ends at a synchronisation
RATES = np.geomspace(1e-3, 1.99, 13)  # of what a gradient amounts to in all, γ / (1 − μ)
FLOORS = np.geomspace(0.01, 1.0, 41)  # of the figure
SIZES = (10, 100, 1000)
ROWS = 16
LEVEL = 0.99  # of an interval of simulated runs


# ----------------------------------------------------------------------------------- the methods


class Member(NamedTuple):
    """One setting of a method, whose learning rate is free."""

    label: str
    optimizer: pr.Optimizer
    variance: Callable[[Any, Any, Any], Any]  # in the steady state, of (a, q, γ)
    limit: float = 2.0  # the rate below which it settles, where the largest curvature is 1
    average: Average = None

    def at(self, lr: float) -> str:
        """Return how the page names it."""
        return ", ".join(filter(None, (f"γ = {lr:.2g}", self.label)))


class Family(NamedTuple):
    """A method with a number of its own, in a range.  At the end ``plain`` it is SGD."""

    member: Callable[[float], Member]
    plain: float
    far: float

    def grid(self) -> Any:
        """Return numbers of the range with both ends, rising."""
        numbers = np.geomspace(self.plain, self.far, 1 if self.plain == self.far else 13)
        return np.sort(numbers)


def momentum(s: float) -> Member:
    """Return SGD with the momentum 1 − s."""
    mu = 1 - s
    return Member(
        f"μ = {mu:.3g}",
        pr.SGD(momentum=mu),
        lambda a, q, lr: momentum_variance(a, q, lr, mu),
        2 * (1 + mu),
    )


def lookahead(k: int) -> Callable[[float], Member]:
    """Return what makes Lookahead of a slow step size."""
    return lambda alpha: Member(
        f"α = {alpha:.2g}",
        pr.Lookahead(inner=pr.SGD(), k=k, alpha=alpha),
        lambda a, q, lr: lookahead_variance(a, q, lr, k=k, alpha=alpha),
        float(largest_rate(1.0, k=k, alpha=alpha)),
    )


def ema(s: float) -> Member:
    """Return SGD with an average of the decay 1 − s."""
    d = 1 - s
    return Member(
        f"d = {d:.4g}", pr.SGD(), lambda a, q, lr: ema_variance(a, q, lr, d), average=EMA(decay=d)
    )


def tail(number: float) -> Member:
    """Return SGD with the average of the last iterates, so many when rounded."""
    m = round(number)
    return Member(
        f"last {m}", pr.SGD(), lambda a, q, lr: tail_variance(a, q, lr, m), average=Tail(last=m)
    )


FAMILIES: Mapping[str, Family] = {
    "SGD": Family(lambda _: Member("", pr.SGD(), sgd_variance), 1.0, 1.0),
    "momentum": Family(momentum, 1.0, 1e-3),
    "Lookahead": Family(lookahead(K), 1.0, 0.01),
    "EMA": Family(ema, 1.0, 5e-4),
    f"Lookahead, k = {LONG}": Family(lookahead(LONG), 1.0, 0.01),
    "tail": Family(tail, 1.0, float(STEPS)),
}
METHODS = ("SGD", "momentum", "Lookahead", "EMA")  # of the figure
ORDER = ("SGD", "momentum", "Lookahead", f"Lookahead, k = {LONG}", "EMA", "tail")


@dataclass(frozen=True)
class Point:
    """A setting with its rate, and the expected losses that it has there."""

    member: Member
    lr: float
    floor: float
    loss: float
    edge: bool = False  # whether its own number, or its rate, is at the end of its range


@cache
def modes(n: int) -> Modes:
    """Return those of the project's noisy quadratic."""
    return Modes.of(problems.noisy_quadratic(n=n))


def loss(member: Member, n: int, lr: Any) -> Any:
    """Return the expected loss after the steps, inf where it overflows."""
    found = after(member.optimizer, modes(n), STEPS, average=member.average, lr=lr).excess()
    return np.nan_to_num(found, nan=np.inf)


# -------------------------------------------------------------------------------------- searches


def searched(value: Callable[[float], float], low: float, high: float, tol: float) -> float:
    """Return where a function of a positive number is lowest between two of them."""
    found = minimize_scalar(
        lambda x: value(float(np.exp(x))), (), (np.log(low), np.log(high)), method="bounded",
        options={"xatol": tol},
    )
    return float(np.exp(found.x))


def searched_over(family: Family, value: Callable[[float], float]) -> tuple[float, bool]:
    """Return the family's number of the lowest value, and whether it is at the far end.

    A grid finds the valley, a bounded search its bottom, and the ends are tried themselves, which
    such a search never reaches.
    """
    grid = family.grid()
    if len(grid) == 1:
        return family.plain, False
    i = int(np.argmin([value(x) for x in grid]))
    low, high = grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]
    best = min((searched(value, low, high, 0.01), family.far, family.plain), key=value)
    return best, best == family.far


@cache
def best(name: str, n: int) -> Point:
    """Return the setting of the lowest loss at all, over the rate and the method's number."""
    family = FAMILIES[name]

    @cache
    def rate(number: float) -> float:
        member = family.member(number)
        rates = RATES * (1 - member.optimizer.hyper()["momentum"])
        i = int(np.argmin(loss(member, n, rates)))
        low, high = rates[max(i - 1, 0)], rates[min(i + 1, len(rates) - 1)]
        return searched(lambda lr: loss(member, n, lr), low, high, 2e-3)

    number, edge = searched_over(
        family, lambda x: float(loss(family.member(x), n, rate(x)))
    )
    found = point(family.member(number), n, rate(number), edge)
    alone = 1 - found.member.optimizer.hyper()["momentum"]
    assert 1.05 * RATES[0] < found.lr / alone < RATES[-1] / 1.05, f"{name} needs other rates"
    return found


@cache
def best_at(name: str, n: int, floor: float) -> Point:
    """Return the setting of the lowest loss at a floor."""
    family, m = FAMILIES[name], modes(n)
    assert m.curvature.max() == 1

    @cache
    def rate(number: float) -> float:
        member = family.member(number)

        def above(x: float) -> float:
            variance = member.variance(m.curvature, m.noise, np.exp(x))
            return float(np.log((m.curvature * variance).sum() / 2 / floor))

        x = np.log(member.limit)
        return float(np.exp(brentq(above, x - 20, x - 1e-9, xtol=1e-9)))

    number, edge = searched_over(
        family, lambda x: float(loss(family.member(x), n, rate(x)))
    )
    member, lr = family.member(number), rate(number)
    found = point(member, n, lr, edge or lr > 0.99 * member.limit)
    assert found.edge or np.isclose(found.floor, floor), "closed forms are not the steady states"
    return found


def point(member: Member, n: int, lr: float, edge: bool) -> Point:
    """Return a setting at a rate with the losses that the recursions give it."""
    exact = curve(member.optimizer, modes(n), [lr], STEPS, average=member.average)
    return Point(member, lr, float(exact.floors[0]), float(exact.losses[0]), edge)


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


def below(name: str, n: int, floor: float) -> float:
    """Return by how many percent a method's loss is below SGD's, at the same floor."""
    return 100 * (1 - best_at(name, n, floor).loss / best_at("SGD", n, floor).loss)


MATCHED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)


def matched() -> str:
    """Return the expected losses at matched floors."""
    found = [[best_at(name, 1000, floor) for name in METHODS] for floor in MATCHED]
    rows = [
        (f"{floor:g}", *(f"{p.loss:.4f}{star(p)}" for p in row))
        for floor, row in zip(MATCHED, found, strict=True)
    ]
    gain = {name: [below(name, 1000, floor) for floor in MATCHED] for name in METHODS}
    low, high = ({name: f"{end(each):.1f}" for name, each in gain.items()} for end in (min, max))
    said = (
        f"Below SGD's at these floors: momentum's loss by {low['momentum']} to "
        f"{high['momentum']} %, Lookahead's by {low['Lookahead']} to {high['Lookahead']} %, that "
        f"of the EMA by {low['EMA']} to {high['EMA']} %."
    )
    return table(("floor", *METHODS), rows) + f"\n\n{said}"


def sizes() -> str:
    """Return the gains on SGD by the number of directions."""
    rows = []
    for n in SIZES:
        own = best("SGD", n).floor
        for floor in (own / 2, own):
            row = [str(n), f"{floor:.3g}"]
            for name in METHODS[1:]:
                p = best_at(name, n, floor)
                row.append("*" if p.edge else f"{below(name, n, floor):.1f} % ({p.member.label})")
            rows.append(row)
    return table(("n", "floor", *METHODS[1:]), rows)


def star(p: Point) -> str:
    """Return the mark of what is at the end of its range."""
    return "*" * p.edge


def lowest() -> str:
    """Return the lowest expected loss of each method, by spectrum."""
    rows = []
    for name in ORDER:
        row: list[str] = [f"Lookahead, k = {K}" if name == "Lookahead" else name]
        for n in SIZES:
            p = best(name, n)
            row.append(f"{p.loss:#.4g} ({p.member.at(p.lr)}{star(p)})")
        rows.append(row)
    return table(("method", *(f"n = {n}" for n in SIZES)), rows)


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
    said = f"At $a = q = 1$, $\\gamma = \\alpha = 1/2$, $k = 5$: SGD {v:.6f}, Lookahead {w:.6f}."
    head = (r"$\alpha$", r"$\gamma a \to 0$", r"$\gamma a = 0.1$", r"$\gamma a = 1$")
    return table(head, rows) + f"\n\n{said}"


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
        f"Lookahead with $k = 5$, $\\alpha = 1/2$ on three modes without noise, after {STEPS:,} "
        f"steps: a loss of {ends[0]:.0e} at 0.99 times its limit, of {ends[1]:.0e} at 1.01 times."
    )
    return table(("$k$", r"$\alpha = 0.1$", "0.3", "0.5", "0.8", "1"), rows) + f"\n\n{said}"


# -------------------------------------------------------------------------- sentences of the page


class Said(NamedTuple):
    """What the page says in words, and whether it is so."""

    text: str
    so: bool


def sentences() -> list[Said]:
    """Return what the page says in words of these numbers."""
    own = {n: best("SGD", n).floor for n in SIZES}
    at = {name: [best_at(name, 1000, floor).loss for floor in MATCHED] for name in METHODS}
    gains = {
        (name, n): [below(name, n, floor) for floor in (own[n] / 2, own[n])]
        for name in METHODS for n in SIZES
    }
    inner = [best(name, n) for name in ORDER[:-1] for n in SIZES]
    tails = [best("tail", n) for n in SIZES]
    far = [best_at("EMA", n, own[n]) for n in SIZES]
    order = {n: [best(name, n).loss for name in ORDER] for n in SIZES}
    swapped = [order[10][i] for i in (0, 2, 1, 3, 4, 5)]
    of_ten = best("momentum", 10)
    mu = of_ten.member.optimizer.hyper()["momentum"]
    critical = (1 - mu**0.5) ** 2 / of_ten.lr
    ahead = [x < y for x, y in zip(at["Lookahead"], at["EMA"], strict=True)]
    momentum_at = [below("momentum", 1000, floor) for floor in MATCHED]
    return [
        Said(
            f"Floors above {own[1000]:.2f}, that of SGD's lowest loss, are left out: there a "
            "lower rate lowers both.",
            max(MATCHED) < own[1000],
        ),
        Said(
            "An asterisk is put where the EMA's best rate is the largest that is stable: it then "
            "has not come to its floor after 1,000 steps, but is below it, which is no comparison.",
            [p.edge for p in far] == [True, True, False]
            and all(p.loss < own[n] for p, n in zip(far, SIZES, strict=True) if p.edge),
        ),
        Said(
            "So the claim holds here: at each of these floors there are $\\alpha$ and $\\gamma$ "
            "with which Lookahead is lower than SGD.",
            all(x < y for x, y in zip(at["Lookahead"], at["SGD"], strict=True))
            and min(g for (name, _), each in gains.items() if name == "Lookahead" for g in each)
            > 0,
        ),
        Said(
            "By how much hangs on $n$: with 1,000 directions by "
            f"{max(gains['Lookahead', 1000]):.1f} % at most, with 10 by up to "
            f"{max(gains['Lookahead', 10]):.1f} %.",
            round(max(below("Lookahead", 1000, f) for f in MATCHED), 1)
            <= round(max(gains["Lookahead", 1000]), 1),
        ),
        Said(
            "**Averaging beats it** except at the two lowest floors.",
            ahead == [True, True, False, False, False, False],
        ),
        Said(
            "Where the floor is so low that all methods are still far from it, Lookahead is ahead "
            "of an average",
            all(min(at[name][i] for name in METHODS) > 50 * MATCHED[i] for i in (0, 1)),
        ),
        Said(
            "**Momentum**, its rate scaled by $1 - \\mu$, is less than 1 % below SGD at each of "
            f"these floors for $n = 1000$, and {gains['momentum', 10][1]:.1f} % for $n = 10$ at "
            "that of SGD's lowest loss, where it is lower than Lookahead.",
            max(*momentum_at, *gains["momentum", 1000]) < 1
            and gains["momentum", 10][1] > gains["Lookahead", 10][1],
        ),
        Said(
            f"At $n = 10$ the best $\\mu$, {mu:.3f}, does that to a curvature near the lowest of "
            "the ten, 0.1.",
            abs(critical - 0.1) < 0.025,
        ),
        Said(
            "All optima are inside these ranges but the tail's, which wants every iterate, the end "
            "that its range has by nature.",
            not any(p.edge for p in inner) and all(p.edge for p in tails),
        ),
        Said(
            "From top to bottom the rows fall, for $n = 100$ and $n = 1000$. For $n = 10$ they "
            f"fall too, but for momentum, which is below Lookahead with $k = {K}$.",
            all(falls(order[n]) for n in (100, 1000))
            and not falls(order[10]) and falls(swapped),
        ),
        Said(
            "Longer cycles help Lookahead here, and do not bring it to where averages are.",
            all(order[n][2] > order[n][3] > max(order[n][4:]) for n in SIZES),
        ),
    ]


def falls(numbers: Sequence[float]) -> bool:
    """Return whether each number is below the one before."""
    return bool(np.all(np.diff(numbers) < 0))


def wrong(page: str, said: Sequence[Said]) -> list[str]:
    """Return what the page should not say, or does not say."""
    words = " ".join(page.split())
    lost = [f"not on the page: {each.text}" for each in said if each.text not in words]
    return lost + [f"no longer true: {each.text}" for each in said if not each.so]


# ----------------------------------------------------------------------------------- the figures


def line(name: str) -> tuple[Any, Any]:
    """Return a method's lowest losses at the floors, NaN where its rate is at the limit."""
    found = [best_at(name, 1000, float(floor)) for floor in FLOORS]
    return FLOORS, np.array([np.nan if p.edge and name != "SGD" else p.loss for p in found])


def draw() -> None:
    """Draw both figures."""
    lines = {name: line(name) for name in METHODS}
    members = [FAMILIES["Lookahead"].member(float(x)) for x in np.geomspace(0.01, 1, 24)]
    rates = np.geomspace(1e-3, 1.99, 36)
    faint = [curve(each.optimizer, modes(1000), rates, STEPS) for each in members]
    shown: dict[str, tuple[Any, Any, Any]] = {}
    for name in METHODS:
        of_name = [(p.floor, mean, error) for at, p, mean, error in dots() if at == name]
        shown[name] = tuple(np.array(x) for x in zip(*of_name, strict=True))  # type: ignore[assignment]
    with mpl.rc_context({**plots.STYLE, "font.size": 12}):
        figure = Figure(figsize=(11, 5), layout="constrained")
        left, right = figure.subplots(1, 2)
        plots.expected_losses(lines, left, faint=faint, dots=shown)
        left.set(title="Noisy quadratic, n = 1000", ylabel=f"expected loss after {STEPS:,} steps")
        plots.expected_losses(lines, right, relative="SGD").legend().remove()
        for name, (floor, *shift) in {
            "SGD": (0.03, 0, 10), "momentum": (0.5, -40, 45), "Lookahead": (0.2, 0, -20),
            "EMA": (0.1, -35, -10),
        }.items():
            at = best_at(name, 1000, floor).loss / best_at("SGD", 1000, floor).loss
            right.annotate(
                name, (floor, at), xytext=shift, textcoords="offset points", ha="center",
                arrowprops={"arrowstyle": "-", "color": plots.INK} if name == "momentum" else None,
            )
        right.set_title("The same, relative to SGD at the same floor")
        figure.savefig(FIGURES / "noise-floor.png", dpi=130)

        figure = Figure(figsize=(12, 4.4), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        plots.variance_ratio(left, k=K)
        look, of, found = teeth()
        plots.saw_tooth(look, of, middle, dots=found)
        plots.largest_rates(right)
        figure.savefig(FIGURES / "noise-lookahead.png", dpi=130)


BLOCKS: dict[str, Callable[[], str]] = {
    "matched": matched,
    "sizes": sizes,
    "lowest": lowest,
    "runs": runs,
    "ratios": ratios,
    "limits": limits,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write, or check."""
    asked = parser(__doc__, check="measure and compare, write nothing").parse_args(arguments)
    found = {}
    for name, measured in BLOCKS.items():
        print(f"measuring {name}", file=sys.stderr)
        found[name] = measured()
    page = filled(PAGE.read_text("utf-8"), found)
    print("reading the sentences", file=sys.stderr)
    complaints = wrong(page, sentences())
    if complaints:
        print(*complaints, sep="\n", file=sys.stderr)
        return 1
    status = published(PAGE, page, check=asked.check, make="python docs/noise.py")
    if not asked.check:
        draw()
    return status


if __name__ == "__main__":
    sys.exit(main())
