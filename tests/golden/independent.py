"""Every stored number of the golden corpus, computed a second time.

Written from the mathematical specification and from the layout of the JSON files.  Nothing is
shared with the package: no import, no helper, no order of evaluation.  A step is evaluated from
its stored inputs twice, with 100 and with 450 digits; the two must agree to 80 digits, so that
whatever cancels is seen, and the second is taken as the exact-real result.  A value that is a
short binary fraction to within 2**-1300 of itself is taken to be that fraction, which decides
ties and remainders of zero.  Roundings are done here, on whole numbers.

    python tests/golden/independent.py FILE...

compares files from a terminal.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import mpmath

Json = dict[str, Any]
Lines = dict[str, Any]  # tag: numbers of the context, or one bool

FEW: Final = 100
MANY: Final = 450
AGREE: Final = 80  # digits of the two evaluations that must be the same
KEPT: Final = 1300  # bits of the longer one that count
STATE: Final = ("m", "v", "u", "slow", "theta")
# A wide layer stores its state, and what is one number a step or a layer.
WIDE: Final = 64
SINGLE: Final = (
    *("beta1_t", "beta2_t", "rho_inf", "rho", "rectified", "rectification", "bias_correction"),
    *("weight_norm", "direction_norm", "ratio", "cap", "trust_ratio", "lr"),
)


# --- doubles -----------------------------------------------------------------------------------


def decode(text: str) -> float:
    """Read sixteen hex digits, most significant first, as the double they are."""
    if len(text) != 16:
        msg = f"not sixteen hex digits: {text!r}"
        raise ValueError(msg)
    (value,) = struct.unpack(">d", bytes.fromhex(text))
    return float(value)


def nearest(value: Fraction, bits: int = 53, lowest: int = -1074) -> Fraction:
    """Round to the nearest of `bits` bits and no bit below 2**lowest, ties to even."""
    if not value:
        return value
    top, bottom = abs(value.numerator), value.denominator
    exponent = top.bit_length() - bottom.bit_length()  # 2**(exponent-1) < |value| < 2**(exponent+1)
    if Fraction(top, bottom) < Fraction(2) ** exponent:
        exponent -= 1
    unit = max(exponent - bits + 1, lowest)
    if unit >= 0:
        bottom <<= unit
    else:
        top <<= -unit
    whole, rest = divmod(top, bottom)
    if 2 * rest > bottom or (2 * rest == bottom and whole & 1):
        whole += 1
    sign = -1 if value < 0 else 1
    return sign * whole * Fraction(2) ** unit


def bfloat16(value: float) -> float:
    """Round to eight bits, as bfloat16 does."""
    return float(nearest(Fraction(value), 8, -133))


def _round_binary(whole: int, exponent: int, bits: int, lowest: int | None) -> tuple[int, int]:
    """`nearest`, of whole * 2**exponent with whole > 0."""
    drop = whole.bit_length() - bits
    if lowest is not None:
        drop = max(drop, lowest - exponent)
    if drop <= 0:
        return whole, exponent
    kept, rest = whole >> drop, whole & ((1 << drop) - 1)
    half = 1 << (drop - 1)
    if rest > half or (rest == half and kept & 1):
        kept += 1
    return kept, exponent + drop


def _hex(sign: int, whole: int, exponent: int) -> str:
    """Write sign and whole * 2**exponent, which is a double, as hex."""
    if not whole:
        return "0" * 16
    return struct.pack(">d", math.ldexp(-whole if sign else whole, exponent)).hex()


class Double(NamedTuple):
    """What a double stores of a number, and what a second one stores of the rest."""

    hi: str
    lo: str
    snapped: bool


def halves(number: Any) -> Double:
    """Split a long number into the double nearest it and the double nearest the rest."""
    sign, whole, exponent, _ = number._mpf_
    whole = int(whole)
    if not whole:
        return Double("0" * 16, "0" * 16, snapped=False)
    bits = whole.bit_length()
    whole, exponent = _round_binary(whole, exponent, KEPT, None)
    zeros = (whole & -whole).bit_length() - 1
    snapped = bits > KEPT and whole.bit_length() - zeros < KEPT - 200
    top, unit = _round_binary(whole, exponent, 53, -1074)
    if unit >= exponent:
        rest, place = whole - (top << (unit - exponent)), exponent
    else:
        rest, place = (whole << (exponent - unit)) - top, unit
    if not rest:
        return Double(_hex(sign, top, unit), "0" * 16, snapped)
    below, low = _round_binary(abs(rest), place, 53, -1074)
    return Double(_hex(sign, top, unit), _hex(sign ^ (rest < 0), below, low), snapped)


# --- the mathematics ---------------------------------------------------------------------------


class Near(ArithmeticError):
    """A comparison that the digits at hand do not decide."""


class Reals:
    """Numbers of so many digits, and the comparisons that a step makes."""

    def __init__(self, digits: int) -> None:
        self.context = mpmath.mp.clone()
        self.context.dps = digits
        self.number: Callable[[Any], Any] = self.context.mpf
        self.root: Callable[[Any], Any] = self.context.sqrt
        self.close = self.number(10) ** (10 - digits)

    def same(self, x: Any, y: Any) -> bool:
        """Whether two numbers are one; raise where that is not plain."""
        if x == y:
            return True
        size = max(abs(x), abs(y))
        if size < self.context.inf and abs(x - y) <= self.close * size:
            raise Near
        return False

    def smaller(self, x: Any, y: Any) -> Any:
        """Return the minimum."""
        return x if self.same(x, y) or x < y else y

    def larger(self, x: Any, y: Any) -> Any:
        """Return the maximum."""
        return x if self.same(x, y) or x > y else y

    def norm(self, elements: Sequence[Any]) -> Any:
        """Return Euclid's norm."""
        return self.root(self.context.fsum(x * x for x in elements))


def effective_rate(hyper: Mapping[str, Any], own: float | None, rate: float) -> float:
    """Return the rate of a layer in a step: one double.

    A layer with a rate of its own follows the step's rate in proportion, rounded once.
    """
    if own is None:
        return rate
    if rate == hyper["lr"]:
        return own
    exact = Fraction(own) * Fraction(rate) / Fraction(hyper["lr"])
    return exact.numerator / exact.denominator  # Python divides integers with one rounding


def settings(spec: Json) -> tuple[str, dict[str, Any], dict[str, dict[str, Any]]]:
    """Read name, hyperparameters, and what the layers have of their own."""

    def plain(hyper: Json) -> dict[str, Any]:
        return {
            name: decode(value) if _is_double(name, value) else value
            for name, value in hyper.items()
        }

    own = {layer: plain(hyper) for layer, hyper in spec.get("layers", {}).items()}
    return spec["algorithm"], plain(spec["hyper"]), own


def _is_double(name: str, value: object) -> bool:
    return isinstance(value, str) and name not in ("form", "warmup") and value != "rectified"


class Rule:
    """One algorithm with its hyperparameters: from inputs to lines."""

    def __init__(self, spec: Json, reals: Reals) -> None:
        self.reals = reals
        name, hyper, own = settings(spec)
        self.slow: Json = {key: hyper[key] for key in ("k", "alpha") if key in hyper}
        if name == "lookahead":
            name, hyper, inner = settings(hyper["inner"])
            own = {**inner, **own}
        self.name, self.hyper, self.own = name, hyper, own

    @property
    def slots(self) -> set[str]:
        """Name the state that a layer keeps."""
        buffers = {"u"} if self.name in ("sgd", "lars") else {"m", "v"}
        return {*buffers, *(("slow",) if self.slow else ())}

    # one step of the model

    def size_of_first_gradient(self, gradients: Sequence[Sequence[float] | None]) -> Any:
        """Return (1/d) sum g**2 / ((1-beta1)/(1-beta2))**2, over the d elements with a gradient.

        Layers without one in this step do not count, neither in the sum nor in d.
        """
        number = self.reals.number
        flat = [number(x) for layer in gradients if layer is not None for x in layer]
        ratio = (1 - number(self.hyper["beta1"])) / (1 - number(self.hyper["beta2"]))
        return self.reals.context.fsum(x * x for x in flat) / len(flat) / (ratio * ratio)

    def chosen(self, h: Any) -> str:
        """Return the warm-up that h asks for."""
        half = self.reals.number(0.5)
        return "momentum" if self.reals.same(h, half) or h < half else "none"

    # one step of one layer

    def layer(
        self,
        layer: str,
        t: int,
        rate: float,
        inputs: Mapping[str, Sequence[float] | None],
        warmup: str | None,
    ) -> Lines:
        """Return all lines of a layer; none where it has no gradient."""
        gradient = inputs["g"]
        if gradient is None:
            return {}
        number = self.reals.number
        own = self.own.get(layer, {})
        hyper = {**self.hyper, **own}
        exact = {
            key: number(value) if isinstance(value, float) else value
            for key, value in hyper.items()
        }
        exact["adapt"] = own.get("adapt", True)
        alpha = number(effective_rate(self.hyper, own.get("lr"), rate))
        given = {
            slot: [number(x) for x in values]
            for slot, values in inputs.items()
            if values is not None
        }
        lines: Lines = {"g": given["g"], "lr": [alpha]}
        update: list[Any] | None
        if self.name == "sgd":
            update = self._sgd(t, exact, given, alpha, lines)
        elif self.name == "lars":
            update = self._lars(exact, given, alpha, lines)
        else:
            update = self._adaptive(t, exact, given, alpha, lines, warmup)
        theta = given["theta"]
        if update is not None:
            lines["update"] = update
            theta = [x - y for x, y in zip(theta, update, strict=True)]
        lines["theta"] = theta
        if self.slow:
            lines["fast"] = theta
            slower = {**self.slow, **own}
            if t % slower["k"] == 0:
                a = number(slower["alpha"])
                slow = [(1 - a) * x + a * y for x, y in zip(given["slow"], theta, strict=True)]
                lines["slow"] = lines["theta"] = slow
        return lines

    @staticmethod
    def _sgd(t: int, p: Json, given: Json, alpha: Any, lines: Lines) -> list[Any]:
        lines["regularized"] = g = [
            x + p["weight_decay"] * y for x, y in zip(given["g"], given["theta"], strict=True)
        ]
        u: list[Any] = g
        if t > 1:
            u = [
                p["momentum"] * x + (1 - p["dampening"]) * y
                for x, y in zip(given["u"], g, strict=True)
            ]
        lines["u"] = u
        if p["nesterov"]:
            u = [x + p["momentum"] * y for x, y in zip(g, u, strict=True)]
        lines["direction"] = u
        return [alpha * x for x in u]

    def _lars(self, p: Json, given: Json, alpha: Any, lines: Lines) -> list[Any]:
        norm, one = self.reals.norm, self.reals.number(1)
        theta, decay = given["theta"], p["weight_decay"]
        regularized = [x + decay * y for x, y in zip(given["g"], theta, strict=True)]
        lines["regularized"] = regularized
        weights = norm(theta)
        if p["form"] == "2019":
            beta = p["momentum"]
            direction = [
                beta * x + (1 - beta) * y for x, y in zip(given["u"], regularized, strict=True)
            ]
            lines["u"] = direction
            denominator, coefficient = norm(direction), one
        else:
            direction = regularized
            denominator = norm(given["g"]) + decay * weights + p["eps"]
            coefficient = p["trust_coefficient"]
        length = norm(direction)
        # Where a norm is 0 the whole local rate is 1, the coefficient included.
        free = weights == 0 or length == 0
        ratio = one if free else weights / denominator
        trust = one if free or not p["adapt"] else coefficient * ratio
        lines.update(
            direction=direction,
            weight_norm=[weights],
            direction_norm=[length],
            ratio=[ratio],
            trust_ratio=[trust],
        )
        scaled = [alpha * trust * x for x in direction]
        if p["form"] == "2019":
            return scaled
        u = [p["momentum"] * x + y for x, y in zip(given["u"], scaled, strict=True)]
        lines["u"] = u
        return u

    def _adaptive(
        self,
        t: int,
        p: Json,
        given: Json,
        alpha: Any,
        lines: Lines,
        warmup: str | None,
    ) -> list[Any] | None:
        root = self.reals.root
        theta = given["theta"]
        # L2 and decoupled decay
        l2 = decoupled = None
        if self.name in ("adam", "radam"):
            l2 = p["weight_decay"]
        elif self.name in ("adamw", "lamb"):
            decoupled = p["weight_decay"]
        else:
            decoupled = p["weight_decay"]
            l2 = decoupled if p["l2"] is None else p["l2"]
        g = given["g"]
        if l2 is not None:
            lines["regularized"] = g = [x + l2 * y for x, y in zip(g, theta, strict=True)]
        beta1, beta2 = p["beta1"], p["beta2"]
        m = [beta1 * x + (1 - beta1) * y for x, y in zip(given["m"], g, strict=True)]
        v = [beta2 * x + (1 - beta2) * y * y for x, y in zip(given["v"], g, strict=True)]
        power1, power2 = beta1**t, beta2**t
        lines.update(m=m, v=v, beta1_t=[power1], beta2_t=[power2])
        cap = None
        if self.name in ("adam", "adamw", "lamb"):
            m_hat = [x / (1 - power1) for x in m]
            v_hat = [x / (1 - power2) for x in v]
            denominator = [root(x) + p["eps"] for x in v_hat]
            lines.update(m_hat=m_hat, v_hat=v_hat, denominator=denominator)
            direction = [x / y for x, y in zip(m_hat, denominator, strict=True)]
        else:
            cap = self.reals.number(10)
            rho_inf = 2 / (1 - beta2) - 1
            rho = rho_inf - 2 * t * power2 / (1 - power2)
            rectified = not self.reals.same(rho, p["threshold"]) and rho > p["threshold"]
            lines.update(rho_inf=[rho_inf], rho=[rho], rectified=bool(rectified))
            if rectified:
                r = root(((rho - 4) * (rho - 2) * rho_inf) / ((rho_inf - 4) * (rho_inf - 2) * rho))
                b = root(1 - power2) / (1 - power1)
                cap = 1 / (r * b)
                if p.get("eps_inside_root", False):
                    denominator = [root(x + p["eps"]) for x in v]
                else:
                    denominator = [root(x) + p["eps"] for x in v]
                lines.update(rectification=[r], bias_correction=[b], denominator=denominator)
                direction = [r * b * x / y for x, y in zip(m, denominator, strict=True)]
            elif warmup == "momentum":
                lines["m_hat"] = direction = [x / (1 - power1) for x in m]
            else:
                direction = []
            if self.name == "paratrooper":
                if p["cap"] != "rectified":
                    cap = p["cap"]
                lines["cap"] = [cap]
            if not direction:
                return None
        if decoupled is not None:
            direction = [x + decoupled * y for x, y in zip(direction, theta, strict=True)]
        lines["direction"] = direction
        trust = self._trust(p, theta, direction, cap, lines)
        if trust is None:
            return [alpha * x for x in direction]
        return [alpha * trust * x for x in direction]

    def _trust(
        self, p: Json, theta: Sequence[Any], direction: Sequence[Any], cap: Any, lines: Lines
    ) -> Any:
        if self.name not in ("lamb", "rangerlars", "paratrooper"):
            return None
        reals, one = self.reals, self.reals.number(1)
        weights, length = reals.norm(theta), reals.norm(direction)
        free = weights == 0 or length == 0
        ratio = one
        if not free:
            size = weights
            if self.name == "lamb":
                size = reals.smaller(reals.larger(size, p["norm_lower"]), p["norm_upper"])
            ratio = size / length
        upper = cap if self.name == "paratrooper" else p["upper"]
        trust = reals.larger(p["lower"], reals.smaller(upper, ratio))
        if free or not p["adapt"]:
            trust = one
        lines.update(
            weight_norm=[weights], direction_norm=[length], ratio=[ratio], trust_ratio=[trust]
        )
        return trust


# --- schedules ---------------------------------------------------------------------------------


class Plateau:
    """Reduction on a plateau as torch has it, in doubles."""

    def __init__(self, arguments: Json, rate: float) -> None:
        self.rate, self.mode = rate, arguments["mode"]
        self.relative = arguments["threshold_mode"] == "rel"
        self.patience, self.cooldown = arguments["patience"], arguments["cooldown"]
        self.factor, self.threshold = decode(arguments["factor"]), decode(arguments["threshold"])
        self.min_lr, self.eps = decode(arguments["min_lr"]), decode(arguments["eps"])
        self.best = math.inf if self.mode == "min" else -math.inf
        self.bad = self.cooling = 0

    def better(self, metric: float) -> bool:
        """Whether a metric is better than the best so far, by more than the threshold."""
        if self.mode == "min":
            bound = 1.0 - self.threshold if self.relative else self.threshold
            return metric < (self.best * bound if self.relative else self.best - bound)
        bound = 1.0 + self.threshold if self.relative else self.threshold
        return metric > (self.best * bound if self.relative else self.best + bound)

    def epoch(self, metric: float) -> None:
        """Take in the metric of an epoch that has ended."""
        if self.better(metric):
            self.best, self.bad = metric, 0
        else:
            self.bad += 1
        if self.cooling > 0:
            self.cooling -= 1
            self.bad = 0
        if self.bad > self.patience:
            rate = max(self.rate * self.factor, self.min_lr)
            if self.rate - rate > self.eps:
                self.rate = rate
            self.cooling, self.bad = self.cooldown, 0


class Warmup:
    """Rates that rise in equal parts."""

    def __init__(self, arguments: Json, rate: float) -> None:
        self.full, self.steps = rate, arguments["steps"]

    def rate(self, t: int) -> float:
        """Return the double nearest to the part of the rate that step t has."""
        return float(Fraction(self.full) * min(t, self.steps) / self.steps)


class Cosine:
    """A flat rate, then half a cosine of doubles that are rounded once each."""

    def __init__(self, arguments: Json, rate: float) -> None:
        self.full, self.steps = rate, arguments["steps"]
        self.flat = round(decode(arguments["flat"]) * self.steps)

    def rate(self, t: int) -> float:
        """Return the rate of step t."""
        if t <= self.flat:
            return self.full
        if t >= self.steps:
            return 0.0
        angle = Fraction(math.pi) * (t - self.flat) / (self.steps - self.flat)
        with mpmath.workdps(FEW):
            cosine = float(mpmath.cos(mpmath.mpf(angle.numerator) / angle.denominator))
        return float(Fraction(self.full) * (1 + Fraction(cosine)) / 2)


# --- comparison --------------------------------------------------------------------------------


class Tally:
    """How much was compared, and how much of it stood on a short fraction."""

    def __init__(self) -> None:
        self.values = 0
        self.remainders = 0
        self.snapped: list[str] = []
        self.worst: Any = 0


def _numbers(text: str) -> list[float]:
    return [decode(word) for word in text.split()]


def _inputs(step: Json) -> dict[str, dict[str, list[float] | None]]:
    return {
        layer: {
            slot: None if stored is None else _numbers(stored["hi"])
            for slot, stored in slots.items()
        }
        for layer, slots in step["inputs"].items()
    }


class Checker:
    """Compares one case with its own evaluation of every step."""

    def __init__(self, tally: Tally | None = None) -> None:
        self.few, self.many = Reals(FEW), Reals(MANY)
        self.tally = tally or Tally()
        self.bound = self.many.number(10) ** -AGREE

    def differences(self, case: Json) -> list[str]:
        """Return what is not as it should be, one line each; nothing where all is true."""
        return list(self._case(case))

    def _case(self, case: Json) -> Iterator[str]:
        name = case["case"]
        sizes = {layer["name"]: math.prod(layer["shape"]) for layer in case["layers"]}
        rule = Rule(case["spec"], self.many)
        short = Rule(case["spec"], self.few)
        automatic = rule.hyper.get("warmup") == "auto"
        warmup: str | None = None
        expected: dict[str, dict[str, list[float]]] | None = None
        plateau, epoch = None, 1
        planned: Cosine | Warmup | None = None
        if "schedule" in case:
            kind, arguments = case["schedule"]["schedule"], case["schedule"]["arguments"]
            if kind == "plateau":
                plateau, epoch = Plateau(arguments, rule.hyper["lr"]), arguments["epoch"]
            elif kind == "cosine":
                planned = Cosine(arguments, rule.hyper["lr"])
            else:
                planned = Warmup(arguments, rule.hyper["lr"])
        values, last = 0, None
        for index, step in enumerate(case["steps"]):
            t, rate = step["t"], decode(step["lr"])
            where = f"{name} t={t}"
            if last is not None and t != last + 1:
                yield f"{where}: follows step {last}"
            last = t
            # the rate
            if plateau is None:
                if "metric" in step:
                    yield f"{where}: a metric without a schedule"
                if planned is not None and rate != planned.rate(t):
                    yield f"{where}: rate {rate!r}, by the schedule {planned.rate(t)!r}"
            else:
                if ("metric" in step) != (t > 1 and (t - 1) % epoch == 0):
                    yield f"{where}: metric"
                if "metric" in step:
                    plateau.epoch(decode(step["metric"]))
                if rate != plateau.rate:
                    yield f"{where}: rate {rate!r}, by the schedule {plateau.rate!r}"
            # the inputs
            inputs = _inputs(step)
            if list(inputs) != sorted(sizes):
                yield f"{where}: layers {list(inputs)}"
            for layer, slots in inputs.items():
                if set(slots) != {"g", "theta", *rule.slots}:
                    yield f"{where} {layer}: inputs {sorted(slots)}"
                for slot, numbers in slots.items():
                    if numbers is None:
                        if slot != "g":
                            yield f"{where} {layer}: no {slot}"
                        continue
                    if len(numbers) != sizes[layer]:
                        yield f"{where} {layer}: {len(numbers)} elements of {slot}"
                    if any(bfloat16(x) != x for x in numbers):
                        yield f"{where} {layer}: an input {slot} that is no bfloat16"
                    start = t == 1 and slot in ("m", "v", "u") and any(numbers)
                    if start or (t == 1 and slot == "slow" and numbers != slots["theta"]):
                        yield f"{where} {layer}: the first {slot}"
                    if expected and slot != "g" and expected[layer][slot] != numbers:
                        yield f"{where} {layer}: {slot} does not follow from the step before"
                if any(set(step["inputs"][layer][s] or {"hi"}) != {"hi"} for s in slots):
                    yield f"{where} {layer}: more than hi in the inputs"
            # the warm-up
            if index == 0:
                warmup = step["warmup"]
                if warmup is not None and not automatic:
                    yield f"{where}: a warm-up that nobody chose"
            if step["warmup"] != warmup:
                yield f"{where}: warm-up {step['warmup']}, not {warmup}"
            stored_model = dict(step.get("model", {}))
            gradients = [inputs[layer]["g"] for layer in sizes]
            if automatic and warmup is None and any(gradients):
                h = rule.size_of_first_gradient(gradients)
                warmup = rule.chosen(h)
                h_short = short.size_of_first_gradient(gradients)
                values += 1
                if "h" not in stored_model:
                    yield f"{where}: no h"
                else:
                    yield from self._line(f"{where} h", stored_model.pop("h"), [h], [h_short])
            if stored_model:
                yield f"{where}: model lines {sorted(stored_model)}"
            if not automatic:
                warmup = rule.hyper.get("warmup")
            # the lines
            if set(step["lines"]) != set(sizes):
                yield f"{where}: lines of {sorted(step['lines'])}"
            expected = {}
            for layer, size in sizes.items():
                stored = step["lines"].get(layer, {})
                lines = rule.layer(layer, t, rate, inputs[layer], warmup)
                lines_short = short.layer(layer, t, rate, inputs[layer], warmup)
                if size > WIDE:
                    keep = {*STATE, *SINGLE}
                    lines = {tag: line for tag, line in lines.items() if tag in keep}
                if set(lines) != set(stored):
                    missing, surplus = set(lines) - set(stored), set(stored) - set(lines)
                    yield f"{where} {layer}: lacks {sorted(missing)}, has {sorted(surplus)} too"
                for tag in sorted(set(lines) & set(stored)):
                    here = f"{where} {layer} {tag}"
                    if isinstance(lines[tag], bool):
                        if stored[tag] is not lines[tag]:
                            yield f"{here}: stored {stored[tag]}, computed {lines[tag]}"
                        continue
                    values += len(lines[tag])
                    yield from self._line(here, stored[tag], lines[tag], lines_short[tag])
                # what the next step starts from
                expected[layer] = {}
                for slot in ("theta", *rule.slots):
                    out = stored.get(slot)
                    before = inputs[layer].get(slot) or []
                    expected[layer][slot] = (
                        [bfloat16(x) for x in _numbers(out["hi"])] if out else before
                    )
        if case["count"] != {"steps": len(case["steps"]), "values": values}:
            yield f"{name}: counts {case['count']}, there are {values} values"

    def _line(
        self, where: str, stored: Any, numbers: Sequence[Any], short: Sequence[Any]
    ) -> Iterator[str]:
        if not isinstance(stored, dict):
            yield f"{where}: stored {stored!r}"
            return
        if not set(stored) <= {"hi", "lo", "proved"} or stored.get("proved") is not True:
            yield f"{where}: keys {sorted(stored)}, proved {stored.get('proved')}"
        hi = stored["hi"].split(" ")
        zero = "0" * 16
        lo = stored["lo"].split(" ") if "lo" in stored else [zero] * len(hi)
        if "lo" in stored and set(lo) == {zero}:
            yield f"{where}: remainders of zero are stored"
        if not len(hi) == len(lo) == len(numbers):
            yield f"{where}: {len(hi)} and {len(lo)} of {len(numbers)} elements"
            return
        for place, (number, rough) in enumerate(zip(numbers, short, strict=True)):
            at = f"{where}[{place}]"
            self.tally.values += 1
            gap = abs(number - self.many.number(rough))
            if gap > self.bound * abs(number):
                yield f"{at}: {FEW} and {MANY} digits disagree"
            if gap:
                self.tally.worst = max(self.tally.worst, gap / abs(number))
            double = halves(number)
            if double.snapped:
                self.tally.snapped.append(at)
            self.tally.remainders += double.lo != zero
            if hi[place] != double.hi:
                yield f"{at}: hi stored {hi[place]}, computed {double.hi}"
            if lo[place] != double.lo:
                yield f"{at}: lo stored {lo[place]}, computed {double.lo}"


def load(path: Path) -> Json:
    """Read a case."""
    case: Json = json.loads(path.read_text(encoding="utf-8"))
    return case


def main(paths: Sequence[str]) -> int:
    """Compare files and say what was found."""
    checker, wrong = Checker(), 0
    for path in paths:
        for line in checker.differences(load(Path(path))):
            print(line)
            wrong += 1
    tally = checker.tally
    print(
        f"{len(paths)} files, {tally.values} numbers, {tally.remainders} remainders, "
        f"{len(tally.snapped)} on a short fraction, {wrong} differences; "
        f"largest gap between the evaluations {mpmath.nstr(tally.worst, 3)}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
