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
from dataclasses import dataclass, fields, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import cache
from typing import Any, NamedTuple, TypeVar

import numpy as np

from paratrooper_ref.optimizers import OPTIMIZERS, Lookahead, Optimizer
from paratrooper_ref.optimizers.lift import Rule
from tests import oracle

Array = np.ndarray[Any, np.dtype[Any]]
Layers = dict[str, Array]
History = list[dict[str, Layers]]  # after each step: slot -> layer -> array

UNIT = 2.0**-53
DIGITS = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[])
SAME = Decimal("1e-40")  # 60 digits, less those that cancel in rho and in 1 - beta2**t, twice


def _between(operation: Callable[[Any, Any], Rounded]) -> Callable[[Any, Any], Any]:
    """Let an operation of two `Rounded` take a number too, and leave arrays to NumPy."""

    def lifted(a: Rounded, b: Any) -> Any:
        if type(b) is not Rounded:
            if not isinstance(b, (int, float)):
                return NotImplemented
            b = Rounded(b)
        return operation(a, b)

    return lifted


class Rounded:
    """A double and a bound on its rounding error, to first order, in units of 2**-53.

    An operation passes on the errors of its operands, as its derivatives tell, and rounds its
    result: at most one unit of the result's magnitude.  What is left out is the product of two
    errors, a millionth of the bound where it is most (RAdam's ρ for β2 = 0.99999).

    Examples
    --------
    >>> third = Rounded(1.0) / Rounded(3.0)
    >>> third.error == third.value  # one rounding
    True
    >>> (third - third).error == 2 * third.value  # it does not see that they are one number
    True
    """

    __slots__ = ("error", "value")

    def __init__(self, value: float, error: float = 0.0) -> None:
        self.value, self.error = float(value), error

    @_between
    def __add__(self, b: Rounded) -> Rounded:
        return _rounded(self.value + b.value, self.error + b.error)

    @_between
    def __sub__(self, b: Rounded) -> Rounded:
        return _rounded(self.value - b.value, self.error + b.error)

    @_between
    def __mul__(self, b: Rounded) -> Rounded:
        passed = abs(self.value) * b.error + abs(b.value) * self.error
        return _rounded(self.value * b.value, passed)

    @_between
    def __truediv__(self, b: Rounded) -> Rounded:
        if b.value == 0:  # as NumPy: whoever asks for it throws it away
            return Rounded(math.nan, math.nan)
        value = self.value / b.value
        return _rounded(value, (self.error + abs(value) * b.error) / abs(b.value))

    def __pow__(self, n: int) -> Rounded:
        value = self.value**n  # a libm's: within one unit in the last place, two of ours
        return _rounded(value, n * abs(self.value) ** (n - 1) * self.error + abs(value))

    def sqrt(self) -> Rounded:
        """Return the square root."""
        value = math.sqrt(self.value)
        return _rounded(value, self.error / (2 * value) if value else 0.0)

    __radd__ = __add__
    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        return self.value == (other.value if isinstance(other, Rounded) else other)

    def __gt__(self, other: Rounded) -> bool:
        return self.value > other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"Rounded({self.value}, {self.error})"

    def is_finite(self) -> bool:
        """Return whether the double is finite."""
        return math.isfinite(self.value)


def _rounded(value: float, passed: float) -> Rounded:
    return Rounded(value, passed + abs(value))


Number = Callable[[Any], Any]  # float, Decimal or Rounded


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

    def first(self, steps: int) -> Course:
        """Return the course's first steps."""
        return Course(self.params, self.grads[:steps], self.rates[:steps])

    def negated(self) -> Course:
        """Return the course uphill."""
        grads = [{k: None if g is None else -g for k, g in step.items()} for step in self.grads]
        return Course(self.params, grads, self.rates)


SHAPES = {"scalar": (), "one": (1,), "matrix": (3, 2), "vector": (7,)}
SIZES = {"scalar": 1e-8, "one": 1.0, "matrix": 1e-3, "vector": 1e3}


@cache
def layered(lr: float, *, seed: int = 0, steps: int = 100, quiet: bool = True) -> Course:
    """Return random layers, gradients of sizes from 1e-8 (an eps) to 1e3, and three rates.

    With ``quiet`` one layer starts at zero, it and another have no gradient but zero for ten
    steps, one element has none ever, and at every 50th step all gradients are zero.
    """
    random = np.random.default_rng(seed)
    params = {name: np.asarray(random.normal(size=shape)) for name, shape in SHAPES.items()}
    grads: list[Layers] = []
    for t in range(1, steps + 1):
        step = {k: SIZES[k] * np.asarray(random.normal(size=x.shape)) for k, x in params.items()}
        if quiet:
            step["vector"][3] = 0
            still = params if t % 50 == 0 else ("one", "matrix") if t <= 10 else ()
            step |= {name: np.zeros(SHAPES[name]) for name in still}
        grads.append(step)
    if quiet:
        params["one"] = np.zeros(SHAPES["one"])
    rates = [lr, lr / 3, 2 * lr]
    return Course(params, grads, [rates[3 * t // steps] for t in range(steps)])


def with_gaps(course: Course) -> Course:
    """Return the course with no gradient for one layer at first, for another now and then."""
    grads: list[dict[str, Array | None]] = [dict(step) for step in course.grads]
    for i, step in enumerate(grads):
        if i < 3:
            step["scalar"] = None
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


@cache
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


@cache
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


def first_rectified(ours: Optimizer, dtype: Any = np.float64, scalars: str = "exact") -> int:
    """Return the step at which an optimizer is first rectified."""
    state, g = ours.init({"x": np.ones(1, dtype)}, scalars=scalars), {"x": np.ones(1, dtype)}
    while True:
        state, lines = ours.step(state, g)
        if lines["x"]["rectified"]:
            return state.t


def mixed_rho(beta2: float, t: int) -> float:
    """Return RAdam's ρ with ρ∞ formed in double, but β2^t and all that follows in float32."""
    power = np.float32(beta2) ** np.float32(t)
    rho_inf = np.float32(2 / (1 - beta2) - 1)
    return float(rho_inf - np.float32(2 * t) * power / (np.float32(1) - power))


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


def worst(
    got: History, wanted: History, bound: History, slots: Sequence[str], roundings: int = 1
) -> Worst:
    """Return the largest error as a share of its bound, and relative to its layer's weights.

    Where an operation may be more roundings than one the bound, which is linear in them, is as
    many times larger.
    """
    found, digits, limits = (dict(_elements(h, slots)) for h in (got, wanted, bound))
    lost = [key for key in digits.keys() - found.keys() if "theta" in key]
    assert not lost, f"there are no weights to compare at {min(lost)}"
    sizes: dict[str, Decimal] = {}
    for (_, slot, layer, _), a in digits.items():
        if slot == "theta":
            sizes[layer] = max(sizes.get(layer, Decimal(0)), abs(Decimal(a)))
    share = relative = 0.0
    place = "nowhere"
    with localcontext(DIGITS):
        for key, a in found.items():
            error = float(abs(Decimal(a) - Decimal(digits[key])))
            _, slot, layer, _ = key
            if slot == "theta" and error:
                relative = max(relative, error / float(sizes[layer]))
            limit = limits[key].error * UNIT * roundings
            part = 0.0 if error == 0 else error / limit if limit else math.inf
            if not part <= share:  # a NaN is worse than anything
                share = part if part == part else math.inf
                place = "step {}, {} of {}[{}]".format(*key) + f": off by {error:.3g}"
    return Worst(share, relative, place)


def same_digits(got: History, wanted: History, slots: Sequence[str]) -> None:
    """Assert that two histories in 60 digits are one, in units of the largest of each slot."""
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
    lines : Optimizer, optional
        `ours` with the lines in which the peer writes it, where it writes others.
    unseen : tuple of str
        Slots of ours that the peer does not show.
    roundings : int
        What one of the peer's operations may cost at most.
    restart : int, optional
        Both begin anew after so many steps.
    """

    peer: str
    label: str
    ours: Optimizer
    course: Course
    theirs: Mapping[str, Callable[[], History]]
    lines: Optimizer | None = None
    unseen: tuple[str, ...] = ()
    roundings: int = 1
    restart: int | None = None

    @property
    def slots(self) -> list[str]:
        """What is compared after each step."""
        return [slot for slot in ("theta", *self.ours.slots()) if slot not in self.unseen]

    def run(self, optimizer: Optimizer, number: Number) -> History:
        """Return the steps of an optimizer on this course."""
        return evaluate(optimizer, self.course, number, self.restart)

    def measured(self) -> dict[str, Worst]:
        """Return how far ours and each of the peer's implementations are from the digits.

        The digits are the oracle's, or those of our changed lines; the peer's lines have them
        too, as twenty steps show, in which all branches are taken.
        """
        original = self.restart is None and type(self.ours) in OPTIMIZERS.values()
        digits = true(self.ours, self.course) if original else self.run(self.ours, Decimal)
        bound = self.run(self.ours, Rounded)
        found = {"ours": worst(self.run(self.ours, float), digits, bound, self.slots)}
        if self.lines is not None:
            start = replace(self, course=self.course.first(20))
            same_digits(start.run(self.lines, Decimal), digits[:20], self.slots)
            bound = self.run(self.lines, Rounded)
        return found | {
            form: worst(run(), digits, bound, self.slots, self.roundings)
            for form, run in self.theirs.items()
        }

    def check(self) -> None:
        """Assert that ours and each of the peer's are within the bounds of their lines."""
        for who, off in self.measured().items():
            assert off.share <= 1, f"{self.peer} ({self.label}), {who}: {off}"

    def apart(self, unnamed: Optimizer) -> None:
        """Assert that without its dialect named the peer is a thousand bounds away from us."""
        ours, bound = self.run(unnamed, float), self.run(unnamed, Rounded)
        for form, run in self.theirs.items():
            off = worst(run(), ours, bound, self.slots)
            assert off.share > 1000, f"{self.peer} ({self.label}), {form}: only {off}"


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
