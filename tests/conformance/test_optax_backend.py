"""OptaxBackend: optax's own transformations, and Paratrooper as one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from paratrooper_ref.conformance import OptaxBackend, Profile, Unsupported, check
from paratrooper_ref.conformance.backend import Lacks
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    KEEPS,
    NON_FINITE,
    UNSTABLE,
    UNSUPPORTED,
)
from paratrooper_ref.optimizers import Adam, AdamW, Lookahead, Paratrooper

jax: Any = pytest.importorskip("jax", reason='jax comes with the extra "peers"')
optax: Any = pytest.importorskip("optax", reason='optax comes with the extra "peers"')

from tests.backends import paratrooper_optax as written  # noqa: E402 - it needs both

pytestmark = pytest.mark.peers

SECONDS = 60.0  # a step may take, which may have to be compiled

Hyper = Mapping[str, Any]


def decayed(inner: Any) -> Any:
    """Return a transformation after L2 decay, which optax leaves to another."""
    return lambda h: optax.chain(optax.add_decayed_weights(h["weight_decay"]), inner(h))


def adam(h: Hyper) -> Any:
    """Return Adam."""
    return optax.adam(h["lr"], h["beta1"], h["beta2"], h["eps"])


def sgd(h: Hyper) -> Any:
    """Return SGD, which has no dampening."""
    if h["dampening"]:
        name = "dampening"
        raise Lacks(name)
    return optax.sgd(h["lr"], h["momentum"], h["nesterov"])


def radam(h: Hyper) -> Any:
    """Return RAdam, which has no warm-up but momentum."""
    if h["warmup"] != "momentum":
        name = "warmup"
        raise Lacks(name)
    return optax.radam(h["lr"], h["beta1"], h["beta2"], h["eps"], threshold=h["threshold"])


def lookahead(h: Hyper) -> Any:
    """Return Lookahead around what optax has as published."""
    inner: dict[str, Any] = {
        "sgd": decayed(sgd),
        "adam": decayed(adam),
        "adamw": lambda h: optax.adamw(
            h["lr"], h["beta1"], h["beta2"], h["eps"], weight_decay=h["weight_decay"]
        ),
        "lamb": lambda h: optax.lamb(
            h["lr"], h["beta1"], h["beta2"], h["eps"], weight_decay=h["weight_decay"]
        ),
    }
    if h["inner"] not in inner:
        msg = f"an inner {h['inner']} is a dialect"
        raise Unsupported(msg)
    return optax.lookahead(inner[h["inner"]](h), h["k"], h["alpha"])


def paratrooper(jit: bool = False, dtype: str = "float32", make: Any = None) -> OptaxBackend:
    """Return the backend of our own transformation, which forms its scalars in double."""
    profile = Profile(dtype=dtype, flush=True)
    make = make or written.paratrooper
    return OptaxBackend(make, jit=jit, holes=True, profile=profile)


# ------------------------------------------------------------------ what conforms

HOLE = "None is a hole in its tree of gradients"
OTHER_FORM = "lars.decay_in_norm is no variant of lars_2019, but of lars_2017"

SETTINGS: dict[str, tuple[Any, str, str | None, dict[str, Any], set[str]]] = {
    "adam": (optax.adam, "adam", None, {}, {HOLE}),
    "adam, decay first": (decayed(adam), "adam", None, {}, {HOLE}),
    "adamw": (optax.adamw, "adamw", None, {}, {HOLE}),
    "sgd": (decayed(sgd), "sgd", None, {}, {HOLE}),
    "lamb": (optax.lamb, "lamb", None, {}, {HOLE}),
    "lars": (
        optax.lars, "lars", "lars.decay_in_norm", {"state": {"u": "-trace"}}, {HOLE, OTHER_FORM}
    ),
    "lookahead": (lookahead, "lookahead", None, {}, {HOLE, "an inner radam is a dialect"}),
}
"""By name: what to make, algorithm, dialect, options, and what cannot be asked of it."""


@pytest.mark.parametrize("name", SETTINGS)
def test_optax_is_within_the_bounds_of_its_profile(name: str) -> None:
    """At factor 1, in float32, with constants formed in double and powers of t in single."""
    make, algorithm, dialect, options, unasked = SETTINGS[name]
    report = check(OptaxBackend(make, **options), algorithm, dialect=dialect)
    assert set(report.counts) == {CONFORMS, UNSUPPORTED}, str(report)
    assert {r.detail for r in report.results if r.verdict == UNSUPPORTED} == unasked


@pytest.mark.parametrize("name", SETTINGS)
def test_so_it_is_when_compiled(name: str) -> None:
    """XLA fuses products and sums, and writes a quotient of a root as a product."""
    make, algorithm, dialect, options, _ = SETTINGS[name]
    backend = OptaxBackend(make, jit=True, **options)
    report = check(backend, algorithm, dialect=dialect, only="*-decimal", seconds=SECONDS)
    assert report.counts[CONFORMS] > 0
    assert set(report.counts) <= {CONFORMS, UNSUPPORTED}, str(report)


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "compiled"])
def test_radam_is_where_its_branch_is_decided(jit: bool) -> None:
    """Its eps is added to the corrected root; in single precision ρ is no more than near."""
    backend = OptaxBackend(decayed(radam), jit=jit)
    report = check(
        backend, "radam", dialect="radam.eps_corrected", only="radam/*", seconds=SECONDS
    )
    assert set(report.counts) == {CONFORMS, UNSTABLE}, str(report)
    unstable = {r.case for r in report.results if r.verdict == UNSTABLE}
    assert all(case.startswith("radam/switch-0_999") for case in unstable)


@pytest.mark.parametrize(
    ("make", "algorithm", "dtype"),
    [
        (optax.adamw, "adamw", "float64"),
        (optax.adamw, "adamw", "bfloat16"),
        (lookahead, "lookahead", "float64"),
    ],
)
def test_other_dtypes(make: Any, algorithm: str, dtype: str) -> None:
    """Doubles are switched on for the calls alone."""
    report = check(OptaxBackend(make, dtype=dtype), algorithm)
    assert set(report.counts) <= {CONFORMS, UNSUPPORTED}, str(report)
    assert not jax.config.jax_enable_x64
    assert jax.numpy.ones(1, float).dtype == np.float32


@pytest.mark.parametrize(("jit", "only"), [(False, "*"), (True, "*-decimal")])
def test_paratrooper_conforms(jit: bool, only: str) -> None:
    """Within the bounds of scalars in double, and near them; by itself too."""
    report = check(paratrooper(jit), "paratrooper", only=only, seconds=SECONDS)
    assert set(report.counts) == {CONFORMS}, str(report)
    assert report.counts[CONFORMS] == report.total


@pytest.mark.parametrize("jit", [False, True])
def test_the_bound_is_no_wider_than_it_has_to_be(jit: bool) -> None:
    """Of the lines as published, which it keeps to; other forms widen it."""
    backend = paratrooper(jit)
    backend.profile = backend.profile.but(forms=False)
    only = "paratrooper/layers-decimal"
    report = check(backend, "paratrooper", only=only, runs=False, seconds=SECONDS)
    assert report.worst is not None
    assert 0.9 < report.worst.share <= 1


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_paratrooper_in_other_dtypes(dtype: str) -> None:
    """With 8 bits the norm of a direction may be 0 or not: a few cases are not decided."""
    report = check(paratrooper(dtype=dtype), "paratrooper", runs=False)
    undecided = {UNSTABLE} if dtype == "bfloat16" else set()
    assert set(report.counts) == {CONFORMS, *undecided}, str(report)
    assert report.counts[CONFORMS] > 0.9 * report.total


# ------------------------------------------------------------------ the known trap


def test_a_single_precision_rho_decides_nothing() -> None:
    """For β2 = 0.9999 optax's ρ is off by 3, and it rectifies two steps early."""
    backend = OptaxBackend(decayed(radam))
    case = "radam/switch-0_9999-momentum-decimal"
    report = check(backend, "radam", dialect="radam.eps_corrected", only=case)
    (result,) = report.results
    assert result.verdict == UNSTABLE
    assert "took the other branch" in result.detail
    double = OptaxBackend(decayed(radam), dtype="float64")
    report = check(double, "radam", dialect="radam.eps_corrected", only=case)
    assert dict(report.counts) == {CONFORMS: 1}


def test_a_profile_of_doubles_is_not_what_jax_does() -> None:
    """Powers of t formed in single precision are outside the bounds of powers in double."""
    profile = Profile(flush=True, scalars="float64")
    report = check(OptaxBackend(decayed(adam), profile=profile), "adam", runs=False)
    assert report.counts[DEPARTS] > 0


# ------------------------------------------------------------------ state


PARAMS = {"w": np.array([[1.0, -2.0]], np.float32), "s": np.array(0.5, np.float32)}
SOME = {"w": np.array([[0.25, 0.5]], np.float32), "s": np.array(-4.0, np.float32)}
MORE = {"w": np.array([[3.0, 7.0]], np.float32), "s": np.array(5.0, np.float32)}


def same(found: Any, wanted: Mapping[str, Any]) -> bool:
    """Return whether layers are the same, to the bit and dtype."""
    return found.keys() == wanted.keys() and all(
        np.array_equal(found[layer], wanted[layer]) and found[layer].dtype == x.dtype
        for layer, x in wanted.items()
    )


def test_a_state_is_read_back_as_it_was_given() -> None:
    """Steps since the last synchronisation follow from t."""
    backend = OptaxBackend(lookahead)
    spec = Lookahead(inner=Adam(), k=6).spec
    slots = {"m": SOME, "v": MORE, "slow": SOME}
    handle = backend.start(spec, PARAMS, {"t": 10, **slots})
    read = backend.read(handle)
    assert all(same(read[slot], x) for slot, x in (*slots.items(), ("theta", PARAMS)))
    (group,) = handle.groups
    assert int(group.state.steps_since_sync) == 4
    counts = [int(x) for x in jax.tree.leaves(group.state.fast_state) if x.dtype == np.int32]
    assert counts == [10]


def test_a_new_pair_is_synced() -> None:
    """Slow weights begin as the weights."""
    backend = OptaxBackend(lookahead)
    read = backend.read(backend.start(Lookahead(inner=Adam()).spec, PARAMS))
    assert same(read["slow"], PARAMS)


def test_layers_of_their_own_are_groups_of_their_own() -> None:
    """A group sees its own layers; what the model has chosen holds for all."""
    backend = OptaxBackend(optax.adamw)
    own = AdamW().for_layers({"s": {"lr": 1e-2, "weight_decay": 0.0}})
    handle = backend.start(own.spec, PARAMS)
    assert [group.layers for group in handle.groups] == [("w",), ("s",)]
    apart = Paratrooper().for_layers({"s": {"weight_decay": 0.0}})
    with pytest.raises(Unsupported, match="do not see one another's first gradients"):
        paratrooper().start(apart.spec, PARAMS)
    chosen = {"t": 3, "m": SOME, "v": MORE, "slow": SOME, "warmup": "none"}
    handle = paratrooper().start(apart.spec, PARAMS, chosen)
    assert [int(group.state.warmup) for group in handle.groups] == [2, 2]


def test_a_state_is_set_by_functions() -> None:
    """As field names do it, by hand: Adam's state is the first of a pair."""

    def read(state: Any) -> Any:
        return {"m": state[0].mu, "v": state[0].nu}

    def write(state: Any, new: Any) -> Any:
        count = jax.numpy.asarray(new["t"], state[0].count.dtype)
        return (optax.ScaleByAdamState(count, new["m"], new["v"]), *state[1:])

    report = check(OptaxBackend(optax.adamw, state=(read, write)), "adamw", runs=False)
    assert dict(report.counts) == {CONFORMS: report.total}, str(report)


def test_arguments_under_other_names() -> None:
    """By a mapping of names, or by a function."""
    def factory(rate: float, b1: float, b2: float, eps: float, weight_decay: float) -> Any:
        return optax.adamw(rate, b1, b2, eps, weight_decay=weight_decay)

    renamed = OptaxBackend(factory, hyper={"lr": "rate"})
    made = OptaxBackend(factory, hyper=lambda h: {
        "rate": h["lr"], "b1": h["beta1"], "b2": h["beta2"], "eps": h["eps"],
        "weight_decay": h["weight_decay"],
    })
    for backend in (renamed, made):
        report = check(backend, "adamw", only="adamw/plain*")
        assert dict(report.counts) == {CONFORMS: 2}, str(report)


def test_what_cannot_be_asked() -> None:
    """It is said, and by the gate too."""
    plain = OptaxBackend(optax.adam)
    with pytest.raises(Lacks, match="weight_decay"):
        plain.start(Adam(weight_decay=0.1).spec, PARAMS)
    handle = plain.start(Adam().spec, PARAMS)
    with pytest.raises(Unsupported, match="a hole in its tree"):
        plain.step(handle, {"w": None, "s": SOME["s"]}, 0.1)
    for fixed in ({}, {"weight_decay": 0.0}):
        report = check(OptaxBackend(optax.adam, fixed=fixed), "adam", only="adam/plain*")
        assert dict(report.counts) == {CONFORMS: 2}, str(report)
        assert [r.adapted for r in report.results] == [{"weight_decay": 0.0}] * 2


def test_saved_and_loaded_it_goes_on() -> None:
    """Its state is all that there is."""
    backend = paratrooper(jit=True)
    handle = backend.start(Paratrooper().spec, PARAMS)
    handle = backend.step(handle, SOME, 0.1)
    on, loaded = (backend.step(h, MORE, 0.1) for h in (handle, backend.reload(handle)))
    one, two = backend.read(on), backend.read(loaded)
    assert all(same(one[slot], two[slot]) for slot in ("theta", "m", "v", "slow"))


# ------------------------------------------------------------------ made wrong once


@pytest.mark.parametrize(
    ("make", "algorithm", "state", "only"),
    [
        (optax.adamw, "adamw", {"t": "elsewhere"}, "adamw/turning*"),
        (optax.adamw, "adamw", {"m": "nu", "v": "mu"}, "adamw/turning*"),
        (optax.lars, "lars", {}, "lars/turning*"),
    ],
    ids=["no count", "moments exchanged", "a trace of the other sign"],
)
def test_a_wrong_adapter_is_found(make: Any, algorithm: str, state: Any, only: str) -> None:
    """A mistake in the mapping of names is one in the step."""
    dialect = "lars.decay_in_norm" if algorithm == "lars" else None
    report = check(OptaxBackend(make, state=state), algorithm, only=only, dialect=dialect)
    assert set(report.counts) <= {DEPARTS, NON_FINITE}, str(report)


class Unphased(OptaxBackend):
    """Begins every course of lookahead at a synchronisation."""

    def _written(self, tree: Any, new: Mapping[str, Any]) -> Any:
        return super()._written(tree, {**new, "phase": 0})


class Forgetful(OptaxBackend):
    """Rounds its rate as a wrapper does that keeps it in an array."""

    def _transformation(self, optimizer: Any, layer: str, lr: float | None) -> Any:
        rate = None if lr is None else float(np.float16(lr))
        return super()._transformation(optimizer, layer, rate)


def test_a_wrong_phase_and_a_wrong_rate_are_found() -> None:
    """So is one in what is made of t and the rate."""
    report = check(Unphased(lookahead), "lookahead", only="lookahead/sync*")
    assert report.counts[DEPARTS] == 2, str(report)
    report = check(Forgetful(optax.adamw), "adamw", only="adamw/rates*")
    assert report.counts[DEPARTS] == 1, str(report)  # the dyadic rates are in float16


def changed(was: str, line: str) -> Any:
    """Return our transformation with one piece of its source exchanged."""
    source = inspect.getsource(written)
    assert source.count(was) == 1
    names: dict[str, Any] = {"__name__": written.__name__}
    exec(compile(source.replace(was, line), "<changed>", "exec", dont_inherit=True), names)
    return names["paratrooper"]


WRONG = {
    "paratrooper.bounds_order": (
        "low-cap",
        "jnp.maximum(lower, jnp.minimum(ceiling, weights / length))",
        "jnp.minimum(ceiling, jnp.maximum(lower, weights / length))",
    ),
    "first_batch.opposite": ("loud", "MOMENTUM, NONE), before", "NONE, MOMENTUM), before"),
    "lookahead.alpha_swapped": (
        "sync", "(1 - alpha) * slow + alpha * (theta", "alpha * slow + (1 - alpha) * (theta"
    ),
    "paratrooper.zero_norm_clamped": ("lower", "(weights > 0) & (length > 0)", "(weights >= 0)"),
    "radamw.weight_decay_ignored": ("plain", "+ weight_decay * theta", "+ 0 * theta"),
    "radamw.l2_ignored": ("plain", "g + l2 * theta", "g + 0 * theta"),
    "radamw.eps_inside_root_always": (
        "tiny*", "jnp.sqrt(v + eps) if eps_inside_root else", "jnp.sqrt(v + eps) if True else"
    ),
}


@pytest.mark.parametrize("variant", WRONG)
def test_one_wrong_line_is_found_and_named(variant: str) -> None:
    """What is wrong is what the kit says is wrong."""
    case, *changes = WRONG[variant]
    report = check(
        paratrooper(make=changed(*changes)), "paratrooper", only=f"paratrooper/{case}-*"
    )
    assert report.counts[DEPARTS] > 0, str(report)
    assert variant in [like.variant for like in report.likes], str(report)


def test_what_is_kept_outside_the_state_is_found() -> None:
    """A count in a closure: wrong from any state but the first, and forgotten on reload."""
    def make(h: Hyper) -> Any:
        inner = decayed(adam)(h)
        calls = [0]

        def update(g: Any, state: Any, params: Any) -> Any:
            calls[0] += 1
            updates, state = inner.update(g, state, params)
            return jax.tree.map(lambda u: u / calls[0], updates), state

        return optax.GradientTransformation(inner.init, update)

    report = check(OptaxBackend(make), "adam", only="adam/plain*")
    assert report.counts[CONFORMS] == 0, str(report)
    assert {DEPARTS, KEEPS} & set(report.counts)
