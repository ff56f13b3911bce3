"""The gate: single steps from stored states, each held to proved numbers."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.arithmetic.running import Boundless
from paratrooper_ref.conformance import bounds, judge, wanted
from paratrooper_ref.conformance.backend import Backend, Lacks, Unsupported
from paratrooper_ref.conformance.dialect import spoken, variants_of
from paratrooper_ref.conformance.session import Shown
from paratrooper_ref.conformance.take import Question, look
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
    said,
)
from paratrooper_ref.conformance.watch import HungError, Watch
from paratrooper_ref.golden.corpus import Corpus, Entry
from paratrooper_ref.golden.document import Golden, Step
from paratrooper_ref.optimizers import OPTIMIZERS, NonFiniteError, Optimizer
from paratrooper_ref.optimizers.hyper import nearest

SECONDS: Final = 30.0  # a step may take: more than compiling one does on a busy machine
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
    fault: Fault | None = None

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
        If there is no such algorithm.
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
    return sorted(
        entry.case
        for group, of_group in by_group.items()
        if group == algorithm
        or (algorithm in OPTIMIZERS and corpus.load(of_group[0]).spec["algorithm"] == algorithm)
        for entry in of_group
        if fnmatchcase(entry.case, only)
    )


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
        What the backend is meant to be: a name of `paratrooper_ref.variants.VARIANTS`, or
        several joined by "and".
    seconds : float
        What a step may take.
    """

    def __init__(
        self, backend: Backend, *, dialect: str | None = None, seconds: float = SECONDS
    ) -> None:
        variants_of(dialect)
        self.backend, self.dialect = backend, dialect
        self.watch = Watch(seconds)
        self.taken: dict[str, list[Taken]] = {}

    def run(
        self, goldens: Iterable[Golden], progress: Callable[[str], None] = lambda case: None
    ) -> list[Result]:
        """Return a result for each case, in order."""
        results = {}
        goldens = list(goldens)
        with warnings.catch_warnings():  # whatever a backend does to their filters
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
        asked: Question | None = None
        optimizer = with_hyper(golden.optimizer, getattr(self.backend, "fixed", None) or {})
        waiting = list(golden.steps)
        while waiting:
            step = waiting.pop(0)
            t = step.t
            try:
                asked = self.question(golden, step, optimizer)
                taken.append(self._taken(golden, step, optimizer, asked))
            except Lacks as lack:
                fewer = without(optimizer, lack.name)
                if fewer is None:
                    skipped = str(lack)
                    continue
                optimizer = fewer
                waiting.insert(0, step)
                continue
            except Fault as fault:
                verdict, detail = fault.verdict, fault.detail
            except Unsupported as reason:
                skipped = str(reason) or "no reason given"
                continue
            except HungError as error:
                verdict, detail = HANGS, str(error)
            else:
                changes = taken[-1].fault
                if taken[-1].worst > 1:
                    departure = self._departure(taken[-1])
                    besides = f"; and it {changes.verdict}: {changes.detail}" if changes else ""
                    verdict, detail = DEPARTS, _off(departure) + besides
                elif changes:
                    verdict, detail = changes.verdict, changes.detail
                else:
                    continue
            break
        else:
            t = None
            if not taken:
                verdict, detail = UNSUPPORTED, skipped
        return Result(
            case=golden.case, verdict=verdict, detail=detail, t=t, steps=len(taken),
            of=len(golden.steps), shares=tuple(s for step in taken for s in step.shares),
            departure=departure, seconds=time.perf_counter() - began,
            adapted=differences(golden.optimizer, optimizer),
            replay=_replay(asked, taken) if verdict in FAILURES and asked is not None else None,
        )

    # ------------------------------------------------------------------ one step

    def question(self, golden: Golden, step: Step, optimizer: Optimizer) -> Question:
        """Return what to ask; raise Unsupported where it cannot be asked."""
        state, grads = golden.state(step), golden.gradients(step)
        question = Question(
            spec=optimizer.spec, state=state, slots=optimizer.slots(), grads=grads, lr=step.lr
        )
        profile = self.backend.profile
        if not profile.inject and not question.fresh:
            msg = "its state cannot be set"
            raise Unsupported(msg)
        arrays = {"theta": state.params, "g": grads} | {
            slot: state.slot(slot) for slot in optimizer.slots()
        }
        for slot, layers in arrays.items():
            format = profile.stored(slot)
            for x in layers.values():
                if x is not None and not np.array_equal(format.nearest(x), x):
                    msg = f"inputs that {format.name} does not hold"
                    raise Unsupported(msg)
        return question

    def answer(
        self, golden: Golden, step: Step, optimizer: Optimizer, question: Question
    ) -> tuple[Optimizer, wanted.Wanted]:
        """Return what is wanted, and the optimizer, in its dialect, that comes to it.

        Numbers of the corpus are proved; those of a dialect, and of an optimizer without what a
        backend lacks, are computed.
        """
        if self.dialect is not None:
            optimizer = spoken(optimizer, self.dialect)
        elif optimizer == golden.optimizer or _same_step(optimizer, golden, step):
            return optimizer, wanted.proved(golden, step)
        step_of = optimizer, question.state, question.grads, question.lr
        return optimizer, wanted.computed(*step_of)

    def _taken(
        self, golden: Golden, step: Step, optimizer: Optimizer, question: Question
    ) -> Taken:
        profile = self.backend.profile
        optimizer, expected = self.answer(golden, step, optimizer, question)
        given = (optimizer, question.state, question.grads, question.lr, profile)
        allowed, unstable = _allowed(*given)
        if not all(
            np.isfinite(names[slot].error).all()
            for layer, names in allowed.items() if layer for slot in ("theta", *question.slots)
        ):
            raise Unsupported(BEYOND.format(profile.dtype))
        shown, fault = self._look(question)
        taken = Taken(
            question=question, optimizer=optimizer, wanted=expected, bounds=allowed, shown=shown,
            shares=tuple(judge.shares(step.t, expected, shown, allowed)), fault=fault,
        )
        if unstable:
            way = "the right" if taken.worst <= 1 else "the other"
            raise Fault(UNSTABLE, f"t = {step.t}: {unstable}; this backend took {way} branch")
        return taken

    def _look(self, question: Question) -> tuple[Shown, Fault | None]:
        """Return what a backend shows after a step; whatever it raises is a verdict."""
        try:
            found: tuple[Shown, Fault | None] = self.watch.call(look, self.backend, question)
        except (Fault, Unsupported, HungError, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit, a test's skip
            raise Fault(RAISES, said(error)) from error
        return found

    def _departure(self, taken: Taken) -> Departure:
        question, off = taken.question, max(taken.shares, key=lambda s: s.share)
        found = judge.first_departure(
            taken.optimizer, question.state, question.grads, question.lr, self.backend.profile,
            taken.shown, off,
        )
        assert found is not None  # as something is off
        return found

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
        mute = second.verdict in (UNSUPPORTED, HANGS)  # which says nothing of what was shown
        if same or mute or (first.verdict == second.verdict == CONFORMS):
            self.taken[golden.case] = before
            return first
        detail = (
            f"taken first it {first.verdict}, taken again it {second.verdict}, with other bits: "
            "something is kept between cases, or is drawn"
        )
        return replace(first, verdict=KEEPS, detail=detail, t=second.t or first.t)


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
    mine = {k: v for k, v in own.items() if hasattr(optimizer, k)}
    inner = {k: v for k, v in own.items() if k not in mine}
    changes: dict[str, Any] = dict(mine)
    if inner and optimizer.inner is not None:
        changes["inner"] = with_hyper(optimizer.inner, inner)
    layers = tuple(
        (layer, tuple((k, own.get(k, v)) for k, v in of_layer))
        for layer, of_layer in optimizer.layers
    )
    return replace(optimizer, layers=layers, **changes)


def without(optimizer: Optimizer, name: str) -> Optimizer | None:
    """Return the optimizer without a hyperparameter: by layer first, then at all.

    Decay of 0, and what is published of others; None if that is how it is.

    Examples
    --------
    >>> from paratrooper_ref import AdamW
    >>> own = AdamW().for_layers({"b": {"weight_decay": 0.5}})
    >>> without(own, "weight_decay")
    AdamW(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.01)
    >>> without(without(own, "weight_decay"), "weight_decay").weight_decay
    0.0
    """
    layers = tuple(
        (layer, tuple((k, v) for k, v in own if k != name)) for layer, own in optimizer.layers
    )
    layers = tuple((layer, own) for layer, own in layers if own)
    if layers != optimizer.layers:
        return replace(optimizer, layers=layers)
    defaults = {f.name: f.default for f in optimizer.declared()}
    if name not in defaults:
        return None
    other = with_hyper(optimizer, {name: 0.0 if name == "weight_decay" else defaults[name]})
    return None if other == optimizer else other


def differences(published: Optimizer, asked: Optimizer) -> dict[str, Any]:
    """Return the hyperparameters that a backend was asked with instead of those of a case."""
    was, now = published.hyper(), asked.hyper()
    found = {name: now[name] for name in was if was[name] != now[name]}
    return found | ({"by layer": "fewer"} if published.layers != asked.layers else {})


def _same_step(b: Optimizer, golden: Golden, step: Step) -> bool:
    """Return whether an optimizer takes the same step as that of a case, to the last bit."""
    a, given = golden.optimizer, (golden.state(step), golden.gradients(step), step.lr)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one of them never moves
            (one, _), (two, _) = a.step(*given), b.step(*given)
    except NonFiniteError:
        return False
    return all(
        np.array_equal(one.slot(slot)[layer], two.slot(slot)[layer])
        for slot in ("theta", *a.slots()) for layer in golden.layers
    )


def _bits(shown: Shown) -> dict[tuple[str, str], bytes]:
    return {(k, tag): np.asarray(x).tobytes() for k, of in shown.items() for tag, x in of.items()}


def _off(departure: Departure) -> str:
    at = departure.at
    return f"{at.tag} of layer {at.layer!r} is off by {at.share:.3g} times its bound"


def _replay(question: Question, taken: list[Taken]) -> dict[str, Any]:
    """Return what it takes to ask a step again, and what was shown, if anything."""
    last = taken[-1] if taken and taken[-1].question is question else None
    return {"question": question, "shown": last and last.shown}
