"""torch.optim: SGD, Adam, AdamW and RAdam, each in all the implementations that torch has."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import paratrooper_ref as pr
from paratrooper_ref.arithmetic import Names, Number, sqrt
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import Rule
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
    with_gaps,
)

torch: Any = pytest.importorskip("torch", reason='torch comes with the extra "peers"')

pytestmark = pytest.mark.peers

FORMS: dict[str, dict[str, Any]] = {
    "single": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
SLOTS = {"momentum_buffer": "u", "exp_avg": "m", "exp_avg_sq": "v"}


# --- torch's lines, in torch's order --------------------------------------------------------


def lerp(m: Number, g: Number, beta1: Number) -> Any:
    """Return beta1 m + (1 - beta1) g the way `Tensor.lerp_` has it."""
    weight = 1 - beta1
    return m + weight * (g - m) if 2 * beta1 > 1 else g - (g - m) * (1 - weight)


def torch_adam(
    t: int, theta: Number, g: Number, m: Number, v: Number, *,
    lr: Number, beta1: Number, beta2: Number, eps: Number, weight_decay: Number,
) -> Names:
    """Adam: the first correction is in the step size, the second is taken after the root."""
    g = g + weight_decay * theta
    m = lerp(m, g, beta1)
    v = v * beta2 + (1 - beta2) * g * g
    step_size = lr / (1 - beta1**t)
    denominator = sqrt(v) / sqrt(1 - beta2**t) + eps
    theta = theta - step_size * m / denominator
    return locals()


def torch_radam(
    t: int, theta: Number, g: Number, m: Number, v: Number, *,
    lr: Number, beta1: Number, beta2: Number, eps: Number, weight_decay: Number,
) -> Names:
    """RAdam: the switch is a literal 5, and eps joins the root of v as it is."""
    g = g + weight_decay * theta
    m = lerp(m, g, beta1)
    v = v * beta2 + (1 - beta2) * g * g
    corrected = m / (1 - beta1**t)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho > 5:
        rect = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        adaptive = sqrt(1 - beta2**t) / (sqrt(v) + eps)
        theta = theta - corrected * lr * adaptive * rect
    else:
        theta = theta - corrected * lr
    return locals()


def shrunk(theta: Number, *, lr: Number, weight_decay: Number) -> Names:
    """Decoupled decay: the weights shrink first, and Adam or RAdam step without."""
    theta = theta * (1 - lr * weight_decay)
    weight_decay = weight_decay - weight_decay
    return locals()


LINES: dict[str, tuple[Rule, ...]] = {
    "adam": (torch_adam,),
    "adamw": (shrunk, torch_adam),
    "radam": (torch_radam,),
    "radamw": (shrunk, torch_radam),
}
FAMILIES: dict[str, Any] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
    "radamw": torch.optim.RAdam,
}


# --- running it -----------------------------------------------------------------------------


def settings(ours: Optimizer, layer: str | None = None) -> dict[str, Any]:
    """Return the hyperparameters of a layer in torch's names."""
    hyper = ours.hyper(layer)
    known = ("momentum", "dampening", "nesterov", "eps", "weight_decay")
    named = {name: hyper[name] for name in known if name in hyper}
    if "beta1" in hyper:
        named["betas"] = (hyper["beta1"], hyper["beta2"])
    if ours.algorithm == "radamw":
        named["decoupled_weight_decay"] = True
    return named


def run_torch(ours: Optimizer, course: Course, **options: Any) -> History:
    """Return the steps of the torch optimizer that has our name and hyperparameters."""
    weights = {k: torch.tensor(x, requires_grad=True) for k, x in course.params.items()}
    grouped: dict[str, list[str]] = {}
    for layer in weights:
        grouped.setdefault(repr(ours.hyper(layer)), []).append(layer)
    groups = [
        {"params": [weights[k] for k in layers], **settings(ours, layers[0])}
        for layers in grouped.values()
    ]
    optimizer = FAMILIES[ours.algorithm](groups, lr=0.0, **options)
    history: History = []
    for grads, rate in zip(course.grads, course.rates, strict=True):
        for layers, group in zip(grouped.values(), optimizer.param_groups, strict=True):
            group["lr"] = ours.rate(rate, layers[0])
        for layer, w in weights.items():
            g = grads[layer]
            w.grad = None if g is None else torch.tensor(g)
        optimizer.step()
        after: dict[str, Any] = {
            "theta": {k: np.array(w.detach().numpy()) for k, w in weights.items()}
        }
        for layer, w in weights.items():
            for key, x in optimizer.state[w].items():
                if key in SLOTS and x is not None:
                    after.setdefault(SLOTS[key], {})[layer] = np.array(x.numpy())
        history.append(after)
    return history


def forms(ours: Optimizer, course: Course, **options: Any) -> dict[str, Callable[[], History]]:
    """Return torch's implementations of an optimizer, to be run."""
    rectified = ours.algorithm.startswith("radam")
    return {
        form: partial(run_torch, ours, course, **chosen, **options)
        for form, chosen in FORMS.items()
        if not (rectified and form == "fused")  # there is none
    }


def case(label: str, ours: Optimizer, course: Course | None = None, **options: Any) -> Case:
    """Return a setting in which torch is to agree with us."""
    course = course or layered(ours.hyper()["lr"])
    family = FAMILIES[ours.algorithm]
    return Case(
        peer=f"torch.optim.{family.__name__}",
        label=label,
        ours=ours,
        course=course,
        theirs=forms(ours, course, **options),
        lines=rewritten(ours, *LINES[ours.algorithm]) if ours.algorithm in LINES else None,
        unseen=("u",) if ours.hyper().get("momentum") == 0 else (),
    )


def radam(**hyper: Any) -> pr.RAdam:
    """Return RAdam with torch's switch."""
    return pr.RAdam(threshold=5, **hyper)


CASES = [
    case("as it comes", pr.SGD()),
    case("decay", pr.SGD(weight_decay=0.1)),
    case("momentum", pr.SGD(momentum=0.9)),
    case("dampened", pr.SGD(momentum=0.7, dampening=0.3, weight_decay=0.02)),
    case("fully dampened", pr.SGD(momentum=0.99, dampening=1.0)),
    case("Nesterov", pr.SGD(momentum=0.95, nesterov=True, weight_decay=0.05)),
    case("as it comes", pr.Adam()),
    case("decay", pr.Adam(lr=0.01, weight_decay=0.1)),
    case("short memory", pr.Adam(lr=0.1, beta1=0.3, beta2=0.8, eps=1e-3)),
    case("no memory", pr.Adam(beta1=0.0, beta2=0.0)),
    case("long memory", pr.Adam(beta1=0.99, beta2=0.99999, weight_decay=1e-4)),
    case("eps = 0", pr.Adam(eps=0.0), layered(1e-3, quiet=False)),
    case("as it comes", pr.AdamW()),
    case("strong decay", pr.AdamW(lr=0.05, weight_decay=0.9, beta1=0.95, beta2=0.98)),
    case("no decay", pr.AdamW(weight_decay=0.0, beta1=0.5, beta2=0.5, eps=1e-4)),
    case(
        "layers of their own",
        pr.AdamW(lr=0.01).for_layers(
            {"vector": {"weight_decay": 0.0}, "one": {"lr": 0.3, "beta1": 0.8, "eps": 1e-2}}
        ),
    ),
    case("as it comes", radam()),
    case("decay", radam(lr=0.01, weight_decay=0.1, beta1=0.95)),
    case("long memory", radam(beta2=0.9999)),
    case("medium memory", radam(lr=0.1, beta1=0.8, beta2=0.98, eps=1e-4)),
    case("never rectified", radam(lr=0.1, beta2=0.6)),
    case("eps = 0", radam(eps=0.0), layered(1e-3, quiet=False)),
    case("decoupled", pr.RAdamW()),
    case("decoupled, strong decay", pr.RAdamW(lr=0.05, weight_decay=0.7, beta1=0.95, beta2=0.99)),
    case("decoupled, never rectified", pr.RAdamW(lr=0.05, weight_decay=0.3, beta2=0.5)),
]


@pytest.mark.parametrize("agreed", CASES, ids=lambda c: f"{c.peer.split('.')[-1]}, {c.label}")
def test_torch_and_we_round_the_same_numbers(agreed: Case) -> None:
    """Both stay within the rounding errors of their lines, because the lines are the same.

    The same in 60 digits, that is; the bound is the running error, nothing is added to it.
    """
    agreed.check()


# --- where torch is another algorithm -------------------------------------------------------


@dialect(
    "ignores dampening where momentum is 0", "dampening = 0 where momentum = 0", "torch.optim.SGD"
)
def test_dampening_needs_momentum() -> None:
    """Without momentum torch keeps no buffer, and dampening is a matter of the buffer."""
    unnamed = pr.SGD(dampening=0.3)
    dampened = case("dampening without momentum", unnamed)
    dampened.apart(unnamed)
    replace(dampened, ours=pr.SGD()).check()


@dialect(
    "begins a layer's buffer with the layer's own first gradient, undampened",
    "each layer alone, from its first gradient",
    "torch.optim.SGD",
)
@dialect(
    "counts the steps of each layer, without those at which it had no gradient",
    "each layer alone, on the gradients that it had",
    "torch.optim.Adam",
    "torch.optim.AdamW",
    "torch.optim.RAdam",
)
@pytest.mark.parametrize(
    "ours",
    [
        pr.SGD(momentum=0.9, dampening=0.3),
        pr.Adam(weight_decay=0.1),
        pr.AdamW(),
        radam(),
        pr.RAdamW(),
    ],
    ids=lambda ours: ours.algorithm,
)
def test_a_layer_has_a_clock_of_its_own(ours: Optimizer) -> None:
    """A torch state belongs to a parameter, and to one without gradient nothing happens.

    Ours has one t, which goes on while a layer is frozen.
    """
    course = with_gaps(layered(ours.hyper()["lr"], steps=30))
    gaps = case("gaps", ours, course)
    if ours.algorithm == "sgd":
        gaps = replace(gaps, theirs={form: gaps.theirs[form] for form in ("single", "foreach")})
    gaps.apart(ours)
    histories = {form: run() for form, run in gaps.theirs.items()}
    for layer in course.params:
        moves = {form: partial(moved, h, course, layer) for form, h in histories.items()}
        replace(gaps, label=layer, course=course.alone(layer), theirs=moves).check()


def moved(history: History, course: Course, layer: str) -> History:
    """Return one layer's part of a history, where it had a gradient."""
    return [
        {slot: {layer: layers[layer]} for slot, layers in step.items() if layer in layers}
        for step, grads in zip(history, course.grads, strict=True)
        if grads[layer] is not None
    ]


@dialect(
    "fused: fails where the first gradient of one layer comes after another's",
    "a layer without gradient is frozen for the step",
    "torch.optim.SGD",
)
def test_fused_buffers_begin_together() -> None:
    """The kernel is handed a list of buffers, and the late layer's is still None."""
    late = with_gaps(layered(0.01, steps=9))
    ours = pr.SGD(momentum=0.9)
    assert len(evaluate(ours, late)) == len(late.grads)
    with pytest.raises(TypeError, match=r"expected Tensor .* but got NoneType"):
        run_torch(ours, late, fused=True)


@dialect("rectifies where ρ > 5, not 4", "threshold = 5", "torch.optim.RAdam")
@pytest.mark.parametrize("beta2", [0.999, 0.99, 0.9])
def test_the_switch_comes_one_step_later(beta2: float) -> None:
    """The 5 is of the authors' code, the paper has 4; and in its first steps ρ is near t."""
    unnamed, named = pr.RAdam(beta2=beta2), radam(beta2=beta2)
    assert [first_rectified(unnamed), first_rectified(named)] == [5, 6]
    later = case("the switch", named, layered(0.01, steps=12))
    later.apart(unnamed)
    later.check()


@dialect(
    "capturable: ρ∞ in double, β2^t in float32, whatever the weights are",
    "scalars are exact, or all of one precision",
    "torch.optim.RAdam",
)
def test_a_captured_rho_mixes_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a captured graph the step count is a float32 tensor, and β2^t with it, but not ρ∞.

    For β2 = 0.9999 the double ρ∞ is 19999, that of the nearest float32 19995.7; so the
    difference of the two terms is 3.3 too large and the switch comes at t = 2, not 6.
    """
    module = import_module("torch.optim.radam")
    monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda **_: ["cpu"])
    ours, course = radam(lr=0.1, beta2=0.9999), layered(0.1, steps=9)
    captured = case("captured", ours, course, capturable=True)
    captured.apart(ours)
    case("not captured", ours, course).check()
    wanted = [step["theta"]["vector"][0] for step in evaluate(ours, course)]
    for run in captured.theirs.values():
        theta = [step["theta"]["vector"][0] for step in run()]
        assert theta[0] == pytest.approx(wanted[0], rel=1e-6)  # not rectified
        assert theta[1] != pytest.approx(wanted[1], rel=1e-2)  # rectified
    assert [mixed_rho(0.9999, t) > 5 for t in (1, 2)] == [False, True]
    assert first_rectified(ours) == first_rectified(ours, np.float32, "array") == 6


@dialect(
    "maximize: goes uphill",
    "on the negated gradients",
    *(f"torch.optim.{name}" for name in ("SGD", "Adam", "AdamW", "RAdam")),
)
@pytest.mark.parametrize(
    "ours",
    [pr.SGD(momentum=0.9, weight_decay=0.1), pr.Adam(weight_decay=0.1), pr.AdamW(), radam()],
    ids=lambda ours: ours.algorithm,
)
def test_uphill_is_downhill_of_the_negative(ours: Optimizer) -> None:
    """The gradient is turned round before the decay is added, so it is its sign alone."""
    uphill = case("uphill", ours, layered(0.01, steps=30), maximize=True)
    uphill.apart(ours)
    replace(uphill, course=uphill.course.negated()).check()


@dialect(
    "goes on with what is not a number",
    "raises NonFiniteError",
    *(f"torch.optim.{name}" for name in ("Adam", "AdamW", "RAdam")),
)
@pytest.mark.parametrize(
    "ours",
    [pr.Adam(eps=0.0), pr.AdamW(eps=0.0), radam(eps=0.0)],
    ids=lambda ours: ours.algorithm,
)
def test_nothing_over_nothing(ours: Optimizer) -> None:
    """With eps = 0 a gradient that has always been 0 is divided by 0, and ours says so."""
    course = Course({"x": np.ones(2)}, [{"x": np.zeros(2)}] * 6, [0.1] * 6)
    for run in forms(ours, course).values():
        assert np.isnan(run()[-1]["theta"]["x"]).all()
    with pytest.raises(pr.NonFiniteError, match="needs a finite result theta"):
        evaluate(ours, course)


@dialect(
    "foreach with Nesterov: changes the gradient that it was given",
    "nothing passed in is changed",
    "torch.optim.SGD",
)
def test_the_gradient_stays_what_it_was() -> None:
    """It saves torch an array to add μ u to the gradient in place; our arrays are read-only."""
    w = torch.ones(2, dtype=torch.float64, requires_grad=True)
    w.grad = torch.ones(2, dtype=torch.float64)
    torch.optim.SGD([w], lr=0.1, momentum=0.9, nesterov=True, foreach=True).step()
    assert w.grad.tolist() == [1.9, 1.9]
    ours, g = pr.SGD(momentum=0.9, nesterov=True), np.ones(2)
    ours.step(ours.init({"w": np.ones(2)}), {"w": g})
    assert g.tolist() == [1, 1]


@dialect("default lr = 1e-3", "lr = 1e-3", "torch.optim.SGD")
def test_defaults() -> None:
    """The one default that differs is SGD's rate; every other that both have is the same."""
    differ = []
    for ours in (pr.SGD(), pr.Adam(), pr.AdamW(), pr.RAdam()):
        family = FAMILIES[ours.algorithm]
        theirs = inspect.signature(family).parameters
        for name, x in {**settings(ours), "lr": ours.hyper()["lr"]}.items():
            if theirs[name].default != x:
                differ.append((family.__name__, name, theirs[name].default, x))
    assert differ == [("SGD", "lr", 1e-3, 1e-2)]
