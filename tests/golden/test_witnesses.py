"""Witnesses younger than the corpus 1.0.0: wrong code that older cases let through, not they."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

import pytest

from paratrooper_ref.conformance import kill
from paratrooper_ref.conformance.backend import Params, Spec, Unsupported, optimizer_of
from paratrooper_ref.conformance.gate import Gate, cases
from paratrooper_ref.conformance.reference import ReferenceBackend
from paratrooper_ref.conformance.verdict import CONFORMS, DEPARTS, UNSUPPORTED
from paratrooper_ref.golden.corpus import CHANGES, Corpus, shipped
from paratrooper_ref.golden.recipes.core import ADAPTIVE, RECTIFIED
from paratrooper_ref.variants import VARIANTS, Variant
from tests.conformance.faults.kept import CountsInBFloat16, CountsInFloat16
from tests.conformance.faults.layers import CountsFrozen, NeverLate, SharesHyper, Unbound

CORPUS: Final = Corpus()
PUBLISHED: Final = ("radamw", "ranger", "rangerlars")
SLOW: Final = ("lookahead", "ranger", "rangerlars", "paratrooper")
COUNTING: Final = tuple(name for name in ADAPTIVE if name not in SLOW)

# What each version has added, by what it is there for.
ADDED_1_1: Final[dict[str, tuple[str, ...]]] = {
    "frozen": ("*/loud-frozen-*",),
    "still": ("*/quiet-still-*",),
    "late": ("*/late-choice-momentum-*",),
    "waiting": ("*/sync-waiting-*",),
    "published": ("*-published",),
    "rates": (
        "sgd/plateau-again-*", "sgd/plateau-cooldown-*", "sgd/plateau-share-*",
        "sgd/plateau-negative-*", "sgd/cosine-*", "sgd/warmup-*",
    ),
    "threshold": ("radam/switch-0_9995-*",),
}
ADDED_1_2: Final[dict[str, tuple[str, ...]]] = {
    "counted": ("*/counted-256-*", "*/counted-2048-*"),
    "counted in float16": ("*/counted-2048-*",),
    "own sync": ("*/own-sync-*",),
    "no momentum": ("lars/no-momentum-*",),
}
ADDED_1_3: Final[dict[str, tuple[str, ...]]] = {
    "at rest": ("*/at-rest-*",),
    "faint": ("*/faint-*",),
    "coasting": ("lars/coasting-*",),
}
ADDED: Final = {**ADDED_1_1, **ADDED_1_2, **ADDED_1_3}


def added(case: str, what: str) -> bool:
    """Return whether a case has been added for a purpose."""
    return any(fnmatchcase(case, pattern) for pattern in ADDED[what])


@pytest.mark.parametrize(
    ("version", "of", "count"),
    [("1.1.0", ADDED_1_1, 52), ("1.2.0", ADDED_1_2, 26), ("1.3.0", ADDED_1_3, 32)],
)
def test_each_case_is_there_for_something(
    version: str, of: dict[str, tuple[str, ...]], count: int
) -> None:
    """What the list of changes says is new is what this module knows, and no other case is."""
    changes = (shipped() / CHANGES).read_text()
    _, _, rest = changes.partition(f"## {version}\n")
    listed = re.findall(r"^- new: `(.*)`$", rest.partition("\n## ")[0], re.MULTILINE)
    known = [case for case in CORPUS.manifest().cases if any(added(case, what) for what in of)]
    assert listed == known
    assert len(known) == count


def zeros_left_out() -> ReferenceBackend:
    """Return a backend to which a gradient of zeros is none."""
    return ReferenceBackend("float32", variant="first_batch.zeros_left_out")


def waits() -> ReferenceBackend:
    """Return a backend that does not synchronise where it takes no step."""
    return ReferenceBackend("float32", variant="lookahead.waits")


WRONG: Final[list[tuple[Callable[[], ReferenceBackend], str, tuple[str, ...]]]] = [
    (CountsFrozen, "frozen", RECTIFIED),
    (zeros_left_out, "still", RECTIFIED),
    (NeverLate, "late", ("paratrooper",)),
    (waits, "waiting", ("ranger", "rangerlars", "paratrooper")),
    (CountsInBFloat16, "counted", COUNTING),
    (CountsInFloat16, "counted in float16", COUNTING),
    (partial(SharesHyper, shared="alpha"), "own sync", SLOW),
    (partial(SharesHyper, shared="k"), "own sync", SLOW),
    (Unbound, "no momentum", ("lars",)),
]


@pytest.mark.parametrize(
    ("make", "what", "algorithm"),
    [(make, what, name) for make, what, names in WRONG for name in names],
)
def test_what_is_wrong_shows_in_its_witness_alone(
    make: Callable[[], ReferenceBackend], what: str, algorithm: str
) -> None:
    """In each of them, and in no other case of the algorithm."""
    results = Gate(make()).run(cases(algorithm, CORPUS))
    seen = {result.case for result in results if result.verdict != CONFORMS}
    assert seen == {result.case for result in results if added(result.case, what)}
    assert len(seen) == (1 if what == "counted in float16" else 2)
    assert {result.verdict for result in results} == {CONFORMS, DEPARTS}


@pytest.mark.parametrize(
    ("make", "what"), [(CountsInBFloat16, "counted"), (CountsInFloat16, "counted in float16")]
)
@pytest.mark.parametrize("algorithm", [name for name in ADAPTIVE if name in SLOW])
def test_a_count_shows_at_the_step_it_does_not_reach(
    make: Callable[[], ReferenceBackend], what: str, algorithm: str
) -> None:
    """Else only late, by when it synchronises, or in what Paratrooper's ceiling has come to."""
    results = Gate(make()).run(cases(algorithm, CORPUS))
    seen = {result.case for result in results if result.verdict != CONFORMS}
    here = {result.case for result in results if added(result.case, what)}
    assert here
    assert here <= seen
    assert all(fnmatchcase(case, "*/late-d*") or "/shut-" in case for case in seen - here)


class OneDecay(ReferenceBackend):
    """What most packages have: no L2 decay beside the other one, no lower bound."""

    def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
        """Decline what they lack."""
        hyper = optimizer_of(spec).hyper()
        layers = [optimizer_of(spec).hyper(layer) for layer in params]
        if any(h["l2"] for h in (hyper, *layers)) or hyper.get("lower"):
            msg = "no such argument"
            raise Unsupported(msg)
        return super().start(spec, params, state)


WRONG_ANYHOW: Final = {
    "step.uphill": 4, "adam.beta2_ignored": 4, "radamw.eps_inside_root_always": 1,
    "radam.threshold_6": 1, "radamw.weight_decay_ignored": 1, "lookahead.never": 1,
}


@pytest.mark.parametrize("algorithm", PUBLISHED)
def test_a_backend_of_one_decay_is_held_to_proved_numbers(algorithm: str) -> None:
    """It has nothing else to be held to; and what is wrong with it shows."""
    goldens = cases(algorithm, CORPUS)
    asked = [golden for golden in goldens if added(golden.case, "published")]
    assert len(asked) == (5 if algorithm == "radamw" else 6)
    for result in Gate(OneDecay()).run(goldens):
        held = added(result.case, "published")
        assert result.verdict == (CONFORMS if held else UNSUPPORTED), result.case
    for variant, least in WRONG_ANYHOW.items():
        if VARIANTS[variant].fits(asked[0].optimizer):
            verdicts = [r.verdict for r in Gate(OneDecay(variant=variant)).run(asked)]
            assert verdicts.count(DEPARTS) >= least, variant


def single() -> ReferenceBackend:
    """Return a backend whose rho has powers in float32, as optax's and torch's capturable one."""
    line = """import numpy as np
f = np.float32
power = f(float(beta2)) ** f(t)
rho = 0 * beta2 + float(f(float(rho_inf)) - f(2) * f(t) * power / (f(1) - power))"""
    variant = Variant(
        name="radam.rho_single", rules=("radam",), line=line, kind="bug", seen="optax, torch",
        was="rho = rho_inf - 2 * t * beta2_t / (1 - beta2_t)",
    )
    return ReferenceBackend("float32", variant=variant)


def test_the_branch_of_a_rho_in_single_precision_is_another_one() -> None:
    """At torch's threshold too, and where rho is off by a fifth, not by 3 as at 0.9999."""
    (result,) = Gate(single()).run(cases("radam", CORPUS, only="radam/switch-0_9995-*"))
    assert (result.verdict, result.t) == (DEPARTS, 5)
    assert not CORPUS.load(CORPUS.manifest().cases[result.case]).steps[0].lines["w"]["rectified"]
    assert max(share.share for share in result.shares) > 1e6


def test_a_threshold_that_is_always_4_shows_in_radam() -> None:
    """Whose own default it is."""
    fixed = ReferenceBackend("float32", variant="radam.threshold_4")
    seen = {r.case for r in Gate(fixed).run(cases("radam", CORPUS)) if r.verdict == DEPARTS}
    assert seen == {"radam/switch-0_9995-momentum-decimal"}


@pytest.mark.parametrize(
    ("variant", "algorithm", "what"),
    [
        ("lamb.direction_norm_unguarded", "lamb", "at rest"),
        ("lars.direction_norm_unguarded", "lars", "at rest"),
        ("lars_2019.direction_norm_unguarded", "lars_2019", "at rest"),
        ("lars.ratio_at_least_1_at_rest", "lars", "coasting"),
    ],
)
def test_a_norm_of_zero_that_is_not_guarded_shows_in_its_witness_alone(
    variant: str, algorithm: str, what: str
) -> None:
    """Where nothing moves a layer that has weights, and where decay alone does."""
    results = Gate(ReferenceBackend("float32", variant=variant)).run(cases(algorithm, CORPUS))
    seen = {r.case for r in results if r.verdict != CONFORMS}
    here = {r.case for r in results if added(r.case, what)}
    assert seen == {case for case in here if case.startswith(f"{algorithm}/")}
    assert len(seen) == 2


NEW: Final[dict[str, set[str]]] = {
    "plateau.bad_stays": {"plateau-again"},
    "plateau.cooldown_ignored": {"plateau-cooldown"},
    "plateau.cooldown_short": {"plateau-cooldown"},
    "plateau.threshold_absolute": {"plateau-share", "plateau-negative"},
    "plateau.threshold_of_size": {"plateau-negative"},
    "cosine.from_zero": {"cosine"},
    "cosine.linear": {"cosine"},
    "cosine.rises_again": {"cosine"},
    "cosine.squared": {"cosine"},
    "cosine.truncated": {"cosine"},
    "warmup.from_zero": {"warmup"},
}


@pytest.mark.parametrize("name", NEW)
def test_each_variant_of_a_schedule_shows_in_its_witness_alone(name: str) -> None:
    """No older case kills it."""
    killers = kill.load().schedules[name].killers()
    assert set(killers) == {f"sgd/{what}-decimal" for what in NEW[name]}
    assert all(added(case, "rates") for case in killers)
