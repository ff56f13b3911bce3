"""Hold a case to the reference: in doubles and their error bounds, or in balls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

import numpy as np

import problems
from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.arithmetic.running import REFERENCE, Running
from paratrooper_ref.golden.bits import Floats, is_bfloat16, to_bfloat16, to_hex
from paratrooper_ref.golden.bounds import after, excess, running
from paratrooper_ref.golden.content import plain
from paratrooper_ref.golden.document import MODEL, MOST_GROWTH, Golden, Step, Value, kept
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.optimizers import NonFiniteError
from paratrooper_ref.schedules import build_schedule
from paratrooper_ref.variants import VARIANTS

LARGEST: Final = 256  # of the integers among a problem's arguments, but for seeds


class Check:
    """Everything that NumPy can say of a case: `Check(golden, file).all()`."""

    def __init__(self, golden: Golden, file: str) -> None:
        self.golden, self.file, self.optimizer = golden, file, golden.optimizer
        self.sizes = {k: int(np.prod(shape, dtype=int)) for k, shape in golden.layers.items()}

    def fail(self, field: str, reason: str) -> NoReturn:
        """Raise the GoldenError of this file."""
        raise GoldenError(self.file, field, reason)

    def _made(self, field: str, make: Any) -> Any:
        try:
            return make()
        except (ValueError, TypeError, KeyError) as error:
            raise GoldenError(self.file, field, f"is not admitted: {error}") from None

    def all(self) -> None:
        """Check facts, inputs, rates, lines and, of a trajectory, gradients.

        Raises
        ------
        GoldenError
            At the first place that does not hold.
        """
        self.facts()
        self.inputs()
        self.rates()
        for i, step in enumerate(self.golden.steps):
            self.lines(step, i)
        if self.golden.tier == "full":
            self.gradients()

    # ------------------------------------------------------------------ what is given

    def facts(self) -> None:
        """Check what belongs to a tier, growth, and that the claims are about this optimizer."""
        golden = self.golden
        for name in ("problem", "growth"):
            if (golden.tier == "full") != (getattr(golden, name) is not None):
                self.fail(name, "belongs to cases of the full tier, and to all of them")
        if golden.case.endswith("-dyadic") and not all(map(is_bfloat16, _doubles(golden.spec))):
            self.fail("spec", "has a number that is none of bfloat16, in a dyadic case")
        grown = np.zeros(1) if golden.growth is None else golden.growth
        if not 0 <= grown.min() <= grown.max() <= MOST_GROWTH:
            self.fail("growth", f"needs to be in [0, {MOST_GROWTH:g}]")
        for i, name in enumerate(golden.catches):
            if name not in VARIANTS or not VARIANTS[name].fits(self.optimizer):
                self.fail(f"catches[{i}]", f"is no variant of this optimizer: {name}")

    def inputs(self) -> None:
        """Check that each step begins where the one before has ended."""
        golden, slots = self.golden, {"theta", *self.optimizer.slots()}
        told = self.optimizer.hyper().get("warmup")
        for i, step in enumerate(golden.steps):
            for layer, given in step.inputs.items():
                where = f"steps[{i}].inputs.{layer}"
                if given.keys() != slots | {"g"}:
                    self.fail(where, f"needs {', '.join(sorted(slots | {'g'}))}")
                if golden.tier == "core":
                    self._bfloat16(given, where)
                if i:
                    self._chained(golden.steps[i - 1], layer, given, where)
            if step.warmup is not None and told not in ("auto", step.warmup):
                self.fail(f"steps[{i}].warmup", f"is {step.warmup!r}, the optimizer has {told!r}")
            if i and step.t != golden.steps[i - 1].t + 1:
                self.fail(f"steps[{i}].t", f"needs to follow {golden.steps[i - 1].t}")

    def _bfloat16(self, given: Mapping[str, Value | None], where: str) -> None:
        for slot, value in given.items():
            if value is None:
                continue
            if value.lo.any() or not is_bfloat16(value.hi):
                self.fail(f"{where}.{slot}", "is no bfloat16 number")

    def _chained(
        self, before: Step, layer: str, given: Mapping[str, Value | None], where: str
    ) -> None:
        for slot in given.keys() - {"g"}:
            had, has = after(before, layer, slot), given[slot]
            if self.golden.tier == "core":
                moved = slot in before.lines[layer]
                had = Value(to_bfloat16(had.hi) if moved else had.hi, np.zeros(had.size))
            assert has is not None
            if not (np.array_equal(had.hi, has.hi) and np.array_equal(had.lo, has.lo)):
                self.fail(f"{where}.{slot}", f"is not what step {before.t} has left")

    def rates(self) -> None:
        """Check the rates of a schedule, and that there is one where there are metrics."""
        golden = self.golden
        if golden.schedule is None:
            if any(step.metric is not None for step in golden.steps):
                self.fail("schedule", "is missing, though a step has a metric")
            return
        schedule = self._made("schedule", lambda: build_schedule(dict(golden.schedule)))
        if plain(schedule.spec) != plain(golden.schedule):
            self.fail("schedule", "does not name every argument")
        plan = schedule.init(self.optimizer.rate(None))
        for i, step in enumerate(golden.steps):
            if (step.metric is not None) != schedule.asks(step.t):
                self.fail(f"steps[{i}].metric", "is there if the schedule asks, and only then")
            plan, rate = schedule(plan, step.t, step.metric)
            if rate != step.lr:
                self.fail(f"steps[{i}].lr", f"is {step.lr!r}, the schedule says {rate!r}")

    # ------------------------------------------------------------------ what comes of it

    def lines(self, step: Step, i: int) -> None:
        """Evaluate a step in doubles; each line is within its bound of the stored one."""
        golden, optimizer, where = self.golden, self.optimizer, f"steps[{i}]"
        try:
            state, found = optimizer.step(golden.state(step), golden.gradients(step), step.lr)
            bounds = running(golden, step, REFERENCE)
        except (NonFiniteError, Undecided, ValueError, TypeError) as error:
            raise GoldenError(self.file, where, f"cannot be taken: {error}") from None
        if i + 1 < len(golden.steps) and golden.steps[i + 1].warmup != state.warmup:
            self.fail(f"{where}.warmup", f"leads to {state.warmup!r}, the next step has another")
        for layer, tagged in {**found, MODEL: found.model}.items():
            stored: Mapping[str, Any] = step.lines[layer] if layer else step.model
            place = f"{where}.lines.{layer}" if layer else f"{where}.model"
            size = self.sizes.get(layer, 1)
            expected = [tag for tag in tagged if not layer or kept(tag, size)]
            if set(expected) != set(stored):
                odd = ", ".join(sorted(set(expected) ^ set(stored)))
                self.fail(place, f"has other lines than the reference: {odd}")
            pairs = [(tag, tagged[tag], stored[tag]) for tag in expected]
            self._compared(pairs, bounds.get(layer, {}), place)

    def _compared(
        self, pairs: list[tuple[str, Any, Any]], bounds: Mapping[str, Any], where: str
    ) -> None:
        """Compare lines with what is stored, all at once; if one is off find the first."""
        numbers = []
        for tag, got, wanted in pairs:
            if isinstance(got, bool) or isinstance(wanted, bool):
                if got is not wanted:
                    self.fail(f"{where}.{tag}", f"is {wanted}, the reference says {got}")
                continue
            bound = bounds.get(tag)
            # A scalar is rounded once, and what is given not at all: they are the same doubles.
            error = np.ravel(bound.error) if isinstance(bound, Running) else np.abs(wanted.lo)
            error = error if error.size == wanted.size else np.broadcast_to(error, wanted.size)
            numbers.append((tag, np.ravel(got), wanted, error))
        if not numbers:
            return
        _, *columns = zip(*numbers, strict=True)
        got, wanted, error = columns
        hi, lo = (np.concatenate([getattr(v, part) for v in wanted]) for part in Value._fields)
        if _within(np.concatenate(got), Value(hi, lo), np.concatenate(error)):
            return
        for tag, *line in numbers:
            share = excess(*line, undecided=np.inf)
            if share > 1:
                off = f"is off by {share:.3g} times the bound of the reference"
                self.fail(f"{where}.{tag}", f"{off}: {_worst(line[0], line[1])}")

    def gradients(self) -> None:
        """Evaluate the gradients of a trajectory in doubles, with their running error."""
        golden = self.golden
        large = _large(golden.problem)
        if large:
            self.fail("problem.arguments", f"have {large}; up to {LARGEST} is looked at")
        problem = self._made("problem", lambda: problems.build(golden.problem))
        if dict(problem.layers) != dict(golden.layers):
            self.fail("layers", f"are not those of {problem.name}")
        self._beginning(problem)
        for i, step in enumerate(golden.steps):
            point = {layer: self._point(step, layer) for layer in golden.layers}
            try:
                found = problem.grad(point, step.t)
            except (ArithmeticError, TypeError) as error:
                raise GoldenError(self.file, f"steps[{i}]", f"has no gradient: {error}") from None
            for layer, g in found.items():
                value = np.array([a.value for a in g.ravel()])
                bound = np.array([a.error for a in g.ravel()])
                wanted = step.inputs[layer]["g"]
                if wanted is None or not _within(value, wanted, bound):
                    where = f"steps[{i}].inputs.{layer}.g"
                    self.fail(where, f"is not the gradient of {problem.name}")

    def _beginning(self, problem: problems.Problem) -> None:
        """Check that a trajectory begins at the problem's start, with fresh slots."""
        first = self.golden.steps[0]
        fresh = self.optimizer.init(problem.starts[0])
        if first.t != 1:
            self.fail("steps[0].t", f"needs to be 1, got {first.t}")
        for layer, given in first.inputs.items():
            for slot in given.keys() - {"g"}:
                value, wanted = given[slot], np.ravel(fresh.slot(slot)[layer])
                if value is None or value.lo.any() or not np.array_equal(value.hi, wanted):
                    self.fail(f"steps[0].inputs.{layer}.{slot}", "is not how a trajectory begins")

    def _point(self, step: Step, layer: str) -> Any:
        """Return the parameters of a layer, each a `Running` number with what hi leaves out."""
        theta = step.inputs[layer]["theta"]
        assert theta is not None
        point = np.empty(theta.size, dtype=object)
        numbers = zip(theta.hi.tolist(), theta.lo.tolist(), strict=True)
        point[:] = [Running(hi, abs(lo)) for hi, lo in numbers]
        return point.reshape(self.golden.layers[layer])


def _doubles(spec: Any) -> Iterator[Floats]:
    """Yield the finite doubles of a spec."""
    for x in spec.values() if isinstance(spec, Mapping) else [spec]:
        if isinstance(x, Mapping):
            yield from _doubles(x)
        elif isinstance(x, float) and np.isfinite(x):
            yield np.array([x])


def _within(got: Any, wanted: Value, error: Any) -> bool:
    return excess(got, wanted, error, undecided=np.inf) <= 1


def _large(x: Any, name: str = "") -> str:
    """Return which argument of a problem is too large for it to be built in passing, or nothing."""
    if isinstance(x, Mapping):
        return next(filter(None, (_large(value, key) for key, value in x.items())), "")
    if isinstance(x, list):
        long = f"{len(x)} numbers in {name}" if len(x) > LARGEST else ""
        return long or next(filter(None, (_large(value, name) for value in x)), "")
    return f"{name}={x}" if type(x) is int and abs(x) > LARGEST and name != "seed" else ""


def _worst(got: Any, wanted: Value) -> str:
    """Return the place where two differ most, in decimal and hexadecimal."""
    i = int(np.nanargmax(np.abs(got - wanted.hi)))
    stored, found = float(wanted.hi[i]), float(got[i])
    return f"[{i}] is {stored!r} ({to_hex(stored)}), evaluated {found!r} ({to_hex(found)})"
