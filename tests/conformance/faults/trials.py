"""On what each fault is tried: cases of the gate, and runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, partial
from typing import Any, Final

from paratrooper_ref.conformance import gate
from paratrooper_ref.conformance.gate import Gate
from paratrooper_ref.conformance.loop import loops
from paratrooper_ref.conformance.verdict import CONFORMS, LOSES, Result
from paratrooper_ref.conformance.watch import SECONDS
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import Golden
from tests.conformance import faulty
from tests.conformance.faults import given, kept, layers, sync
from tests.conformance.faulty import Honest

SHORT: Final = 0.5  # s that a step may take which never ends


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A fault, and where it has to show.

    Parameters
    ----------
    wrong : callable
        Returns the backend with the fault.
    algorithm : str
    cases : tuple of str
        Patterns of cases that the gate holds it to; its `visible` says which have to show it.
    runs, quiet : tuple of str
        Runs that have to show it, and runs that must not.
    lines : tuple of str
        What departs first: one of them wherever it departs, and each somewhere.
    elsewhere : str
        The verdict on the cases that do not have to show it.
    """

    wrong: Callable[[], Honest]
    algorithm: str
    cases: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    elsewhere: str = CONFORMS

    @property
    def right(self) -> type[Honest]:
        """The same without the fault."""
        base: type[Honest] = type(self.wrong()).__bases__[0]
        return base

    def goldens(self) -> list[Golden]:
        """Return the cases of the gate."""
        return _cases(self.algorithm, self.cases)

    def asked(self, backend: Honest) -> dict[str, Result]:
        """Return what comes of all cases and runs, by name."""
        over = getattr(backend, "over", None)
        seconds = SECONDS if over is None else SHORT
        backend.probes = True
        try:
            found = Gate(backend, seconds=seconds).run(self.goldens())
            for only in (*self.runs, *self.quiet):
                found += loops(backend, self.algorithm, only=only, seconds=seconds)
        finally:
            if over is not None:
                over.set()
        return {result.case: result for result in found}

    def shows(self, verdict: str) -> dict[str, str]:
        """Return the verdict that each case and run has to get."""
        wrong = self.wrong()
        found = {g.case: verdict if wrong.visible(g) else self.elsewhere for g in self.goldens()}
        found |= dict.fromkeys(self.runs, verdict)
        return found | dict.fromkeys(self.quiet, CONFORMS)


@cache
def _all(algorithm: str) -> dict[str, Any]:
    corpus = Corpus()
    entries = corpus.manifest().cases
    return {name: entries[name] for name in gate.names(algorithm, corpus)}


@cache
def _loaded(algorithm: str, name: str) -> Golden:
    return Corpus().load(_all(algorithm)[name])


def _cases(algorithm: str, patterns: tuple[str, ...]) -> list[Golden]:
    return [
        _loaded(algorithm, name) for name in _all(algorithm)
        if any(fnmatchcase(name, f"{algorithm}/{pattern}") for pattern in patterns)
    ]


# --- the trials -------------------------------------------------------------------------------

USUAL: Final = ("plain-d*", "turning-d*", "frozen-d*", "layers-d*", "rates-d*")
PARATROOPER: Final = ("plain-d*", "turning-d*", "layers-d*", "shapes-d*")


def kernel(wrong: type[Honest], *cases: str, **more: Any) -> tuple[Trial, ...]:
    """Return the trial of a fault that any kernel may have: of Paratrooper, on a few cases."""
    return (Trial(wrong=wrong, algorithm="paratrooper", cases=cases or PARATROOPER, **more),)


def hyper_shared(algorithm: str, *names: str) -> tuple[Trial, ...]:
    """Return the trials of hyperparameters that are not asked of the layer."""
    return tuple(
        Trial(
            wrong=partial(layers.SharesHyper, shared=name), algorithm=algorithm,
            cases=("plain-d*", "layers-d*"), lines=(line,),
        )
        for name, line in (each.split(":") for each in names)
    )


TRIALS: Final[dict[str, tuple[Trial, ...]]] = {
    "gradient.written": tuple(
        Trial(
            wrong=wrong, algorithm="adam", cases=(*USUAL, "zero-weights-d*", "no-eps-d*"),
            runs=("replay/adam/decimal/frozen",),
        )
        for wrong in (given.WritesGradient, given.RebindsGradient)
    ),
    "gradient.overwritten": kernel(faulty.EatsGradient),
    "gradient.dropped": kernel(faulty.DropsGradient),
    "gradient.clipped": (
        Trial(wrong=given.Clips, algorithm="lamb", cases=("*-d*",), lines=("m",)),
    ),
    "gradient.clipped_by_layer": (
        Trial(wrong=given.ClipsEach, algorithm="adamw", cases=("*-d*",), lines=("m",)),
    ),
    "gradient.clamped": (
        Trial(wrong=given.Clamps, algorithm="adamw", cases=("*-d*",), lines=("m",)),
    ),
    "gradient.centralised": (
        Trial(
            wrong=given.Centralises, algorithm="ranger", lines=("regularized",),
            cases=(*USUAL, "wide-d*", "still-d*", "shapes-d*", "frozen-first-d*"),
        ),
        Trial(
            wrong=given.CentralisesKernels, algorithm="ranger", lines=("regularized",),
            cases=("plain-d*", "shapes-d*"), runs=("replay/ranger/dyadic/frozen",),
            quiet=("replay/ranger/decimal", "replay/ranger/decimal/frozen"),
        ),
    ),
    "input.written": kernel(faulty.StartsLive) + kernel(faulty.StartsLiveState, "turning-d*"),
    "input.dropped": (
        *kernel(faulty.DropsInput),
        Trial(wrong=given.PopsState, algorithm="lookahead", cases=("plain-d*", "sync-d*")),
    ),
    "state.aliased": kernel(faulty.ReadsLive),
    "state.largest_v": tuple(
        Trial(
            wrong=kept.KeepsLargest, algorithm=algorithm, cases=("plain-d*",), lines=("theta",),
            runs=(f"replay/{algorithm}/decimal",),
        )
        for algorithm in ("adamw", "radam")
    ),
    "state.ignored": kernel(faulty.IgnoresState),
    "state.bfloat16": (
        Trial(wrong=kept.StoresInBFloat16, algorithm="adam", cases=USUAL, lines=("m",)),
    ),
    "state.shared": kernel(faulty.LeavesMoments, "plain-d*", "shapes-d*"),
    "cache.kept": (
        Trial(
            wrong=kept.SharesBuffer, algorithm="radam", runs=("twice/radam",),
            quiet=("replay/radam/decimal",),
        ),
    ),
    "cache.rate_shared": kernel(faulty.SharesRate, "layers-d*", "plain-d*", lines=("update",)),
    "cache.betas_shared": (
        Trial(
            wrong=kept.SharesCorrections, algorithm="radam", lines=("beta1_t",),
            cases=("plain-d*", "layers-d*"),
        ),
    ),
    "count.of_layer": (
        Trial(
            wrong=kept.CountsLayers, algorithm="adam", cases=("frozen-d*", "plain-d*"),
            runs=("replay/adam/decimal/frozen", "replay/adam/dyadic/frozen"),
            quiet=("replay/adam/decimal", "reload/adam"), lines=("beta1_t",),
        ),
    ),
    "count.each_layer": (
        Trial(
            wrong=kept.CountsEachLayer, algorithm="adam", lines=("beta1_t",),
            cases=(*USUAL, "late-d*", "wide-d*"), runs=("replay/adam/decimal",),
        ),
    ),
    "count.bfloat16": (
        Trial(
            wrong=kept.CountsInBFloat16, algorithm="adam", lines=("beta1_t",),
            cases=(*USUAL, "late-d*", "counted-*"),
        ),
        Trial(
            wrong=kept.CountsInBFloat16, algorithm="paratrooper", lines=("beta1_t",),
            cases=("shut-decimal", "shutting-d*", "plain-d*", "counted-*"),
        ),
    ),
    "count.float16": (
        Trial(
            wrong=kept.CountsInFloat16, algorithm="adam", lines=("beta1_t",),
            cases=(*USUAL, "late-d*", "counted-*"),
        ),
    ),
    "count.common": kernel(faulty.CountsAll),
    "reload.without_slow": (
        Trial(
            wrong=faulty.Forgets, algorithm="ranger", runs=("reload/ranger",),
            quiet=("twice/ranger",),
        ),
    ),
    "reload.without_moments": (
        Trial(
            wrong=kept.LosesMoments, algorithm="lookahead", runs=("reload/lookahead",),
            quiet=("twice/lookahead",),
        ),
        Trial(wrong=kept.LosesMoments, algorithm="sgd", runs=("reload/sgd",)),
    ),
    "reload.without_count": (
        Trial(
            wrong=kept.LosesCount, algorithm="adam", runs=("reload/adam",), quiet=("twice/adam",)
        ),
    ),
    "reload.raises": (
        Trial(
            wrong=kept.CannotBeSaved, algorithm="lookahead", runs=("reload/lookahead",),
            quiet=("twice/lookahead",),
        ),
    ),
    "rate.of_construction": (
        Trial(
            wrong=layers.StepsAsMade, algorithm="adamw", cases=USUAL,
            runs=("replay/adamw/decimal",), lines=("direction",),
        ),
    ),
    "rate.decay_of_construction": (
        Trial(
            wrong=layers.DecaysAsMade, algorithm="adamw", cases=USUAL,
            runs=("replay/adamw/decimal",), lines=("direction",),
        ),
    ),
    "rate.kept": (
        Trial(wrong=layers.KeepsRate, algorithm="adamw", cases=USUAL, lines=("update",)),
        Trial(wrong=layers.KeepsRate, algorithm="sgd", cases=("plateau-d*", "rates-d*")),
    ),
    "hyper.betas_swapped": (
        Trial(wrong=layers.SwapsBetas, algorithm="adamw", cases=USUAL, lines=("m",)),
    ),
    "hyper.float32": (
        Trial(wrong=layers.KeepsSingle, algorithm="adamw", cases=USUAL, lines=("direction",)),
    ),
    "layers.hyper_shared": (
        *hyper_shared("adam", "beta1:m", "beta2:v", "eps:denominator", "weight_decay:regularized"),
        *hyper_shared("sgd", "momentum:u"),
        *hyper_shared("ranger", "l2:regularized"),
        *(
            Trial(
                wrong=partial(layers.SharesHyper, shared=name), algorithm=algorithm,
                cases=("sync-d*", "plain-d*", "own-sync-d*"), lines=(line,),
            )
            for algorithm in ("ranger", "lookahead")
            for name, line in (("alpha", "slow"), ("k", "theta"))
        ),
    ),
    "layers.vectors_not_adapted": (
        Trial(
            wrong=layers.NeverAdapts, algorithm="lars", lines=("trust_ratio",),
            cases=(*USUAL, "ratios-d*", "no-momentum-d*"),
        ),
    ),
    "layers.vectors_not_decayed": (
        Trial(
            wrong=layers.NeverDecays, algorithm="adamw", lines=("direction",),
            cases=(*USUAL, "zero-weights-d*"),
        ),
    ),
    "layers.decay_of_last": (
        Trial(
            wrong=layers.DecaysLast, algorithm="adamw", lines=("direction",),
            cases=(*USUAL, "zero-weights-d*", "wide-d*"),
        ),
    ),
    "layers.update_of_previous": (
        Trial(
            wrong=layers.Unbound, algorithm="lars", cases=(*USUAL, "no-momentum-d*"),
            lines=("update",),
        ),
    ),
    "layers.joined": (
        Trial(
            wrong=layers.Joins, algorithm="lamb", lines=("weight_norm",),
            cases=(*USUAL, "wide-d*", "ratios-d*", "zero-weights-d*"),
        ),
    ),
    "layers.left_out": kernel(faulty.Fewer) + kernel(faulty.FewerMoments),
    "layers.empty_groups": (
        Trial(wrong=layers.LacksField, algorithm="ranger", cases=USUAL),
    ),
    "frozen.decays": (
        Trial(
            wrong=layers.MovesFrozen, algorithm="adamw", cases=("frozen*", "plain-d*"),
            runs=("replay/adamw/decimal/frozen",), quiet=("replay/adamw/decimal",),
            lines=("theta",),
        ),
    ),
    "frozen.synchronised": (
        Trial(
            wrong=layers.SynchronisesFrozen, algorithm="ranger", lines=("theta",),
            cases=("frozen-d*", "frozen-first-d*", "sync-d*"),
        ),
    ),
    "frozen.in_first_batch": tuple(
        Trial(
            wrong=layers.CountsFrozen, algorithm=name, lines=(line,),
            cases=("loud*", "quiet*", "frozen-first*"),
        )
        for name, line in (("radam", "theta"), ("paratrooper", "fast"))
    ),
    "choice.never_late": (
        Trial(
            wrong=layers.NeverLate, algorithm="paratrooper", lines=("theta",),
            cases=("late-choice*", "loud*", "quiet*"),
        ),
    ),
    "sync.moments_reset": (
        Trial(
            wrong=sync.ResetsMoments, algorithm="ranger", lines=("m",),
            cases=("sync-d*", "first-sync-d*", "plain-d*"), runs=("replay/ranger/decimal",),
        ),
    ),
    "sync.state_reset": (
        Trial(
            wrong=sync.ResetsState, algorithm="lookahead", lines=("m", "u"),
            cases=("sync-d*", "first-sync-d*", "plain-d*"), runs=("replay/lookahead/decimal",),
        ),
    ),
    "sync.inner_sees_slow": (
        Trial(
            wrong=sync.HandsSlow, algorithm="lookahead", lines=("direction", "regularized"),
            cases=("turning-d*", "frozen-d*", "layers-d*", "rates-d*", "sync-d*", "around*"),
            runs=("replay/lookahead/decimal",),
        ),
    ),
    "sync.shows_slow": (
        Trial(
            wrong=sync.ShowsSlow, algorithm="ranger", lines=("theta",), elsewhere=LOSES,
            cases=("first-sync-d*", "frozen-first-d*", "sync-d*"),
            runs=("replay/ranger/decimal",),
        ),
    ),
    "answer.zeros": kernel(faulty.Zeros),
    "answer.identity": kernel(faulty.Identity),
    "answer.stale": kernel(faulty.Stale),
    "answer.of_another": kernel(faulty.Another),
    "answer.nan": kernel(faulty.NotANumber),
    "answer.swallowed": kernel(faulty.Swallows),
    "answer.raises": tuple(
        trial for wrong in (faulty.Raises, faulty.Exits, faulty.Skips) for trial in kernel(wrong)
    ),
    "answer.hangs": kernel(faulty.Sleeps, "plain-d*"),
    "answer.noise": kernel(faulty.Draws),
    "answer.rounded": kernel(faulty.Rounds),
    "answer.shape": kernel(faulty.Ravels),
    "answer.dtype": kernel(faulty.Widens),
}
"""By the name of the fault."""
