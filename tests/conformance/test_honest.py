"""Honest orders of evaluation that no package of the lists has: they conform, in every dtype.

Each operation of these functions is rounded to the dtype, as torch rounds it.  Without the forms
of lines those that need them depart somewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pytest

from paratrooper_ref.arithmetic.running import FORMATS, Format
from paratrooper_ref.conformance import KernelBackend, Profile
from paratrooper_ref.conformance.gate import Gate, cases
from paratrooper_ref.conformance.verdict import CONFORMS, DEPARTS, UNSUPPORTED
from paratrooper_ref.golden.corpus import Corpus

CORPUS: Final = Corpus()
DTYPES: Final = ("float64", "float32", "bfloat16")
Update = Callable[..., Mapping[str, Any]]


class Rounded:
    """Numbers of a format: an operation takes doubles, a number among them rounded, and rounds."""

    def __init__(self, value: Any, format: Format) -> None:
        self.value, self.format = format.nearest(value), format

    def _new(self, value: Any) -> Rounded:
        return Rounded(value, self.format)

    def _with(self, op: Callable[[Any, Any], Any], x: Any) -> Rounded:
        other = x.value if isinstance(x, Rounded) else self.format.nearest(float(x))
        with np.errstate(all="ignore"):
            return self._new(op(self.value, other))

    def __add__(self, x: Any) -> Rounded:
        return self._with(np.add, x)

    def __sub__(self, x: Any) -> Rounded:
        return self._with(np.subtract, x)

    def __mul__(self, x: Any) -> Rounded:
        return self._with(np.multiply, x)

    def __truediv__(self, x: Any) -> Rounded:
        return self._with(np.divide, x)

    def __rsub__(self, x: Any) -> Rounded:
        return self._with(lambda a, b: np.subtract(b, a), x)

    def __rtruediv__(self, x: Any) -> Rounded:
        return self._with(lambda a, b: np.divide(b, a), x)

    __radd__ = __add__
    __rmul__ = __mul__

    def sqrt(self) -> Rounded:
        """Return the square root."""
        return self._new(np.sqrt(self.value))

    def norm(self) -> Rounded:
        """Return the norm, summed in double."""
        return self._new(np.sqrt(np.sum(self.value * self.value)))


def ratio(of: Rounded, to: Rounded) -> Rounded:
    """Return a quotient of norms, 1 where one is 0."""
    return of._new(1.0) if of.value == 0 or to.value == 0 else of * (1 / to)


def sgd_in_turn(
    theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, dampening: float,
    nesterov: bool, weight_decay: float,
) -> Mapping[str, Any]:
    """Add the gradient and the decay to the buffer, take the buffer and the gradient, in turn."""
    if t == 1:
        u = g + weight_decay * theta
    else:
        u = momentum * u + (1 - dampening) * g + (1 - dampening) * (weight_decay * theta)
    if not nesterov:
        return {"theta": theta - lr * u, "u": u}
    return {"theta": theta - lr * (g + weight_decay * theta) - lr * (momentum * u), "u": u}


def decay_first(
    theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, dampening: float,
    nesterov: bool, weight_decay: float,
) -> Mapping[str, Any]:
    """Shrink the weights, then take torch's step without decay: timm's and fastai's SGDW."""
    theta = theta * (1 - lr * weight_decay)
    u = g if t == 1 else momentum * u + (1 - dampening) * g
    return {"theta": theta - lr * (g + momentum * u if nesterov else u), "u": u}


def constant_apart(
    theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, dampening: float,
    nesterov: bool, weight_decay: float,
) -> Mapping[str, Any]:
    """Subtract the step, then the rate times the decay: jettify's SGDW."""
    u = g if t == 1 else momentum * u + (1 - dampening) * g
    return {"theta": theta - lr * (g + momentum * u if nesterov else u) - lr * weight_decay, "u": u}


def rate_in_buffer(
    theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, dampening: float,
    nesterov: bool, weight_decay: float,
) -> Mapping[str, Any]:
    """Keep the rate inside of the buffer, as Keras does, and take Nesterov's parts in turn."""
    scaled = lr * (g + weight_decay * theta)
    u = scaled if t == 1 else momentum * u + (1 - dampening) * scaled
    return {"theta": theta - momentum * u - scaled if nesterov else theta - u, "u": u}


def hat(
    theta: Any, g: Any, m: Any, v: Any, t: int, lr: float, beta1: float, beta2: float,
    eps: float, weight_decay: float,
) -> Mapping[str, Any]:
    """Add eps to the root of v, and scale by one number after the other."""
    g = g + weight_decay * theta
    m, v = m + (1 - beta1) * (g - m), v + (1 - beta2) * (g * g - v)
    step = lr * ((1 - beta2**t) ** 0.5 * (m / (1 - beta1**t) * (1 / (v.sqrt() + eps))))
    return {"theta": theta - step, "m": m, "v": v}


def decay_in_turn(
    theta: Any, g: Any, m: Any, v: Any, t: int, lr: float, beta1: float, beta2: float,
    eps: float, weight_decay: float, norm_lower: float, norm_upper: float, lower: float,
    upper: float, adapt: bool = True,
) -> Mapping[str, Any]:
    """Shrink the weights by LAMB's ratio times the decay, and take its step by itself."""
    m, v = m + (1 - beta1) * (g - m), beta2 * v + (1 - beta2) * g * g
    step = m / (1 - beta1**t) * (1 / (v.sqrt() / (1 - beta2**t) ** 0.5 + eps))
    whole = step + weight_decay * theta
    phi = theta._new(min(norm_upper, max(norm_lower, theta.norm().value)))
    one = theta.norm().value == 0 or whole.norm().value == 0 or not adapt
    trust = ratio(phi, whole.norm())
    trust = trust._new(1.0 if one else max(lower, min(upper, trust.value)))
    theta = theta * (1 - lr * (trust * weight_decay)) - lr * (trust * step)
    return {"theta": theta, "m": m, "v": v}


def scaled_in_turn(
    theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, trust_coefficient: float,
    weight_decay: float, eps: float, form: str, adapt: bool = True,
) -> Mapping[str, Any]:
    """Scale the gradient and the decay of LARS each by itself."""
    weights, whole = theta.norm(), (g + weight_decay * theta).norm()
    trust = trust_coefficient * weights / (g.norm() + weight_decay * weights + eps)
    if weights.value == 0 or whole.value == 0 or not adapt:
        trust = weights._new(1.0)
    u = momentum * u + lr * (trust * g) + lr * (trust * (weight_decay * theta))
    return {"theta": theta - u, "u": u}


def corrected(
    theta: Any, g: Any, m: Any, v: Any, t: int, lr: float, beta1: float, beta2: float,
    eps: float, weight_decay: float, threshold: float, warmup: str,
) -> Mapping[str, Any]:
    """Rectify Adam's own direction, with torch's eps."""
    m = beta1 * m + (1 - beta1) * g + (1 - beta1) * (weight_decay * theta)
    g = g + weight_decay * theta
    v = v + (1 - beta2) * (g * g - v)
    most, power = 2 / (1 - beta2) - 1, beta2**t
    rho = most - 2 * t * power / (1 - power)
    m_hat = m / (1 - beta1**t)
    if rho > threshold:
        root = (1 - power) ** 0.5
        r = ((rho - 4) / (most - 4) * (rho - 2) / (most - 2) * most / rho) ** 0.5
        theta = theta - lr * (r * (m_hat / (v.sqrt() / root + eps / root)))
    elif warmup == "momentum":
        theta = theta - lr * m_hat
    return {"theta": theta, "m": m, "v": v}


@dataclass(frozen=True)
class Honest:
    """A function, the cases that it is held to, the dialect that it speaks.

    And whether it needs the forms: whether it departs from the order in which lines are written.
    """

    update: Update
    group: str
    dialect: str | None = None
    only: str = "*"
    needs: bool = False


HONEST: Final = (
    Honest(sgd_in_turn, "sgd", needs=True),
    Honest(decay_first, "sgd", "sgd.decay_decoupled"),
    Honest(constant_apart, "sgd", "sgd.decay_constant"),
    Honest(rate_in_buffer, "sgd", "sgd.lr_in_buffer", needs=True),
    Honest(hat, "adam", "adam.eps_hat"),
    Honest(decay_in_turn, "lamb", needs=True),
    Honest(scaled_in_turn, "lars", only="lars/*", needs=True),
    Honest(corrected, "radam", needs=True),
)


def verdicts(honest: Honest, dtype: str, *, forms: bool) -> dict[str, str]:
    """Return the verdicts of the cases that can be asked."""
    container = np.float64 if dtype == "float64" else np.float32
    backend = KernelBackend(
        honest.update, to=lambda x, name: Rounded(x, FORMATS[name]),
        back=lambda x: x.value.astype(container), profile=Profile(dtype=dtype, forms=forms),
    )
    asked = cases(honest.group, CORPUS, only=honest.only)
    results = Gate(backend, dialect=honest.dialect).run(asked)
    return {r.case: r.verdict for r in results if r.verdict != UNSUPPORTED}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("honest", HONEST, ids=lambda h: h.update.__name__)
def test_an_honest_order_conforms(honest: Honest, dtype: str) -> None:
    """With no factor, and nothing expected to fail."""
    found = verdicts(honest, dtype, forms=True)
    assert len(found) > 5
    assert set(found.values()) == {CONFORMS}


@pytest.mark.parametrize(
    "honest", [h for h in HONEST if h.needs], ids=lambda h: h.update.__name__
)
def test_without_forms_it_would_not(honest: Honest) -> None:
    """Held to the order in which the line is written, it departs in one dtype or another."""
    assert any(DEPARTS in verdicts(honest, dtype, forms=False).values() for dtype in DTYPES)
