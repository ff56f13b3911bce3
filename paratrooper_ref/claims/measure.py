"""From cells to verdicts, as plain data: at equal rates, and each arm at its best.

The best rate of an arm on a problem is the one with the lowest median over the seeds of the end
(the mean decades over the last tenth of the epochs), whatever a comparison looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import numpy as np

from paratrooper_ref.claims.arms import ARMS
from paratrooper_ref.claims.cells import Cell, Curves, Floats, run_cells
from paratrooper_ref.claims.interval import interval
from paratrooper_ref.claims.settings import SETTINGS
from paratrooper_ref.claims.statistics import AFTER, BEFORE, CUTS, End
from paratrooper_ref.claims.table import Claim, Comparison
from paratrooper_ref.claims.verdicts import CONFIDENCE, Verdict, decide

FORMAT: Final = "paratrooper-ref claims 1"
RATES: Final = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
EQUAL: Final = 3e-2  # the rate of the curves at equal rates, near most best ones
SEEDS: Final = 10
# The source trains for 1000.  200 pass every epoch that it names; R, which tends to 1, is 1.95
# after these 1000 steps.  Five times the epochs would take five times the ten minutes.
EPOCHS: Final = 200
Grid = Mapping[Cell, Curves]


def measure(
    claims: Sequence[Claim],
    *,
    rates: Sequence[float] = RATES,
    seeds: int = SEEDS,
    epochs: int = EPOCHS,
    settings: Sequence[str] | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Any]:
    """Run what the claims need, and return the verdicts as plain data.

    Parameters
    ----------
    claims : sequence of Claim
        From ``CLAIMS``; those that are measured elsewhere come back without comparisons.
    rates : sequence of float
        Learning rates, > 0.
    seeds : int
        At least 10.
    epochs : int
        At least `Claim.epochs` of each, and 10.
    settings : sequence of str, optional
        Only these problems.
    jobs : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
        Called with the number of cells done and of all.

    Returns
    -------
    dict
        What ``paratrooper-ref claims --json`` prints.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """
    _admit(claims, rates, seeds, epochs, settings)

    def cells(claim: Claim, setting: str, arm: str) -> list[Cell]:
        return [Cell(arm, setting, rate, seeds, epochs) for rate in rates]

    asked = [
        cell
        for claim in claims
        for setting in _settings(claim, settings)
        for arm in claim.arms
        for cell in cells(claim, setting, arm)
    ]
    # What takes longest begins first, so that no process is left with it at the end.
    asked.sort(key=lambda cell: not ARMS[cell.arm].plateau)
    grid = run_cells(asked, jobs=jobs, progress=progress)
    found = []
    for claim in claims:
        tables = [
            {arm: [(cell.rate, grid[cell]) for cell in cells(claim, setting, arm)]
             for arm in claim.arms}
            for setting in _settings(claim, settings)
        ]
        found.append(_claim(claim, dict(zip(_settings(claim, settings), tables, strict=True))))
    return {
        "format": FORMAT,
        "declared": declared(claims),
        "seeds": seeds,
        "epochs": epochs,
        "rates": list(rates),
        "claims": found,
    }


def declared(claims: Sequence[Claim]) -> str:
    """Return a digest of all that the claims declare: arms, settings, comparisons."""
    arms = {arm: ARMS[arm] for claim in claims for arm in claim.arms}
    settings = {name: SETTINGS[name] for claim in claims for name in claim.settings}
    return sha256(repr(((*claims,), arms, settings)).encode()).hexdigest()[:16]


Sweep = Sequence[tuple[float, Curves]]
Table = Mapping[str, Sweep]  # by arm
Pair = tuple[tuple[float, Curves] | None, ...]  # what is compared with what


def _claim(claim: Claim, tables: Mapping[str, Table]) -> dict[str, Any]:
    """Return all that is found about one claim."""
    return {
        "number": claim.number,
        "name": claim.name,
        "says": claim.says,
        "elsewhere": claim.elsewhere,
        "best": {
            setting: {arm: best(sweep)[0] for arm, sweep in table.items()}
            for setting, table in tables.items()
        },
        "ends": {
            setting: {
                arm: [rounded(float(np.median(End()(curves)))) for _, curves in sweep]
                for arm, sweep in table.items()
            }
            for setting, table in tables.items()
        },
        "comparisons": [
            {
                "says": comparison.says,
                "by": comparison.what,
                "margin": rounded(comparison.margin),
                "rows": [
                    row for setting, table in tables.items()
                    for row in _rows(comparison, setting, table)
                ],
            }
            for comparison in claim.comparisons
        ],
        "curves": [
            curve for setting, table in tables.items() for curve in _curves(claim, setting, table)
        ],
    }


def _rows(comparison: Comparison, setting: str, table: Table) -> list[dict[str, Any]]:
    """Return the verdicts on one comparison at each rate, then with each arm at its best."""
    sides = (comparison.of, comparison.against)
    sweeps = [None if arm is None else table[arm] for arm in sides]
    pairs: list[Pair] = [
        tuple(None if sweep is None else sweep[i] for sweep in sweeps)
        for i in range(max(len(sweep) for sweep in sweeps if sweep is not None))
    ]
    pairs.append(tuple(None if sweep is None else best(sweep) for sweep in sweeps))
    return [
        _row(comparison, setting, pair, at_best=pair is pairs[-1]) for pair in pairs
    ]


def _row(comparison: Comparison, setting: str, pair: Pair, *, at_best: bool) -> dict[str, Any]:
    known = [side for side in pair if side is not None]
    rates = [rate for rate, _ in known]
    verdict = compared(comparison, *(None if side is None else side[1] for side in pair))
    d = verdict.difference
    return {
        "problem": setting,
        "best": at_best,
        "rates": rates if at_best else rates[:1],
        "verdict": verdict.word,
        "difference": None if d is None else rounded(d.mean),
        "low": None if d is None else rounded(d.low),
        "high": None if d is None else rounded(d.high),
        "seeds": 0 if d is None else d.n,
        "untrained": [int(untrained(curves).sum()) for _, curves in known],
    }


def compared(comparison: Comparison, of: Curves | None, against: Curves | None) -> Verdict:
    """Return the verdict on one comparison of two cells, seed by seed; None counts as 0.

    A seed of which neither run has trained has no difference: two that stand still are not level.
    """
    first = 0.0 if of is None else comparison.by(of)
    second = 0.0 if against is None else (comparison.against_by or comparison.by)(against)
    lost = np.all([untrained(curves) for curves in (of, against) if curves is not None], axis=0)
    return decide(np.where(lost, np.nan, first - second), comparison.margin)


def best(sweep: Sweep) -> tuple[float, Curves]:
    """Return the rate with the lowest median end, the lower one of equals, and its curves."""
    return min(sweep, key=lambda pair: float(np.median(End()(pair[1]))))


def untrained(curves: Curves) -> Floats:
    """Return for each seed whether it ended as high as it started, or higher."""
    result: Floats = curves.decades[-1] >= curves.decades[0]
    return result


def _curves(claim: Claim, setting: str, table: Table) -> list[dict[str, Any]]:
    """Return what the claim's figure shows of one problem."""
    if claim.figure == "differences":
        return []
    found = []
    for arm, sweep in table.items():
        shown = [(*best(sweep), True)]
        if claim.figure == "curves":
            shown += [(rate, curves, False) for rate, curves in sweep if rate == EQUAL]
        for rate, curves, at_best in shown:
            if claim.figure == "cuts":
                y, epochs = around_cuts(curves), list(range(-BEFORE + 1, AFTER[1] + 1))
            else:
                epochs = shown_epochs(len(curves.decades) - 1)
                y = curves.decades[epochs]
            if y.shape[1] < 2:
                continue
            spans = [interval(row, CONFIDENCE) for row in y]
            found.append(
                {
                    "problem": setting, "arm": arm, "best": at_best, "rate": rate,
                    "epochs": epochs, "seeds": y.shape[1],
                    "mean": [rounded(s.mean) for s in spans],
                    "low": [rounded(s.low) for s in spans],
                    "high": [rounded(s.high) for s in spans],
                }
            )
    return found


def around_cuts(curves: Curves) -> Floats:
    """Return the decades around the first cuts, less their mean before, a column for each seed.

    Rows are the epochs from 4 before a cut to 10 after it; a seed's column is the mean over its
    first two cuts, and a seed without a cut has none.
    """
    columns = []
    for seed, cuts in enumerate(curves.cuts):
        y = curves.decades[:, seed]
        seen = [
            y[cut - BEFORE + 1 : cut + AFTER[1] + 1] - y[cut - BEFORE + 1 : cut + 1].mean()
            for cut in cuts[:CUTS]
            if cut + AFTER[1] < len(y)
        ]
        if seen:
            columns.append(np.mean(seen, axis=0))
    return np.array(columns).T if columns else np.empty((BEFORE + AFTER[1], 0))


def shown_epochs(epochs: int) -> list[int]:
    """Return the epochs that a figure shows: ever fewer, and those that the claims name."""
    late = np.geomspace(10, max(epochs, 10), 36).round().astype(int).tolist()
    return sorted({e for e in [*range(10), *late, 25, 60, 120] if e <= epochs})


def rounded(x: float) -> float:
    """Return a number to six digits: the last ones of a logarithm differ between machines."""
    return float(f"{x:.6g}")


def _settings(claim: Claim, only: Sequence[str] | None) -> list[str]:
    return [name for name in claim.settings if only is None or name in only]


def _admit(
    claims: Sequence[Claim],
    rates: Sequence[float],
    seeds: int,
    epochs: int,
    settings: Sequence[str] | None,
) -> None:
    if not rates or not all(0 < rate < np.inf for rate in rates) or len({*rates}) < len(rates):
        msg = f"claims needs different learning rates > 0, got rates={list(rates)}"
        raise ValueError(msg)
    if seeds < 10:
        msg = f"claims needs at least 10 seeds, for intervals worth their name, got seeds={seeds}"
        raise ValueError(msg)
    for claim in claims:
        least = max(10, claim.epochs)
        if claim.elsewhere is None and epochs < least:
            msg = (
                f"the claim {claim.name} needs at least {least} epochs, since it looks at "
                f"that one, got epochs={epochs}"
            )
            raise ValueError(msg)
        if claim.elsewhere is None and not _settings(claim, settings):
            msg = (
                f"the claim {claim.name} needs a problem among {', '.join(claim.settings)}, "
                f"got {', '.join(settings or ())}"
            )
            raise ValueError(msg)
    for name in settings or ():
        if name not in SETTINGS:
            msg = f"claims needs problems among {', '.join(SETTINGS)}, got {name!r}"
            raise ValueError(msg)
