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
from dataclasses import Field, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

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
from paratrooper_ref.optimizers import LARS, OPTIMIZERS, SGD, Lookahead, Optimizer
from paratrooper_ref.optimizers.lift import Rule, evaluated
from paratrooper_ref.optimizers.warmup import first_batch
from paratrooper_ref.variants.variant import compiled, source_of, with_argument, with_rules

FORMAT: Final = "paratrooper-ref sensitivity 1"
FILE: Final = "sensitivity.json"
PROFILES: Final = {name: Profile(dtype=name) for name in ("float64", "float32", "bfloat16")}
CERTAIN: Final = 3.0  # bounds: one is the double evaluation's, one the backend's own
NEVER: Final = 0  # not even a change by half of it shows
MOST: Final = 52  # a change by less is none in a double
TRIED: Final = (1, 20, 36)  # powers of two, for a first look: past every switch, and between
BEST: Final = 2  # cases that are looked at closely, for each of them
SEVENTH: Final = 24  # 2**-24 is less than a unit in the seventh digit
GIVEN: Final = "literal"  # what a rule asks for in place of a number that is written in it

ERRORS: Final = (ArithmeticError, ValueError)

LEFT: Final[dict[str, str]] = {}
"""Constants whose change in the seventh digit no core case shows in float64, and why."""


class Constant(NamedTuple):
    """A number that may be wrong: a hyperparameter of an algorithm, or one written in a rule."""

    where: str
    what: str
    place: int = -1  # among the numbers of the rule, in order; -1 for a hyperparameter
    shown: str = ""

    @property
    def name(self) -> str:
        """The constant's name in the table."""
        return f"{self.where}.{self.what}"


# --------------------------------------------------------------------------- what there is


def constants() -> dict[str, Constant]:
    """Return all constants whose small changes can show, by name."""
    return {c.name: c for c in (*_hyper(), *_literals()) if c.name not in still()}


@lru_cache
def still() -> dict[str, str]:
    """Return by name the constants whose small changes show nowhere, and why that is so."""
    found = {}
    for family in _family():
        for declared in _own(family):
            name = f"{family.algorithm}.{declared.name}"
            if "least" in declared.metadata:
                found[name] = "an integer"
            elif "range" not in declared.metadata:
                found[name] = "a word"
            elif declared.name == "threshold":
                found[name] = "a switch: between two values of rho nothing changes"
    for rule in _rules():
        for constant, why in _numbers(rule):
            if rule is first_batch:
                why = why or "of h, which moves nothing but the switch at 1/2"
            if why:
                found[constant.name] = why
    return found


def _family() -> list[Optimizer]:
    return [f(inner=SGD()) if f is Lookahead else f() for f in OPTIMIZERS.values()]


def _rules() -> list[Rule]:
    made = [rule for opt in (*_family(), LARS(form="2019")) for rule in opt.stages()]
    return [*dict.fromkeys(made), first_batch]


def _own(optimizer: Optimizer) -> list[Field[Any]]:
    return [f for f in fields(optimizer) if f.metadata]


def _hyper() -> Iterator[Constant]:
    for family in _family():
        for declared in _own(family):
            yield Constant(family.algorithm, declared.name)


def _literals() -> Iterator[Constant]:
    for rule in _rules():
        for constant, _ in _numbers(rule):
            yield constant


def _numbers(rule: Rule) -> Iterator[tuple[Constant, str]]:
    """Yield the numbers in a rule's lines, and why small changes of one show nowhere, or ""."""
    counts: dict[str, int] = {}
    for place, (node, line, why) in enumerate(_places(source_of(rule))):
        tag = ast.unparse(line.targets[0]) if isinstance(line, ast.Assign) else "if"
        counts[tag] = counts.get(tag, 0) + 1
        shown = _marked(line, node)
        yield Constant(f"rule {rule.__name__}", f"{tag}.{counts[tag]}", place, shown), why


def _places(function: ast.FunctionDef) -> Iterator[tuple[ast.Constant, ast.stmt, str]]:
    lines = [n for n in ast.walk(function) if isinstance(n, (ast.Assign, ast.If))]
    for line in sorted(lines, key=lambda n: n.lineno):
        root: ast.AST = line.value if isinstance(line, ast.Assign) else line.test
        idle = _idle(root)
        numbers = [
            node for node in ast.walk(root)
            if isinstance(node, ast.Constant) and type(node.value) in (int, float)
        ]
        for node in sorted(numbers, key=lambda n: (n.lineno, n.col_offset)):
            decides = isinstance(line, ast.If)
            yield node, line, idle.get(id(node), "a switch" if decides else "")


def _idle(root: ast.AST) -> dict[int, str]:
    """Return the parts of an expression that count nothing, and why."""
    found: dict[int, str] = {}
    for node in ast.walk(root):
        part: ast.AST | None = None
        if isinstance(node, ast.IfExp):
            part, why = node.test, "a switch"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "certainly":
            part, why = node, "a switch"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            part, why = node.right, "an exponent"
        elif isinstance(node, ast.Subscript):
            part, why = node.slice, "an index"
        found |= {} if part is None else {id(inner): why for inner in ast.walk(part)}
    return found


def _marked(line: ast.stmt, node: ast.Constant) -> str:
    """Return a line with one of its numbers marked."""
    mark, value = "\0", node.value
    node.value = mark
    said = ast.unparse(line).partition(":\n")[0]
    node.value = value
    return said.replace(repr(mark), f"[{value!r}]")


# --------------------------------------------------------------------------- what is wrong


class Wrong:
    """An optimizer in which one constant is wrong."""

    def __init__(self, golden: Golden, constant: Constant) -> None:
        self.golden, self.constant, self.optimizer = golden, constant, golden.optimizer
        self.value = 0.0
        if constant.place >= 0:
            self.optimizer, self.value = _asking(golden.optimizer, constant)

    def step(self, step: Given, change: float) -> Any:
        """Return the lines of a step in which the constant is off by a relative change."""
        state, grads, lr = step
        optimizer, told = self.optimizer, None
        if self.constant.place >= 0:
            value = self.value * (1 + change)
            told = lambda layer: {GIVEN: value}  # noqa: E731 - what every layer is told
        elif self.constant.what == "lr":
            lr *= 1 + change
        else:
            optimizer = scaled(optimizer, self.constant.what, change)
        got, _ = evaluated(optimizer, state, grads, lr, lambda layer, slot, x: x, told=told)
        return got


def touches(golden: Golden, constant: Constant) -> bool:
    """Return whether a case's optimizer has a constant, and it is not 0 there."""
    optimizer = golden.optimizer
    if constant.place >= 0:
        name = constant.where.removeprefix("rule ")
        return any(rule.__name__ == name for rule in optimizer.stages())
    if optimizer.algorithm != constant.where:
        return False
    if constant.what == "lr":
        return any(step.lr > 0 for step in golden.steps)
    return scaled(optimizer, constant.what, 0.5) != optimizer


def scaled(optimizer: Optimizer, name: str, change: float) -> Optimizer:
    """Return the optimizer with a hyperparameter off by a relative change, in every layer.

    Where a value would leave its range it is off to the other side.
    """
    (declared,) = (f for f in fields(optimizer) if f.name == name)
    most = declared.metadata["range"]

    def off(x: Any) -> Any:
        if type(x) is not float or not np.isfinite(x):
            return x
        return x * (1 + change) if most.admits(x * (1 + change)) else x * (1 - change)

    value = getattr(optimizer, name)
    if name == "l2" and value is None:
        value = optimizer.hyper()["weight_decay"]
    layers = tuple(
        (layer, tuple((k, off(x) if k == name else x) for k, x in own))
        for layer, own in optimizer.layers
    )
    changes: dict[str, Any] = {name: off(value)}
    return replace(optimizer, layers=layers, **changes)


@lru_cache(maxsize=4096)
def _asking(optimizer: Optimizer, constant: Constant) -> tuple[Optimizer, float]:
    """Return an optimizer whose rule asks for the constant, and its value."""
    name = constant.where.removeprefix("rule ")
    stages, value = [], 0.0
    for rule in optimizer.stages():
        if rule.__name__ == name:
            rule, value = _asked(rule, constant.place)
        stages.append(rule)
    return with_rules(optimizer, stages), value


@lru_cache(maxsize=512)
def _asked(rule: Rule, place: int) -> tuple[Rule, float]:
    function = source_of(rule)
    node, _, _ = list(_places(function))[place]
    found = _Exchange(node)
    function = found.visit(function)
    with_argument(function, GIVEN)
    value = node.value
    assert isinstance(value, (int, float))
    return compiled(function, rule, f"<{rule.__name__}, asking>"), float(value)


class _Exchange(ast.NodeTransformer):
    """Put a name in place of a number."""

    def __init__(self, node: ast.Constant) -> None:
        self.node = node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Return the name for the one, and any other as it is."""
        return ast.copy_location(ast.Name(GIVEN, ast.Load()), node) if node is self.node else node


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


def _least(of: _Prepared, constant: Constant, profile: str) -> int:
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
    said = "\n".join(ast.unparse(source_of(rule)) for rule in _rules())
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
