"""The sensitivity table: how wrong a constant may be before the core tier sees it.

For each number among the hyperparameters of each optimizer, and for each that is written in a
rule, the least relative change, a power of two, that no backend can hide: one core case shows
parameters or state `CERTAIN` bounds away.  The wrong step is evaluated in doubles, which is
within one bound of what it would be in real numbers; so is whatever else a backend of that
precision makes of it; so the backend is outside the bound of the right step.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance.constants import Suspect, Wrong, constants, rules, touches
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
from paratrooper_ref.golden import text
from paratrooper_ref.golden.bounds import after, excess
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import Golden
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.schema import validate
from paratrooper_ref.golden.workers import mapped
from paratrooper_ref.variants.variant import source_of

FORMAT: Final = "paratrooper-ref sensitivity 1"
FILE: Final = "sensitivity.json"
PROFILES: Final = {name: Profile(dtype=name) for name in ("float64", "float32", "bfloat16")}
CERTAIN: Final = 3.0  # bounds: one is the double evaluation's, one the backend's own
NEVER: Final = 0  # not even a change by half of it shows
MOST: Final = 52  # a change by less is none in a double
TRIED: Final = (1, 20, 36)  # powers of two, for a first look: past every switch, and between
BEST: Final = 2  # cases that are looked at closely, for each of them
SEVENTH: Final = 24  # 2**-24 is less than a unit in the seventh digit
ERRORS: Final = (ArithmeticError, ValueError)

LEFT: Final[dict[str, str]] = {}
"""Constants whose change in the seventh digit no core case shows in float64, and why."""


# --------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Row:
    """By profile: the case that shows a constant best, and k where 2**-k is a change it shows."""

    shown: str
    seen: Mapping[str, tuple[str, int]]


@dataclass(frozen=True)
class Table:
    """A sensitivity table: the digests of its corpus and of the rules, and a row by constant."""

    corpus: str
    rules: str
    rows: Mapping[str, Row]


@dataclass(frozen=True)
class _Prepared:
    golden: Golden
    given: tuple[Given, ...]
    allowed: Mapping[str, tuple[Any, ...]]  # by profile, for each step the bounds or None


@lru_cache(maxsize=64)
def _prepared(folder: Path, name: str) -> _Prepared:
    golden = loaded(folder, name)
    given = tuple((golden.state(s), golden.gradients(s), s.lr) for s in golden.steps)
    allowed = {
        profile: tuple(decided(golden.optimizer, step, declared) for step in given)
        for profile, declared in PROFILES.items()
    }
    return _Prepared(golden, given, allowed)


def margin(of: _Prepared, wrong: Wrong, change: float, profiles: Iterable[str]) -> dict[str, float]:
    """Return by profile how many bounds a wrong constant is away from a case."""
    golden, away = of.golden, dict.fromkeys(profiles, 0.0)
    slots = ("theta", *golden.optimizer.slots())
    for i, (step, given) in enumerate(zip(golden.steps, of.given, strict=True)):
        try:
            got = wrong.step(given, change)
        except ERRORS:  # the root of a number below 0: whatever a backend has there is wrong
            return dict.fromkeys(away, np.inf)
        for layer, names in got.items():
            for slot in slots:
                wanted = after(step, layer, slot)
                for profile in away:
                    allowed = of.allowed[profile][i]
                    if allowed is not None:
                        share = excess(names[slot], wanted, allowed[layer][slot].error, undecided=0)
                        away[profile] = max(away[profile], share)
    return away


def _first_look(job: tuple[Path, str]) -> dict[str, list[dict[str, float]]]:
    """Return by constant and profile what a case sees of a large change and of small ones."""
    of = _prepared(*job)
    return {
        name: [margin(of, Wrong(of.golden, constant), 2.0**-k, PROFILES) for k in TRIED]
        for name, constant in constants().items() if touches(of.golden, constant)
    }


def _close_look(job: tuple[Path, str, Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[str, int]]:
    """Return by profile the case that sees the least change of a constant, and that change."""
    folder, name, best = job
    constant = constants()[name]
    found = {}
    for profile, cases in best.items():
        seen = [(_least(_prepared(folder, case), constant, profile), case) for case in cases]
        k, case = max(seen, key=lambda pair: pair[0], default=(NEVER, ""))
        found[profile] = (case if k else "", k)
    return found


def _least(of: _Prepared, constant: Suspect, profile: str) -> int:
    """Return the largest k so that 2**-k shows; found by bisection, and tried itself."""
    wrong = Wrong(of.golden, constant)

    def shows(k: int) -> bool:
        return margin(of, wrong, 2.0**-k, (profile,))[profile] >= CERTAIN

    low, high = NEVER, MOST + 1
    while high - low > 1:
        middle = (low + high) // 2
        if shows(middle):
            low = middle
        else:
            high = middle
    return low


def measured(corpus: Corpus, *, jobs: int = 1, progress: Progress | None = None) -> Table:
    """Return the sensitivity table of a corpus's core tier.

    Parameters
    ----------
    corpus : Corpus
    jobs : int
        Processes to use; the table does not depend on it.
    progress : callable, optional
        Called with how much is done and how much there is.
    """
    manifest = corpus.manifest()
    cases = [entry.case for entry in manifest.cases.values() if entry.tier == "core"]
    known = constants()
    whole, done = len(cases) + len(known), 0

    def tell() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, whole)

    away: dict[str, dict[str, list[dict[str, float]]]] = {name: {} for name in known}
    looks = [(corpus.folder, case) for case in cases]
    for case, found in zip(cases, mapped(_first_look, looks, jobs), strict=True):
        for name, seen in found.items():
            away[name][case] = seen
        tell()
    close = [(corpus.folder, name, _best(away[name])) for name in known]
    rows = {}
    for (_, name, _), seen_by in zip(close, mapped(_close_look, close, jobs), strict=True):
        rows[name] = Row(known[name].shown, seen_by)
        tell()
    return Table(manifest.digest, digest(), dict(sorted(rows.items())))


def _best(away: Mapping[str, list[dict[str, float]]]) -> dict[str, tuple[str, ...]]:
    """Return by profile the cases that see most of a change."""

    def first(profile: str, look: int) -> list[str]:
        return sorted(away, key=lambda case: (-away[case][look][profile], case))[:BEST]

    return {
        profile: tuple(dict.fromkeys(c for look in range(len(TRIED)) for c in first(profile, look)))
        for profile in PROFILES
    }


def digest() -> str:
    """Return a digest of the rules, so that a table is known to be of their text."""
    said = "\n".join(ast.unparse(source_of(rule)) for rule in rules())
    return hashlib.sha256(said.encode()).hexdigest()[:16]


# --------------------------------------------------------------------------- the file


def dump(table: Table) -> bytes:
    """Return the canonical bytes of a table."""
    return text.write(
        {
            "format": FORMAT, "corpus": table.corpus, "rules": table.rules,
            "constants": {
                name: {"line": row.shown, **{p: list(seen) for p, seen in row.seen.items()}}
                for name, row in table.rows.items()
            },
        }
    )


def parse(written: bytes, file: str = FILE) -> Table:
    """Return the table that canonical bytes hold.

    Raises
    ------
    GoldenError
        If they are none of this format.
    """
    found = text.read(written, file)
    validate(found, "sensitivity", file, PACKAGE)
    rows = {}
    for name, plain in found["constants"].items():
        for profile in PROFILES:
            if tuple(map(type, plain[profile])) != (str, int):
                raise GoldenError(file, f"constants.{name}.{profile}", "needs a case and a power")
        rows[name] = Row(plain["line"], {p: tuple(plain[p]) for p in PROFILES})
    return Table(found["corpus"], found["rules"], rows)


# --------------------------------------------------------------------------- what has to hold


class Found(Findings[Table]):
    """What `verify` or `update` has found."""

    @property
    def is_empty(self) -> bool:
        """Whether there was no constant to look at."""
        return not self.table.rows

    def __str__(self) -> str:
        said = f"{len(self.table.rows)} constants, {len(LEFT)} left with a reason"
        return self.told([said], "it holds" if self.exit_code == 0 else "it does not hold")


def defects(table: Table) -> Iterator[str]:
    """Yield the constants whose seventh digit a float64 backend may have wrong."""
    for name, row in table.rows.items():
        case, k = row.seen["float64"]
        if k < SEVENTH and name not in LEFT:
            yield (
                f"{name} may be wrong in the seventh digit: the core tier sees 2**-{k} at best"
                f"{f', in {case}' if case else ''}"
            )
        elif k >= SEVENTH and name in LEFT:
            yield f"{name} is left as {LEFT[name]!r}, and {case} sees its seventh digit"
    for name in sorted(LEFT.keys() - table.rows.keys()):
        yield f"{name} is left, and is no constant"


def claims(table: Table, folder: Path) -> Iterator[str]:
    """Yield the changes that a table says show in a case and do not, or show though smaller."""
    known = constants()
    for name, row in table.rows.items():
        for profile, (case, k) in row.seen.items():
            if case:
                seen = _least(_prepared(folder, case), known[name], profile)
                if seen != k:
                    yield f"{name} shows in {case}, in {profile}, from 2**-{seen} on, not 2**-{k}"


def differences(stored: Table, now: Table) -> Iterator[str]:
    """Yield where a stored table is not what is measured now."""
    for what in ("corpus", "rules"):
        if getattr(stored, what) != getattr(now, what):
            yield f"{FILE} is of other {what}; rebuild it"
    for name in sorted(stored.rows.keys() ^ now.rows.keys()):
        yield f"{name} is {'not in' if name in now.rows else 'in'} {FILE}; rebuild it"
    for name in sorted(stored.rows.keys() & now.rows.keys()):
        if stored.rows[name] != now.rows[name]:
            yield f"{name} is {now.rows[name].seen}, and {FILE} says {stored.rows[name].seen}"


TABLE: Final = Measured(
    FILE, parse=parse, dump=dump, measured=measured, defects=defects, differences=differences,
    found=Found,
)
shipped, load, verify, update = TABLE.shipped, TABLE.load, TABLE.verify, TABLE.update
