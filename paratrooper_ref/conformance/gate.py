"""The gate: single steps from stored states, each held to proved numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.arithmetic.running import Boundless
from paratrooper_ref.conformance import bounds, judge, wanted
from paratrooper_ref.conformance.backend import Backend, Unsupported
from paratrooper_ref.conformance.take import Question, Shown, take
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    FAILURES,
    HANGS,
    KEEPS,
    RAISES,
    UNSTABLE,
    UNSUPPORTED,
    Departure,
    Fault,
    Result,
    Share,
)
from paratrooper_ref.conformance.watch import HungError, Watch
from paratrooper_ref.golden.corpus import Corpus, Entry
from paratrooper_ref.golden.document import Golden, Step
from paratrooper_ref.optimizers import OPTIMIZERS, NonFiniteError, Optimizer
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.variants import VARIANTS, changed

SECONDS: Final = 10.0  # a step may take: more than any does but for a compilation
BEYOND: Final = "numbers beyond the range of {}"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A step that a backend has taken: what it was asked, what it showed, what is allowed."""

    question: Question
    optimizer: Optimizer
    wanted: wanted.Wanted
    bounds: bounds.Lines
    shown: Shown
    shares: tuple[Share, ...]

    @property
    def worst(self) -> float:
        """The largest error over bound of parameters and state."""
        return max(share.share for share in self.shares)


def names(algorithm: str, corpus: Corpus, tier: str = "core", only: str = "*") -> list[str]:
    """Return the names of the cases of an algorithm, in order.

    Parameters
    ----------
    algorithm : str
        A name of `paratrooper_ref.optimizers.OPTIMIZERS`, or a group of cases, such as
        "nesterov" or "lars_2019".
    corpus : Corpus
    tier : {"core", "full", "all"}
        Cases of the full tier are there once they are generated.
    only : str
        A pattern of names.

    Raises
    ------
    ValueError
        If there is no such algorithm, or no such case.
    """
    entries = [e for e in corpus.manifest().cases.values() if tier in (e.tier, "all")]
    by_group: dict[str, list[Entry]] = {}
    for entry in entries:
        if corpus.present(entry):
            by_group.setdefault(entry.case.partition("/")[0], []).append(entry)
    if algorithm not in OPTIMIZERS and algorithm not in by_group:
        known = nearest(algorithm, sorted({*by_group, *OPTIMIZERS}))
        msg = f"conformance needs an algorithm, got algorithm={algorithm!r}; {known}"
        raise ValueError(msg)
    found = [
        entry.case
        for group, of_group in by_group.items()
        if group == algorithm
        or (algorithm in OPTIMIZERS and corpus.load(of_group[0]).spec["algorithm"] == algorithm)
        for entry in of_group
        if fnmatchcase(entry.case, only)
    ]
    if not found:
        msg = f"conformance needs cases, got none of {algorithm} in the {tier} tier for {only!r}"
        raise ValueError(msg)
    return sorted(found)


def cases(algorithm: str, corpus: Corpus, tier: str = "core", only: str = "*") -> list[Golden]:
    """Return the cases of an algorithm, in order; see `names`."""
    entries = corpus.manifest().cases
    return [corpus.load(entries[name]) for name in names(algorithm, corpus, tier, only)]


class Gate:
    """Hold a backend to cases, one step at a time.

    Parameters
    ----------
    backend : Backend
    dialect : str, optional
        A variant of `paratrooper_ref.variants.VARIANTS` that the backend is meant to be.
    seconds : float
        What a step may take.
    """

    def __init__(
        self, backend: Backend, *, dialect: str | None = None, seconds: float = SECONDS
    ) -> None:
        if dialect is not None and dialect not in VARIANTS:
            msg = f"conformance needs a variant, got dialect={dialect!r}; "
            raise ValueError(msg + nearest(dialect, VARIANTS))
        self.backend, self.dialect = backend, dialect
        self.watch = Watch(seconds)
        self.taken: dict[str, list[Taken]] = {}

    def run(
        self, goldens: Iterable[Golden], progress: Callable[[str], None] = lambda case: None
    ) -> list[Result]:
        """Return a result for each case, in order."""
        results = {}
        goldens = list(goldens)
        for golden in goldens:
            progress(golden.case)
            results[golden.case] = self.case(golden)
        for golden in self._again(goldens, results):
            results[golden.case] = self._repeated(golden, results[golden.case])
        self.watch.close()
        return list(results.values())

    def case(self, golden: Golden) -> Result:
        """Return what the steps of one case come to; the first failure ends it."""
        began = time.perf_counter()
        taken: list[Taken] = []
        self.taken[golden.case] = taken
        verdict, detail, skipped = CONFORMS, "", ""
        t: int | None = None
        departure: Departure | None = None
        asked: Question | str = ""
        for step in golden.steps:
            t = step.t
            try:
                asked = self._question(golden, step)
                if isinstance(asked, str):
                    skipped = asked
                    continue
                taken.append(self._taken(golden, step, asked))
            except Fault as fault:
                verdict, detail = fault.verdict, fault.detail
            except Unsupported as reason:
                skipped = str(reason) or "no reason given"
                continue
            except HungError as error:
                verdict, detail = HANGS, str(error)
            except Exception as error:
                verdict, detail = RAISES, _said(error)
            else:
                if taken[-1].worst <= 1:
                    continue
                departure = self._departure(taken[-1])
                verdict, detail = DEPARTS, _off(departure)
            break
        else:
            t = None
            if not taken:
                verdict, detail = UNSUPPORTED, skipped
        return Result(
            case=golden.case, verdict=verdict, detail=detail, t=t, steps=len(taken),
            of=len(golden.steps), shares=tuple(s for step in taken for s in step.shares),
            departure=departure, seconds=time.perf_counter() - began,
            replay=_replay(asked) if verdict in FAILURES and isinstance(asked, Question) else None,
        )

    # ------------------------------------------------------------------ one step

    def _question(self, golden: Golden, step: Step) -> Question | str:
        """Return what to ask, or why it cannot be asked."""
        optimizer, lr = golden.optimizer, step.lr
        state, grads = golden.state(step), golden.gradients(step)
        spec: Mapping[str, Any] = golden.spec
        fixed = getattr(self.backend, "fixed", None) or {}
        other = with_hyper(optimizer, fixed)
        if other != optimizer:
            if not _same_step(optimizer, other, golden, step):
                differs = {k: v for k, v in fixed.items() if optimizer.hyper().get(k, v) != v}
                return "has " + ", ".join(f"{k}={v!r} always" for k, v in differs.items())
            spec = other.spec
        question = Question(
            spec=spec, state=state, slots=optimizer.slots(), grads=grads, lr=lr
        )
        profile = self.backend.profile
        if not profile.inject and not question.fresh:
            return "its state cannot be set"
        arrays = {"theta": state.params, "g": grads} | {
            slot: state.slot(slot) for slot in optimizer.slots()
        }
        for slot, layers in arrays.items():
            format = profile.stored(slot)
            for x in layers.values():
                if x is not None and not np.array_equal(format.nearest(x), x):
                    return f"inputs that {format.name} does not hold"
        return question

    def _taken(self, golden: Golden, step: Step, question: Question) -> Taken:
        optimizer, profile = golden.optimizer, self.backend.profile
        expected = None
        if self.dialect is not None:
            if not VARIANTS[self.dialect].fits(optimizer):
                msg = f"{self.dialect} is no variant of {optimizer.name}"
                raise Unsupported(msg)
            optimizer = changed(optimizer, VARIANTS[self.dialect])
            expected = wanted.computed(optimizer, question.state, question.grads, question.lr)
        given = (optimizer, question.state, question.grads, question.lr, profile)
        allowed, unstable = _allowed(*given)
        if not all(
            np.isfinite(names[slot].error).all()
            for layer, names in allowed.items() if layer for slot in ("theta", *question.slots)
        ):
            raise Unsupported(BEYOND.format(profile.dtype))
        shown = self.watch.call(take, self.backend, question)
        expected = expected or wanted.proved(golden, step)
        taken = Taken(
            question=question, optimizer=optimizer, wanted=expected, bounds=allowed, shown=shown,
            shares=tuple(judge.shares(step.t, expected, shown, allowed)),
        )
        if unstable:
            way = "the right" if taken.worst <= 1 else "the other"
            raise Fault(UNSTABLE, f"t = {step.t}: {unstable}; this backend took {way} branch")
        return taken

    def _departure(self, taken: Taken) -> Departure:
        question, off = taken.question, max(taken.shares, key=lambda s: s.share)
        found = judge.first_departure(
            taken.optimizer, question.state, question.grads, question.lr, self.backend.profile,
            taken.shown, off,
        )
        return found or Departure(at=off)

    # ------------------------------------------------------------------ the same again

    def _again(self, goldens: list[Golden], results: Mapping[str, Result]) -> Iterator[Golden]:
        """Yield what is taken once more: the first case that conforms, and each that departs."""
        good = [g for g in goldens if results[g.case].verdict == CONFORMS]
        yield from good[:1]
        yield from (g for g in goldens if results[g.case].verdict == DEPARTS)

    def _repeated(self, golden: Golden, first: Result) -> Result:
        before = self.taken[golden.case]
        second = self.case(golden)
        after = self.taken[golden.case]
        same = len(before) == len(after) and all(
            _bits(a.shown) == _bits(b.shown) for a, b in zip(before, after, strict=True)
        )
        if same or (first.verdict == second.verdict == CONFORMS):
            self.taken[golden.case] = before
            return first
        detail = (
            f"taken first it {first.verdict}, taken again it {second.verdict}, with other bits: "
            "something is kept between cases, or is drawn"
        )
        return replace(first, verdict=KEEPS, detail=detail)


def _allowed(*given: Any) -> tuple[bounds.Lines, str]:
    """Return the bounds of a step, and which branch the arithmetic does not decide, if any."""
    try:
        return bounds.lines(*given), ""
    except Boundless:
        raise Unsupported(BEYOND.format(given[-1].dtype)) from None
    except Undecided as error:
        undecided = str(error)
    try:
        return bounds.lines(*given, guesses=True), undecided
    except Undecided as error:
        raise Fault(UNSTABLE, str(error)) from None


def with_hyper(optimizer: Optimizer, fixed: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer with those of some hyperparameters that it has, in all layers."""
    own = {name: value for name, value in fixed.items() if name in optimizer.hyper()}
    if not own:
        return optimizer
    names = {f.name for f in optimizer.declared()}
    mine = {k: v for k, v in own.items() if k in names and hasattr(optimizer, k)}
    inner = {k: v for k, v in own.items() if k not in mine}
    changes: dict[str, Any] = dict(mine)
    if inner and optimizer.inner is not None:
        changes["inner"] = with_hyper(optimizer.inner, inner)
    layers = tuple(
        (layer, tuple((k, own.get(k, v)) for k, v in of_layer))
        for layer, of_layer in optimizer.layers
    )
    return replace(optimizer, layers=layers, **changes)


def _same_step(a: Optimizer, b: Optimizer, golden: Golden, step: Step) -> bool:
    """Return whether two optimizers take the same step, to the last bit."""
    given = (golden.state(step), golden.gradients(step), step.lr)
    try:
        (one, _), (two, _) = a.step(*given), b.step(*given)
    except NonFiniteError:
        return False
    return all(
        np.array_equal(one.slot(slot)[layer], two.slot(slot)[layer])
        for slot in ("theta", *a.slots()) for layer in golden.layers
    )


def _bits(shown: Shown) -> dict[tuple[str, str], bytes]:
    return {(k, tag): np.asarray(x).tobytes() for k, of in shown.items() for tag, x in of.items()}


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().removesuffix(":")


def _off(departure: Departure) -> str:
    at = departure.at
    return f"{at.tag} of layer {at.layer!r} is off by {at.share:.3g} times its bound"


def _replay(question: Question) -> dict[str, Any]:
    return {"question": question}
