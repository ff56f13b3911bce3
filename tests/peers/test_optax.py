"""optax: sgd, adam, adamw, radam, lamb, lars and lookahead, compiled, in double precision."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import paratrooper_ref as pr
from paratrooper_ref.arithmetic import Names, Number, sqrt
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lars import lars_2017
from paratrooper_ref.optimizers.radam import radam
from paratrooper_ref.optimizers.radamw import radamw
from tests import oracle
from tests.peers.layered import (
    Case,
    Course,
    History,
    dialect,
    evaluate,
    first_rectified,
    layered,
    mixed_rho,
    rewritten,
)

jax: Any = pytest.importorskip("jax", reason='jax comes with the extra "peers"')
optax: Any = pytest.importorskip("optax", reason='optax comes with the extra "peers"')

pytestmark = pytest.mark.peers

XLA = 2
"""Roundings that an operation may cost: XLA may write a / sqrt(b) as a * rsqrt(b).

It may also fuse a product and a sum into one rounding, which only helps, and add up a layer in
another order: an element of seven is then in six additions at most, where ours has it in three.
"""

Transform = Callable[[Any], Any]
"""What makes a transformation of optax from a rate, which may be a function of the count."""


# --- optax's lines, where they are not ours -------------------------------------------------


def corrected_eps(t: int, *, eps: Number, beta2: Number) -> Names:
    """Scale eps so that it is added to the root of the corrected v: sqrt(v_hat) + eps."""
    eps = eps * sqrt(1 - beta2**t)
    return locals()


def corrected_eps_root(t: int, *, eps: Number, beta2: Number) -> Names:
    """Scale eps so that it is added to the corrected v inside the root: sqrt(v_hat + eps)."""
    eps = eps * (1 - beta2**t)
    return locals()


def adam_eps_root(
    t: int, theta: Number, g: Number, m: Number, v: Number, *,
    lr: Number, beta1: Number, beta2: Number, eps: Number,
) -> Names:
    """Adam with eps inside the root: our lines but for the denominator."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g * g)
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * (m_hat / sqrt(v_hat + eps))
    return locals()


def decay_first(theta: Number, g: Number, *, weight_decay: Number) -> Names:
    """Add the decay before LARS sees the gradient, so that its norm has the decay inside."""
    g = g + weight_decay * theta
    weight_decay = weight_decay - weight_decay
    return locals()


def remembered(theta: Number) -> Names:
    """Keep the weights from before the step."""
    before = theta
    return locals()


def optax_lookahead(
    t: int, theta: Number, before: Number, update: Number, slow: Number, *,
    k: int, alpha: Number,
) -> Names:
    """Lookahead as one update of both weights, made from their difference after the step."""
    if t % k == 0:
        difference = before - update - slow
        theta = before - (update + (1 - alpha) * difference)
        slow = slow + alpha * difference
    return locals()


# --- running it -----------------------------------------------------------------------------


def run_optax(transform: Transform, course: Course, *, slow: bool, sign: int) -> History:
    """Return the steps of a transformation, with a pair of weights if it has slow ones.

    ``sign`` is that of its trace: of gradients, or of updates, which optax adds.
    """
    history: History = []
    with jax.enable_x64(True):
        rates = jax.numpy.asarray(course.rates)
        optimizer = transform(lambda count: rates[count])
        params = jax.tree.map(jax.numpy.asarray, course.params)
        if slow:
            params = optax.LookaheadParams.init_synced(params)
        state = optimizer.init(params)

        def step(params: Any, state: Any, g: Any) -> Any:
            updates, state = optimizer.update(g, state, params)
            return optax.apply_updates(params, updates), state

        compiled = jax.jit(step)
        for g in course.grads:
            params, state = compiled(params, state, g)
            history.append(jax.tree.map(np.asarray, slots(params, state, sign)))
    assert all(x.dtype == np.float64 for x in jax.tree.leaves(history))
    return history


def slots(params: Any, state: Any, sign: int) -> dict[str, Any]:
    """Return weights and state under our names."""
    found = {"theta": params}
    if isinstance(params, optax.LookaheadParams):
        found = {"theta": params.fast, "slow": params.slow}
    known = (optax.ScaleByAdamState, optax.TraceState)
    for part in jax.tree.leaves(state, is_leaf=lambda x: isinstance(x, known)):
        if isinstance(part, optax.ScaleByAdamState):
            found |= {"m": part.mu, "v": part.nu}
        elif isinstance(part, optax.TraceState):
            found |= {"u": {layer: sign * np.asarray(u) for layer, u in part.trace.items()}}
    return found


def case(
    peer: str,
    label: str,
    ours: Optimizer,
    transform: Transform,
    course: Course | None = None,
    lines: Optimizer | None = None,
) -> Case:
    """Return a setting in which optax is to agree with us."""
    course = course or layered(ours.hyper()["lr"])
    run = partial(
        run_optax, transform, course,
        slow="slow" in ours.slots(), sign=-1 if peer == "lars" else 1,
    )
    unseen = ("u",) if peer == "sgd" and ours.hyper()["momentum"] == 0 else ()
    return Case(f"optax.{peer}", label, ours, course, {"compiled": run}, lines, unseen, XLA)


def betas(ours: Optimizer) -> dict[str, float]:
    """Return what the Adam family has in common, in optax's names."""
    hyper = ours.hyper()
    return {"b1": hyper["beta1"], "b2": hyper["beta2"], "eps": hyper["eps"]}


def sgd_of(ours: pr.SGD) -> Transform:
    """Return optax.sgd after the decay, which optax leaves to another transformation."""
    return lambda rate: optax.chain(
        optax.add_decayed_weights(ours.weight_decay),
        optax.sgd(rate, ours.momentum or None, ours.nesterov),
    )


def adam_of(ours: pr.Adam) -> Transform:
    """Return optax.adam after the decay."""
    return lambda rate: optax.chain(
        optax.add_decayed_weights(ours.weight_decay), optax.adam(rate, **betas(ours))
    )


def adamw_of(ours: pr.AdamW, mask: Mapping[str, bool] | None = None) -> Transform:
    """Return optax.adamw, with decay where the mask says so."""
    decay = {"weight_decay": ours.weight_decay, "mask": mask}
    return lambda rate: optax.adamw(rate, **betas(ours), **decay)


def radam_of(ours: pr.RAdam) -> Transform:
    """Return optax.radam after the decay."""
    return lambda rate: optax.chain(
        optax.add_decayed_weights(ours.weight_decay),
        optax.radam(rate, **betas(ours), threshold=ours.threshold),
    )


def radamw_of(ours: pr.RAdamW | pr.Ranger) -> Transform:
    """Return RAdamW in optax's words: L2, then RAdam's direction, then decay, then the rate."""
    eps = {"eps": 0.0, "eps_root": ours.eps} if ours.eps_inside_root else {"eps": ours.eps}
    return lambda rate: optax.chain(
        optax.add_decayed_weights(ours.l2),
        optax.scale_by_radam(**betas(ours) | eps, threshold=ours.threshold),
        optax.add_decayed_weights(ours.weight_decay),
        optax.scale_by_learning_rate(rate),
    )


def lamb_of(ours: pr.LAMB) -> Transform:
    """Return optax.lamb."""
    return lambda rate: optax.lamb(rate, **betas(ours), weight_decay=ours.weight_decay)


def lars_of(ours: pr.LARS) -> Transform:
    """Return optax.lars."""
    return lambda rate: optax.lars(
        rate,
        weight_decay=ours.weight_decay,
        trust_coefficient=ours.trust_coefficient,
        eps=ours.eps,
        momentum=ours.momentum,
    )


def averaged(inner: Transform, ours: pr.Lookahead | pr.Ranger, **options: Any) -> Transform:
    """Return optax.lookahead around a transformation."""
    return lambda rate: optax.lookahead(inner(rate), ours.k, ours.alpha, **options)


# --- the settings ---------------------------------------------------------------------------


def sgd_case(label: str, ours: pr.SGD) -> Case:
    """Return a setting of optax.sgd."""
    return case("sgd", label, ours, sgd_of(ours))


def adam_case(label: str, ours: pr.Adam, course: Course | None = None) -> Case:
    """Return a setting of optax.adam."""
    return case("adam", label, ours, adam_of(ours), course)


def radam_case(label: str, ours: pr.RAdam, course: Course | None = None) -> Case:
    """Return a setting of optax.radam, whose eps is named unless it is 0."""
    named = rewritten(ours, corrected_eps, radam) if ours.eps else ours
    return case("radam", label, named, radam_of(ours), course)


def radamw_case(label: str, ours: pr.RAdamW, course: Course | None = None) -> Case:
    """Return a setting of RAdamW as a chain around optax.scale_by_radam."""
    eps = corrected_eps_root if ours.eps_inside_root else corrected_eps
    named = rewritten(ours, eps, radamw) if ours.eps else ours
    return case("radam", label, named, radamw_of(ours), course)


def lars_case(label: str, ours: pr.LARS, course: Course | None = None) -> Case:
    """Return a setting of optax.lars, whose decay is named unless it is 0."""
    named = rewritten(ours, decay_first, lars_2017) if ours.weight_decay else ours
    return case("lars", label, named, lars_of(ours), course)


def lookahead_case(
    label: str, ours: pr.Lookahead | pr.Ranger, inner: Transform, course: Course | None = None
) -> Case:
    """Return a setting of optax.lookahead, which writes the synchronisation as an update."""
    lines = rewritten(ours, remembered, *ours.stages()[:-1], optax_lookahead)
    return case("lookahead", label, ours, averaged(inner, ours), course, lines)


LOUD = layered(1e-3, quiet=False)
HEAVY = pr.SGD(momentum=0.9)
DECAYED = pr.Adam(lr=0.01, weight_decay=0.1)
PARTLY = {name: name != "vector" for name in LOUD.params}
RANGER = pr.Ranger(eps=0.0, l2=1e-2)

CASES = [
    sgd_case("as it comes", pr.SGD()),
    sgd_case("momentum", pr.SGD(momentum=0.9)),
    sgd_case("Nesterov, decay first", pr.SGD(momentum=0.95, nesterov=True, weight_decay=0.05)),
    adam_case("as it comes", pr.Adam()),
    adam_case("decay first", pr.Adam(lr=0.01, weight_decay=0.1)),
    adam_case("short memory", pr.Adam(lr=0.1, beta1=0.3, beta2=0.8, eps=1e-3)),
    adam_case("long memory", pr.Adam(beta1=0.99, beta2=0.99999)),
    adam_case("eps = 0", pr.Adam(eps=0.0), LOUD),
    case("adamw", "as ours comes", pr.AdamW(), adamw_of(pr.AdamW())),
    case(
        "adamw",
        "strong decay",
        strong := pr.AdamW(lr=0.05, weight_decay=0.9, beta1=0.95, beta2=0.98),
        adamw_of(strong),
    ),
    case(
        "adamw",
        "decay masked",
        pr.AdamW().for_layers({"vector": {"weight_decay": 0.0}}),
        adamw_of(pr.AdamW(), PARTLY),
    ),
    radam_case("as it comes", pr.RAdam(threshold=5)),
    radam_case("the paper's switch, decay first", pr.RAdam(weight_decay=0.1, beta1=0.95)),
    radam_case("long memory", pr.RAdam(beta2=0.99999, eps=1e-4)),
    radam_case("medium memory", pr.RAdam(lr=0.1, beta1=0.8, beta2=0.98, eps=1e-2)),
    radam_case("never rectified", pr.RAdam(lr=0.1, beta2=0.6, threshold=5)),
    radam_case("eps = 0", pr.RAdam(eps=0.0), LOUD),
    radamw_case("in a chain: RAdamW", pr.RAdamW(l2=1e-2)),
    radamw_case("in a chain: RAdamW, eps = 0", pr.RAdamW(eps=0.0, weight_decay=0.3), LOUD),
    radamw_case("in a chain: RAdamW, eps inside", pr.RAdamW(eps=1e-3, eps_inside_root=True)),
    *(
        case("lamb", label, ours, lamb_of(ours))
        for label, ours in {
            "as ours comes": pr.LAMB(),
            "no decay": pr.LAMB(weight_decay=0.0, lr=0.01),
            "short memory": pr.LAMB(beta1=0.5, beta2=0.9, weight_decay=0.5, eps=1e-3),
        }.items()
    ),
    lars_case("no decay", pr.LARS(weight_decay=0.0)),
    lars_case("no momentum", pr.LARS(weight_decay=0.0, momentum=0.0, lr=10.0, eps=1e-3)),
    lars_case("decay", pr.LARS()),
    lars_case("strong decay", pr.LARS(weight_decay=0.5, trust_coefficient=0.1, eps=1e-2)),
    lookahead_case("SGD", pr.Lookahead(inner=HEAVY), sgd_of(HEAVY)),
    lookahead_case("Adam", pr.Lookahead(inner=DECAYED, k=5, alpha=0.8), adam_of(DECAYED)),
    lookahead_case("every step", pr.Lookahead(inner=HEAVY, k=1, alpha=0.25), sgd_of(HEAVY)),
    lookahead_case("no slow step", pr.Lookahead(inner=HEAVY, k=3, alpha=1.0), sgd_of(HEAVY)),
    lookahead_case("in a chain: Ranger, eps = 0", RANGER, radamw_of(RANGER), LOUD),
]


@pytest.mark.parametrize("agreed", CASES, ids=lambda c: f"{c.peer.split('.')[-1]}, {c.label}")
def test_optax_and_we_round_the_same_numbers(agreed: Case) -> None:
    """Both stay within the rounding errors of their lines, because the lines are the same.

    The same in 60 digits, that is; the bound is the running error, nothing is added to it.
    In RAdam's is what cancels in ρ; `test_rho_is_known_to_less_than_it_seems` has it in figures.
    """
    agreed.check()


# --- where optax is another algorithm -------------------------------------------------------


@dialect(
    "adds eps to the root of the corrected v",
    "eps √(1 - β2^t) for eps, or eps = 0",
    "optax.radam",
)
@pytest.mark.parametrize("ours", [pr.RAdam(), pr.RAdamW()], ids=lambda ours: ours.algorithm)
def test_eps_meets_the_corrected_root(ours: Any) -> None:
    """As Adam has it, eps weighs √(1 - β2^t) times what it does beside the raw root.

    That is a 14th at t = 5, the first rectified step, where a gradient of the size of eps sees it.
    """
    make: Any = radam_case if isinstance(ours, pr.RAdam) else radamw_case
    named = make("eps", ours, layered(1e-3, steps=20))
    named.apart(ours)
    named.check()


@dialect(
    "eps_root: added to the corrected v, inside the root",
    "eps_inside_root with eps (1 - β2^t), in RAdamW; none in Adam",
    "optax.adam",
    "optax.adamw",
    "optax.radam",
    "optax.lamb",
)
def test_eps_root_meets_the_corrected_v() -> None:
    """RAdamW's eps inside the root is added to the raw v, and our Adam has none inside."""
    inside = pr.RAdamW(eps=1e-3, eps_inside_root=True)
    radamw_case("eps_root", inside, layered(1e-3, steps=20)).apart(inside)
    ours, course = pr.Adam(eps=1e-3), layered(1e-3, steps=20)
    root = case(
        "adam",
        "eps_root",
        rewritten(ours, adam_eps_root),
        lambda rate: optax.adam(rate, eps=0.0, eps_root=ours.eps),
        course,
    )
    root.apart(ours)
    root.check()


@dialect(
    "rectifies where ρ ≥ threshold, which ρ may round up to",
    "ρ > threshold, of the exact ρ",
    "optax.radam",
)
def test_rho_reaches_its_limit_in_doubles() -> None:
    """For β2 = 0.6, ρ rises to ρ∞ = 4 and rounds to it at t = 81, where r is 0/0 in optax."""
    ours, course = pr.RAdam(beta2=0.6, threshold=4), layered(1e-3, steps=85)
    history = run_optax(radam_of(ours), course, slow=False, sign=1)
    bad = [t for t, step in enumerate(history, 1) if np.isnan(step["theta"]["vector"]).any()]
    assert bad == [81, 82, 83, 84, 85]
    evaluate(ours, course)  # exact scalars stay below, and nothing here is not a number


@dialect(
    "in single precision: ρ∞ in double, β2^t in float32",
    "scalars are exact, or all of one precision",
    "optax.radam",
)
def test_a_single_precision_rho_mixes_precisions() -> None:
    """Under jax β2^t is a float32 from a rounded β2, but Python has made ρ∞ from the double.

    For β2 = 0.9999 the double ρ∞ is 19999, that of the nearest float32 19995.7; so the
    difference of the two terms is 3.3 too large and the switch comes at t = 2, not 6.
    """
    ours, theta = pr.RAdam(lr=0.1, beta2=0.9999, threshold=5), np.ones(1, np.float32)
    with jax.enable_x64(False):
        optimizer = radam_of(ours)(0.1)
        state = optimizer.init(theta)
        updates = []
        for _ in range(2):
            update, state = optimizer.update(theta, state, theta)
            updates.append(float(update[0]))
    assert updates[0] == pytest.approx(-0.1, rel=1e-6)  # not rectified
    assert updates[1] > -0.01  # rectified
    assert [mixed_rho(0.9999, t) > 5 for t in (1, 2)] == [False, True]
    assert first_rectified(ours) == first_rectified(ours, np.float32, "array") == 6


def test_rho_is_known_to_less_than_it_seems() -> None:
    """Its terms, near ρ∞, are known as well as 1 - β2^t is, but no branch flips in double.

    With u = 2^-53 the power is off by u at most, and 1 - β2^t, near t (1 - β2), by u over that;
    the term 2 t β2^t / (1 - β2^t) is below 2 / (1 - β2), so ρ is off by 2 u / (t (1 - β2)²),
    and by a few ulps of ρ∞ beside: 5e-11 for β2 = 0.999 at the switch, where r, with ρ - 4 in
    its root, is off by half of that.
    """
    with jax.enable_x64(True):
        power = jax.jit(lambda beta2, count: beta2**count)
        for beta2 in (0.9, 0.99, 0.999, 0.9999):
            rho_inf = 2 / (1 - beta2) - 1
            for t in range(1, 50):
                beta2_t = float(power(beta2, jax.numpy.asarray(t, jax.numpy.int32)))
                rho = rho_inf - 2 * t * beta2_t / (1 - beta2_t)
                wanted = float(oracle.scalars(beta2, beta2, t)["rho"])
                bound = 2.0**-53 * (2 / (t * (1 - beta2) ** 2) + 8 * rho_inf)
                assert abs(rho - wanted) <= bound, (beta2, t)
                assert (rho >= 5) == (wanted > 5)
    assert 2.0**-53 * (2 / (5 * 0.001**2) + 8 * 1999) < 5e-11


@dialect(
    "takes the norm of g + λθ", "λ = 0, with λθ in the gradient; or λ = 0", "optax.lars"
)
def test_lars_measures_the_decayed_gradient() -> None:
    """[LR] adds ‖g‖ and λ‖θ‖; optax has the norm of the sum, which is no larger, so it steps on."""
    ours = pr.LARS(weight_decay=0.1)
    decayed = lars_case("decay inside the norm", ours, layered(0.1, steps=20))
    decayed.apart(ours)
    decayed.check()


@dialect(
    "reset_state: forgets the inner state at a synchronisation",
    "begun anew every k steps",
    "optax.lookahead",
)
def test_a_synchronisation_may_forget() -> None:
    """[LA] keeps the moments; with reset_state they, and all counts, begin at 0 again.

    A schedule's count is one of them, so its rates begin again as well.
    """
    ours = pr.Lookahead(inner=pr.Adam(), k=7)
    kept = lookahead_case("forgetful", ours, adam_of(pr.Adam()))
    transform = averaged(adam_of(pr.Adam()), ours, reset_state=True)
    history = run_optax(transform, kept.course, slow=True, sign=1)
    # After a synchronisation the moments are gone there already, here before the next step.
    forgetful = replace(kept, theirs={"compiled": lambda: history}, unseen=("m", "v"))
    forgetful.apart(ours)
    rates = [kept.course.rates[i % ours.k] for i in range(len(history))]
    course = replace(kept.course, rates=rates)
    replace(forgetful, course=course, restart=ours.k).check()


def two_steps(transform: Any, *grads: Any) -> None:
    """Take two steps on two layers."""
    params = {"a": np.ones(2), "b": np.ones(2)}
    with jax.enable_x64(True):
        state = transform.init(params)
        for g in grads:
            _, state = transform.update(g, state, params)


@dialect(
    "a gradient of None is refused, then or at the next step",
    "freezes the layer for the step",
    *(f"optax.{name}" for name in ("sgd", "adam", "adamw", "radam", "lamb", "lars")),
)
@pytest.mark.parametrize(
    "transform",
    [
        optax.sgd(0.1, 0.9), optax.adam(0.1), optax.adamw(0.1), optax.radam(0.1),
        optax.lamb(0.1), optax.lars(0.1),
    ],
    ids=("sgd", "adam", "adamw", "radam", "lamb", "lars"),
)
def test_none_is_a_hole_in_the_tree(transform: Any) -> None:
    """To optax None is a layer that is not there, and the state that comes back has none."""
    both = {"a": np.ones(2), "b": np.ones(2)}
    two_steps(transform, both, both)
    with pytest.raises((TypeError, ValueError)):
        two_steps(transform, both | {"b": None}, both)


@dialect("default threshold = 5", "threshold = 5", "optax.radam")
@dialect("default weight_decay = 1e-4", "weight_decay = 1e-4", "optax.adamw")
@dialect("default weight_decay = 0", "weight_decay = 0", "optax.lamb", "optax.lars")
def test_defaults() -> None:
    """What has a default on both sides has the same one, but for the decay and the switch."""
    names = {"beta1": "b1", "beta2": "b2"}
    differ = []
    for ours in (pr.SGD(), pr.Adam(), pr.AdamW(), pr.RAdam(), pr.LAMB(), pr.LARS()):
        theirs = inspect.signature(getattr(optax, ours.algorithm)).parameters
        for name, x in ours.hyper().items():
            given = theirs.get(names.get(name, name))
            if given is not None and given.default not in (x, None, inspect.Parameter.empty):
                differ.append((ours.algorithm, name, given.default, x))
    assert differ == [
        ("adamw", "weight_decay", 1e-4, 1e-2),
        ("radam", "threshold", 5, 4),
        ("lamb", "weight_decay", 0, 1e-2),
        ("lars", "weight_decay", 0, 5e-4),
    ]


@dialect(
    "a schedule is read before the step is counted: step t has the rate of t - 1",
    "the rate of t, so that the last step's is 0",
    "optax.cosine_decay_schedule",
    "optax.linear_schedule",
)
@pytest.mark.parametrize("steps", [1, 7, 100])
def test_schedules_are_the_same_curves(steps: int) -> None:
    """Both are lr times a curve of t; optax rounds it at most ten times where ours does it once.

    The angle is rounded twice, and is at most π, so the cosine is off by 2 π units, its
    own last place and that of 1 + cos by 2 each; half of that, and 4 for the power 1, the
    factor 1 - 0, the sum with 0 and lr.
    """
    lr, flat = 0.3, 0.72
    cosine = pr.FlatThenCosine(steps=steps, flat=flat)
    warmup = pr.LinearWarmup(steps=steps)
    first = round(flat * steps)
    with jax.enable_x64(True):
        falling = optax.join_schedules(
            [
                optax.constant_schedule(lr),
                optax.cosine_decay_schedule(lr, max(steps - first, 1)),
            ],
            [first],
        )
        rising = optax.linear_schedule(0.0, lr, steps)
        for ours, theirs in ((cosine, falling), (warmup, rising)):
            for t in range(1, steps + 1):
                off = abs(ours((lr,), t)[1] - float(theirs(t)))
                assert off <= 10 * lr * 2.0**-53, (ours, t)

        optimizer = optax.sgd(rising)
        state = optimizer.init(np.ones(1))
        update, _ = optimizer.update(np.ones(1), state)
        assert float(update[0]) == float(rising(0)) == 0
    assert warmup((lr,), 1)[1] == lr / steps
