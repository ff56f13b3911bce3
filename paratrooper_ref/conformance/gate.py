"""The gate: single steps from stored states, each held to proved numbers."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from paratrooper_ref.conformance import judge, wanted
from paratrooper_ref.conformance.adapted import Adapted, fixed_of
from paratrooper_ref.conformance.backend import Backend, Unsupported
from paratrooper_ref.conformance.corners import lacking
from paratrooper_ref.conformance.dialect import spoken, variants_of
from paratrooper_ref.conformance.session import Shown
from paratrooper_ref.conformance.step import Question, Taken, allowed, look
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
    raised,
)
from paratrooper_ref.conformance.watch import SECONDS, HungError, Watch
from paratrooper_ref.golden.corpus import Corpus, Entry
from paratrooper_ref.golden.document import Golden, Step
from paratrooper_ref.optimizers import OPTIMIZERS, NonFiniteError, Optimizer
from paratrooper_ref.optimizers.hyper import nearest


def names(algorithm: str, corpus: Corpus, tier: str = "core", only: str = "*") -> list[str]:
    """Return the names of the cases of an algorithm, in order.

    Parameters
    ----------
    algorithm : str
        A name of `paratrooper_ref.optimizers.OPTIMIZERS`, or a group of cases, such as
        "nesterov" or "lars_2019".
    corpus : Corpus
    tier : {"core", "full", "all"}
        The full tier has to be generated first.
    only : str
        A pattern of names.

    Raises
    ------
    ValueError
        If there is no such algorithm, or cases of the full tier are not there.
    """
    entries = [e for e in corpus.manifest().cases.values() if tier in (e.tier, "all")]
    absent = [e for e in entries if e.tier != "core" and not corpus.present(e)]
    if absent:
        msg = (
            f"the {tier} tier needs all of its cases, {len(absent)} are not generated in "
            f"{corpus.folder}; use paratrooper-ref golden generate --tier all, and the corpus of "
            "its folder"
        )
        raise ValueError(msg)
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        # Cases of the core share an algorithm by group, those of the full tier a problem.
        of = entry.case.partition("/")[0] if entry.tier == "core" else entry.case
        groups.setdefault(of, []).append(entry)
    if algorithm not in OPTIMIZERS and algorithm not in groups:
        known = nearest(algorithm, sorted({*(g for g in groups if "/" not in g), *OPTIMIZERS}))
        msg = f"conformance needs an algorithm, got algorithm={algorithm!r}; {known}"
        raise ValueError(msg)
    return sorted(
        entry.case
        for group, of_group in groups.items()
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
        """Return what the steps of one case come to; the first failure ends it.

        All of its steps are asked with the same: where a later one shows that the backend lacks
        something, the earlier ones are asked again, without.
        """
        adapted = Adapted(golden.optimizer, fixed_of(self.backend))
        result = self._case(golden, adapted)
        last = adapted.optimizer.spec
        if any(step.question.spec != last for step in self.taken[golden.case]):
            return self._case(golden, adapted)
        return result

    def _case(self, golden: Golden, adapted: Adapted) -> Result:
        began = time.perf_counter()
        taken: list[Taken] = []
        self.taken[golden.case] = taken
        verdict, detail, besides, skipped = CONFORMS, "", "", ""
        t: int | None = None
        departure: Departure | None = None
        asked: Question | None = None

        def answered(optimizer: Optimizer, step: Step) -> Taken:
            nonlocal asked
            asked = self.question(golden, step, optimizer)
            return self._taken(golden, step, optimizer, asked)

        for step in golden.steps:
            t = step.t
            try:
                taken.append(adapted.ask(answered, step))
            except Fault as fault:
                verdict, detail = fault.verdict, fault.detail
            except Unsupported as reason:
                skipped = str(reason)
                continue
            except HungError as error:
                verdict, detail = HANGS, str(error)
            else:
                changes = taken[-1].fault
                if taken[-1].worst > 1:
                    departure = self._departure(taken[-1])
                    verdict, detail = DEPARTS, str(departure.at)
                    besides = f"{changes.verdict}: {changes.detail}" if changes else ""
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
            case=golden.case, verdict=verdict, detail=detail, besides=besides, t=t,
            steps=len(taken), of=len(golden.steps),
            shares=tuple(s for step in taken for s in step.shares),
            departure=departure, seconds=time.perf_counter() - began,
            adapted=adapted.changes,
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
        optimizer, expected = self.answer(golden, step, optimizer, question)
        within, unstable = allowed(
            optimizer, question.state, question.grads, question.lr, self.backend.profile
        )
        shown, fault = self._look(question)
        taken = Taken(
            question=question, optimizer=optimizer, wanted=expected, bounds=within, shown=shown,
            shares=tuple(judge.shares(step.t, expected, shown, within)), fault=fault,
        )
        if lack := lacking(taken, self.backend.profile):
            raise lack
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
            raise Fault(RAISES, raised(error)) from error
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


def _replay(question: Question, taken: list[Taken]) -> dict[str, Any]:
    """Return what it takes to ask a step again, and what was shown, if anything."""
    last = taken[-1] if taken and taken[-1].question is question else None
    return {"question": question, "shown": last and last.shown}
