"""Several optimizers on several problems, each at its best of a range of learning rates.

One learning rate favours the optimizer it suits, and one range of them the optimizer whose best
is within it; so every optimizer is run over multiples of its own rate, and over more until its
best has a decade of rates on either side that end higher.  It is shown at its best, beside the
whole range.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from paratrooper_ref.files import replacing
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.schedules import Schedule
from paratrooper_ref.trajectory import Trajectory, run

if TYPE_CHECKING:
    from problems import Problem

DECADE: Final = 3  # multiples a decade: 1, 2, 5
# Of an optimizer's own learning rate: all that are ever tried, five decades to either side, and
# those that are tried in any case, from a tenth to a hundred.
GRID: Final = tuple(float(f"{(1, 2, 5)[k % DECADE]}e{k // DECADE}") for k in range(-15, 16))
MULTIPLES: Final = tuple(m for m in GRID if 0.1 <= m <= 100)


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One optimizer on one problem: the final loss at each rate, and the best run.

    Parameters
    ----------
    name : str
        The optimizer's, such as "adamw".
    rates, finals : tuple of float
        Learning rates and the loss each has led to, inf where the run became non-finite.
    best : Trajectory
        The run with the lowest final loss, recorded whole.
    """

    name: str
    rates: tuple[float, ...]
    finals: tuple[float, ...]
    best: Trajectory

    @property
    def lr(self) -> float:
        """The learning rate of the best run."""
        return float(self.best.optimizer.hyper()["lr"])

    @property
    def excess(self) -> float | None:
        """How far the best run ended above the minimum, None if that is unknown."""
        minimum = self.best.problem.minimum
        return None if minimum is None else float(self.best.losses[-1]) - minimum

    @property
    def edge(self) -> Literal["lowest", "highest"] | None:
        """Which end of the rates the best is at, or None: see `edge_of`."""
        return edge_of(self.rates, self.finals)

    def summary(self) -> dict[str, Any]:
        """Return the entry as plain data, for a table or JSON."""
        return {
            "problem": self.best.problem.name,
            "optimizer": self.name,
            "lr": self.lr,
            "steps": int(self.best.t[-1]),
            "loss": _json(float(self.best.losses[-1])),
            "excess": _json(self.excess),
            "stopped": self.best.stopped,
            "edge": self.edge,
            "sweep": {str(r): _json(x) for r, x in zip(self.rates, self.finals, strict=True)},
        }


def _json(x: float | None) -> float | None:
    """Return a number that JSON has, None for the others."""
    return x if x is not None and math.isfinite(x) else None


def edge_of(
    rates: Sequence[float], finals: Sequence[float]
) -> Literal["lowest", "highest"] | None:
    """Return which end of the rates has led lowest, so that a better one may lie beyond.

    None where a rate between the ends has led as low, and where none has stayed finite.

    Examples
    --------
    >>> edge_of((0.1, 1, 10), (3, 2, 1)), edge_of((0.1, 1, 10), (3, 1, 2))
    ('highest', None)
    """
    low, high, least = min(rates), max(rates), min(finals)
    as_low = [rate for rate, final in zip(rates, finals, strict=True) if final == least]
    if low == high or not math.isfinite(least) or any(low < rate < high for rate in as_low):
        return None
    return "lowest" if low in as_low else "highest"


def compare(
    optimizers: Mapping[str, Optimizer],
    problems: Sequence[Problem],
    steps: int,
    *,
    multiples: Sequence[float] | None = None,
    schedule: Schedule | None = None,
    every: int = 1,
    jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> list[Entry]:
    """Run each optimizer on each problem at each learning rate; return the best runs.

    Parameters
    ----------
    optimizers : mapping of str to Optimizer
        By the name to show.
    problems, steps, schedule, every
        As in `run`.
    multiples : sequence of float, optional
        Multiples of each optimizer's learning rate to try, and no others; the lowest final loss
        is the best, of equal ones that of the multiple nearest 1.  By default those of
        ``MULTIPLES``, and then more of ``GRID`` until a decade on either side of the best has
        been tried, or ``GRID`` ends; where none stays finite, lower ones.
    jobs : int
        Processes to use, at least 1; the results do not depend on it.
    progress : callable, optional
        Called with the number of runs done, and of all that are known to be needed.

    Returns
    -------
    list of Entry
        One for each problem and optimizer, the optimizers of a problem beside each other.

    Raises
    ------
    ValueError
        If there is no multiple, one is there twice, or there is no process.

    Notes
    -----
    A loss that is not convex in the rate may have another valley beyond: the best is the lowest
    of those tried, which `Entry` lists.  And the last loss of a run that swings is where it
    happens to be: of several rates the luckiest, which is lower than it would be a step later.

    Examples
    --------
    Gradient descent on booth multiplies its error by 1 - 2 lr and 1 - 18 lr; the best of 1, 2
    and 5 a decade is 0.1, ten times its own, and rates from 0.2 on diverge.

    >>> import problems
    >>> import paratrooper_ref as pr
    >>> (entry,) = compare({"sgd": pr.SGD(lr=0.01)}, [problems.booth()], 50)
    >>> entry.lr, entry.edge
    (0.1, None)
    """
    if multiples is not None and not 0 < len(multiples) == len({*multiples}):
        msg = (
            "compare needs multiples of a learning rate to try, each once, "
            f"got multiples={multiples!r}"
        )
        raise ValueError(msg)
    if jobs < 1:
        msg = f"compare needs at least one process, got jobs={jobs}"
        raise ValueError(msg)
    pairs = [(name, problem) for problem in problems for name in optimizers]
    whole: dict[str, Any] = {"schedule": schedule, "every": every}
    brief = whole | {"record": "loss", "every": max(steps, 1)}
    searched, first = multiples is None, MULTIPLES if multiples is None else multiples
    swept: list[dict[float, float]] = [{} for _ in pairs]
    wanted = [(i, multiple) for i in range(len(pairs)) for multiple in first]
    done, known = 0, len(pairs)
    with _workers(jobs) as mapped:

        def runs(
            trials: Sequence[tuple[int, float]], options: dict[str, Any]
        ) -> Iterator[Trajectory]:
            nonlocal done
            chosen = [
                (_at(optimizers[pairs[i][0]], multiple), pairs[i][1], steps, options)
                for i, multiple in trials
            ]
            for trajectory in mapped(_job, chosen):
                done += 1
                if progress is not None:
                    progress(done, known)
                yield trajectory

        # NOTE: all that is known to be needed is tried before it is asked what else is: so the
        # processes have work, and what is tried does not depend on which of them is first.
        while wanted:
            known += len(wanted)
            for (i, multiple), trajectory in zip(wanted, runs(wanted, brief), strict=True):
                swept[i][multiple] = _final(trajectory)
            further = map(_further, swept) if searched else ()
            wanted = [(i, multiple) for i, several in enumerate(further) for multiple in several]
        best = list(runs([(i, _best(finals)) for i, finals in enumerate(swept)], whole))
    return [
        Entry(
            name=name,
            rates=tuple(_rate(optimizers[name], multiple) for multiple in order),
            finals=tuple(finals[multiple] for multiple in order),
            best=trajectory,
        )
        for (name, _), finals, trajectory in zip(pairs, swept, best, strict=True)
        for order in [sorted(finals) if searched else first]
    ]


def save(entries: Sequence[Entry], folder: Path) -> list[Path]:
    """Write the best runs and a summary into a folder; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for entry in entries:
        stem = f"{_slug(entry.best.problem.name)}-{_slug(entry.name)}"
        path, twins = folder / f"{stem}.npz", 1
        while path in files:  # two names may differ in what a file name cannot show
            twins += 1
            path = folder / f"{stem}-{twins}.npz"
        entry.best.save(path)
        files.append(path)
    summary = folder / "summary.json"
    with replacing(summary) as file:
        rows = [e.summary() | {"file": f.name} for e, f in zip(entries, files, strict=True)]
        text = json.dumps(rows, indent=1, allow_nan=False)
        file.write((text + "\n").encode())
    return [*files, summary]


def table(entries: Sequence[Entry]) -> str:
    """Return the entries as a text table, best first within each problem."""
    rows = [("problem", "optimizer", "lr", "final loss", "above minimum", "")]
    names = list(dict.fromkeys(entry.best.problem.name for entry in entries))
    ordered = sorted(entries, key=lambda e: (names.index(e.best.problem.name), _final(e.best)))
    for entry in ordered:
        excess = "" if entry.excess is None else f"{entry.excess:.3e}"
        rows.append(
            (
                entry.best.problem.name,
                entry.name,
                f"{entry.lr:g}",
                f"{float(entry.best.losses[-1]):.6g}",
                excess,
                entry.best.stopped or (f"at the edge: {entry.edge} rate" if entry.edge else ""),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _best(finals: Mapping[float, float]) -> float:
    """Return the multiple that has led lowest, of equal ones the nearest to 1."""
    return min(finals, key=lambda multiple: (finals[multiple], abs(multiple - 1)))


def _further(finals: Mapping[float, float]) -> list[float]:
    """Return the multiples to try next: what is absent of a decade on either side of the best."""
    best, first = _best(finals), GRID.index(min(finals))
    if math.isfinite(finals[best]):
        at = GRID.index(best)
        near = GRID[max(0, at - DECADE) : at + DECADE + 1]
    else:
        near = GRID[max(0, first - DECADE) : first]
    return [multiple for multiple in near if multiple not in finals]


def _at(optimizer: Optimizer, multiple: float) -> Optimizer:
    return optimizer.at_rate(_rate(optimizer, multiple))


def _rate(optimizer: Optimizer, multiple: float) -> float:
    lr = float(optimizer.hyper()["lr"])
    # NOTE: 0.2 * 0.1 would be 0.020000000000000004; a rate that was asked for stays as it is.
    return lr if multiple == 1 else float(f"{multiple * lr:.12g}")


def _final(trajectory: Trajectory) -> float:
    """Return the last loss, inf for a run that did not stay finite."""
    last = float(trajectory.losses[-1])
    return last if trajectory.stopped is None and np.isfinite(last) else np.inf


def _job(job: tuple[Optimizer, Problem, int, dict[str, Any]]) -> Trajectory:
    optimizer, problem, steps, options = job
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the table says which run stopped
        return run(optimizer, problem, steps, **options)


@contextmanager
def _workers(jobs: int) -> Iterator[Callable[..., Iterator[Trajectory]]]:
    """Give a lazy map over some processes, or over this one."""
    if jobs == 1:
        yield map
        return
    pool = ProcessPoolExecutor(jobs)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def _slug(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "._" else "-" for c in name)
    return "-".join(part for part in kept.split("-") if part)[:80]
