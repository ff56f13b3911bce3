"""Several optimizers on several problems, each at its best of a range of learning rates.

One learning rate favours the optimizer it suits; so every optimizer is run over the same
multiples of its own rate and shown at its best, beside the whole range.
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
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.files import replacing
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.schedules import Schedule
from paratrooper_ref.trajectory import Trajectory, run

if TYPE_CHECKING:
    from problems import Problem

# Of an optimizer's own learning rate, three a decade from a tenth to a hundred.
MULTIPLES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


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
            "sweep": {str(r): _json(x) for r, x in zip(self.rates, self.finals, strict=True)},
        }


def _json(x: float | None) -> float | None:
    """Return a number that JSON has, None for the others."""
    return x if x is not None and math.isfinite(x) else None


def compare(
    optimizers: Mapping[str, Optimizer],
    problems: Sequence[Problem],
    steps: int,
    *,
    multiples: Sequence[float] = MULTIPLES,
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
    multiples : sequence of float
        Multiples of each optimizer's learning rate to try; the lowest final loss is the best.
    jobs : int
        Processes to use; the results do not depend on it.
    progress : callable, optional
        Called with the number of runs done and of all runs.
    """
    pairs = [(name, problem) for problem in problems for name in optimizers]
    rates = {name: _rates(optimizer, multiples) for name, optimizer in optimizers.items()}
    whole: dict[str, Any] = {"schedule": schedule, "every": every}
    brief = whole | {"record": "loss", "every": max(steps, 1)}
    trials = [
        (optimizers[name].at_rate(lr), problem, steps, brief)
        for name, problem in pairs
        for lr in rates[name]
    ]
    entries: list[Entry] = []
    with _workers(jobs) as mapped:
        finals: list[float] = []
        for trajectory in mapped(_job, trials):
            finals.append(_final(trajectory))
            if progress is not None:
                progress(len(finals), len(trials) + len(pairs))
        swept = np.reshape(finals, (len(pairs), len(multiples)))
        best = [
            (optimizers[name].at_rate(rates[name][int(np.argmin(row))]), problem, steps, whole)
            for (name, problem), row in zip(pairs, swept, strict=True)
        ]
        for (name, _), row, trajectory in zip(pairs, swept, mapped(_job, best), strict=True):
            entries.append(
                Entry(name=name, rates=rates[name], finals=tuple(row.tolist()), best=trajectory)
            )
            if progress is not None:
                progress(len(trials) + len(entries), len(trials) + len(pairs))
    return entries


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
                entry.best.stopped or "",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _rates(optimizer: Optimizer, multiples: Sequence[float]) -> tuple[float, ...]:
    lr = float(optimizer.hyper()["lr"])
    # NOTE: 0.2 * 0.1 would be 0.020000000000000004; a rate that was asked for stays as it is.
    return tuple(lr if m == 1 else float(f"{m * lr:.12g}") for m in multiples)


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
