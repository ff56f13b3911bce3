"""Hypothesis strategies: specs, layers, states and gradients that any backend may be given.

All numbers are bfloat16 numbers within the range of the profile's dtypes, so that whatever holds
them in any of those holds the same ones; ``dense`` asks for all bits of the dtype instead.  They
are drawn as a few integers and a scale, which all layers repeat, turned round and halved: an
example is small however large its arrays are, and shrinks to small integers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from hypothesis import strategies as st

from paratrooper_ref.arithmetic.running import BFLOAT16, Format
from paratrooper_ref.conformance.adapted import with_hyper
from paratrooper_ref.conformance.backend import Array
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.optimizers import OPTIMIZERS, Optimizer, State, build
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.optimizers.lift import parameters

Shapes = Mapping[str, tuple[int, ...]]
Grads = dict[str, Array | None]

NAMES: Final = ("w", "b", "s")
DRAWN: Final = 3  # numbers of a slot that are drawn; the others repeat them
DRAWN_OF_STEP: Final = 2  # and of a gradient
APART: Final = 3  # times that repeated numbers are made smaller
STEPS: Final = 50
SOON: Final = 64  # steps within which a switch is looked for
WAITING: Final = ("none", "auto")  # ways to warm up that may never end where beta2 is small


@dataclass(frozen=True, kw_only=True, repr=False)
class Step:
    """A step to take: gradients by layer, None for a frozen one, and the effective rate."""

    grads: Grads
    lr: float

    def __repr__(self) -> str:
        still = [name for name, g in self.grads.items() if g is None]
        return f"Step(lr={self.lr!r}" + (f", frozen: {', '.join(still)})" if still else ")")


@dataclass(frozen=True, kw_only=True, repr=False)
class Example:
    """A spec, a state and steps from there."""

    spec: Mapping[str, Any]
    state: State
    steps: Sequence[Step]

    def __repr__(self) -> str:
        # In few words: hypothesis asks often, and what failed is told elsewhere.
        on = {name: np.shape(x) for name, x in self.state.params.items()}
        return f"<{len(self.steps)} steps of {build(self.spec)!r} on {on} from t={self.state.t}>"


_SELDOM: Final[st.SearchStrategy[bool]] = st.sampled_from([False] * 3 + [True])
_FRESH: Final = st.sampled_from([True, False, False])
_FACTORS: Final = st.sampled_from([1.0, 2.0, 0.5, 16.0, 256.0])
_WARMUPS: Final = st.sampled_from(["momentum", "none"])
KINDS: Final = ("new", "new", "new", "new", "again", "flipped", "zero", "halved")


# ---------------------------------------------------------------------------- hyperparameters


@lru_cache
def _decay_rates(least: float = 0.0) -> st.SearchStrategy[float]:
    known = [0.5, 0.75, 0.9, 0.96875, 0.95, 0.0, 0.99, 0.999, 0.9999, 0.9998779296875]
    return st.one_of(
        st.sampled_from([x for x in known if x >= least]),
        st.floats(least, 0.9999, allow_subnormal=False),
    )


@lru_cache
def _decays() -> st.SearchStrategy[float]:
    return st.sampled_from([0.0, 0.125, 0.01, 1e-3, 0.5, 1e-5])


@lru_cache
def _hyper(name: str, family: str) -> st.SearchStrategy[Any]:
    """Return a strategy for a hyperparameter, simple values first."""
    known: dict[str, st.SearchStrategy[Any]] = {
        "lr": st.sampled_from([0.5, 0.125, 0.1, 1e-3, 1.0, 0.25, 0.01, 3e-4, 10.0, 0.0]),
        "beta1": _decay_rates(),
        "beta2": _decay_rates(),
        "momentum": _decay_rates(),
        "dampening": st.sampled_from([0.0, 0.0, 0.5, 0.1, 1.0]),
        "nesterov": st.booleans(),
        "weight_decay": _decays(),
        "l2": st.one_of(st.none(), _decays()) if family == "paratrooper" else _decays(),
        "threshold": st.sampled_from([5.0, 4.0, 4.5, 6.0]),
        "warmup": st.sampled_from(["momentum", "none", "auto"]),
        "eps_inside_root": st.booleans(),
        "trust_coefficient": st.sampled_from([1.0, 0.5, 1e-3, 0.0009765625, 0.02]),
        "form": st.sampled_from(["2017", "2019"]),
        "norm_lower": st.sampled_from([0.0, 0.5, 0.1]),
        "norm_upper": st.sampled_from([math.inf, 2.0, 10.0]),
        "lower": st.sampled_from([0.0, 1.0, 0.25, 0.1]),
        "upper": st.sampled_from([math.inf, 10.0, 1.0, 0.3]),
        "cap": st.sampled_from(["rectified", 10.0, 1.0, 2.5]),
        "k": st.sampled_from([1, 2, 3, 5, 6]),
        "alpha": st.sampled_from([0.5, 0.75, 0.8, 1.0, 0.0, 0.3]),
    }
    return known[name]


@lru_cache
def _eps(family: str, profile: Profile) -> st.SearchStrategy[float]:
    """Return values of eps that the arithmetic of a profile does not lose."""
    values = [0.0009765625, 1e-3, 0.125, 0.01, 9.5367431640625e-07, 1e-6, 1e-8, 1.0, 0.0]
    least = profile.format.least if family != "lars" else 0
    return st.sampled_from([x for x in values if x == 0 or x >= math.ldexp(1, least)])


@st.composite
def specs(
    draw: st.DrawFn,
    algorithm: str,
    *,
    profile: Profile | None = None,
    layers: Sequence[str] = (),
    fixed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Draw specs of an algorithm, all of its hyperparameters named.

    Parameters
    ----------
    algorithm : str
        A name of `paratrooper_ref.optimizers.OPTIMIZERS`.
    profile : Profile, optional
        Hyperparameters that its arithmetic would lose are left out.
    layers : sequence of str
        Names of layers, one of which may get hyperparameters of its own; none by default.
    fixed : mapping of str to value
        Hyperparameters that are always so.

    Examples
    --------
    >>> import hypothesis
    >>> spec = hypothesis.find(specs("adam"), lambda spec: spec["hyper"]["beta1"] > 0.5)
    >>> spec["hyper"]["beta1"], spec["hyper"]["lr"]
    (0.75, 0.5)
    """
    if algorithm not in OPTIMIZERS:
        known = nearest(algorithm, OPTIMIZERS)
        msg = f"specs needs an algorithm, got algorithm={algorithm!r}; {known}"
        raise ValueError(msg)
    hyper = _hypers(draw, algorithm, profile or Profile())
    optimizer = with_hyper(build({"algorithm": algorithm, "hyper": hyper}), fixed or {})
    if len(layers) > 0 and draw(_SELDOM):
        own = draw(_own(optimizer, fixed or {}))
        which: st.SearchStrategy[str] = st.sampled_from(sorted(layers))
        optimizer = optimizer.for_layers({draw(which): own})
    return optimizer.spec


def _hypers(draw: st.DrawFn, algorithm: str, profile: Profile) -> dict[str, Any]:
    hyper: dict[str, Any] = {}
    if algorithm == "lookahead":
        inner = draw(_inner())
        hyper["inner"] = {"algorithm": inner, "hyper": _hypers(draw, inner, profile)}
    for name in (f.name for f in fields(OPTIMIZERS[algorithm]) if f.metadata):
        known = _eps(algorithm, profile) if name == "eps" else _hyper(name, algorithm)
        hyper[name] = draw(known)
    if hyper.get("warmup") in WAITING and 2 / (1 - hyper["beta2"]) - 1 <= hyper["threshold"]:
        hyper["beta2"] = draw(_decay_rates(0.9))
    if hyper.get("nesterov") and not hyper["momentum"]:
        hyper["momentum"] = 0.5  # without a buffer it would be another algorithm's name
    return hyper


@lru_cache
def _inner() -> st.SearchStrategy[str]:
    """Draw the algorithms that Lookahead may wrap."""
    others = [name for name in OPTIMIZERS if name != "lookahead"]
    return st.sampled_from([n for n in others if "slow" not in OPTIMIZERS[n]().slots()])


def _own(optimizer: Optimizer, fixed: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw what one layer has to itself: as groups of parameters have it."""
    options: list[dict[str, Any]] = [{"weight_decay": 0.0}, {"weight_decay": 0.25}]
    hyper = optimizer.hyper()
    if hyper["lr"]:
        options.append({"lr": hyper["lr"] / 4})
    if any("adapt" in parameters(rule) for rule in optimizer.stages()):
        options.append({"adapt": False})
    admitted = [o for o in options if not o.keys() & fixed.keys()] or [{}]
    others = {"k": hyper["k"] + 1, "alpha": 0.25} if "k" in hyper else {}  # none that are shared
    others = {name: x for name, x in others.items() if name not in fixed}
    if not others:
        return st.sampled_from(admitted)
    apart: list[dict[str, Any]] = [{}, *({name: x} for name, x in others.items()), others]
    return st.builds(dict.__or__, st.sampled_from(admitted), st.sampled_from(apart))


# ---------------------------------------------------------------------------- layers and numbers


@lru_cache
def shapes() -> st.SearchStrategy[dict[str, tuple[int, ...]]]:
    """Draw the shapes of one to three named layers; now and then one of more than 64 elements."""
    few: list[tuple[int, ...]] = [
        (1,), (2,), (), (3,), (2, 2), (), (5,), (1, 3), (2, 1, 3), (2, 1, 1, 2),
    ]
    shape = st.sampled_from([*few, *few, (7, 3), (65,), (9, 11)])
    return st.lists(shape, min_size=1, max_size=len(NAMES)).map(
        lambda found: dict(zip(NAMES, found, strict=False))
    )


@dataclass(frozen=True)
class _Grid:
    """The numbers of a slot: significands of some bits, exponents in a range."""

    bits: int
    least: int
    top: int  # so far that a square of a number and a sum of many squares are in range

    def unit(self, scale: int) -> int:
        """Return the exponent of 1 in an array: of 8 bits, and as far down as it has to be."""
        return scale - max(self.bits - BFLOAT16.precision, self.bits + scale - self.top, 0)

    def scales(self, squares: bool = False) -> list[int]:
        """Return scales of arrays, as exponents: mostly such that numbers are about 1, or less.

        With ``squares`` none at which the square of a number may vanish.
        """
        near = (0, -8, -4, -6, -10, -7, -12, 0, -8, -4)
        far = (6, -20, 14, -40, 30, self.least // 2, self.least)
        held = [s for s in (*near, *far) if self.least <= self.unit(s) and s <= self.top]
        # Of a square of 8 bits each, and of 1 - beta2 times it, the last bits may not vanish.
        found = [s for s in held if not squares or 2 * self.unit(s) - 24 >= self.least]
        return found or [0]


@lru_cache
def _grid(profile: Profile, slot: str, dense: bool) -> _Grid:
    """Return the numbers of a slot; ``dense`` are those of its dtype, not of bfloat16."""
    formats = [profile.stored(slot), profile.format, *([] if dense else [BFLOAT16])]
    least = max(
        f.least + (f.precision - 1 if profile.flush and f is not BFLOAT16 else 0) for f in formats
    )
    top = (min(f.most for f in formats) - 2) // 2 - 4
    return _Grid(min(f.precision for f in formats), least, max(top, 3))


@lru_cache
def _scales(grid: _Grid, squares: bool = False) -> st.SearchStrategy[int]:
    return st.sampled_from(grid.scales(squares))


@lru_cache
def _numbers(n: int, bits: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(1 - 2**bits, 2**bits - 1)] * n)


def _model(
    shapes: Shapes, numbers: Sequence[int], grid: _Grid, scale: int, zero: bool = True
) -> dict[str, Array]:
    """Return arrays of all layers made of a few integers times 2**scale.

    They are repeated, some of them turned round or smaller by some bits, from one layer into the
    next; ``zero`` tells whether there may be zeros.
    """
    unit, apart = grid.unit(scale), abs(sum(numbers)) % 3
    apart = min(apart, (unit - grid.least) // APART)
    found: dict[str, Array] = {}
    at = 0
    for name, shape in shapes.items():
        i = np.arange(at, at + math.prod(shape))
        base = np.array([n or 1 - zero for n in numbers], dtype=np.float64)[i % len(numbers)]
        turned = np.where(i // len(numbers) % 3 == 1, -base, base) + 0.0
        lower = i // len(numbers) % (APART + 1) * apart
        found[name] = np.ldexp(turned, unit - lower).reshape(shape)
        at += i.size
    return found


@st.composite
def params(
    draw: st.DrawFn, shapes: Shapes, *, profile: Profile | None = None, dense: bool = False
) -> dict[str, Array]:
    """Draw parameters of layers."""
    grid = _grid(profile or Profile(), "theta", dense)
    return _model(shapes, draw(_numbers(DRAWN, grid.bits)), grid, draw(_scales(grid)))


@st.composite
def states(
    draw: st.DrawFn,
    spec: Mapping[str, Any],
    shapes: Shapes,
    *,
    profile: Profile | None = None,
    dense: bool = False,
    fresh: bool | None = None,
) -> State:
    """Draw states of a spec: before the first step, or after any number of steps.

    Second moments are not negative, and where eps is 0 not zero; all of a state after steps is
    as steps may have left it, though none need have.

    Parameters
    ----------
    fresh : bool, optional
        Only states before the first step, or only others.
    """
    profile = profile or Profile()
    optimizer = build(spec)
    theta = draw(params(shapes, profile=profile, dense=dense))
    slots = optimizer.slots()
    if draw(_FRESH) if fresh is None else fresh:
        zeros = {name: np.zeros(shape) for name, shape in shapes.items()}
        begun: dict[str, Any] = {s: theta if s == "slow" else zeros for s in slots}
        return State(params=theta, **begun)
    t = draw(_counts(_switch(optimizer)))
    drawn: dict[str, dict[str, Array]] = {}
    positive = optimizer.hyper().get("eps") == 0
    for slot in slots:
        grid = _grid(profile, slot, dense)
        if slot == "v":
            drawn[slot] = {k: _second(draw, m, grid, positive) for k, m in drawn["m"].items()}
        else:
            numbers, scale = draw(_numbers(DRAWN, grid.bits)), draw(_scales(grid, positive))
            drawn[slot] = _model(shapes, numbers, grid, scale)
    warmup = optimizer.hyper().get("warmup")
    if warmup == "auto":
        warmup = draw(_WARMUPS)
    return State(params=theta, t=t, warmup=warmup, **drawn)  # type: ignore[arg-type]


@lru_cache
def _counts(switch: int) -> st.SearchStrategy[int]:
    """Draw numbers of steps taken, few of them, and such as are about a switch."""
    near = [switch - 3, switch - 2, switch - 1, switch] if switch > 3 else [1]
    few = st.integers(1, 12)
    return st.one_of(few, few, st.integers(1, 1000), st.integers(1, 10**6), st.sampled_from(near))


def _switch(optimizer: Optimizer) -> int:
    """Return the first step that is rectified, or 0."""
    hyper = optimizer.hyper()
    if "threshold" not in hyper:
        return 0
    beta2 = hyper["beta2"]
    most = 2 / (1 - beta2) - 1
    rho = ((t, most - 2 * t * beta2**t / (1 - beta2**t)) for t in range(1, SOON))
    return next((t for t, x in rho if x > hyper["threshold"]), 0)


def _second(draw: st.DrawFn, m: Array, grid: _Grid, positive: bool) -> Array:
    """Draw a second moment beside a first: some multiple of its square, rounded."""
    with np.errstate(all="ignore"):
        v = _to(grid, draw(_FACTORS) * m * m)
    return np.where(v == 0, 1.0, v) if positive else v


def _to(grid: _Grid, x: Array) -> Array:
    """Return the numbers of a grid nearest to those of an array."""
    format = Format("grid", grid.bits, grid.least, 2 * grid.top + 8)
    nearest = np.asarray(format.nearest(x))
    return np.where(np.isfinite(nearest), nearest, math.ldexp(1, 2 * grid.top))


# ---------------------------------------------------------------------------- gradients


class _Recipe(NamedTuple):
    """A step in few words: hypothesis deletes steps that are few draws each."""

    what: int
    numbers: tuple[int, ...]


class _Recipes:
    """How steps are drawn, for layers and a profile."""

    def __init__(
        self, shapes: Shapes, profile: Profile | None, dense: bool, frozen: bool, zero: bool
    ) -> None:
        self.shapes, self.zero = shapes, zero
        self.grid = _grid(profile or Profile(), "g", dense)
        names = tuple(shapes)
        still = [(), *[(name,) for name in names], *([names] if len(names) > 1 else [])]
        # What shrinks last comes first.
        self.still = [()] * 12 + still if frozen else [()]
        self.kinds = [k for k in KINDS if zero or k != "zero"]
        self.scales = self.grid.scales(not zero)

    def strategy(self, rates: int = 1) -> st.SearchStrategy[_Recipe]:
        """Return a strategy for steps, at one of some rates."""
        ways = len(self.still) * len(self.kinds) * len(self.scales) * rates
        return st.builds(
            _Recipe, st.integers(0, ways - 1), _numbers(DRAWN_OF_STEP, self.grid.bits)
        )

    def told(self, recipes: Sequence[_Recipe]) -> list[tuple[Grads, int]]:
        """Return gradients, and the number of a rate, for each step."""
        found = []
        before: dict[str, Array] = {k: np.ones(s) for k, s in self.shapes.items()}
        for what, numbers in recipes:
            what, still = divmod(what, len(self.still))
            what, kind = divmod(what, len(self.kinds))
            rate, scale = divmod(what, len(self.scales))
            if self.kinds[kind] == "new":
                before = _model(
                    self.shapes, numbers, self.grid, self.scales[scale], self.zero
                )
            else:
                before = {k: self._after(g, self.kinds[kind]) for k, g in before.items()}
            grads: Grads = {
                k: None if k in self.still[still] else g for k, g in before.items()
            }
            found.append((grads, rate))
        return found

    def _after(self, g: Array, kind: str) -> Array:
        """Return what follows a gradient."""
        if kind == "zero":
            return np.zeros_like(g)
        if kind == "flipped":
            return -g + 0.0
        halves = kind == "halved" and np.array_equal(_to(self.grid, g / 2), g / 2)
        return g / 2 if halves else g


def gradients(
    shapes: Shapes,
    *,
    profile: Profile | None = None,
    dense: bool = False,
    frozen: bool = True,
    zero: bool = True,
) -> st.SearchStrategy[Grads]:
    """Draw gradients of one step; with ``frozen`` None now and then, with ``zero`` zeros too."""
    recipes = _Recipes(shapes, profile, dense, frozen, zero)
    return recipes.strategy().map(lambda recipe: recipes.told([recipe])[0][0])


def gradient_sequences(
    shapes: Shapes,
    *,
    profile: Profile | None = None,
    dense: bool = False,
    frozen: bool = True,
    zero: bool = True,
    min_steps: int = 1,
    max_steps: int = STEPS,
) -> st.SearchStrategy[list[Grads]]:
    """Draw gradients of several steps: new ones, the same again, turned round, zeros, halves."""
    recipes = _Recipes(shapes, profile, dense, frozen, zero)
    lists = _lists(recipes.strategy(), min_steps, max_steps)
    return lists.map(lambda found: [grads for grads, _ in recipes.told(found)])


def _lists(
    recipe: st.SearchStrategy[_Recipe], least: int, most: int
) -> st.SearchStrategy[list[_Recipe]]:
    longer = max(least, min(12, most))
    return st.one_of(
        st.lists(recipe, min_size=least, max_size=most),
        st.lists(recipe, min_size=longer, max_size=most),
    )


# ---------------------------------------------------------------------------- examples


@st.composite
def examples(
    draw: st.DrawFn,
    algorithm: str,
    *,
    profile: Profile | None = None,
    fixed: Mapping[str, Any] | None = None,
    dense: bool = False,
    fresh: bool | None = None,
    frozen: bool = True,
    min_steps: int = 1,
    max_steps: int = STEPS,
) -> Example:
    """Draw a spec, a state and steps with their gradients and rates.

    Parameters
    ----------
    algorithm, profile, fixed
        As in `specs`.
    dense : bool
        All bits of the dtype, not of bfloat16.
    fresh : bool, optional
        As in `states`.
    frozen : bool
        Whether layers are frozen now and then.
    min_steps, max_steps : int
    """
    profile = profile or Profile()
    layers = draw(shapes())
    spec = draw(specs(algorithm, profile=profile, layers=tuple(layers), fixed=fixed))
    optimizer = build(spec)
    zero = optimizer.hyper().get("eps") != 0
    state = draw(states(spec, layers, profile=profile, dense=dense, fresh=fresh))
    lr = float(optimizer.hyper()["lr"])
    rates = [lr, lr, lr, lr / 2, lr * 0.1, 0.0, 1.0] if lr else [0.0]
    recipes = _Recipes(layers, profile, dense, frozen, zero)
    drawn = draw(_lists(recipes.strategy(len(rates)), min_steps, max_steps))
    steps = [Step(grads=grads, lr=rates[rate]) for grads, rate in recipes.told(drawn)]
    return Example(spec=spec, state=state, steps=steps)


__all__ = [
    "Example",
    "Step",
    "examples",
    "gradient_sequences",
    "gradients",
    "params",
    "shapes",
    "specs",
    "states",
]
