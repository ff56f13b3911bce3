"""Hold a backend to the corpus: `check`, and what is made of all its results."""

from __future__ import annotations

import datetime
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from paratrooper_ref.conformance import attribute, expectations, gate, loop
from paratrooper_ref.conformance.backend import Backend, declaring
from paratrooper_ref.conformance.expectations import Expectation
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.remembered import BY_LAYER
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import DEPARTS, UNSUPPORTED, Result
from paratrooper_ref.conformance.watch import SECONDS
from paratrooper_ref.golden.corpus import Corpus

ANSWERS: Final = 6.0  # that a backend gives in a step: each may take its time

Expected = str | Path | Iterable[Expectation] | None


def names(
    algorithm: str,
    corpus: Corpus,
    tier: str = "core",
    only: str = "*",
    *,
    runs: bool = True,
) -> list[str]:
    """Return the names of all that there is to check of an algorithm: cases, then runs.

    Raises
    ------
    ValueError
        If there is no such algorithm, or nothing of such a name.
    """
    found = gate.names(algorithm, corpus, tier, only)
    found += loop.names(algorithm, only) if runs else []
    if not found:
        msg = f"conformance needs cases, got none of {algorithm} in the {tier} tier for {only!r}"
        raise ValueError(msg)
    return found


def check(
    backend: Backend,
    algorithm: str,
    *,
    dialect: str | None = None,
    profile: Profile | None = None,
    tier: str = "core",
    only: str = "*",
    runs: bool = True,
    expect: Expected = None,
    corpus: Corpus | None = None,
    seconds: float | None = None,
    progress: Callable[[str], None] = lambda case: None,
) -> Report:
    """Return how a backend does on every case of an algorithm.

    Parameters
    ----------
    backend : Backend
        An adapter; see `paratrooper_ref.conformance.backend`.
    algorithm : str
        Such as "paratrooper": a name of `paratrooper_ref.optimizers.OPTIMIZERS`, or a group of
        cases such as "nesterov".
    dialect : str, optional
        What the backend is meant to be: a variant (`paratrooper_ref.variants.VARIANTS`), or
        several, joined by "and".
    profile : Profile, optional
        The arithmetic to hold it to, in place of the one that it declares.
    tier : {"core", "full", "all"}
    only : str
        A pattern of names; fewer than there are make a partial report.
    runs : bool
        Whether the backend also goes on by itself: see `paratrooper_ref.conformance.loop`.
    expect : path or iterable of Expectation, optional
        Expected failures.
    corpus : Corpus, optional
        That of the package by default.
    seconds : float, optional
        What one step may take before it counts as hung; 30, or as long as a backend with a
        ``timeout`` of its own needs to say so itself.
    progress : callable
        Told the name of each case before it is run.

    Raises
    ------
    ValueError
        If there is no such algorithm, case or variant, or an expectation is incomplete.
    TypeError
        If the backend declares no profile, or another is to be declared and it cannot.
    """
    began = time.perf_counter()
    corpus = corpus or Corpus()
    declared: object = backend.profile
    if not isinstance(declared, Profile):
        msg = (
            "check needs a backend with a profile, such as Profile(dtype='float32'), got "
            f"profile={declared!r}"
        )
        raise TypeError(msg)
    if profile is not None:
        backend = declaring(backend, profile)
    asked = expectations.read(expect) if isinstance(expect, (str, Path)) else tuple(expect or ())
    there = names(algorithm, corpus, tier, only, runs=runs)
    goldens = gate.cases(algorithm, corpus, tier, only)
    if seconds is None:
        seconds = max(SECONDS, ANSWERS * float(getattr(backend, "timeout", 0.0)))
    held = gate.Gate(backend, dialect=dialect, seconds=seconds)
    results, found = _explained(held, held.run(goldens, progress))
    for run in loop.loops(
        backend, algorithm, dialect=dialect, only=only, seconds=seconds, progress=progress
    ) if runs else ():
        results.append(_agreeing(run, found))
    results = [*map(_of_choice, results)]
    matched = expectations.match(results, asked, datetime.date.today())
    manifest = corpus.manifest()
    return Report(
        backend=backend.name, algorithm=algorithm, dialect=dialect, tier=tier, only=only,
        corpus=manifest.corpus, digest=manifest.digest, profile=backend.profile,
        total=len(there), results=results, expected=matched.expected,
        problems=matched.problems, likes=found.likes, constants=found.constants,
        fits=found.profile, versions=_versions(backend),
        ungiven=tuple(getattr(backend, "ungiven", ())),
        seconds=time.perf_counter() - began,
    )


def _explained(
    held: gate.Gate, results: Sequence[Result]
) -> tuple[list[Result], attribute.Explained]:
    """Return the results with what each looks like, and what explains all of them."""
    departing = [r for r in results if r.verdict == DEPARTS]
    if not departing:
        return list(results), attribute.Explained()
    profile = held.backend.profile
    taken = [step for r in results for step in held.taken[r.case]]
    found = attribute.explained(taken, profile)
    if found:
        return [replace(r, likes=found.likes) if r in departing else r for r in results], found
    # Nothing explains all: there may be more than one fault, and each case shows its own.
    alone = attribute.likes_of({r.case: held.taken[r.case] for r in results}, profile)
    return [replace(r, likes=alone.get(r.case, r.likes)) for r in results], found


def _agreeing(run: Result, found: attribute.Explained) -> Result:
    """Return a run; where its steps look like what all steps are explained by, like that alone."""
    established = {like.variant for like in found.likes}
    likes = [like for like in run.likes if like.variant in established]
    return replace(run, likes=likes) if likes else run


def _of_choice(result: Result) -> Result:
    """Return a result; what departs only as its layers count their own steps is not asked that."""
    if result.verdict == DEPARTS and [like.variant for like in result.likes] == [BY_LAYER]:
        detail = "steps of frozen layers: it counts the steps of each layer apart (a dialect)"
        said = replace(
            result, verdict=UNSUPPORTED, detail=detail, departure=None, likes=(), shares=()
        )
        return replace(said, alone=()) if isinstance(said, loop.Run) else said
    return result


def _versions(backend: Backend) -> dict[str, str]:
    from paratrooper_ref import __version__

    versions = {
        "paratrooper-ref": __version__, "numpy": np.__version__,
        "python": platform.python_version(), "platform": sys.platform,
    }
    return versions | dict(getattr(backend, "versions", {}) or {})
