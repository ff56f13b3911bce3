"""What the comparisons share: gradients, a bound on rounding errors, and what is measured.

Both sides of a comparison get the same gradients, written down beforehand, and both are held
against the same steps in 60 digits.  No tolerance is chosen: each side's distance from those
digits is bounded by the *running error* of its own lines, which `Rounded` carries along.  A
peer's lines are a rule like ours, written as the peer's source has them, and are compared with
ours in 60 digits as well; so a peer's order of evaluation costs no tolerance either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import cache
from typing import Any, NamedTuple, TypeVar

import numpy as np

from paratrooper_ref.optimizers import Lookahead, Optimizer
from paratrooper_ref.optimizers.lift import Rule
from tests import oracle

Array = np.ndarray[Any, np.dtype[Any]]
Layers = dict[str, Array]
History = list[dict[str, Layers]]  # after each step: slot -> layer -> array

UNIT = 2.0**-53
DIGITS = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[])
SAME = Decimal("1e-40")  # 60 digits, less those that cancel in rho and in 1 - beta2**t, twice


class Rounded:
    """A double and a bound on its rounding error, to first order, in units of 2**-53.

    An operation passes on the errors of its operands, as its derivatives tell, and rounds its
    result: at most one unit of the result's magnitude.  What is left out is the product of two
    errors, some 1e-13 of the bound.

    Examples
    --------
    >>> third = Rounded(1.0) / Rounded(3.0)
    >>> third.error == third.value  # one rounding
    True
    >>> (third - third).error == 2 * third.value  # it does not see that they are one number
    True
    """

    __slots__ = ("error", "value")
    roundings = 1

    def __init__(self, value: float, error: float = 0.0) -> None:
        self.value, self.error = float(value), error

    def _rounded(self, value: float, passed: float) -> Rounded:
        return type(self)(value, passed + self.roundings * abs(value))

    def _met(self, other: Rounded | float) -> Rounded:
        return other if isinstance(other, Rounded) else type(self)(other)

    def __add__(self, other: Rounded | float) -> Rounded:
        b = self._met(other)
        return self._rounded(self.value + b.value, self.error + b.error)

    def __sub__(self, other: Rounded | float) -> Rounded:
        b = self._met(other)
        return self._rounded(self.value - b.value, self.error + b.error)

    def __mul__(self, other: Rounded | float) -> Rounded:
        b = self._met(other)
        passed = abs(self.value) * b.error + abs(b.value) * self.error
        return self._rounded(self.value * b.value, passed)

    def __truediv__(self, other: Rounded | float) -> Rounded:
        b = self._met(other)
        if b.value == 0:  # as NumPy: whoever asks for it throws it away
            return type(self)(math.nan, math.nan)
        value = self.value / b.value
        return self._rounded(value, (self.error + abs(value) * b.error) / abs(b.value))

    def __pow__(self, n: int) -> Rounded:
        value = self.value**n  # a libm's: within one unit in the last place, two of ours
        passed = n * abs(self.value) ** (n - 1) * self.error
        return self._rounded(value, passed + self.roundings * abs(value))

    def sqrt(self) -> Rounded:
        """Return the square root."""
        value = math.sqrt(self.value)
        return self._rounded(value, self.error / (2 * value) if value else 0.0)

    def __radd__(self, other: float) -> Rounded:
        return self + other

    def __rsub__(self, other: float) -> Rounded:
        return self._met(other) - self

    def __rmul__(self, other: float) -> Rounded:
        return self * other

    def __rtruediv__(self, other: float) -> Rounded:
        return self._met(other) / self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Rounded, float, int)) and self.value == self._met(other).value

    def __hash__(self) -> int:
        return hash(self.value)

    def __gt__(self, other: Rounded | float) -> bool:
        return self.value > self._met(other).value

    def __le__(self, other: Rounded | float) -> bool:
        return self.value <= self._met(other).value

    def is_finite(self) -> bool:
        """Return whether the double is finite."""
        return math.isfinite(self.value)


class Compiled(Rounded):
    """The same for a compiler that may write one operation as two: a / sqrt(b) as a * rsqrt(b).

    XLA does; each operation is then at most two roundings.  (It may also fuse a product and a
    sum into one rounding, which only helps.)
    """

    __slots__ = ()
    roundings = 2


Number = type[float] | type[Decimal] | type[Rounded]


@dataclass(frozen=True, eq=False)
class Course:
    """Where the layers start, and the gradient and the rate of each step."""

    params: Layers
    grads: Sequence[Mapping[str, Array | None]]
    rates: Sequence[float]

    def alone(self, layer: str) -> Course:
        """Return the course of one layer, without the steps at which it has no gradient."""
        steps = [i for i, grads in enumerate(self.grads) if grads[layer] is not None]
        return Course(
            {layer: self.params[layer]},
            [{layer: self.grads[i][layer]} for i in steps],
            [self.rates[i] for i in steps],
        )

    def negated(self) -> Course:
        """Return the course uphill."""
        grads = [{k: None if g is None else -g for k, g in step.items()} for step in self.grads]
        return Course(self.params, grads, self.rates)


SHAPES = {"scalar": (), "one": (1,), "matrix": (3, 2), "vector": (7,), "zero": (2,), "dead": (2,)}
SIZES = {"scalar": 1e-8, "one": 1.0, "matrix": 1e-3, "vector": 1e3, "zero": 1.0, "dead": 0.0}


def layered(lr: float, *, seed: int = 0, steps: int = 120, quiet: bool = True) -> Course:
    """Return random layers, gradients of sizes from 1e-8 (an eps) to 1e3, and three rates.

    With ``quiet``, one layer starts at zero and stays there for ten steps, one never has a
    gradient but zero, one element never, and at step 50 all gradients are zero.
    """
    random = np.random.default_rng(seed)
    shapes = {k: s for k, s in SHAPES.items() if quiet or k not in ("zero", "dead")}
    params = {name: random.normal(size=shape) for name, shape in shapes.items()}
    grads: list[Layers] = []
    for t in range(1, steps + 1):
        step = {k: SIZES[k] * np.asarray(random.normal(size=s)) for k, s in shapes.items()}
        if quiet:
            step["vector"][3] = 0
            for name in step:
                step[name] = step[name] * (t != 50 and (name != "zero" or t > 10))
        grads.append(step)
    if quiet:
        params["zero"] = np.zeros(SHAPES["zero"])
    rates = [lr, lr / 3, 2 * lr]
    return Course(
        {name: np.asarray(x) for name, x in params.items()},
        grads,
        [rates[3 * t // steps] for t in range(steps)],
    )


def with_gaps(course: Course) -> Course:
    """Return the course with no gradient for one layer at first, for another now and then."""
    grads: list[dict[str, Array | None]] = [dict(step) for step in course.grads]
    for i, step in enumerate(grads):
        if i < 3:
            step["one"] = None
        if i % 7 == 4:
            step["vector"] = None
    return Course(course.params, grads, course.rates)


def rewritten(optimizer: Optimizer, *rules: Rule) -> Optimizer:
    """Return the optimizer with other lines: these rules, run in turn.

    A rule before the original one may change what it reads: names are handed on.
    """
    family = type(optimizer)
    name = f"{family.__name__}({', '.join(rule.__name__ for rule in rules)})"
    changed: type[Optimizer] = type(name, (family,), {"stages": lambda self: rules})
    return changed(**{f.name: getattr(optimizer, f.name) for f in fields(optimizer)})


def evaluate(
    optimizer: Optimizer, course: Course, number: Number = float, restart: int | None = None
) -> History:
    """Return the steps of an optimizer in doubles, in 60 digits or with their running error.

    Doubles are the package as it is: exact scalars.  In the other two the scalars are formed
    with the numbers of the arrays, for a running error operation by operation.  With
    ``restart`` the optimizer begins anew after so many steps.
    """
    history: History = []
    with localcontext(DIGITS):
        state = optimizer.init({name: _of(number, x) for name, x in course.params.items()})
        for i, (grads, rate) in enumerate(zip(course.grads, course.rates, strict=True)):
            if restart is not None and i % restart == 0:
                state = optimizer.init(state.params)
            given = {k: None if g is None else _of(number, g) for k, g in grads.items()}
            state, _ = optimizer.step(state, given, lr=rate)
            slots = ("theta", *optimizer.slots())
            history.append({slot: dict(state.slot(slot)) for slot in slots})
    return history


def _of(number: Number, x: Array) -> Array:
    if number is float:
        return x
    return np.array([number(a) for a in x.flat], dtype=object).reshape(x.shape)


def true(optimizer: Optimizer, course: Course) -> History:
    """Return the steps of one of the package's own optimizers, from the independent oracle."""
    hyper = optimizer.spec["hyper"]
    if isinstance(optimizer, Lookahead):
        inner = optimizer.inner.spec
        hyper = {**hyper, "inner": (inner["algorithm"], inner["hyper"])}
    story = oracle.run(
        optimizer.algorithm,
        hyper,
        {name: [float(a) for a in x.flat] for name, x in course.params.items()},
        [
            {k: None if g is None else [float(a) for a in g.flat] for k, g in step.items()}
            for step in course.grads
        ],
        lrs=list(course.rates),
        layer_hyper=optimizer.spec.get("layers"),
    )
    return [
        {
            slot: {k: np.array(x, dtype=object) for k, x in entry[slot].items()}
            for slot in ("theta", *optimizer.slots())
        }
        for entry in story
    ]


class Worst(NamedTuple):
    """The largest of the errors in a history, and where it is."""

    share: float = 0.0
    relative: float = 0.0
    where: str = "nowhere"


def _elements(history: History, slots: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for t, step in enumerate(history, start=1):
        for slot in slots:
            for layer, x in step[slot].items():
                for i, a in enumerate(x.flat):
                    yield (t, slot, layer, i), a


def worst(got: History, wanted: History, bound: History) -> Worst:
    """Return the largest error as a share of its bound, and relative to its layer's weights.

    Both histories are compared in the slots that they have in common.
    """
    slots = [slot for slot in got[0] if slot in wanted[0]]
    digits, limits = dict(_elements(wanted, slots)), dict(_elements(bound, slots))
    sizes: dict[str, Decimal] = {}
    for (_, slot, layer, _), a in digits.items():
        if slot == "theta":
            sizes[layer] = max(sizes.get(layer, Decimal(0)), abs(a))
    share = relative = 0.0
    place = "nowhere"
    with localcontext(DIGITS):
        for key, a in _elements(got, slots):
            error = float(abs(Decimal(a) - digits[key]))
            _, slot, layer, _ = key
            if slot == "theta" and error:
                relative = max(relative, error / float(sizes[layer]))
            limit = limits[key].error * UNIT
            part = 0.0 if error == 0 else error / limit if limit else math.inf
            if not part <= share:  # a NaN is worse than anything
                share = part if part == part else math.inf
                place = "step {}, {} of {}[{}]".format(*key) + f": off by {error:.3g}"
    return Worst(share, relative, place)


def same_digits(got: History, wanted: History) -> None:
    """Assert that two histories in 60 digits are one, in units of the largest of each slot."""
    slots = [slot for slot in got[0] if slot in wanted[0]]
    digits = dict(_elements(wanted, slots))
    with localcontext(DIGITS):
        sizes: dict[Any, Decimal] = {}
        for (_, slot, layer, _), a in digits.items():
            sizes[slot, layer] = max(sizes.get((slot, layer), Decimal(0)), abs(a))
        for key, a in _elements(got, slots):
            _, slot, layer, _ = key
            assert abs(a - digits[key]) <= SAME * sizes[slot, layer], (key, a, digits[key])


@dataclass(frozen=True, eq=False)
class Case:
    """One setting in which a peer and an optimizer of ours are to agree.

    Parameters
    ----------
    peer : str
        The peer's class or function.
    label : str
        What is special about the setting.
    ours : Optimizer
        Our side, its dialect named; a member of the package, or `rewritten`.
    course : Course
        The gradients.
    theirs : mapping of str to function
        The implementations that the peer has of it; each returns a history.
    lines : Optimizer
        `ours` with the lines in which the peer writes it.
    number : type
        What its roundings are counted with.
    """

    peer: str
    label: str
    ours: Optimizer
    course: Course
    theirs: Mapping[str, Callable[[], History]]
    lines: Optimizer
    number: type[Rounded] = Rounded
    restart: int | None = None

    @cache  # noqa: B019 - a few dozen cases, measured by the tests or by the table
    def digits(self) -> History:
        """Return the true steps: the oracle's, or our changed lines in 60 digits."""
        if self.restart is None and type(self.ours).__module__.startswith("paratrooper_ref"):
            return true(self.ours, self.course)
        return evaluate(self.ours, self.course, Decimal, self.restart)

    def ours_off(self) -> Worst:
        """Return how far the package is from the digits, within the bound of its lines."""
        bound = evaluate(self.ours, self.course, Rounded, self.restart)
        return worst(evaluate(self.ours, self.course, float, self.restart), self.digits(), bound)

    def theirs_off(self) -> dict[str, Worst]:
        """Return how far each implementation of the peer is, within the bound of its lines."""
        bound = evaluate(self.lines, self.course, self.number, self.restart)
        return {form: worst(run(), self.digits(), bound) for form, run in self.theirs.items()}

    def check(self) -> None:
        """Assert that both sides are within their bounds, and that their lines are the same."""
        same_digits(
            evaluate(self.lines, self.course, Decimal, self.restart), self.digits()
        )
        for who, off in {"ours": self.ours_off(), **self.theirs_off()}.items():
            assert off.share <= 1, f"{self.peer} {self.label}, {who}: {off}"

    def apart(self, unnamed: Optimizer) -> None:
        """Assert that without its dialect named the peer is a thousand bounds away from us."""
        bound = evaluate(unnamed, self.course, Rounded)
        for form, run in self.theirs.items():
            off = worst(run(), evaluate(unnamed, self.course, Decimal), bound)
            assert off.share > 1000, f"{self.peer} {self.label}, {form}: only {off}"


class Dialect(NamedTuple):
    """A difference between a peer and us, how it is said in our terms, and what shows it."""

    peer: str
    difference: str
    said: str
    test: str


DIALECTS: dict[tuple[str, str], Dialect] = {}
Test = TypeVar("Test", bound=Callable[..., None])


def dialect(difference: str, said: str, *peers: str) -> Callable[[Test], Test]:
    """Enter a test in the table of differences, once for each peer that has this one."""

    def entered(test: Test) -> Test:
        module = test.__module__.rpartition(".")[2]
        for peer in peers:
            shown = f"{module}.{test.__name__}"
            DIALECTS[peer, shown] = Dialect(peer, difference, said, shown)
        return test

    return entered
