"""An independent oracle: the same optimizers, written a second time from the papers.

Nothing here is shared with the package under test: no import, no helper, no order of
evaluation. It works on flat lists of `decimal.Decimal` with 60 digits (or as many as asked),
takes every double at its exact value, and prefers closed forms to recursions: a moment is the
weighted sum over all gradients a layer has seen, a momentum buffer is a sum, the slow weights
of Lookahead are a sum over the fast weights at the synchronisations. The cost is quadratic in
the number of steps; 300 steps of three layers of ten elements take about a second.

Results agree with exact arithmetic to about 50 digits, relative to the terms that were added
(an element of theta that cancels to nearly zero has as many correct digits fewer; ask for more
digits there). A division 0/0 (eps = 0 with a gradient that has always been zero) raises.

`sgd_exact` is a third, tiny piece that shares nothing with the rest either: rational arithmetic
without any rounding, by recursion.

Sources
-------
[A]  Kingma and Ba, Adam, arXiv 1412.6980, Algorithm 1.
[AW] Loshchilov and Hutter, Decoupled weight decay regularization, arXiv 1711.05101, Algorithm 2.
[RA] Liu et al., On the variance of the adaptive learning rate, arXiv 1908.03265, Algorithm 2.
[LR] You, Gitman and Ginsburg, Large batch training, arXiv 1708.03888, Algorithm 1.
[LB] You et al., Large batch optimization (LAMB), arXiv 1904.00962, Algorithms 1 and 2.
[LA] Zhang et al., Lookahead optimizer, arXiv 1907.08610, Algorithm 1.
[P]  Daniel Han, State of the art optimizers (Ranger, RangerLars, Paratrooper), web page.
The readings of them that the project has settled on, and the defaults, are its specification.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)
from fractions import Fraction
from functools import lru_cache
from operator import mul
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Vector = list[Decimal]

ZERO = Decimal(0)
ONE = Decimal(1)
TWO = Decimal(2)
FOUR = Decimal(4)

GUARD = 60
"""Digits added where 1 - beta**t and rho_t cancel (beta = 1 - 2**-53 loses 32 of them)."""

EARLY_CAP = Decimal(10)
"""Paratrooper's ceiling before the rectified branch opens, [P]."""

_ADAM: dict[str, Any] = {
    "lr": 1e-3,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "weight_decay": 0.0,
}
_RADAMW: dict[str, Any] = {
    **_ADAM,
    "weight_decay": 1e-3,
    "l2": 0.0,
    "threshold": 5.0,
    "warmup": "momentum",
    "eps_inside_root": False,
}
_RANGER: dict[str, Any] = {**_RADAMW, "beta1": 0.95, "k": 6, "alpha": 0.5}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {
        "lr": 1e-2,
        "momentum": 0.0,
        "dampening": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
    },
    "adam": _ADAM,
    "adamw": {**_ADAM, "weight_decay": 1e-2},
    "radam": {**_ADAM, "threshold": 4.0, "warmup": "momentum"},
    "radamw": _RADAMW,
    "lars": {
        "lr": 0.1,
        "momentum": 0.9,
        "trust_coefficient": 1e-3,
        "weight_decay": 5e-4,
        "eps": 0.0,
        "form": "2017",
    },
    "lamb": {
        **_ADAM,
        "eps": 1e-6,
        "weight_decay": 1e-2,
        "norm_lower": 0.0,
        "norm_upper": math.inf,
        "lower": 0.0,
        "upper": math.inf,
    },
    "lookahead": {"k": 6, "alpha": 0.5},
    "ranger": _RANGER,
    "rangerlars": {**_RANGER, "lower": 0.0, "upper": 10.0},
    "paratrooper": {
        **_RANGER,
        "l2": None,
        "warmup": "auto",
        "eps_inside_root": True,
        "lower": 1.0,
        "cap": "rectified",
    },
}

_RECTIFIED = frozenset({"radam", "radamw", "ranger", "rangerlars", "paratrooper"})
_AVERAGED = frozenset({"ranger", "rangerlars", "paratrooper"})
_SCALED = frozenset({"lars", "lamb", "rangerlars", "paratrooper"})
_COUPLED = frozenset({"sgd", "adam", "radam", "lars"})


def defaults(name: str) -> dict[str, Any]:
    """Return a copy of the hyperparameters an optimizer has when nothing is said.

    Parameters
    ----------
    name : str
        One of the algorithms of `run`; ``"lookahead"`` has no default for ``inner``.

    Returns
    -------
    dict[str, Any]
        Specification, section 6.
    """
    if name not in _DEFAULTS:
        message = f"unknown algorithm {name!r}"
        raise ValueError(message)
    return dict(_DEFAULTS[name])


def exact(number: float) -> Decimal:
    """Return the exact value of a double."""
    return Decimal(float(number))


def _arithmetic(digits: int) -> Context:
    return Context(
        prec=digits,
        rounding=ROUND_HALF_EVEN,
        Emin=MIN_EMIN,
        Emax=MAX_EMAX,
        traps=[InvalidOperation, DivisionByZero, Overflow],
    )


@lru_cache(maxsize=200_000)
def _power(base: Decimal, exponent: int, digits: int) -> Decimal:
    """Return base**exponent, good to more than `digits` digits, with 0**0 = 1."""
    if exponent == 0:
        return ONE
    if base == 0:
        return ZERO
    with localcontext(_arithmetic(digits + GUARD)):
        return base**exponent


@lru_cache(maxsize=50_000)
def _scalars(beta1: float, beta2: float, t: int, digits: int) -> tuple[tuple[str, Decimal], ...]:
    power1 = _power(exact(beta1), t, digits)
    power2 = _power(exact(beta2), t, digits)
    with localcontext(_arithmetic(digits + GUARD)):
        left1 = ONE - power1
        left2 = ONE - power2
        longest = TWO / (ONE - exact(beta2)) - ONE
        length = longest - TWO * t * power2 / left2
        table = {
            "beta1_t": power1,
            "beta2_t": power2,
            "one_minus_beta1_t": left1,
            "one_minus_beta2_t": left2,
            "rho_inf": longest,
            "rho": length,
            "bias_correction": left2.sqrt() / left1,
        }
        if length > FOUR:
            above = (length - FOUR) * (length - TWO) * longest
            below = (longest - FOUR) * (longest - TWO) * length
            table["rectification"] = (above / below).sqrt()
            table["rectified_cap"] = ONE / (table["rectification"] * table["bias_correction"])
    rounder = _arithmetic(digits)
    return tuple((key, rounder.plus(value)) for key, value in table.items())


def scalars(beta1: float, beta2: float, t: int, digits: int = 60) -> dict[str, Decimal]:
    """Return what depends on the step and the two betas alone, [A] section 3 and [RA] section 4.

    Parameters
    ----------
    beta1, beta2 : float
        Doubles in [0, 1), taken at their exact values.
    t : int
        Step, from 1.
    digits : int
        Significant digits of the results.

    Returns
    -------
    dict[str, Decimal]
        ``beta1_t`` and ``beta2_t`` (the powers), ``one_minus_beta1_t``, ``one_minus_beta2_t``,
        ``rho_inf``, ``rho``, ``bias_correction``; where rho > 4 also ``rectification`` r_t and
        ``rectified_cap`` 1/(r_t b_t).
    """
    if t < 1 or not (0 <= beta1 < 1 and 0 <= beta2 < 1):
        message = f"need t >= 1 and betas in [0, 1): t={t}, beta1={beta1}, beta2={beta2}"
        raise ValueError(message)
    return dict(_scalars(float(beta1), float(beta2), int(t), digits))


@dataclass
class _Layer:
    """One layer: where it is, and everything it has seen so far."""

    name: str
    hyper: dict[str, Any]
    theta: Vector
    digits: int
    own_lr: float | None
    origin: Vector = field(default_factory=list)
    gradients: list[Vector] = field(default_factory=list)
    squares: list[Vector] = field(default_factory=list)
    pulls: list[Vector] = field(default_factory=list)
    arrivals: list[Vector] = field(default_factory=list)
    slots: dict[str, Vector] = field(default_factory=dict)

    def value(self, key: str) -> Decimal:
        return exact(self.hyper[key])


_Notes = dict[str, Any]


def _geometric(ratio: Decimal, history: list[Vector], digits: int) -> Vector:
    """Return sum_i ratio**(n-i) x_i over a history x_1 ... x_n, element by element."""
    n = len(history)
    weights = [_power(ratio, n - 1 - i, digits) for i in range(n)]
    return [sum(map(mul, weights, column), ZERO) for column in zip(*history, strict=True)]


def _average(beta: Decimal, history: list[Vector], digits: int) -> Vector:
    """Return (1-beta) sum_i beta**(n-i) x_i: [A] section 3, the recursion from 0 unrolled."""
    return [(ONE - beta) * total for total in _geometric(beta, history, digits)]


def _norm(vector: Vector) -> Decimal:
    """Return the plain 2-norm over all elements."""
    return sum((x * x for x in vector), ZERO).sqrt()


def _coupled_decay(algorithm: str, layer: _Layer) -> Decimal:
    """Return the coefficient of theta inside the gradient (L2)."""
    if algorithm in _COUPLED:
        return layer.value("weight_decay")
    if "l2" not in layer.hyper:
        return ZERO
    return layer.value("weight_decay" if layer.hyper["l2"] is None else "l2")


def _decoupled_decay(algorithm: str, layer: _Layer) -> Decimal:
    """Return the coefficient of theta inside the direction, [AW]."""
    return ZERO if algorithm in _COUPLED else layer.value("weight_decay")


def _local_rate(
    layer: _Layer, direction: Vector, quotient: Callable[[Decimal, Decimal], Decimal]
) -> _Notes:
    """Return both norms and the local rate: 1 where either norm is 0 or the layer opts out.

    `quotient` maps (weight norm, direction norm) to the rate everywhere else.
    """
    weight = _norm(layer.theta)
    length = _norm(direction)
    notes: _Notes = {"weight_norm": weight, "direction_norm": length, "trust_ratio": ONE}
    if layer.hyper["adapt"] and weight != 0 and length != 0:
        notes["trust_ratio"] = quotient(weight, length)
    return notes


def _clamp(number: Decimal, lower: Decimal, upper: Decimal) -> Decimal:
    """Return max(lower, min(upper, number)): where the bounds cross, the lower one holds."""
    capped = number if number < upper else upper
    return capped if capped > lower else lower


def _heavy_ball(layer: _Layer, gradient: Vector, t: int, rate: Decimal) -> _Notes:
    """Take one step of stochastic gradient descent with momentum.

    Polyak's heavy ball, in the convention of Sutskever et al. (ICML 2013) as torch has it:
    u_n = sum_i mu**(n-i) c_i g_i with c_i = 1 at t = 1 and 1 - dampening afterwards.
    """
    momentum = layer.value("momentum")
    fade = ONE if t == 1 else ONE - layer.value("dampening")
    decay = _coupled_decay("sgd", layer)
    full = [g + decay * w for g, w in zip(gradient, layer.theta, strict=True)]
    layer.pulls.append([fade * g for g in full])
    buffer = _geometric(momentum, layer.pulls, layer.digits)
    layer.slots["u"] = buffer
    direction = buffer
    if layer.hyper["nesterov"]:
        direction = [g + momentum * u for g, u in zip(full, buffer, strict=True)]
    layer.theta = [w - rate * d for w, d in zip(layer.theta, direction, strict=True)]
    return {"direction": direction}


def _layerwise_sgd(layer: _Layer, gradient: Vector, rate: Decimal) -> _Notes:
    """Take one step of LARS: [LR] Algorithm 1 (form 2017) or [LB] Algorithm 1 (form 2019)."""
    momentum = layer.value("momentum")
    decay = _coupled_decay("lars", layer)
    full = [g + decay * w for g, w in zip(gradient, layer.theta, strict=True)]
    if layer.hyper["form"] == "2017":
        bare = _norm(gradient)

        def published(weight: Decimal, _length: Decimal) -> Decimal:
            bottom = bare + decay * weight + layer.value("eps")
            return layer.value("trust_coefficient") * weight / bottom

        notes = _local_rate(layer, full, published)
        layer.pulls.append([rate * notes["trust_ratio"] * d for d in full])
        buffer = _geometric(momentum, layer.pulls, layer.digits)
        layer.theta = [w - u for w, u in zip(layer.theta, buffer, strict=True)]
        notes["direction"] = full
    elif layer.hyper["form"] == "2019":
        layer.pulls.append(full)
        buffer = _average(momentum, layer.pulls, layer.digits)
        notes = _local_rate(layer, buffer, lambda weight, length: weight / length)
        stretch = rate * notes["trust_ratio"]
        layer.theta = [w - stretch * u for w, u in zip(layer.theta, buffer, strict=True)]
        notes["direction"] = buffer
    else:
        message = f"unknown form of LARS: {layer.hyper['form']!r}"
        raise ValueError(message)
    layer.slots["u"] = buffer
    return notes


def _moments(algorithm: str, layer: _Layer, gradient: Vector) -> tuple[Vector, Vector]:
    """Return both moments after one more gradient, L2 included, [A] section 3."""
    decay = _coupled_decay(algorithm, layer)
    full = [g + decay * w for g, w in zip(gradient, layer.theta, strict=True)]
    layer.gradients.append(full)
    layer.squares.append([g * g for g in full])
    layer.slots["m"] = _average(layer.value("beta1"), layer.gradients, layer.digits)
    layer.slots["v"] = _average(layer.value("beta2"), layer.squares, layer.digits)
    return layer.slots["m"], layer.slots["v"]


def _adam_direction(layer: _Layer, first: Vector, second: Vector, t: int) -> Vector:
    """Return m_hat / (sqrt(v_hat) + eps), [A] Algorithm 1."""
    now = scalars(layer.hyper["beta1"], layer.hyper["beta2"], t, layer.digits)
    eps = layer.value("eps")
    left1, left2 = now["one_minus_beta1_t"], now["one_minus_beta2_t"]
    return [m / left1 / ((v / left2).sqrt() + eps) for m, v in zip(first, second, strict=True)]


def _rectified_direction(
    layer: _Layer, first: Vector, second: Vector, t: int, warmup: str
) -> Vector | None:
    """Return the direction of [RA] Algorithm 2, or None in a warm-up without updates.

    Rectified: r_t m_hat sqrt(1-beta2**t) / sqrt(v), with eps outside or inside of the root.
    """
    now = scalars(layer.hyper["beta1"], layer.hyper["beta2"], t, layer.digits)
    if not _is_rectified(layer.hyper, t, layer.digits):
        if warmup == "none":
            return None
        return [m / now["one_minus_beta1_t"] for m in first]
    eps = layer.value("eps")
    front = now["rectification"] * now["bias_correction"]
    if layer.hyper.get("eps_inside_root", False):
        return [front * m / (v + eps).sqrt() for m, v in zip(first, second, strict=True)]
    return [front * m / (v.sqrt() + eps) for m, v in zip(first, second, strict=True)]


def _is_rectified(hyper: Mapping[str, Any], t: int, digits: int) -> bool:
    threshold = exact(hyper["threshold"])
    if threshold < FOUR:
        message = "r_t is not defined for rho <= 4: the threshold must be at least 4"
        raise ValueError(message)
    return scalars(hyper["beta1"], hyper["beta2"], t, digits)["rho"] > threshold


def _ceiling(algorithm: str, hyper: Mapping[str, Any], t: int, digits: int) -> Decimal:
    """Return the upper bound of the trust ratio at a step.

    LAMB, RangerLars: a constant. Paratrooper, [P]: 10, from the first rectified step 1/(r_t b_t).
    """
    if algorithm != "paratrooper":
        return exact(hyper["upper"])
    if hyper["cap"] != "rectified":
        return exact(hyper["cap"])
    if _is_rectified(hyper, t, digits):
        return scalars(hyper["beta1"], hyper["beta2"], t, digits)["rectified_cap"]
    return EARLY_CAP


def _adaptive(
    algorithm: str, layer: _Layer, gradient: Vector, t: int, rate: Decimal, warmup: str
) -> _Notes:
    """Take one step of any member of the Adam family.

    Adam [A]; AdamW [AW] (decay in the direction, so scaled by the rate); LAMB [LB] Algorithm 2;
    RAdam [RA]; and, from [P], RAdamW, Ranger, RangerLars, Paratrooper.
    """
    first, second = _moments(algorithm, layer, gradient)
    bare: Vector | None
    if algorithm in _RECTIFIED:
        bare = _rectified_direction(layer, first, second, t, warmup)
    else:
        bare = _adam_direction(layer, first, second, t)
    if bare is None:
        return {}
    decay = _decoupled_decay(algorithm, layer)
    direction = [d + decay * w for d, w in zip(bare, layer.theta, strict=True)]
    notes: _Notes = {}
    stretch = rate
    if algorithm in _SCALED:
        ceiling = _ceiling(algorithm, layer.hyper, t, layer.digits)

        def ratio(weight: Decimal, length: Decimal) -> Decimal:
            if algorithm == "lamb":
                # phi(z) = min(max(z, lower), upper): here the upper bound has the last word.
                raised = max(weight, layer.value("norm_lower"))
                weight = min(raised, layer.value("norm_upper"))
            return _clamp(weight / length, layer.value("lower"), ceiling)

        notes = _local_rate(layer, direction, ratio)
        stretch = rate * notes["trust_ratio"]
    layer.theta = [w - stretch * d for w, d in zip(layer.theta, direction, strict=True)]
    notes["direction"] = direction
    return notes


def _slow_weights(layer: _Layer) -> Vector:
    """Return the slow weights after the synchronisations so far, [LA] section 2.

    phi_s = (1-a)**s theta_0 + a sum_j (1-a)**(s-j) (fast weights at the j-th synchronisation).
    """
    blend = layer.value("alpha")
    rest = ONE - blend
    share = _power(rest, len(layer.arrivals), layer.digits)
    if not layer.arrivals:
        return list(layer.origin)
    pulled = _geometric(rest, layer.arrivals, layer.digits)
    return [share * w + blend * p for w, p in zip(layer.origin, pulled, strict=True)]


def _gradient_energy(
    gradients: Mapping[str, Vector | None], hyper: Mapping[str, Any]
) -> Decimal | None:
    """Return [P]'s h = mean of g**2 over ((1-beta1)/(1-beta2))**2, None without any gradient."""
    present = [x for vector in gradients.values() if vector is not None for x in vector]
    if not present:
        return None
    spread = (ONE - exact(hyper["beta1"])) / (ONE - exact(hyper["beta2"]))
    return sum((x * x for x in present), ZERO) / len(present) / (spread * spread)


def _nearest_product_quotient(own: float, effective: float, nominal: float) -> float:
    """Return the double nearest to own * effective / nominal, rounded once."""
    return float(Fraction(own) * Fraction(effective) / Fraction(nominal))


def _rate(layer: _Layer, nominal: float, effective: float | None) -> Decimal:
    if layer.own_lr is None:
        return exact(nominal if effective is None else effective)
    if effective is None:
        return exact(layer.own_lr)
    return exact(_nearest_product_quotient(layer.own_lr, float(effective), nominal))


def _unfold(algorithm: str, hyper: Mapping[str, Any]) -> tuple[str, dict[str, Any], bool]:
    """Return the rule that moves the fast weights, all hyperparameters, and whether to average."""
    if algorithm != "lookahead":
        base = {**defaults(algorithm), **hyper}
        _refuse(set(hyper) - set(defaults(algorithm)))
        return algorithm, base, algorithm in _AVERAGED
    _refuse(set(hyper) - {"inner", "k", "alpha"})
    inner, inner_hyper = hyper["inner"]
    if inner in _AVERAGED or inner == "lookahead":
        message = f"the oracle does not nest Lookahead: {inner!r}"
        raise ValueError(message)
    _refuse(set(inner_hyper) - set(defaults(inner)))
    outer = {key: hyper.get(key, value) for key, value in defaults("lookahead").items()}
    return inner, {**defaults(inner), **inner_hyper, **outer}, True


def _refuse(unknown: set[str]) -> None:
    if unknown:
        message = f"unknown names: {sorted(unknown)}"
        raise ValueError(message)


def _read(vector: Sequence[float]) -> Vector:
    if not all(math.isfinite(x) for x in vector):
        message = "the oracle takes finite numbers only"
        raise ValueError(message)
    return [exact(x) for x in vector]


def _build_layers(
    params: Mapping[str, Sequence[float]],
    base: Mapping[str, Any],
    layer_hyper: Mapping[str, Mapping[str, Any]],
    rule: str,
    digits: int,
) -> list[_Layer]:
    _refuse(set(layer_hyper) - set(params))
    layers = []
    for name, start in params.items():
        own = layer_hyper.get(name, {})
        _refuse(set(own) - set(base) - {"adapt"})
        layer = _Layer(
            name=name,
            hyper={"adapt": True, **base, **own},
            theta=_read(start),
            digits=digits,
            own_lr=float(own["lr"]) if "lr" in own else None,
        )
        layer.origin = list(layer.theta)
        for slot in ("u",) if rule in {"sgd", "lars"} else ("m", "v"):
            layer.slots[slot] = [ZERO for _ in layer.theta]
        layers.append(layer)
    return layers


def _step_scalars(rule: str, base: Mapping[str, Any], t: int, digits: int) -> dict[str, Any]:
    """Return the scalars of a step that the rule uses, at the optimizer's own betas."""
    if rule in {"sgd", "lars"}:
        return {}
    now = scalars(base["beta1"], base["beta2"], t, digits)
    out: dict[str, Any] = {"beta1_t": now["beta1_t"], "beta2_t": now["beta2_t"]}
    if rule in _RECTIFIED:
        out |= {key: now[key] for key in ("rho_inf", "rho", "bias_correction")}
        out["rectified"] = _is_rectified(base, t, digits)
        if out["rectified"]:
            out["rectification"] = now["rectification"]
    if rule in _SCALED:
        out["cap"] = _ceiling(rule, base, t, digits)
    return out


def _choose_warmup(chosen: str, energy: Decimal | None) -> str:
    if chosen not in {"momentum", "none", "auto"}:
        message = f"unknown warm-up {chosen!r}"
        raise ValueError(message)
    if chosen != "auto" or energy is None:
        return chosen
    return "none" if energy > ONE / TWO else "momentum"


def run(
    algorithm: str,
    hyper: dict[str, Any],
    params: dict[str, list[float]],
    grads: list[dict[str, list[float] | None]],
    *,
    lrs: list[float] | None = None,
    layer_hyper: dict[str, dict[str, Any]] | None = None,
    digits: int = 60,
) -> list[dict[str, Any]]:
    """Run an optimizer over given gradients and return everything there is to compare.

    Parameters
    ----------
    algorithm : str
        ``sgd adam adamw radam radamw lars lamb ranger rangerlars paratrooper`` or ``lookahead``,
        whose `hyper` is ``{"inner": (name, hyper), "k": ..., "alpha": ...}``.
    hyper : dict[str, Any]
        What differs from `defaults`.
    params : dict[str, list[float]]
        The flat layers at the start.
    grads : list[dict[str, list[float] | None]]
        The raw gradients of each step; None freezes a layer for the step: nothing of it changes,
        it is not synchronised, and t advances.
    lrs : list[float] | None
        The effective rate of each step, in place of ``lr``. A layer with a rate of its own keeps
        its proportion: the double nearest to lr_layer * lr_effective / lr.
    layer_hyper : dict[str, dict[str, Any]] | None
        Hyperparameters of single layers; ``adapt: False`` makes the local rate 1.
    digits : int
        Digits of the decimal arithmetic.

    Returns
    -------
    list[dict[str, Any]]
        For each step: ``t``; ``theta`` and the slots that exist (``m v`` or ``u``, ``slow``),
        each {layer: list of Decimal} after the step; ``fast`` (theta before a possible
        synchronisation) with Lookahead; ``lr`` {layer: Decimal}; ``direction`` {layer: list, or
        None where the layer did not move}; ``scalars`` at the optimizer's own betas (``beta1_t
        beta2_t rho_inf rho bias_correction rectified cap`` as they apply, ``rectification`` in
        the rectified branch only); for rules with a local rate ``trust_ratio``, ``weight_norm``,
        ``direction_norm`` {layer: Decimal, or None where the layer did not move}, the norms
        taken before the step; for the RAdam family ``warmup``, and ``h`` on the step that chose.
    """
    if lrs is not None and len(lrs) != len(grads):
        message = f"{len(lrs)} rates for {len(grads)} steps"
        raise ValueError(message)
    rule, base, averaged = _unfold(algorithm, hyper)
    with localcontext(_arithmetic(digits)):
        layers = _build_layers(params, base, layer_hyper or {}, rule, digits)
        warmup = _choose_warmup(base.get("warmup", "momentum"), None)
        story = []
        for t, given in enumerate(grads, start=1):
            _refuse(set(given) ^ set(params))
            read = {key: None if g is None else _read(g) for key, g in given.items()}
            effective = None if lrs is None else lrs[t - 1]
            entry: dict[str, Any] = {"t": t, "scalars": _step_scalars(rule, base, t, digits)}
            if warmup == "auto":
                energy = _gradient_energy(read, base)
                warmup = _choose_warmup(warmup, energy)
                if energy is not None:
                    entry["h"] = energy
            if rule in _RECTIFIED:
                entry["warmup"] = warmup
            _move_all(entry, rule, layers, read, base["lr"], effective, warmup, averaged)
            story.append(entry)
    return story


def _move_all(
    entry: dict[str, Any],
    rule: str,
    layers: list[_Layer],
    gradients: Mapping[str, Vector | None],
    nominal: float,
    effective: float | None,
    warmup: str,
    averaged: bool,
) -> None:
    """Move every layer once and write down where it is."""
    t: int = entry["t"]
    columns = ["direction"]
    if rule in _SCALED:
        columns += ["trust_ratio", "weight_norm", "direction_norm"]
    for layer in layers:
        gradient = gradients[layer.name]
        rate = _rate(layer, nominal, effective)
        notes: _Notes = {}
        if gradient is not None:
            own = layer.hyper.get("warmup", warmup)
            warm = warmup if own == "auto" else own
            if rule == "sgd":
                notes = _heavy_ball(layer, gradient, t, rate)
            elif rule == "lars":
                notes = _layerwise_sgd(layer, gradient, rate)
            else:
                notes = _adaptive(rule, layer, gradient, t, rate, warm)
        if averaged:
            entry.setdefault("fast", {})[layer.name] = list(layer.theta)
            if gradient is not None and t % int(layer.hyper["k"]) == 0:
                layer.arrivals.append(list(layer.theta))
                layer.theta = _slow_weights(layer)
            entry.setdefault("slow", {})[layer.name] = _slow_weights(layer)
        for column in columns:
            entry.setdefault(column, {})[layer.name] = notes.get(column)
        entry.setdefault("lr", {})[layer.name] = rate
        entry.setdefault("theta", {})[layer.name] = list(layer.theta)
        for slot, content in layer.slots.items():
            entry.setdefault(slot, {})[layer.name] = list(content)


def sgd_exact(
    params: Mapping[str, Sequence[float]],
    grads: Sequence[Mapping[str, Sequence[float] | None]],
    *,
    lr: float = 1e-2,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    lrs: Sequence[float] | None = None,
) -> list[dict[str, dict[str, list[Fraction]]]]:
    """Run SGD in rational arithmetic, without any rounding, for bit-exact checks.

    Heavy ball (Polyak 1964) and Nesterov's form as torch has it, by recursion:
    u = mu u + (1 - dampening) g, but u = g at t = 1; theta = theta - lr u, or
    theta - lr (g + mu u) with `nesterov`; L2 decay enters g. The fractions grow with every step:
    meant for some tens of steps.

    Parameters
    ----------
    params, grads : mapping, sequence of mappings
        As in `run`; None freezes a layer for the step.
    lr, momentum, dampening, nesterov, weight_decay : float, bool
        Doubles, taken at their exact values.
    lrs : sequence of float, optional
        The rate of each step in place of `lr`.

    Returns
    -------
    list[dict[str, dict[str, list[Fraction]]]]
        For each step ``{"theta": {layer: [...]}, "u": {layer: [...]}}``.
    """
    mu, tau, decay = Fraction(momentum), Fraction(dampening), Fraction(weight_decay)
    theta = {key: [Fraction(x) for x in start] for key, start in params.items()}
    u = {key: [Fraction(0)] * len(start) for key, start in params.items()}
    out = []
    for index, step in enumerate(grads):
        eta = Fraction(lr if lrs is None else lrs[index])
        for key, raw in step.items():
            if raw is None:
                continue
            g = [Fraction(x) + decay * w for x, w in zip(raw, theta[key], strict=True)]
            if index == 0:
                u[key] = g
            else:
                u[key] = [mu * a + (1 - tau) * b for a, b in zip(u[key], g, strict=True)]
            way = [b + mu * a for a, b in zip(u[key], g, strict=True)] if nesterov else u[key]
            theta[key] = [w - eta * d for w, d in zip(theta[key], way, strict=True)]
        out.append({"theta": dict(theta), "u": dict(u)})
    return out
