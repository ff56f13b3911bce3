"""The kill matrix: which case sees which variant, and how clearly.

For each variant and each core case of an optimizer that it fits: how many bounds away it is,
where it shows most, in parameters and state after each step, for a backend of float32 with
scalars formed in double and for one of float64.  The matrix is data that comes with the package;
`verify` computes it again and holds it to what it has to be: every bug and every dialect is
killed by a core case, `MARGIN` bounds away or more in both precisions, and every form of
evaluation stays within its bound.

Margins are stored as powers of two, rounded down: at least 2**k bounds.  Such a claim holds on
every machine.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance import bounds
from paratrooper_ref.conformance.measured import (
    PACKAGE,
    Findings,
    Given,
    Measured,
    Progress,
    decided,
    loaded,
)
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.wanted import Wanted, computed, proved
from paratrooper_ref.golden import text
from paratrooper_ref.golden.bounds import MARGIN, excess
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import Golden, Value
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.schema import validate
from paratrooper_ref.golden.workers import mapped
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import evaluated
from paratrooper_ref.schedules import Schedule, build_schedule
from paratrooper_ref.variants import SCHEDULE_VARIANTS, VARIANTS, Variant, changed, rescheduled
from paratrooper_ref.variants.schedules import fits

FORMAT: Final = "paratrooper-ref kill matrix 1"
FILE: Final = "kill.json"
PROFILES: Final = {"float32": Profile(dtype="float32"), "float64": Profile(dtype="float64")}
UNSEEN: Final = -1
ENDLESS: Final = 2000
SLACK: Final = 2.0**-20  # of a margin: what another order of the bounds' own sums may change
ERRORS: Final = (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError)

LEFT: Final[dict[str, str]] = {}
"""Variants that no core case kills, and why."""

Margins = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Row:
    """What cases see of a variant: by profile and case, k where it is 2**k bounds away or more."""

    text: str
    seen: Mapping[str, Mapping[str, int]]

    def best(self, profile: str) -> tuple[str, int]:
        """Return the case that sees most, and what."""
        seen = self.seen[profile]
        return max(seen.items(), key=lambda item: item[1], default=("", UNSEEN))

    def killers(self) -> list[str]:
        """Return the cases that kill it, in both profiles."""
        enough = math.log2(MARGIN)
        one, two = (self.seen[profile] for profile in PROFILES)
        return [case for case, k in one.items() if min(k, two[case]) >= enough]


@dataclass(frozen=True)
class Matrix:
    """A kill matrix: the digest of its corpus, and a row for each variant, by kind."""

    corpus: str
    variants: Mapping[str, Row]
    schedules: Mapping[str, Row]
    forms: Mapping[str, Row]

    @property
    def rows(self) -> dict[str, Row]:
        """The rows of what has to be killed."""
        return {**self.variants, **self.schedules}


class Found(Findings[Matrix]):
    """What `verify` or `update` has found."""

    @property
    def matrix(self) -> Matrix:
        """The matrix as it is now."""
        return self.table

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to kill or nothing to kill it with."""
        return not any(row.seen["float32"] for row in self.matrix.rows.values())

    def to_json(self) -> dict[str, Any]:
        """Return this as plain data."""
        rows = self.matrix.rows
        return {
            "holds": self.holds, "errors": self.errors, "file": self.file,
            "corpus": self.matrix.corpus, "left": LEFT,
            "variants": {
                name: {
                    "killed by": len(row.killers()),
                    **{profile: list(row.best(profile)) for profile in PROFILES},
                }
                for name, row in rows.items()
            },
        }

    def __str__(self) -> str:
        rows = self.matrix.rows
        killed = [name for name, row in rows.items() if row.killers()]
        said = []
        if killed:
            weak = min(killed, key=lambda name: rows[name].best("float32")[1])
            case, k = rows[weak].best("float32")
            said.append(
                f"{len(killed)} of {len(rows)} variants are killed by a core case, "
                f"{len(LEFT)} are left with a reason; the least visible in float32 is {weak}, "
                f"{shown(k)} bounds away in {case}"
            )
        ends = "the kill matrix is whole" if self.holds else "the kill matrix does not hold"
        return self.told(said, ends)


def shown(k: int) -> str:
    """Return a margin as it is printed.

    Examples
    --------
    >>> shown(3), shown(20), shown(UNSEEN), shown(ENDLESS)
    ('8', '1e6', '< 1', '∞')
    """
    if k == UNSEEN:
        return "< 1"
    if k >= ENDLESS:
        return "∞"
    return str(2**k) if k < 10 else f"1e{math.floor(k * math.log10(2))}"


# --------------------------------------------------------------------------- measuring


def measured(corpus: Corpus, *, jobs: int = 1, progress: Progress | None = None) -> Matrix:
    """Return the kill matrix of a corpus's core tier.

    Parameters
    ----------
    corpus : Corpus
    jobs : int
        Processes to use; the matrix does not depend on it.
    progress : callable, optional
        Called with the number of cases done and of all cases.
    """
    manifest = corpus.manifest()
    names = [entry.case for entry in manifest.cases.values() if entry.tier == "core"]
    seen: dict[str, dict[str, dict[str, int]]] = {
        name: {profile: {} for profile in PROFILES} for name in (*VARIANTS, *SCHEDULE_VARIANTS)
    }
    asked = [(corpus.folder, name) for name in names]
    for i, found in enumerate(mapped(_of_case, asked, jobs)):
        for name, away in found.items():
            for profile, margin in away.items():
                seen[name][profile][names[i]] = floored(margin)
        if progress is not None:
            progress(i + 1, len(names))

    def rows(variants: Mapping[str, Variant], *, forms: bool) -> dict[str, Row]:
        return {
            name: Row(digest(variant), seen[name])
            for name, variant in sorted(variants.items())
            if (variant.kind == "form") == forms
        }

    return Matrix(
        manifest.digest,
        rows(VARIANTS, forms=False), rows(SCHEDULE_VARIANTS, forms=False),
        rows(VARIANTS, forms=True),
    )


def floored(margin: float) -> int:
    """Return the k of the largest power of two that a margin certainly reaches.

    Examples
    --------
    >>> floored(0.5), floored(1.5), floored(8.0), floored(float("inf"))
    (-1, 0, 2, 2000)
    """
    if math.isinf(margin) or math.isnan(margin):
        return ENDLESS
    certain = margin * (1 - SLACK)
    return math.frexp(certain)[1] - 1 if certain >= 1 else UNSEEN


def digest(variant: Variant) -> str:
    """Return a digest of what a variant changes, so that a row is known to be of its text."""
    said = json.dumps([variant.kind, sorted(variant.rules), variant.changes])
    if variant.of is not None:
        said = digest(variant.of) + said
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _of_case(job: tuple[Path, str]) -> Margins:
    golden = loaded(*job)
    return of_rules(golden, VARIANTS.values()) | of_schedule(golden, SCHEDULE_VARIANTS.values())


def of_rules(golden: Golden, variants: Iterable[Variant]) -> Margins:
    """Return by variant and profile how many bounds away it is from a case.

    A form of a line of a dialect is held to that dialect, as the reference has it.
    """
    fitting = [v for v in variants if v.fits(golden.optimizer)]
    away: Margins = {v.name: dict.fromkeys(PROFILES, 0.0) for v in fitting}
    for dialect in dict.fromkeys(v.of for v in fitting):
        others = {v: changed(golden.optimizer, v) for v in fitting if v.of == dialect}
        optimizer = golden.optimizer if dialect is None else changed(golden.optimizer, dialect)
        for step in golden.steps:
            given = (golden.state(step), golden.gradients(step), step.lr)
            allowed = {
                profile: found
                for profile, declared in PROFILES.items()
                if (found := decided(optimizer, given, declared)) is not None
            }
            wanted = proved(golden, step) if dialect is None else computed(optimizer, *given)
            for variant, other in others.items():
                for profile, share in _away(other, variant, given, wanted, allowed).items():
                    away[variant.name][profile] = max(away[variant.name][profile], share)
    return away


def _away(
    other: Optimizer, variant: Variant, given: Given, wanted: Wanted,
    allowed: Mapping[str, bounds.Lines],
) -> dict[str, float]:
    """Return by profile how many bounds a step of a variant is away from what is wanted."""
    try:
        got, _ = evaluated(other, *given, lambda layer, slot, x: x)
    except ERRORS:
        # A form that divides by a rate of 0 is not taken; a bug that raises is seen.
        return {} if variant.kind == "form" else dict.fromkeys(PROFILES, math.inf)
    return {
        profile: max(
            excess(
                got[layer][slot], Value(number.hi, number.lo),
                np.ravel(lines[layer][slot].error) + number.slack, undecided=0,
            )
            for layer, slots in wanted.items() if layer in got for slot, number in slots.items()
        )
        for profile, lines in allowed.items()
    }


def of_schedule(golden: Golden, variants: Iterable[Variant]) -> Margins:
    """Return by variant how many roundings its rates are away from those of a case."""
    if golden.schedule is None:
        return {}
    schedule, start = build_schedule(dict(golden.schedule)), golden.optimizer.rate(None)
    told = [(step.t, step.metric, step.lr) for step in golden.steps]
    return {
        variant.name: _rates(rescheduled(schedule, variant), start, told)
        for variant in variants if fits(schedule, variant)
    }


def _rates(
    schedule: Schedule, start: float, told: Sequence[tuple[int, float | None, float]]
) -> dict[str, float]:
    state, away = schedule.init(start), dict.fromkeys(PROFILES, 0.0)
    for t, metric, wanted in told:
        state, rate = schedule(state, t, metric)
        for profile, declared in PROFILES.items():
            allowed = declared.format.unit * wanted
            off = abs(rate - wanted)
            share = off / allowed if allowed else math.inf if off else 0.0
            away[profile] = max(away[profile], share)
    return away


# --------------------------------------------------------------------------- the file


def dump(matrix: Matrix) -> bytes:
    """Return the canonical bytes of a matrix."""
    kinds = ("variants", "schedules", "forms")
    all_rows = [row for kind in kinds for row in getattr(matrix, kind).values()]
    cases = sorted({case for row in all_rows for case in row.seen["float32"]})
    place = {case: i for i, case in enumerate(cases)}

    def plain(row: Row) -> dict[str, Any]:
        mine = sorted(row.seen["float32"])
        seen = {profile: [row.seen[profile][case] for case in mine] for profile in PROFILES}
        return {"cases": [place[case] for case in mine], "text": row.text, **seen}

    return text.write(
        {
            "format": FORMAT, "corpus": matrix.corpus, "profiles": list(PROFILES), "cases": cases,
            **{kind: {n: plain(r) for n, r in getattr(matrix, kind).items()} for kind in kinds},
        }
    )


def parse(written: bytes, file: str = FILE) -> Matrix:
    """Return the matrix that canonical bytes hold.

    Raises
    ------
    GoldenError
        If they are none of this format.
    """
    found = text.read(written, file)
    validate(found, "kill", file, PACKAGE)
    cases = found["cases"]

    def row(name: str, plain: Mapping[str, Any]) -> Row:
        if any(i >= len(cases) for i in plain["cases"]):
            raise GoldenError(file, name, f"names a case beyond the {len(cases)} that are listed")
        if len({len(plain[key]) for key in ("cases", *PROFILES)}) > 1:
            raise GoldenError(file, name, "needs a margin in each profile for each of its cases")
        mine = [cases[i] for i in plain["cases"]]
        return Row(plain["text"], {p: dict(zip(mine, plain[p], strict=True)) for p in PROFILES})

    return Matrix(
        found["corpus"],
        *(
            {name: row(f"{kind}.{name}", plain) for name, plain in found[kind].items()}
            for kind in ("variants", "schedules", "forms")
        ),
    )


# --------------------------------------------------------------------------- what has to hold


def defects(matrix: Matrix) -> Iterator[str]:
    """Yield what is wrong with a matrix in itself: who is not killed, and who should not be."""
    for name, row in matrix.rows.items():
        killers = row.killers()
        if name in LEFT and killers:
            yield f"{name} is left as {LEFT[name]!r}, and {killers[0]} kills it"
        elif name not in LEFT and not killers:
            profile = min(PROFILES, key=lambda profile: row.best(profile)[1])
            case, k = row.best(profile)
            yield (
                f"{name} is killed by no core case: it needs to be {MARGIN} bounds away, and is "
                f"{shown(k)} in {profile}, in {case or 'no case at all'}"
            )
    for name in sorted(LEFT.keys() - matrix.rows.keys()):
        yield f"{name} is left, and is no variant"
    for name, row in matrix.forms.items():
        case, k = row.best("float64")
        if k != UNSEEN:
            yield f"{name} is a form of evaluation, and {shown(k)} bounds away in {case}"


def differences(stored: Matrix, now: Matrix) -> Iterator[str]:
    """Yield where a stored matrix is not what is measured now, once a variant."""
    if stored.corpus != now.corpus:
        yield f"{FILE} is of another corpus: {stored.corpus[:12]}, not {now.corpus[:12]}"
    for kind in ("variants", "schedules", "forms"):
        old, new = getattr(stored, kind), getattr(now, kind)
        for name in sorted(old.keys() ^ new.keys()):
            yield f"{name} is {'not in' if name in new else 'in'} {FILE}; rebuild it"
        for name in sorted(old.keys() & new.keys()):
            yield from _apart(name, old[name], new[name])


def _apart(name: str, old: Row, new: Row) -> Iterator[str]:
    if old.text != new.text:
        yield f"{name} has been changed since {FILE} was made; rebuild it"
        return
    for profile in PROFILES:
        one, two = old.seen[profile], new.seen[profile]
        if one.keys() != two.keys():
            yield f"{name} has other cases than in {FILE}; rebuild it"
            return
        for case, k in one.items():
            if k != two[case]:
                yield (
                    f"{name} is {shown(two[case])} bounds away in {case}, in {profile}, and "
                    f"{FILE} says {shown(k)}"
                )
                return


MATRIX: Final = Measured(
    FILE, parse=parse, dump=dump, measured=measured, defects=defects, differences=differences,
    found=Found,
)
shipped, load, verify, update = MATRIX.shipped, MATRIX.load, MATRIX.verify, MATRIX.update
