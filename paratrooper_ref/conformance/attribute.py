"""Which known variant, single edit or constant explains what a backend has done."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.conformance import bounds, judge, wanted
from paratrooper_ref.conformance.adapted import with_hyper
from paratrooper_ref.conformance.backend import Grads
from paratrooper_ref.conformance.dialect import AND
from paratrooper_ref.conformance.edits import EDIT, edits
from paratrooper_ref.conformance.habits import Habit, habits
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.step import Taken
from paratrooper_ref.conformance.verdict import Constant, Like
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import evaluated
from paratrooper_ref.variants import VARIANTS, Variant, VariantError, changed

FEW: Final = 6  # steps on which candidates are tried before all
MANY: Final = 60
PAIRS: Final = 500  # more are not tried: where nearly all is wrong, pairs explain nothing
APART: Final = 1e4  # bounds away, in plain doubles, from which on a candidate is out
NOTHING: Final = 2.0**-20  # of a bound: what the same in other words may differ by, in doubles
REACH: Final = 50  # powers of two in which a constant is looked for
REFINED: Final = 2  # times that a constant is put in the middle of its interval
NUDGE: Final = 2.0**-20  # share of a constant by which it is moved to see what that does
ROUNDINGS: Final = 8  # of a norm besides its sum's, and of what is done with it
ERRORS: Final = (ArithmeticError, LookupError, NameError, TypeError, ValueError, AttributeError)


Hypothesis = tuple[Variant | Habit, ...]
"""What is there together."""


class Explained(NamedTuple):
    """What explains every step of a backend: one of these, or nothing."""

    likes: list[Like] = []  # noqa: RUF012 - nobody changes it
    constants: list[Constant] = []  # noqa: RUF012
    profile: Profile | None = None

    def __bool__(self) -> bool:
        return bool(self.likes or self.constants or self.profile)


def explained(taken: Iterable[Taken], profile: Profile) -> Explained:
    """Return what explains every step.

    Known variants; or else a constant; another arithmetic than declared, alone or with a known
    variant; an edit of one line; or two known variants together.

    Parameters
    ----------
    taken : iterable of Taken
        Steps of one backend, those that depart and others.
    profile : Profile
    """
    steps = sorted(taken, key=lambda step: -step.worst)
    if not steps or steps[0].worst <= 1:
        return Explained()
    right = _right(steps)
    off = _spread([step for step in steps if step.worst > 1], MANY)
    known = [
        v for v in known_variants(steps)
        if not lines_of(v) <= right and any(_moves((v,), step) for step in off)
    ]
    ways = list(habits({step.optimizer for step in steps}, profile.dtype))
    candidates: list[Variant | Habit] = [*known, *ways]
    if likes := _explaining([(v,) for v in candidates], steps, profile):
        return Explained(likes)
    if found := constants(steps, profile):
        return Explained(constants=found)
    if other := arithmetic(steps, profile):
        return Explained(profile=other)
    for other in _coarser(steps, profile):
        again = sorted((_under(step, other) for step in steps), key=lambda step: -step.worst)
        if likes := _explaining([(v,) for v in known], again, other):
            return Explained(likes, profile=other)
    changes = [e for e in edits(steps[0].optimizer) if not lines_of(e) <= right]
    if likes := _explaining([(e,) for e in changes], steps, profile):
        return Explained(likes)
    left = [v for v in known if not lines_of(v) & right]
    pairs: list[Hypothesis] = list(itertools.combinations(left, 2))
    return Explained(_explaining(pairs if len(pairs) <= PAIRS else [], steps, profile))


def arithmetic(steps: Sequence[Taken], profile: Profile) -> Profile | None:
    """Return the first profile with one or two looser facts that every step is within."""
    looser: list[dict[str, Any]] = [
        {"scalars": "mixed"}, {"scalars": "array"}, {"division": 2.0}, {"root": 2.0},
        {"division": 2.0, "root": 2.0}, {"flush": True}, {"accumulate": profile.dtype},
        {"scalars": "mixed", "division": 2.0},
    ]
    others = [profile.but(**facts) for facts in looser]
    for other in (*others, *_inside(steps, profile)):
        if other != profile and all(_fits(step, other) for step in steps):
            return other
    return None


def _coarser(steps: Sequence[Taken], profile: Profile) -> Iterator[Profile]:
    """Yield the profiles that are declared too fine most often."""
    others = (profile.but(scalars="array"), *_inside(steps, profile))
    yield from (other for other in others if other != profile)


def _inside(steps: Sequence[Taken], profile: Profile) -> Iterator[Profile]:
    """Yield the profile of who stores numbers as declared, and works on them in float32.

    Whoever has a slot of doubles right, to a double, wherever a step departs does not.
    """
    doubles = [slot for slot in _right(steps) if profile.stored(slot).name == "float64"]
    if profile.dtype == "float64" and not doubles:
        slots = steps[0].question.slots
        stored = {slot: profile.stored(slot).name for slot in ("theta", *slots, "g")}
        for scalars in ("float64", "array"):
            yield profile.but(
                dtype="float32", slots=stored, scalars=scalars, accumulate="float32"
            )


def _under(step: Taken, profile: Profile) -> Taken:
    """Return a step held to the bounds of another profile."""
    asked = step.question
    try:
        found = bounds.lines(
            step.optimizer, asked.state, asked.grads, asked.lr, profile, guesses=True
        )
    except ERRORS:
        return step
    shares = judge.shares(asked.state.t + 1, step.wanted, step.shown, found)
    return replace(step, bounds=found, shares=tuple(shares))


def _fits(step: Taken, profile: Profile) -> bool:
    return _under(step, profile).worst <= 1


def likes_of(
    cases: Mapping[str, Sequence[Taken]], profile: Profile
) -> dict[str, list[Like]]:
    """Return, for cases that depart each in its own way, the known variants that explain them.

    A variant that some step which conforms rules out is none of them.
    """
    found: dict[str, list[Like]] = {}
    asked = {step.optimizer for taken in cases.values() for step in taken}
    ways = list(habits(asked, profile.dtype))
    conforming = [step for taken in cases.values() for step in taken if step.worst <= 1]
    stands: dict[Variant | Habit, bool] = {}
    for case, taken in cases.items():
        steps = sorted(taken, key=lambda step: -step.worst)
        if not steps or steps[0].worst <= 1:
            continue
        found[case] = []
        candidates: list[Variant | Habit] = [*known_variants(steps), *ways]
        for known in candidates:
            for like in _explaining([(known,)], steps, profile):
                if known not in stands:
                    stands[known] = _stands((known,), conforming, profile)
                found[case] += [like] if stands[known] else []
        found[case].sort(key=lambda like: like.misfit)
    return found


def _stands(hypothesis: Hypothesis, conforming: list[Taken], profile: Profile) -> bool:
    """Return whether no step that conforms rules a hypothesis out."""
    plausible = all(_plausible(hypothesis, step, profile) for step in conforming)
    return plausible and misfit(hypothesis, _spread(conforming, MANY), profile) <= 1


def known_variants(steps: Iterable[Taken]) -> list[Variant]:
    """Return the variants that an optimizer of some steps can have.

    Which lines it has depends on its hyperparameters too: on a form, and on how it warms up.
    """
    optimizers = {step.optimizer for step in steps}
    return [
        v for v in VARIANTS.values()
        if v.kind != "form" and any(v.fits(optimizer) for optimizer in optimizers)
    ]


def _right(steps: Iterable[Taken]) -> frozenset[str]:
    """Return the slots that are right wherever a step departs: what changes their lines is out."""
    departing = [step for step in steps if step.worst > 1]
    seen = [{share.tag for share in step.shares} for step in departing]
    off = {share.tag for step in departing for share in step.shares if share.share > 1}
    return frozenset(set.intersection(*seen) - off - {"theta"}) if seen else frozenset()


def _explaining(
    hypotheses: list[Hypothesis], steps: list[Taken], profile: Profile
) -> list[Like]:
    """Return the hypotheses that explain all steps, best first."""
    off = [step for step in steps if step.worst > 1]
    few, many = _spread(off, FEW), [*_spread(off, MANY), *steps[len(off) :]]
    left = [h for h in hypotheses if all(_plausible(h, step, profile) for step in few)]
    left = [h for h in left if misfit(h, few, profile) <= 1]
    left = [h for h in left if all(_plausible(h, step, profile) for step in many)]
    found = [(misfit(h, many, profile), h) for h in left]
    return [_like(h, worst) for worst, h in sorted(found, key=lambda p: p[0]) if worst <= 1]


def _like(hypothesis: Hypothesis, worst: float) -> Like:
    first = hypothesis[0]
    tags = dict.fromkeys(tag for v in hypothesis for tag in sorted(lines_of(v)))
    return Like(
        variant=AND.join(v.name for v in hypothesis),
        kind=" and ".join(dict.fromkeys("edit" if v.seen == EDIT else v.kind for v in hypothesis)),
        misfit=worst, tags=tuple(tags), was=first.was,
        line="\n".join(v.line for v in hypothesis),
        seen="; ".join(v.where[0] for v in hypothesis), link=first.where[1],
    )


class _Supposed(NamedTuple):
    """A step, as a hypothesis has it: by whom, with which gradients and rate, and what is lost."""

    optimizer: Optimizer
    grads: Grads
    lr: float
    lost: frozenset[str] = frozenset()


def _as(hypothesis: Hypothesis, step: Taken) -> _Supposed | None:
    """Return a step as a hypothesis has it; None if it cannot be so."""
    optimizer, grads, lr = step.optimizer, step.question.grads, step.question.lr
    lost = set[str]()
    try:
        for known in hypothesis:
            if isinstance(known, Habit):
                shapes = {k: np.shape(x) for k, x in step.question.state.params.items()}
                optimizer, grads = known.told(optimizer, shapes), known.given(grads)
                lr = known.rate(optimizer, lr)
                lost |= {*known.lost(optimizer, step.question.state.t + 1)}
            elif known.fits(optimizer):
                optimizer = changed(optimizer, known)
    except VariantError:
        return None
    return _Supposed(optimizer, grads, lr, frozenset(lost))


def lines_of(known: Variant | Habit) -> frozenset[str]:
    """Return what the lines are about that a variant changes; a habit changes none.

    Examples
    --------
    >>> lines_of(VARIANTS["adam.eps_hat"])
    frozenset({'denominator'})
    """
    if isinstance(known, Habit):
        return frozenset()
    heads = (was.partition(" = ")[0].split(" ")[0] for was, _ in known.changes)
    return frozenset("branch" if head in ("if", "elif") else head for head in heads)


def misfit(hypothesis: Hypothesis, steps: Sequence[Taken], profile: Profile) -> float:
    """Return the largest error over bound, as if a hypothesis were what is published."""
    worst = 0.0
    for step in steps:
        other = _as(hypothesis, step)
        worst = max(worst, math.inf if other is None else _off(other, step, profile))
        if worst > 1:
            break
    return worst


def _off(other: _Supposed, step: Taken, profile: Profile) -> float:
    """Return the largest error over bound of what was shown, if this were the step."""
    asked = step.question
    errors = None if other.grads is asked.grads else _made(other.grads, profile)
    try:
        with np.errstate(all="ignore"):
            names = bounds.lines(
                other.optimizer, asked.state, other.grads, other.lr, profile, guesses=True,
                errors=errors,
            )
    except Undecided:
        return 0.0  # a step that does not say: it is plausible in doubles, or is not looked at
    except ERRORS:
        return math.inf
    stretch, worst = stretch_of(profile), 0.0
    for layer, found in names.items():
        for slot in ("theta", *asked.slots) if layer else ():
            got = step.shown[layer].get(slot)
            if got is None:
                continue
            kept = slot not in other.lost
            number = wanted.Number(np.ravel(found[slot].value) * kept, np.zeros(1), np.zeros(1))
            error = found[slot].error * stretch * kept
            if not np.all(np.isfinite(error)):
                return math.inf
            worst = max(worst, float(wanted.share(wanted.distance(got, number), error).max()))
    return worst


def _made(grads: Grads, profile: Profile) -> dict[str, dict[str, Any]]:
    """Return how far gradients may be off that a backend has made of others, by sums over all."""
    n = sum(np.size(g) for g in grads.values() if g is not None)
    unit = (n + ROUNDINGS) * profile.format.unit
    return {
        k: {"g": np.full(np.size(g), unit * np.abs(g).max(initial=0.0))}
        for k, g in grads.items() if g is not None
    }


def stretch_of(profile: Profile) -> float:
    """Return by what bounds grow where what they hold for was worked out in doubles too."""
    return 1 + 2.0 ** (profile.format.precision - 53)


def _plausible(hypothesis: Hypothesis, step: Taken, profile: Profile) -> bool:
    """Return whether plain doubles do not rule a hypothesis out."""
    other = _as(hypothesis, step)
    if other is None or (_same(other, step) and step.worst > 1):
        return False
    try:
        names = _doubles(other, step)
    except ERRORS:
        return False
    if step.worst > 1 and not other.lost and not _is_another(names, step):
        return False  # what it explains, it explains by its bound alone
    for layer, found in names.items():
        for slot in ("theta", *step.question.slots):
            got = step.shown[layer].get(slot)
            if got is None:
                continue
            value = np.ravel(np.asarray(found[slot], dtype=np.float64)) * (slot not in other.lost)
            # Of the layer's largest: what cancels in a number is no smaller for that.
            rounding = profile.stored(slot).unit * np.abs(value).max(initial=0.0)
            error = np.maximum(step.bounds[layer][slot].error, rounding)
            if not np.all(np.abs(np.ravel(got) - value) <= APART * error):
                return False
    return True


def _moves(hypothesis: Hypothesis, step: Taken) -> bool:
    """Return whether a hypothesis makes another step of it than the published one."""
    other = _as(hypothesis, step)
    if other is None or other.lost:
        return other is not None
    try:
        return _is_another(_doubles(other, step), step)
    except ERRORS:
        return True


def _is_another(names: Mapping[str, Mapping[str, Any]], step: Taken) -> bool:
    """Return whether a step is not the published one: a decay of 0 is none, wherever it is."""
    for layer, found in names.items():
        for slot in ("theta", *step.question.slots):
            if slot in step.shown[layer]:
                one, two = (
                    np.asarray(x[slot], dtype=np.float64) for x in (found, step.doubles[layer])
                )
                if not np.all(np.abs(one - two) <= NOTHING * step.bounds[layer][slot].error):
                    return True
    return False


def _same(other: _Supposed, step: Taken) -> bool:
    return (
        other.optimizer == step.optimizer and other.grads is step.question.grads
        and other.lr == step.question.lr and not other.lost
    )


def _doubles(other: _Supposed, step: Taken) -> dict[str, dict[str, Any]]:
    asked = step.question
    names, _ = evaluated(
        other.optimizer, asked.state, other.grads, other.lr, lambda layer, slot, x: x
    )
    return names


def _spread(steps: list[Taken], most: int) -> list[Taken]:
    """Return some steps, from end to end."""
    if len(steps) <= most:
        return steps
    return [steps[round(i * (len(steps) - 1) / (most - 1))] for i in range(most)]


def constants(steps: list[Taken], profile: Profile) -> list[Constant]:
    """Return the hyperparameters that, at another value, explain every step.

    The other value is a multiple of the one that was given, or always the same.
    """
    off = [step for step in steps if step.worst > 1]
    found = []
    for name, value in off[0].optimizer.hyper().items() if off else ():
        if type(value) is float and math.isfinite(value):
            tried = (_constant(name, steps, profile, multiple=m) for m in (True, False))
            found += [c for c in tried if c is not None][:1]
    return found


def _constant(
    name: str, steps: list[Taken], profile: Profile, *, multiple: bool
) -> Constant | None:
    """Return the value of a hyperparameter that explains all steps, if there is one.

    The step that is off most tells it to within the rounding of one number; then every number
    of every step says in which interval it has to be.
    """
    plain = [s for s in steps if not _owned(name, s) and not math.isnan(_given(name, s))]
    if not plain or plain[0].worst <= 1:
        return None
    x, given = _solved(name, plain[0]), _given(name, plain[0])
    if x is None or (multiple and not given):
        return None
    constant = Constant(name=name, given=given, found=x, multiple=multiple)
    for _ in range(REFINED):
        least, most = -math.inf, math.inf
        for step in plain:
            below, above = _interval(constant, step, stretch_of(profile))
            least, most = max(least, below), min(most, above)
        middle = least + (most - least) / 2
        if not math.isfinite(middle):
            return None
        constant = replace(constant, found=constant.found * (1 + middle))
    fine = all(_left(constant, step, profile) <= 1 for step in steps)
    return constant if fine else None


def _owned(name: str, step: Taken) -> bool:
    return name != "lr" and any(name in dict(own) for _, own in step.optimizer.layers)


def _interval(constant: Constant, step: Taken, stretch: float) -> tuple[float, float]:
    """Return by what share of itself, least and most, a constant may change, says a step."""
    nudged = replace(constant, found=constant.found * (1 + NUDGE))
    try:
        here, there = (_said(c, step) for c in (constant, nudged))
    except ERRORS:
        return -math.inf, math.inf
    least, most = -math.inf, math.inf
    for layer, found in here.items():
        for slot in ("theta", *step.question.slots):
            got = step.shown[layer].get(slot)
            if got is None:
                continue
            slope = (np.ravel(there[layer][slot]) - np.ravel(found[slot])) / NUDGE
            seen = slope != 0
            if not seen.any():
                continue
            error = np.broadcast_to(step.bounds[layer][slot].error * stretch, slope.shape)
            middle = ((np.ravel(got) - np.ravel(found[slot])) / np.where(seen, slope, 1))[seen]
            reach = (error / np.where(seen, abs(slope), 1))[seen]
            least = max(least, float((middle - reach).max()))
            most = min(most, float((middle + reach).min()))
    return least, most


def _said(constant: Constant, step: Taken) -> dict[str, dict[str, Any]]:
    """Return the lines of a step, in doubles, with another value of a constant."""
    optimizer, lr = _at(constant.name, _value(constant, step), step)
    asked = step.question
    names, _ = evaluated(optimizer, asked.state, asked.grads, lr, lambda layer, slot, x: x)
    return names


def _value(constant: Constant, step: Taken) -> float:
    given = _given(constant.name, step)
    return given * (constant.found / constant.given) if constant.multiple else constant.found


def _given(name: str, step: Taken) -> float:
    value = step.question.lr if name == "lr" else step.optimizer.hyper().get(name)
    return float(value) if isinstance(value, float) else math.nan


def _at(name: str, x: float, step: Taken) -> tuple[Optimizer, float]:
    """Return the optimizer and the rate of a step with another value of a hyperparameter."""
    if name == "lr":
        return step.optimizer, x
    return with_hyper(step.optimizer, {name: x}), step.question.lr


def _left(constant: Constant, step: Taken, profile: Profile) -> float:
    """Return the error over bound that is left in a step if a constant is what is wrong."""
    given = _given(constant.name, step)
    if _owned(constant.name, step):
        return 0.0  # layers have values of their own: nothing is said of those
    if math.isnan(given):
        return step.worst
    try:
        optimizer, lr = _at(constant.name, _value(constant, step), step)
    except ERRORS:  # a value that is not admitted
        return math.inf
    asked = replace(step.question, lr=lr)
    return _off(_Supposed(optimizer, asked.grads, lr), replace(step, question=asked), profile)


def _solved(name: str, step: Taken) -> float | None:
    """Return the value of a hyperparameter with which the worst number would be right."""
    at = max(step.shares, key=lambda s: s.share)
    asked = step.question

    def off(x: float) -> float:
        optimizer, lr = _at(name, x, step)
        names, _ = evaluated(optimizer, asked.state, asked.grads, lr, lambda layer, slot, a: a)
        return float(np.ravel(names[at.layer][at.tag])[at.index]) - at.got

    if _below_one(name, step.optimizer):  # 0.999 is to be told from 0.9999
        gap = _root(lambda gap: off(1 - gap), 1 - _given(name, step))
        return None if gap is None else 1 - gap
    return _root(off, _given(name, step))


def _below_one(name: str, optimizer: Optimizer) -> bool:
    return any(
        field.name == name and "range" in field.metadata and field.metadata["range"].most == 1
        for field in optimizer.declared()
    )


def _root(function: Callable[[float], float], start: float) -> float | None:
    """Return a positive zero, that nearest to a number in powers of two; None if there is none."""
    begin = abs(start) or 2.0**-10
    ends = _bracket(function, begin)
    if ends is None:
        return None
    (a, f), (b, _) = ends
    for _ in range(80):
        middle = math.sqrt(a) * math.sqrt(b)
        if middle in (a, b):
            middle = a + (b - a) / 2
        if middle in (a, b):
            break
        value = _valued(function, middle)
        if value is None:
            return None
        if (value > 0) == (f > 0):
            a, f = middle, value
        else:
            b = middle
    return b if b != start else None


Point = tuple[float, float]


def _bracket(function: Callable[[float], float], begin: float) -> tuple[Point, Point] | None:
    """Return two neighbours in a row of powers of two between which the sign changes."""
    here = _valued(function, begin)
    sides: dict[float, tuple[float, float | None]]
    sides = {2.0: (begin, here), 0.5: (begin, here)}
    for _ in range(REACH):
        for factor, (x, value) in sides.items():
            new = x * factor
            reached = _valued(function, new)
            sides[factor] = (new, reached)
            if value is not None and reached is not None and (value > 0) != (reached > 0):
                return (x, value), (new, reached)
    return None


def _valued(function: Callable[[float], float], x: float) -> float | None:
    try:
        value = function(x)
    except ERRORS:
        return None
    return value if math.isfinite(value) else None
