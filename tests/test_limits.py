"""Limits that hold bit for bit: where one member of the family is another, or does nothing."""

import math
from typing import Any

import flint
import numpy as np
import pytest

import paratrooper_ref as pr
from tests.helpers import (
    FAMILY,
    FLOATS,
    assert_same_bits,
    assert_same_state,
    cast,
    last,
    start,
    stream,
    walk,
)

CALM, ROUGH = 1.0, 1e3  # on the two sides of the first-batch rule
STEPS = 30

# Equal settings of decay, l2, eps and warm-up, spelled out for optimizers of other defaults.
SETTINGS: dict[str, dict[str, Any]] = {
    "as Ranger": {"warmup": "momentum", "l2": 0.0, "eps_inside_root": False},
    "as Paratrooper": {"warmup": "auto", "l2": 1e-3, "eps_inside_root": True},
    "no warm-up": {
        "warmup": "none", "l2": 0.25, "weight_decay": 0.5, "eps": 1e-3, "eps_inside_root": False,
    },
    "small betas": {
        "warmup": "auto", "l2": 0.0, "eps_inside_root": True, "beta1": 0.5, "beta2": 0.75, "k": 4,
    },
}


def assert_same_run(
    a: pr.Optimizer,
    b: pr.Optimizer,
    *,
    scale: float = CALM,
    only: list[str] | None = None,
    dtype: Any = np.float64,
    theta: float = 1.0,
) -> pr.State:
    """Assert that two optimizers go the same way, step by step; return where they arrive."""
    params = cast(start(1, theta), dtype)
    gradients = [cast(g, dtype) for g in stream(STEPS, 7, scale)]
    runs = (walk(o, o.init(params), gradients, [0.05, 0.3] * (STEPS // 2)) for o in (a, b))
    arrived: pr.State
    for (arrived, _), (other, _) in zip(*runs, strict=True):
        assert_same_state(arrived, other, only)
    return arrived


@pytest.mark.parametrize("scale", [CALM, ROUGH])
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_paratrooper_under_a_ceiling_of_one_is_ranger(
    name: str, scale: float, dtype: type[Any]
) -> None:
    """R = 1 makes T = max(1, min(1, q)) = 1, and a step is Ranger's."""
    hyper = SETTINGS[name]

    state = assert_same_run(
        pr.Paratrooper(cap=1.0, **hyper), pr.Ranger(**hyper), scale=scale, dtype=dtype
    )

    assert state.warmup == (
        hyper["warmup"] if hyper["warmup"] != "auto" else
        "none" if scale == ROUGH else "momentum"
    )


@pytest.mark.parametrize("scale", [CALM, ROUGH])
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_paratrooper_under_a_ceiling_of_ten_is_rangerlars_from_one(
    name: str, scale: float, dtype: type[Any]
) -> None:
    """R = 10 makes T = max(1, min(10, q)), RangerLars's with lower = 1."""
    hyper = SETTINGS[name]

    assert_same_run(
        pr.Paratrooper(cap=10.0, **hyper), pr.RangerLars(lower=1.0, **hyper),
        scale=scale, dtype=dtype, theta=20.0,
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_paratrooper_without_a_lower_bound_is_rangerlars_as_first_published(name: str) -> None:
    """With lower = 0 and R = 10 T = max(0, min(10, q)): the first RangerLars, by default."""
    hyper = SETTINGS[name]

    assert_same_run(pr.Paratrooper(cap=10.0, lower=0.0, **hyper), pr.RangerLars(**hyper))


def test_a_ceiling_may_be_infinite() -> None:
    """An infinite bound never binds: RangerLars without one, in every line but the ceiling."""
    hyper = SETTINGS["as Paratrooper"]

    assert_same_run(
        pr.Paratrooper(cap=math.inf, **hyper),
        pr.RangerLars(lower=1.0, upper=math.inf, **hyper),
        theta=1e4,
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_rangerlars_with_both_bounds_one_is_ranger(name: str) -> None:
    """T is between 1 and 1."""
    hyper = SETTINGS[name]

    assert_same_run(pr.RangerLars(lower=1.0, upper=1.0, **hyper), pr.Ranger(**hyper))


@pytest.mark.parametrize("cap", [1.0, 0.5, 0.0])
def test_ceiling_below_one_is_a_ratio_of_one(cap: float) -> None:
    """The clamp ends with max(1, .), so that a lower ceiling changes nothing more."""
    assert_same_run(pr.Paratrooper(cap=cap, warmup="momentum"), pr.Paratrooper(
        cap=1.0, warmup="momentum"
    ))


@pytest.mark.parametrize(
    ("crossed", "straight"),
    [
        (pr.RangerLars(lower=3.0, upper=2.0), pr.RangerLars(lower=3.0, upper=3.0)),
        (pr.LAMB(lower=3.0, upper=2.0), pr.LAMB(lower=3.0, upper=3.0)),
        (
            pr.Paratrooper(lower=3.0, cap=2.0, warmup="momentum"),
            pr.Paratrooper(lower=3.0, cap=3.0, warmup="momentum"),
        ),
        # LAMB's bounds on the norm are the other way round: min comes last.
        (pr.LAMB(norm_lower=3.0, norm_upper=2.0), pr.LAMB(norm_lower=2.0, norm_upper=2.0)),
    ],
    ids=["rangerlars", "lamb", "paratrooper", "lamb norms"],
)
def test_crossed_bounds_end_with_the_last_of_them(
    crossed: pr.Optimizer, straight: pr.Optimizer
) -> None:
    """max(3, min(2, q)) = 3 = max(3, min(3, q)), and min(2, max(3, z)) = 2 for any z."""
    assert_same_run(crossed, straight)


def test_lamb_ratio_between_one_and_one_is_adamw() -> None:
    """LAMB's direction is AdamW's, decay included, and T = 1."""
    same: dict[str, Any] = {"eps": 1e-6, "weight_decay": 0.1}

    assert_same_run(pr.LAMB(lower=1.0, upper=1.0, **same), pr.AdamW(**same))


@pytest.mark.parametrize("warmup", ["momentum", "none", "auto"])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("scale", [CALM, ROUGH])
def test_ranger_is_lookahead_around_radamw(warmup: str, inside: bool, scale: float) -> None:
    """Ranger has no rule of its own; apart from beta1 the defaults are equal too."""
    hyper: dict[str, Any] = {"warmup": warmup, "eps_inside_root": inside, "l2": 0.125}

    assert_same_run(
        pr.Ranger(**hyper),
        pr.Lookahead(inner=pr.RAdamW(beta1=0.95, **hyper)),
        scale=scale,
    )


@pytest.mark.parametrize("name", [n for n, o in FAMILY.items() if "slow" not in o.slots()])
def test_lookahead_of_one_step_and_whole_steps_is_its_inner_optimizer(name: str) -> None:
    """With k = 1 and a = 1 φ = 0 φ + 1 θ: it returns θ, exactly, since this form is used."""
    inner = FAMILY[name]

    assert_same_run(
        pr.Lookahead(inner=inner, k=1, alpha=1), inner, only=["theta", *inner.slots()]
    )


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("ranger", pr.RAdamW(beta1=0.95)),
        ("rangerlars", pr.RangerLars(k=10**9)),
        ("paratrooper", pr.Paratrooper(k=10**9)),
        ("paratrooper none", pr.Paratrooper(k=10**9, warmup="none")),
        ("paratrooper cap", pr.Paratrooper(k=10**9, cap=3.5, warmup="momentum")),
    ],
)
def test_k_one_and_alpha_one_remove_lookahead(name: str, without: pr.Optimizer) -> None:
    """The same in the optimizers that have it built in: as if it never synchronised."""
    family = type(FAMILY[name])
    hyper = {**FAMILY[name].spec["hyper"], "k": 1, "alpha": 1.0}

    assert_same_run(family(**hyper), without, only=["theta", "m", "v"])


def test_alpha_zero_returns_to_the_start() -> None:
    """φ never moves, so that every k-th step ends at the start."""
    optimizer = pr.Lookahead(inner=pr.SGD(lr=0.5), k=3, alpha=0)
    state = optimizer.init(start(3))

    for t, (after, _) in enumerate(walk(optimizer, state, stream(9)), start=1):
        back = {name: np.array_equal(after.params[name], x) for name, x in state.params.items()}
        assert set(back.values()) == {t % 3 == 0}


@pytest.mark.parametrize(
    ("with_decay", "without"),
    [
        (pr.AdamW(weight_decay=0), pr.Adam(weight_decay=0)),
        (pr.RAdamW(weight_decay=0, l2=0), pr.RAdam(threshold=5)),
        (pr.RAdamW(weight_decay=0, l2=0.25), pr.RAdam(threshold=5, weight_decay=0.25)),
        (pr.Paratrooper(weight_decay=0), pr.Paratrooper(weight_decay=0, l2=0)),
        (pr.Paratrooper(weight_decay=0.5), pr.Paratrooper(weight_decay=0.5, l2=0.5)),
    ],
    ids=["adamw", "radamw", "radamw l2", "paratrooper", "paratrooper l2"],
)
def test_decay_of_zero_is_no_decay(with_decay: pr.Optimizer, without: pr.Optimizer) -> None:
    """AdamW without decay is Adam; l2=None is the value of weight_decay."""
    assert_same_run(with_decay, without)


def without_decay(optimizer: pr.Optimizer) -> pr.Optimizer:
    """Return the optimizer with no decay of either kind, nor that of a wrapped optimizer."""
    hyper = {
        name: 0.0 if name in ("weight_decay", "l2") else value
        for name, value in optimizer.spec["hyper"].items()
    }
    if optimizer.inner is not None:
        hyper["inner"] = without_decay(optimizer.inner)
    family: Any = type(optimizer)
    return family(**hyper)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", [n for n in FAMILY if n != "lars 2017"])
def test_without_decay_the_gradient_is_what_is_averaged(name: str) -> None:
    """With weight_decay = l2 = 0 m, v and u do not see theta: other starts, same buffers.

    The buffer of LARS in its form of 2017 holds the rate, which knows theta.
    """
    optimizer = without_decay(FAMILY[name])
    buffers = [s for s in optimizer.slots() if s in ("m", "v", "u")]

    here = list(walk(optimizer, optimizer.init(start(5)), stream(12)))
    there = list(walk(optimizer, optimizer.init(start(6, 4.0)), stream(12)))

    for (a, of_a), (b, _) in zip(here, there, strict=True):
        assert_same_state(a, b, buffers)
        for row in of_a.values():
            if "regularized" in row:
                assert_same_bits(row["regularized"], row["g"])


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("dtype", FLOATS)
def test_zero_gradients_without_decay_leave_theta(name: str, dtype: type[Any]) -> None:
    """D = 0/(0 + eps) = 0, T = 1 since the norm of D is 0, and (1 - a) θ + a θ = θ at a = 1/2."""
    optimizer = without_decay(FAMILY[name])
    if name == "lookahead sgd":  # at a = 0.8 the two products are rounded
        assert optimizer.inner is not None
        optimizer = pr.Lookahead(inner=optimizer.inner, k=5, alpha=0.5)
    params = cast(start(2), dtype)
    zeros = cast(start(0, 0.0), dtype)

    state = last(optimizer, optimizer.init(params), [zeros] * 14)

    for layer, x in params.items():
        assert_same_bits(state.params[layer], x)


@pytest.mark.parametrize("name", FAMILY)
def test_zero_weights_move(name: str) -> None:
    """A layer of zeros has no ratio and takes plain steps: finite, and away from zero."""
    optimizer = FAMILY[name]
    zeros = start(0, 0.0)

    state = last(optimizer, optimizer.init(zeros), stream(8))

    for layer, x in state.params.items():
        assert np.all(np.isfinite(x))
        assert np.all(x != zeros[layer])


def test_learning_rate_zero_moves_the_moments_alone() -> None:
    """Theta stays for any direction; in LARS of 2017 the buffer holds lr and stays 0 too."""
    for optimizer in FAMILY.values():
        state = optimizer.init(start(4))
        inner = optimizer.inner or optimizer

        after, _ = optimizer.step(state, stream(1)[0], lr=0.0)

        assert_same_state(
            pr.State(params=after.params), pr.State(params=state.params), ["theta"]
        )
        moved = any(np.any(x != 0) for s in ("m", "u") for x in (getattr(after, s) or {}).values())
        assert moved == (inner != pr.LARS())


def test_scalars_and_zeros_are_of_the_layers_own_number_system() -> None:
    """In balls: moments begin at 0, and what is formed of t is a ball."""
    adam = pr.Adam()
    state = adam.init({"x": np.array([flint.arb(1), flint.arb(2)], dtype=object)})
    assert [type(m) for m in state.slot("m")["x"]] == [flint.arb, flint.arb]
    assert all(m == 0 for m in state.slot("m")["x"])
    _, lines = adam.step(state, {"x": np.array([flint.arb(1), flint.arb(2)], dtype=object)})
    assert type(lines["x"]["beta1_t"]) is flint.arb
    assert lines["x"]["beta1_t"].overlaps(flint.arb(0.9))


def test_a_batch_is_warned_of_if_one_of_its_rows_never_moves() -> None:
    """Though others do."""
    optimizer = pr.Paratrooper(beta2=0.5)
    state = optimizer.init({"x": np.ones((2, 1))}, batch_axes=1)
    with pytest.warns(UserWarning, match="never"):
        optimizer.step(state, {"x": np.array([[2.0**-6], [2.0**6]])})
