"""Measure claims: the cells they need, each run once, and what comes of them as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import numpy as np

from paratrooper_ref.claims import cells, floors, skips, statistics, verdicts
from paratrooper_ref.claims.arms import DECAY, arms
from paratrooper_ref.claims.cells import Cell, run_cells
from paratrooper_ref.claims.pictured import pictured
from paratrooper_ref.claims.rows import Table, best, rounded, rows
from paratrooper_ref.claims.settings import SETTINGS
from paratrooper_ref.claims.statistics import End
from paratrooper_ref.claims.table import Claim
from paratrooper_ref.golden.workers import mapped

FORMAT: Final = "paratrooper-ref claims 2"
RATES: Final = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
SEEDS: Final = 10
# The source trains for 1000.  200 pass every epoch that it names; R, which tends to 1, is 1.95
# after these 1000 steps.
EPOCHS: Final = 200
FLOORS: Final = "noise"
SKIPS: Final = "landscapes"
OWN: Final = {FLOORS: floors, SKIPS: skips}  # claims of no arm, and how they are measured
Progress = Callable[[int, int], object]


def measure(
    claims: Sequence[Claim],
    *,
    rates: Sequence[float] = RATES,
    seeds: int = SEEDS,
    epochs: int = EPOCHS,
    decay: float = DECAY,
    settings: Sequence[str] | None = None,
    depths: Sequence[int] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run what the claims need, and return the verdicts as plain data.

    Parameters
    ----------
    claims : sequence of Claim
        From ``CLAIMS``.
    rates : sequence of float
        Learning rates, > 0.
    seeds : int
        At least 10.
    epochs : int
        At least `Claim.epochs` of each.
    decay : float
        The weight decay of every arm, >= 0.
    settings : sequence of str, optional
        Only these problems.
    depths : sequence of int, optional
        Of the nets with and without skips, different, each at least 1; by default 2, 4, 6, 8, 12.
    jobs : int
        Processes, at least 1; the numbers do not depend on it.
    progress : callable, optional
        Called with the number of cells and pairs of nets done and of all.

    Returns
    -------
    dict
        What ``paratrooper-ref claims --json`` prints.

    Raises
    ------
    ValueError
        If an argument is not as above.
    ImportError
        If the claim about skips is asked for, which trains nets with SciPy, and that is not there.
    """
    _admit(claims, rates, seeds, epochs, settings)
    if not 0 <= decay < np.inf:
        msg = f"claims needs a weight decay >= 0, got decay={decay}"
        raise ValueError(msg)
    if jobs < 1:
        msg = f"claims needs at least one process, got jobs={jobs}"
        raise ValueError(msg)
    if depths is not None and (len({*depths}) < len(depths) or min(depths, default=0) < 1):
        msg = f"claims needs different depths >= 1, got depths={list(depths)}"
        raise ValueError(msg)
    pairs = _pairs(claims, seeds, depths)

    def sweep(setting: str, arm: str) -> list[Cell]:
        return [Cell(arm, setting, rate, seeds, epochs, decay) for rate in sorted(rates)]

    asked = [
        cell
        for claim in claims
        for setting in _settings(claim, settings)
        for arm in claim.arms
        for cell in sweep(setting, arm)
    ]
    # What takes longest begins first, so that no process is left with it at the end.
    asked = sorted(dict.fromkeys(asked), key=lambda cell: not arms()[cell.arm].plateau)
    whole = len(asked) + len(pairs)

    def at(before: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(before + done, whole)

    grid = run_cells(asked, jobs=jobs, progress=at(0))
    nets = _run_pairs(pairs, jobs, at(len(asked)))
    found = []
    for claim in claims:
        tables = {
            setting: {
                arm: [(cell.rate, grid[cell]) for cell in sweep(setting, arm)] for arm in claim.arms
            }
            for setting in _settings(claim, settings)
        }
        found.append(_claim(claim, tables, nets))
    return {
        "format": FORMAT,
        "declared": declared(claims),
        "seeds": seeds,
        "epochs": epochs,
        "decay": decay,
        "rates": sorted(rates),
        "claims": found,
    }


def declared(claims: Sequence[Claim]) -> str:
    """Return a digest of all that the claims declare: arms, settings, comparisons, constants."""
    named = {arm: arms()[arm] for claim in claims for arm in claim.arms}
    settings = {name: SETTINGS[name] for claim in claims for name in claim.settings}
    files = [cells, statistics, verdicts, *(OWN[c.name] for c in claims if c.name in OWN)]
    constants = [
        (file.__name__, name, value)
        for file in files for name, value in vars(file).items()
        if name.isupper() and name != "TYPE_CHECKING"
    ]
    return sha256(repr(((*claims,), named, settings, constants)).encode()).hexdigest()[:16]


def _claim(
    claim: Claim, tables: Mapping[str, Table], nets: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return all that is found about one claim."""
    return {
        "number": claim.number,
        "label": claim.label,
        "name": claim.name,
        "says": claim.says,
        "page": claim.page,
        "best": {
            setting: {arm: best(sweep, End())[0] for arm, sweep in table.items()}
            for setting, table in tables.items()
        },
        "starts": {
            setting: {
                arm: rounded(float(np.median(sweep[0][1].decades[0])))
                for arm, sweep in table.items()
            }
            for setting, table in tables.items()
        },
        "ends": {
            setting: {
                arm: [rounded(float(np.median(End()(curves)))) for _, curves in sweep]
                for arm, sweep in table.items()
            }
            for setting, table in tables.items()
        },
        "comparisons": _comparisons(claim, tables, nets),
        "curves": [
            curve for setting, table in tables.items() for curve in pictured(claim, setting, table)
        ],
    }


def _comparisons(
    claim: Claim, tables: Mapping[str, Table], nets: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    if claim.name == FLOORS:
        return floors.comparisons()
    if claim.name == SKIPS:
        return skips.comparisons(nets)
    return [
        {
            "says": comparison.says,
            "by": comparison.what,
            "axis": "learning rate",
            "unit": "decades",
            "margin": rounded(comparison.margin),
            "lacking": comparison.by.lacking,
            "rows": [
                row for setting, table in tables.items() for row in rows(comparison, setting, table)
            ],
        }
        for comparison in claim.comparisons
    ]


def _pairs(
    claims: Sequence[Claim], seeds: int, depths: Sequence[int] | None
) -> list[tuple[int, int]]:
    """Return depth and seed of each pair of nets that is needed."""
    if not any(claim.name == SKIPS for claim in claims):
        return []
    try:
        import scipy  # noqa: F401
    except ImportError as error:
        msg = "the claim landscapes trains nets with SciPy: pip install 'paratrooper-ref[test]'"
        raise ImportError(msg) from error
    chosen = skips.DEPTHS if depths is None else depths
    return [(depth, seed) for depth in sorted(chosen, reverse=True) for seed in range(seeds)]


def _run_pairs(
    pairs: Sequence[tuple[int, int]], jobs: int, progress: Progress | None
) -> list[dict[str, Any]]:
    found = []
    for row in mapped(skips.of_pair, pairs, jobs):
        found.append(row)
        if progress is not None:
            progress(len(found), len(pairs))
    return sorted(found, key=lambda row: (row["depth"], row["seed"]))


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
        if epochs < claim.epochs:
            msg = (
                f"the claim {claim.name} is about the first {claim.epochs} epochs or more, "
                f"got epochs={epochs}"
            )
            raise ValueError(msg)
        if claim.settings and not _settings(claim, settings):
            msg = (
                f"the claim {claim.name} needs a problem among {', '.join(claim.settings)}, "
                f"got {', '.join(settings or ())}"
            )
            raise ValueError(msg)
    if settings and not any(claim.settings for claim in claims):
        names = ", ".join(claim.name for claim in claims)
        msg = f"no problem is needed for {names}, got {', '.join(settings)}"
        raise ValueError(msg)
    for name in settings or ():
        if name not in SETTINGS:
            msg = f"claims needs problems among {', '.join(SETTINGS)}, got {name!r}"
            raise ValueError(msg)
