"""Find the smallest profile that fits a backend: which arithmetic explains what it shows.

Every step of the corpus is taken once; then profiles are tried in order, strict ones first, each
by its bounds alone.  What is found is no proof that the backend computes so, but that it need not
be granted more.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.arithmetic.running import FORMATS, Boundless
from paratrooper_ref.conformance import bounds, judge, wanted
from paratrooper_ref.conformance.adapted import Adapted, fixed_of
from paratrooper_ref.conformance.backend import Backend, Unsupported, declaring
from paratrooper_ref.conformance.corners import undamped
from paratrooper_ref.conformance.gate import Gate, cases
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.session import Shown
from paratrooper_ref.conformance.step import Question, take
from paratrooper_ref.conformance.verdict import DTYPE, Fault, Share
from paratrooper_ref.conformance.watch import SECONDS
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import Golden, Step
from paratrooper_ref.optimizers import Optimizer

FACTS: Final[Mapping[str, tuple[Any, ...]]] = {
    "forms": (False, True),
    "sums": ("neighbours", "any"),
    "scalars": ("float64", "mixed", "array"),
    "division": (0.5, 1.0, 2.0),
    "root": (0.5, 1.0, 2.0),
    "flush": (False, True),
}
"""By fact of a profile, from strict to loose; of two that would do, the first to be granted."""

ACCUMULATE: Final[Mapping[str, tuple[str | None, ...]]] = {
    "float64": (None,),
    "float32": (None,),
    "float16": (None, "float16"),
    "bfloat16": (None, "bfloat16"),
}
"""By dtype of the operations, in which dtypes sums may be formed, from strict to loose."""

WIDEST_FIRST: Final = sorted(FORMATS, key=lambda name: -FORMATS[name].precision)


@dataclass(frozen=True, kw_only=True)
class Place:
    """The largest error over bound, and the case that it is in."""

    case: str
    at: Share

    def __str__(self) -> str:
        at = self.at
        where = f"{self.case} {at.tag} of {at.layer}[{at.index}] t={at.t}"
        return f"{at.share:.3g} of the bound ({where})"


@dataclass(frozen=True, kw_only=True)
class Need:
    """A fact that has to be granted.

    Parameters
    ----------
    fact : str
        A field of `Profile`.
    stricter, granted
        Its values.
    without : Place
        How far off the backend is with the stricter one.
    """

    fact: str
    stricter: Any
    granted: Any
    without: Place

    def __str__(self) -> str:
        return f"{self.fact}={self.granted}: with {self.stricter} it is at {self.without}"


@dataclass(frozen=True, kw_only=True)
class Inferred:
    """What arithmetic a backend does, as far as it shows.

    Parameters
    ----------
    backend, algorithm : str
    declared : Profile
        What the backend says of itself.
    profile : Profile or None
        The smallest that fits; None if none does.
    others : sequence of Profile
        That grant as much, and fit too.
    needs : sequence of Need
        Why nothing smaller does.
    idle : sequence of str
        Facts that no step depends on; they are as `Profile` has them by default.
    nearest : Profile
        The one that fits best, where none does.
    worst : Place or None
        The largest error over bound of the profile, or of the nearest.
    steps : int
        Steps taken.
    left_out : mapping of str to int
        Steps that were not, by reason.
    """

    backend: str
    algorithm: str
    declared: Profile
    profile: Profile | None
    nearest: Profile
    worst: Place | None
    others: Sequence[Profile] = ()
    needs: Sequence[Need] = ()
    idle: Sequence[str] = ()
    steps: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether a profile fits."""
        return self.profile is not None

    def __str__(self) -> str:
        head = f"{self.backend}: {self.algorithm}, {self.steps} steps"
        if not self.steps:
            lines = [head, "nothing could be asked: no profile is inferred"]
        elif self.profile is None:
            lines = [
                head,
                f"no profile fits; the nearest is at {self.worst}",
                f"nearest: {self.nearest}",
            ]
        else:
            lines = [head, f"profile: {self.profile}"]
            lines += [f"  needs {need}" for need in self.needs]
            lines += [f"  as small: {other}" for other in self.others]
            lines += [f"  does not show: {', '.join(self.idle)}"] if self.idle else []
            lines += [f"  worst {self.worst}"] if self.worst else []
        lines += [f"declared: {self.declared}"]
        lines += [f"left out, {n} steps: {why}" for why, n in self.left_out.items()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain data."""

        def place(found: Place | None) -> Any:
            return None if found is None else {"case": found.case, **vars(found.at)}

        return {
            "format": "paratrooper-ref conformance profile 1",
            "backend": self.backend,
            "algorithm": self.algorithm,
            "declared": self.declared.spec(),
            "profile": None if self.profile is None else self.profile.spec(),
            "others": [other.spec() for other in self.others],
            "needs": [{**vars(need), "without": place(need.without)} for need in self.needs],
            "idle": list(self.idle),
            "nearest": self.nearest.spec(),
            "worst": place(self.worst),
            "steps": self.steps,
            "left_out": dict(self.left_out),
        }


def infer(
    backend: Backend,
    algorithm: str,
    *,
    dialect: str | None = None,
    tier: str = "core",
    only: str = "*",
    corpus: Corpus | None = None,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = lambda name: None,
) -> Inferred:
    """Return the smallest profile that fits a backend.

    Parameters
    ----------
    backend : Backend
        Its profile has to name the dtypes of its arrays; if it does not, they are looked for.
    algorithm, dialect, tier, only, corpus, seconds
        As for `paratrooper_ref.conformance.check`.
    progress : callable
        Told the name of each case, and then each profile, before it is tried.

    Raises
    ------
    ValueError
        If there is no such algorithm, case or variant.

    Examples
    --------
    >>> from paratrooper_ref.conformance import ReferenceBackend
    >>> print(infer(ReferenceBackend("float32"), "adam", only="adam/plain-*").profile)
    float32, forms=False
    """
    goldens = cases(algorithm, corpus or Corpus(), tier, only)
    if not goldens:
        msg = f"infer needs cases, got none of {algorithm} in the {tier} tier for {only!r}"
        raise ValueError(msg)
    asked, steps, left_out = _taken(backend, goldens, dialect, seconds, progress)
    found = Inferred(
        backend=backend.name, algorithm=algorithm, declared=backend.profile, profile=None,
        nearest=backend.profile, worst=None, steps=len(steps), left_out=left_out,
    )
    if not steps:
        return found
    search, apart = _Search(steps, progress), list[Profile]()
    for base in _bases(steps, asked):
        loosest = _loosest(base)
        if search.misfit(loosest) is not None:
            apart.append(loosest)
            continue
        smallest, others = search.smallest(base)
        profile, idle = search.settled(smallest)
        return replace(
            found, profile=profile, nearest=profile, worst=search.worst(profile), idle=idle,
            others=[search.settled(other)[0] for other in others],
            needs=tuple(search.needs(smallest, base)),
        )
    worst, nearest = min(
        ((search.worst(profile), profile) for profile in apart),
        key=lambda pair: math.inf if pair[0] is None else pair[0].at.share,
    )
    return replace(found, nearest=nearest, worst=worst)


# --- steps ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A step that was taken, to be held to any profile."""

    case: str
    optimizer: Optimizer
    question: Question
    wanted: wanted.Wanted
    shown: Shown


def _taken(
    backend: Backend,
    goldens: Sequence[Golden],
    dialect: str | None,
    seconds: float,
    progress: Callable[[str], None],
) -> tuple[Profile, list[_Step], dict[str, int]]:
    """Return the steps of cases, with the dtypes that the backend declares, or else shows."""
    found = backend.profile, list[_Step](), dict[str, int]()
    for profile in [backend.profile, *map(_of_dtype(backend.profile), WIDEST_FIRST)]:
        gate = Gate(declaring(backend, profile), dialect=dialect, seconds=seconds)
        try:
            return profile, *_all(gate, goldens, progress)
        except Fault as fault:
            found = profile, [], {f"{fault.verdict}: {fault.detail}": 1}
        finally:
            gate.watch.close()
    return found


def _of_dtype(declared: Profile) -> Callable[[str], Profile]:
    return lambda dtype: Profile(dtype=dtype, inject=declared.inject)


def _all(
    gate: Gate, goldens: Sequence[Golden], progress: Callable[[str], None]
) -> tuple[list[_Step], dict[str, int]]:
    """Return the steps of cases; raise Fault if their arrays have other dtypes."""
    steps, left_out = list[_Step](), Counter[str]()
    for golden in goldens:
        progress(golden.case)
        adapted = Adapted(golden.optimizer, fixed_of(gate.backend))
        for step in golden.steps:
            try:
                steps.append(adapted.ask(_asked, gate, golden, step))
            except Fault as fault:
                if fault.verdict == DTYPE:
                    raise
                left_out[f"{fault.verdict}: {fault.detail}"] += 1
            except Unsupported as reason:
                left_out[str(reason)] += 1
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # what a backend raises is its answer
                left_out[f"raises {type(error).__name__}"] += 1
    return steps, dict(left_out)


def _asked(optimizer: Optimizer, gate: Gate, golden: Golden, step: Step) -> _Step:
    question = gate.question(golden, step, optimizer)
    if undamped(optimizer, tuple(golden.layers)):
        msg = "dampening without momentum, which a dialect has not got"
        raise Unsupported(msg)
    family, expected = gate.answer(golden, step, optimizer, question)
    return _Step(
        case=golden.case, optimizer=family, question=question, wanted=expected,
        shown=gate.watch.call(take, gate.backend, question),
    )


# --- profiles ---------------------------------------------------------------------------------


def _bases(steps: Sequence[_Step], declared: Profile) -> Iterator[Profile]:
    """Yield the strictest profiles of each dtype of operations, the widest dtype first.

    A slot is stored in the narrowest dtype that holds all that was shown of it, though what was
    wanted has more digits.
    """
    slots = {slot: _narrowest(steps, slot, declared) for slot in ("theta", *_slots(steps))}
    widest = min(map(WIDEST_FIRST.index, slots.values()))
    for dtype in WIDEST_FIRST:
        if WIDEST_FIRST.index(dtype) <= widest or dtype in slots.values():
            stored = slots | {"g": declared.stored("g").name}
            other = {slot: name for slot, name in stored.items() if name != dtype}
            strict = {fact: levels[0] for fact, levels in FACTS.items()}
            yield Profile(
                dtype=dtype, slots=other, accumulate=ACCUMULATE[dtype][0], inject=declared.inject,
                **strict,
            )


def _slots(steps: Sequence[_Step]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(slot for step in steps for slot in step.question.slots))


def _narrowest(steps: Sequence[_Step], slot: str, declared: Profile) -> str:
    """Return a dtype that holds what was shown; the declared one, if there is no narrower."""
    seen = [
        (np.ravel(lines[slot]), step.wanted[layer][slot])
        for step in steps for layer, lines in step.shown.items() if slot in lines
    ]
    found = declared.stored(slot).name
    for name in WIDEST_FIRST[WIDEST_FIRST.index(found) + 1 :] if seen else ():
        nearest = FORMATS[name].nearest
        holds = all(np.array_equal(nearest(x), x) for x, _ in seen)
        rounds = any(np.any((nearest(w.hi) != w.hi) | (w.lo != 0)) for _, w in seen)
        found = name if holds and rounds else found
    return found


def _levels(base: Profile) -> dict[str, tuple[Any, ...]]:
    """Return the levels of each fact, in the order in which facts are tried: forms first."""
    accumulate = ACCUMULATE[base.dtype]
    return {"forms": FACTS["forms"], "accumulate": accumulate, **FACTS}


def _loosest(base: Profile) -> Profile:
    return base.but(**{fact: levels[-1] for fact, levels in _levels(base).items()})


def _in_order(base: Profile) -> Iterator[tuple[int, Profile]]:
    """Yield profiles with how much they grant: few facts first, and then little of each."""
    levels = _levels(base)
    places = itertools.product(*(range(len(values)) for values in levels.values()))

    def order(place: tuple[int, ...]) -> tuple[Any, ...]:
        return sum(map(bool, place)), sum(place), place[::-1]

    for place in sorted(places, key=order):
        granted = {
            fact: values[i] for i, (fact, values) in zip(place, levels.items(), strict=True)
        }
        yield sum(map(bool, place)), base.but(**granted)


class _Search:
    """Hold steps to profiles, the steps that rule most out first."""

    def __init__(self, steps: Iterable[_Step], progress: Callable[[str], None]) -> None:
        self.steps, self.progress = list(steps), progress

    def misfit(self, profile: Profile) -> Place | None:
        """Return a number that is outside its bound; None if the profile fits."""
        self.progress(str(profile))
        for i, step in enumerate(self.steps):
            at = _worst(step, profile)
            if at is not None and at.share > 1:
                # Where one profile fails the next is likely to fail too.
                self.steps.insert(0, self.steps.pop(i))
                return Place(case=step.case, at=at)
        return None

    def worst(self, profile: Profile) -> Place | None:
        """Return the largest error over bound of all steps; None if none has a bound."""
        places = [
            Place(case=step.case, at=at)
            for step in self.steps if (at := _worst(step, profile)) is not None
        ]
        return max(places, key=lambda place: place.at.share, default=None)

    def smallest(self, base: Profile) -> tuple[Profile, list[Profile]]:
        """Return the first profile that fits, and others that grant as many facts, and fit."""
        first: Profile | None = None
        facts, others = 0, list[Profile]()
        for granted, profile in _in_order(base):
            if first is not None and granted > facts:
                break
            if first is not None and any(_looser(profile, fits) for fits in (first, *others)):
                continue
            if self.misfit(profile) is None:
                if first is None:
                    first, facts = profile, granted
                else:
                    others.append(profile)
        assert first is not None  # the loosest fits
        return first, others

    def needs(self, profile: Profile, base: Profile) -> Iterator[Need]:
        """Yield why each fact that is granted has to be."""
        for fact, levels in _levels(base).items():
            value = getattr(profile, fact)
            if value != levels[0]:
                stricter = levels[levels.index(value) - 1]
                without = self.worst(profile.but(**{fact: stricter}))
                assert without is not None  # it is outside the bound of that profile
                yield Need(fact=fact, stricter=stricter, granted=value, without=without)

    def settled(self, profile: Profile) -> tuple[Profile, tuple[str, ...]]:
        """Return the profile with what no step depends on as it is by default, and those facts."""
        idle = []
        for fact in fields(profile):
            if fact.name in ("dtype", "slots", "inject"):
                continue
            default = profile.but(**{fact.name: fact.default})
            if default != profile and all(_same(step, profile, default) for step in self.steps):
                profile = default
                idle.append(fact.name)
        return profile, tuple(idle)


def _looser(profile: Profile, fits: Profile) -> bool:
    """Return whether a profile grants all that another does."""
    levels = _levels(fits)
    return all(
        levels[fact].index(getattr(profile, fact)) >= levels[fact].index(getattr(fits, fact))
        for fact in levels
    )


def _worst(step: _Step, profile: Profile) -> Share | None:
    """Return the largest error over bound; None where either branch is honest, or no bound is."""
    asked = step.question
    given = (step.optimizer, asked.state, asked.grads, asked.lr, profile)
    decided = True
    try:
        allowed = bounds.lines(*given)
    except Boundless:
        return None
    except Undecided:
        decided = False
        try:
            allowed = bounds.lines(*given, guesses=True)
        except Undecided:
            return None
    shares = judge.shares(asked.state.t + 1, step.wanted, step.shown, allowed)
    at = max(shares, key=lambda share: share.share)
    return at if decided or at.share <= 1 else None


def _same(step: _Step, one: Profile, other: Profile) -> bool:
    a, b = _worst(step, one), _worst(step, other)
    return a == b


__all__ = ["Inferred", "Need", "Place", "infer"]
