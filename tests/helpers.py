"""What several tests share: portable data, one of each optimizer, and comparisons of bits."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np

import paratrooper_ref as pr
from paratrooper_ref.optimizers import OPTIMIZERS
from paratrooper_ref.optimizers.state import SLOTS

Array = np.ndarray[Any, np.dtype[Any]]
Flat = dict[str, list[float]]
Gradients = list[dict[str, list[float] | None]]
Steps = list[tuple[pr.State, pr.Lines]]

SHAPES: dict[str, tuple[int, ...]] = {"w": (2, 2), "b": (2,), "s": ()}

# On some machines a longdouble is a double: what is said of more digits does not hold there.
WIDE = np.finfo(np.longdouble).nmant > 52
FLOATS: list[type[np.floating[Any]]] = [np.float64, np.float32, np.longdouble]

RECTIFIED = ("radam", "radamw", "ranger", "rangerlars", "paratrooper")
SCALED = ("lars", "lamb", "rangerlars", "paratrooper")

# One optimizer for every branch of every rule.
FAMILY: dict[str, pr.Optimizer] = {
    "sgd": pr.SGD(),
    "sgd heavy": pr.SGD(momentum=0.9, dampening=0.25, weight_decay=1e-2),
    "sgd nesterov": pr.SGD(momentum=0.9, nesterov=True),
    "adam": pr.Adam(weight_decay=1e-2),
    "adamw": pr.AdamW(),
    "radam": pr.RAdam(weight_decay=1e-2),
    "radamw": pr.RAdamW(),
    "radamw none": pr.RAdamW(warmup="none", eps_inside_root=True, l2=1e-2),
    "lars 2017": pr.LARS(),
    "lars 2019": pr.LARS(form="2019"),
    "lamb": pr.LAMB(),
    "lamb bounds": pr.LAMB(norm_lower=0.5, norm_upper=2.0, lower=0.25, upper=10.0),
    "lookahead sgd": pr.Lookahead(inner=pr.SGD(momentum=0.9), k=5, alpha=0.8),
    "lookahead lamb": pr.Lookahead(inner=pr.LAMB(), k=3),
    "ranger": pr.Ranger(),
    "rangerlars": pr.RangerLars(),
    "rangerlars lower 1": pr.RangerLars(lower=1.0),
    "paratrooper": pr.Paratrooper(),
    "paratrooper momentum": pr.Paratrooper(warmup="momentum"),
    "paratrooper none": pr.Paratrooper(warmup="none"),
    "paratrooper cap": pr.Paratrooper(cap=3.5, warmup="momentum"),
}


def draw(seed: int, *shape: int, scale: float = 1.0) -> Array:
    """Return numbers in (-scale, scale), the same on every machine and NumPy release."""
    source = random.Random(seed)
    count = int(np.prod(shape, dtype=int))
    return np.array([scale * (2 * source.random() - 1) for _ in range(count)]).reshape(shape)


def start(seed: int = 0, scale: float = 1.0) -> dict[str, Array]:
    """Return parameters of the layers of SHAPES."""
    return {
        name: draw(seed + i, *shape, scale=scale) for i, (name, shape) in enumerate(SHAPES.items())
    }


def stream(steps: int, seed: int = 100, scale: float = 1.0) -> list[dict[str, Array]]:
    """Return gradients of the layers of SHAPES for a number of steps."""
    return [start(seed + 10 * t, scale) for t in range(steps)]


def cast(layers: Mapping[str, Array], dtype: Any) -> dict[str, Array]:
    """Return the layers in another dtype."""
    return {name: x.astype(dtype) for name, x in layers.items()}


def balls(layers: Mapping[str, Array]) -> dict[str, Array]:
    """Return the layers as exact balls of python-flint."""
    return {name: np.frompyfunc(flint.arb, 1, 1)(np.asarray(x, dtype=object)) if x.shape
            else np.array(flint.arb(float(x)), dtype=object) for name, x in layers.items()}


def walk(
    optimizer: pr.Optimizer,
    state: pr.State,
    gradients: Sequence[Mapping[str, Any]],
    rates: Sequence[float] | None = None,
) -> Iterator[tuple[pr.State, pr.Lines]]:
    """Yield the state after each step, and the step's lines."""
    for i, gradient in enumerate(gradients):
        state, lines = optimizer.step(state, gradient, None if rates is None else rates[i])
        yield state, lines


def last(
    optimizer: pr.Optimizer, state: pr.State, gradients: Sequence[Mapping[str, Any]]
) -> pr.State:
    """Return the state after all steps."""
    for gradient in gradients:
        state, _ = optimizer.step(state, gradient)
    return state


def slots(state: pr.State) -> dict[str, Mapping[str, Array]]:
    """Return all that a state carries by layer: theta, and the slots that exist."""
    found: dict[str, Mapping[str, Array]] = {"theta": state.params}
    return found | {s: getattr(state, s) for s in SLOTS if getattr(state, s) is not None}


def content(x: Any) -> Any:
    """Return the bytes of a float array, without the padding of an x86 longdouble."""
    x = np.asarray(x)
    if x.dtype.hasobject:
        return [repr(a) for a in x.flat]
    if x.dtype == np.longdouble and np.finfo(x.dtype).nmant == 63:
        return x.reshape(-1, 1).copy().view(np.uint8)[:, :10].tobytes()
    return x.tobytes()


def assert_same_bits(a: Any, b: Any, what: str = "") -> None:
    """Assert that two arrays have one dtype, one shape and the same bits."""
    a, b = np.asarray(a), np.asarray(b)
    assert (a.dtype, a.shape) == (b.dtype, b.shape), what
    assert content(a) == content(b), f"{what}: {a} and {b}"


def assert_same_state(a: pr.State, b: pr.State, only: Sequence[str] | None = None) -> None:
    """Assert that two states hold the same bits, in all their slots or the ones named."""
    assert a.t == b.t
    of_a, of_b = slots(a), slots(b)
    names = sorted(of_a.keys() | of_b.keys()) if only is None else only
    for slot in names:
        assert list(of_a[slot]) == list(of_b[slot])
        for layer in of_a[slot]:
            assert_same_bits(of_a[slot][layer], of_b[slot][layer], f"{slot} of {layer}")


def assert_same_lines(a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
    """Assert that the lines of two steps are the same, bit for bit."""
    assert list(a) == list(b)
    for layer in a:
        assert list(a[layer]) == list(b[layer])
        for tag in a[layer]:
            assert_same_bits(a[layer][tag], b[layer][tag], f"{tag} of {layer}")


def exactly(x: Any) -> Fraction:
    """Return the value of a finite float of any precision, or of an array of one."""
    (x,) = x.ravel() if isinstance(x, np.ndarray) else (x,)
    return Fraction(*x.as_integer_ratio())


def named(algorithm: str, hyper: Mapping[str, Any]) -> pr.Optimizer:
    """Return an optimizer by its name and what differs from its defaults."""
    if algorithm != "lookahead":
        return OPTIMIZERS[algorithm](**hyper)
    inner, inner_hyper = hyper["inner"]
    return pr.Lookahead(**{**hyper, "inner": named(inner, inner_hyper)})


def by_layer(function: Callable[[Any], Any], layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the layers with a function applied to each."""
    return {name: function(x) for name, x in layers.items()}
