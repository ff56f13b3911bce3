"""KernelBackend: bare functions of NumPy, and Paratrooper as kernels of Pallas."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from paratrooper_ref.conformance import KernelBackend, Profile, Unsupported, check
from paratrooper_ref.conformance.infer import infer
from paratrooper_ref.conformance.properties import examine
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    DTYPE,
    GRADIENT,
    SHAPE,
)
from paratrooper_ref.optimizers import SGD, Adam, Paratrooper, Ranger

SECONDS = 60.0  # a step may take, which may have to be compiled
HOT = {"w": np.array([[1.0, -2.0]], np.float32), "b": np.array(0.5, np.float32)}
Array = Any


def adam(
    theta: Array, g: Array, m: Array, v: Array, t: int, lr: float, beta1: float, beta2: float,
    eps: float, weight_decay: float,
) -> tuple[Array, ...]:
    """Return what Adam makes of one layer, in order."""
    g = g + weight_decay * theta
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    return theta - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def adam_by_name(
    v: Array, m: Array, g: Array, theta: Array, beta2: float, beta1: float, eps: float, t: int,
    lr: float, weight_decay: float,
) -> Mapping[str, Array]:
    """Return the same by name, from arguments in another order."""
    theta, m, v = adam(theta, g, m, v, t, lr, beta1, beta2, eps, weight_decay)
    return {"v": v, "theta": theta, "m": m}


def adam_in_place(
    theta: Array, g: Array, m: Array, v: Array, t: int, lr: float, beta1: float, beta2: float,
    eps: float, weight_decay: float,
) -> None:
    """Change the arguments instead."""
    new = adam(theta, g, m, v, t, lr, beta1, beta2, eps, weight_decay)
    theta[...], m[...], v[...] = new


def adam_line_by_line(
    theta: Array, g: Array, m: Array, v: Array, t: int, lr: float, beta1: float, beta2: float,
    eps: float, weight_decay: float,
) -> Mapping[str, Array]:
    """Return all lines, as they are tagged."""
    regularized = g + weight_decay * theta
    m = beta1 * m + (1 - beta1) * regularized
    v = beta2 * v + (1 - beta2) * (regularized * regularized)
    beta1_t, beta2_t = beta1**t, beta2**t
    m_hat = m / (1 - beta1_t)
    v_hat = v / (1 - beta2_t)
    denominator = np.sqrt(v_hat) + eps
    direction = m_hat / denominator
    theta = theta - lr * direction
    return {name: x for name, x in locals().items() if name not in ("t", "eps", "weight_decay",
                                                                    "beta1", "beta2", "lr", "g")}


def changed(function: Callable[..., Any], was: str, line: str) -> Any:
    """Return a function with a piece of its source exchanged."""
    source = inspect.getsource(function)
    assert source.count(was) == 1
    names: dict[str, Any] = dict(vars(inspect.getmodule(function)))
    exec(compile(source.replace(was, line), "<changed>", "exec", dont_inherit=True), names)
    return names[function.__name__]


# ------------------------------------------------------------------ what a function may return


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", [adam, adam_by_name, adam_in_place, adam_line_by_line])
def test_a_function_conforms_however_it_answers(function: Any, dtype: str) -> None:
    """Names tell what is what, of arguments as of results."""
    report = check(KernelBackend(function, dtype=dtype), "adam")
    assert set(report.counts) == {CONFORMS}, str(report)
    assert report.counts[CONFORMS] == report.total


def test_the_first_wrong_line_is_named_if_lines_are_returned() -> None:
    """Each line is held to what the function itself had before it."""
    wrong = changed(adam_line_by_line, "np.sqrt(v_hat) + eps", "np.sqrt(v_hat + eps)")
    report = check(KernelBackend(wrong), "adam", runs=False)
    assert report.counts[DEPARTS] > 0
    departures = [r.departure.at.tag for r in report.results if r.departure is not None]
    assert set(departures) == {"denominator"}
    assert [like.variant for like in report.likes] == ["adam.eps_inside_root"]


@pytest.mark.parametrize(
    ("variant", "line"),
    [
        ("adam.beta2_power_behind", "(np.sqrt(v / (1 - beta2 ** (t - 1))) + eps)"),
        ("adam.eps_ignored", "np.sqrt(v / (1 - beta2**t))"),
    ],
)
def test_a_wrong_line_is_found_and_named(variant: str, line: str) -> None:
    """Parameters and moments are enough to tell."""
    wrong = changed(adam, "(np.sqrt(v / (1 - beta2**t)) + eps)", line)
    report = check(KernelBackend(wrong), "adam", only="adam/t[iu]*")  # tiny, turning
    assert report.counts[DEPARTS] > 0, str(report)
    assert variant in [like.variant for like in report.likes], str(report)


def test_a_function_that_changes_its_gradient_is_found() -> None:
    """Whether it gets the gradient itself or a copy."""
    def careless(
        theta: Array, g: Array, m: Array, v: Array, t: int, lr: float, beta1: float,
        beta2: float, eps: float, weight_decay: float,
    ) -> tuple[Array, ...]:
        g += weight_decay * theta
        return adam(theta, g, m, v, t, lr, beta1, beta2, eps, 0.0)

    for to in (None, np.array):
        report = check(KernelBackend(careless, to=to), "adam", only="adam/plain*")
        assert dict(report.counts) == {GRADIENT: 2}, str(report)


# ------------------------------------------------------------------ what a function may name


def test_what_a_function_does_not_name_is_not_asked_of_it() -> None:
    """A value without effect needs no name."""
    def plain(theta: Array, g: Array, lr: float) -> tuple[Array]:
        return (theta - lr * g,)

    backend = KernelBackend(plain)
    handle = backend.start(SGD().spec, HOT)
    assert backend.read(handle).keys() == {"theta"}
    for optimizer, lacking in (
        (SGD(momentum=0.9), "momentum"), (SGD(weight_decay=0.1), "weight_decay"),
        (Adam(), "beta1"),
    ):
        with pytest.raises(Unsupported, match=f"has no {lacking}"):
            backend.start(optimizer.spec, HOT)

    def without_slow(
        theta: Array, g: Array, m: Array, v: Array, t: int, lr: float, beta1: float,
        beta2: float, eps: float, weight_decay: float, k: int, alpha: float,
    ) -> None: ...

    with pytest.raises(Unsupported, match="has no slow"):
        KernelBackend(without_slow).start(Ranger().spec, HOT)


def test_what_a_function_always_has_is_known_to_the_gate() -> None:
    """It is asked with the value that it has, said or not, and held to it."""
    def decayless(
        theta: Array, g: Array, m: Array, v: Array, t: int, lr: float, beta1: float,
        beta2: float, eps: float,
    ) -> tuple[Array, ...]:
        return adam(theta, g, m, v, t, lr, beta1, beta2, eps, 0.0)

    for fixed in ({}, {"weight_decay": 0.0}):
        report = check(KernelBackend(decayless, fixed=fixed), "adam", only="adam/plain*")
        assert dict(report.counts) == {CONFORMS: 2}, str(report)
        assert [r.adapted for r in report.results] == [{"weight_decay": 0.0}] * 2
    always = KernelBackend(decayless, fixed={"weight_decay": 0.5})
    assert check(always, "adam", only="adam/plain*").counts[DEPARTS] == 2


def test_a_frozen_layer_is_not_passed() -> None:
    """Nothing happens to it; t goes on."""
    calls: list[int] = []

    def counted(theta: Array, g: Array, t: int, lr: float) -> tuple[Array]:
        calls.append(t)
        return (theta - lr * g,)

    backend = KernelBackend(counted)
    handle = backend.start(SGD().spec, HOT, {"t": 4})
    handle = backend.step(handle, {"w": None, "b": np.float32(1.0) * HOT["b"]}, 0.5)
    assert calls == [5]
    read = backend.read(handle)["theta"]
    assert np.array_equal(read["w"], HOT["w"])
    assert read["b"] == np.float32(0.25)
    assert read["b"].shape == ()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((1.0, 2.0), r"a tuple of \(theta, m, v\), got 2"),
        (3.0, r"a tuple of \(theta, m, v\), got float"),
        ({"theta": 1.0, "m": 1.0}, "needs all new arrays, got none for v"),
        ({"theta": 1.0, "m": 1.0, "v": 1.0, "w": 1.0}, "slots and tagged lines, got 'w'"),
    ],
)
def test_answers_that_are_none(answer: Any, message: str) -> None:
    """The message says what was expected."""
    def strange(
        theta: Array, g: Array, m: Array, v: Array, lr: float, beta1: float, beta2: float,
        eps: float,
    ) -> Any:
        return answer

    backend = KernelBackend(strange)
    with pytest.raises(ValueError, match=message):
        backend.step(backend.start(Adam().spec, HOT), HOT, 0.1)


def test_functions_and_dtypes_that_are_none() -> None:
    """They are refused before anything is run."""
    with pytest.raises(ValueError, match=r"names its arguments, got .* with \* or \*\*"):
        KernelBackend(lambda **arguments: arguments)
    with pytest.raises(ValueError, match="needs to= for a dtype that NumPy lacks"):
        KernelBackend(adam, dtype="bfloat16")


# ------------------------------------------------------------------ the whole model's choice


def test_the_model_chooses_once() -> None:
    """By the reference where nothing else is said; the choice is the state's afterwards."""
    told: list[str] = []

    def still(
        theta: Array, g: Array, m: Array, v: Array, slow: Array, t: int, lr: float, beta1: float,
        beta2: float, eps: float, weight_decay: float, k: int, alpha: float, warmup: str,
    ) -> None:
        told.append(warmup)

    spec = Paratrooper().spec
    quiet, loud = ({name: x * size for name, x in HOT.items()} for size in (1.0, 100.0))
    backend = KernelBackend(still)
    handle = backend.step(backend.start(spec, HOT), quiet, 0.1)
    backend.step(handle, loud, 0.1)
    backend.step(backend.start(spec, HOT), loud, 0.1)
    assert told == ["momentum"] * 4 + ["none"] * 2

    def first_batch(gradients: list[Array], beta1: float) -> str:
        assert (len(gradients), beta1) == (2, 0.95)
        return "none"

    other = KernelBackend(still, first_batch=first_batch)
    told.clear()
    other.step(other.start(spec, HOT), quiet, 0.1)
    given = {"t": 0, "warmup": "momentum"}
    other.step(other.start(spec, HOT, given), quiet, 0.1)
    assert told == ["none"] * 2 + ["momentum"] * 2


# ------------------------------------------------------------------ Pallas


def pallas(*changes: str) -> KernelBackend:
    """Return Paratrooper's kernels, perhaps with a piece of their source exchanged."""
    jax = pytest.importorskip("jax", reason='jax comes with the extra "peers"')
    from tests.backends import paratrooper_pallas as written

    names: dict[str, Any] = vars(written)
    if changes:
        source = inspect.getsource(written)
        assert source.count(changes[0]) == 1
        names = {"__name__": written.__name__}
        source = source.replace(changes[0], changes[1])
        code = compile(source, "<changed>", "exec", dont_inherit=True)
        exec(code, names)
    return KernelBackend(
        names["paratrooper"], to=jax.numpy.array, first_batch=names["first_batch"],
        profile=Profile(flush=True),
    )


@pytest.mark.peers
def test_paratrooper_conforms() -> None:
    """All cases: frozen layers and layers of their own are passed one by one."""
    report = check(pallas(), "paratrooper", seconds=SECONDS)
    assert set(report.counts) == {CONFORMS}, str(report)
    assert report.counts[CONFORMS] == report.total


WRONG = {
    "paratrooper.bounds_order": (
        "low-cap",
        "jnp.maximum(lower, jnp.minimum(ceiling, weights / length))",
        "jnp.minimum(ceiling, jnp.maximum(lower, weights / length))",
    ),
    "paratrooper.cap_without_bias_correction": ("open", "ceiling = 1 / scale", "ceiling = 1 / r"),
    "first_batch.without_betas": ("quiet", " * ((1 - beta1) / (1 - beta2)) ** 2)", ")"),
    "lookahead.k_plus_1": ("sync", "t % k == 0", "t % (k + 1) == 0"),
}


@pytest.mark.peers
@pytest.mark.parametrize("variant", WRONG)
def test_one_wrong_line_is_found_and_named(variant: str) -> None:
    """What is wrong is what the kit says is wrong."""
    case, *changes = WRONG[variant]
    report = check(
        pallas(*changes), "paratrooper", only=f"paratrooper/{case}-*", seconds=SECONDS
    )
    assert report.counts[DEPARTS] > 0, str(report)
    assert variant in [like.variant for like in report.likes], str(report)


# --- answers of another shape or dtype ----------------------------------------------------------


def plain_sgd(theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, dampening: float,
              nesterov: bool, weight_decay: float) -> Any:
    """As it is often written: no buffer where there is no momentum."""
    f = theta.dtype.type
    g = g + f(weight_decay) * theta
    if momentum == 0:
        return theta - f(lr) * g, u
    u = g if t == 1 else f(momentum) * u + f(1 - dampening) * g
    return theta - f(lr) * (g + f(momentum) * u if nesterov else u), u


def altered(how: Callable[[Any], Any]) -> KernelBackend:
    """Return a function whose parameters come back altered."""
    def sgd(theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, dampening: float,
            nesterov: bool, weight_decay: float) -> Any:
        new, u = plain_sgd(theta, g, u, t, lr, momentum, dampening, nesterov, weight_decay)
        return how(new), u

    return KernelBackend(sgd)


@pytest.mark.parametrize(
    ("how", "verdict"),
    [
        (lambda x: x[:, None], SHAPE),
        (lambda x: np.append(x, x), SHAPE),
        (lambda x: x[:1], SHAPE),
        (lambda x: x + 5j, DTYPE),
        (lambda x: x.astype(int), DTYPE),
        (lambda x: x.astype(float), DTYPE),
        (lambda x: x.astype(object), DTYPE),
    ],
)
def test_another_shape_or_dtype_is_seen(how: Callable[[Any], Any], verdict: str) -> None:
    """Neither is made to fit."""
    report = check(altered(how), "sgd", only="sgd/plain-*", runs=False)
    assert set(report.counts) == {verdict}


@pytest.mark.parametrize("only", ["*", "sgd/descent-*", "sgd/descent-decimal"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_dampening_without_momentum_is_a_choice(only: str, dtype: str) -> None:
    """Whoever has none there is asked without, whatever else is asked; it is a dialect."""
    report = check(KernelBackend(plain_sgd, dtype=dtype), "sgd", only=only)
    assert report.ok
    assert not report.likes
    without = {r.case for r in report.results if r.adapted.get("dampening") == 0}
    assert without == {r.case for r in report.results if "/descent-" in r.case}
    assert without


def test_it_is_a_choice_in_a_dialect_too() -> None:
    """One that changes the very line of the buffer: dampened from the first step on."""
    def sgd(theta: Any, g: Any, u: Any, t: int, lr: float, momentum: float, dampening: float,
            nesterov: bool, weight_decay: float) -> Any:
        return plain_sgd(theta, g, u, 2, lr, momentum, dampening, nesterov, weight_decay)

    # Nothing that the corner has been asked before it was left out rules the dialect out.
    likes = check(KernelBackend(sgd), "sgd", runs=False).likes
    assert [like.variant for like in likes] == ["sgd.dampening_first"]
    report = check(KernelBackend(sgd), "sgd", dialect="sgd.dampening_first")
    assert report.ok
    without = {r.case for r in report.results if r.adapted.get("dampening") == 0}
    assert without == {r.case for r in report.results if "/descent-" in r.case}


def test_it_is_a_choice_too_where_a_profile_is_inferred_and_in_properties() -> None:
    """Such steps are left out."""
    found = infer(KernelBackend(plain_sgd), "sgd", only="sgd/*")
    assert found.profile is not None
    assert "dampening without momentum" in "".join(found.left_out)
    for property in ("step", "machine"):
        examine(KernelBackend(plain_sgd), "sgd", property, settings=settings(max_examples=60))


def test_other_names_are_known_and_what_is_never_given_is_said() -> None:
    def sgd(theta: Any, g: Any, u: Any, t: int, learning_rate: float, mu: float, dampening: float,
            nesterov: bool, wd: float = 0.0, decay: float = 0.0) -> Any:
        return plain_sgd(theta, g, u, t, learning_rate, mu, dampening, nesterov, wd)

    backend = KernelBackend(sgd)
    report = check(backend, "sgd", runs=False)
    assert report.ok
    assert report.adapted == {"dampening=0.0": 2}
    assert report.ungiven == backend.ungiven == ("decay",)
    assert "never given, as no hyperparameter is it: decay" in str(report)
