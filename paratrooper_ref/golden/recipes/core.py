"""The core tier: witnesses, each of them small and there for a reason.

What a witness is there to catch stands in `paratrooper_ref.golden.recipes.hunts`, by the word
that names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic import EXACT, scalar
from paratrooper_ref.golden.recipe import Core
from paratrooper_ref.golden.recipes.settings import BETAS2, PUBLISHED, SETTINGS
from paratrooper_ref.golden.recipes.witness import witness
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import parameters
from paratrooper_ref.schedules import FlatThenCosine, LinearWarmup, ReduceOnPlateau, Schedule

RECTIFIED: Final = ("radam", "radamw", "ranger", "rangerlars", "paratrooper")
TRUSTING: Final = ("lars", "lars_2019", "lamb", "rangerlars", "paratrooper")
ADAPTIVE: Final = ("adam", "adamw", "lamb", *RECTIFIED)


def core() -> Iterator[Core]:
    """Yield the recipes of the core tier."""
    for setting, optimizers in SETTINGS.items():
        for name, optimizer in optimizers.items():
            yield from _for_all(name, setting, optimizer)
            if name in ADAPTIVE:
                yield from _tiny(name, setting, optimizer)
                if setting == "decimal":
                    yield from _counted(name, setting, optimizer)
            if name in RECTIFIED:
                yield from _switch(name, setting, optimizer)
            if name in TRUSTING:
                yield from _ratios(name, setting, optimizer)
                yield from _at_rest(name, setting, optimizer)
            if "slow" in optimizer.slots():
                yield from _synchronised(name, setting, optimizer)
        yield from _without_momentum(setting, optimizers)
        yield from _bounds(setting, optimizers)
        yield from _edges(setting, optimizers)
        yield from _first_batches(setting, optimizers)
        yield from _whose_batch(setting, optimizers)
        yield from _waiting(setting, optimizers)
        yield from _ceilings(setting, optimizers)
    for name, optimizer in PUBLISHED.items():
        yield from _as_published(name, optimizer)
    yield _single_precision()
    yield from _plateau()
    yield from _rates()


def _for_all(name: str, setting: str, optimizer: Optimizer) -> Iterator[Core]:
    shared = float(optimizer.hyper()["lr"])

    def case(what: str, about: str, **options: Any) -> Core:
        return witness(f"{name}/{what}-{setting}", about, options.pop("opt", optimizer), **options)

    yield case("plain", "Three steps from the start, gradients of one size.", steps=3,
        seed=1 if name == "rangerlars" else 0,
    )
    yield case(
        "turning", "Gradients that turn against the moments.", t=10, steps=2
    )
    yield case(
        "zero-weights", "Weights of zero: what comes out is the update, and shows the rate.",
        t=10, weights=0.0,
    )
    yield case(
        "still", "Gradients of zero: decay and moments alone move the weights.",
        t=10, grads=0.0, moments=0.25,
    )
    yield case(
        "shapes", "Layers of shape (), (1,) and (3, 2), one of zeros, one without a slope.",
        shapes={"a": (), "b": (1,), "c": (3, 2), "n": (2,), "z": (2,)},
        steps=2, weights={"z": 0.0}, grads={"n": 0.0},
    )
    yield case(
        "frozen", "A layer without a gradient stays as it is, and the step counts for it too.",
        t=7, steps=3, frozen=(("w", 2), ("b", 1)),
    )
    yield case(
        "rates", "The rate is changed between steps.",
        t=8, steps=3, rates=(shared, shared / 4, shared * 2),
    )
    if name in ("sgd", "adam", "ranger", "paratrooper"):
        yield case(
            "frozen-first", "A layer whose first gradient comes at the second step.",
            steps=3, frozen=(("w", 1),),
        )
    yield case(
        "layers", "Layers with hyperparameters of their own, a rate that keeps its proportion too.",
        t=9, steps=2, rates=(shared, shared * (0.5 if setting == "dyadic" else 0.7)),
        opt=optimizer.for_layers(_own(optimizer, 4 if setting == "dyadic" else 3)),
    )
    yield case("late", "Step 100000, where powers of the decay rates have died out.", t=99_999)
    yield case(
        "wide", "1025 elements, one more than a block; state and single numbers are stored.",
        t=10, shapes={"w": (1025,)},
    )


def _own(optimizer: Optimizer, part: int) -> dict[str, dict[str, Any]]:
    """Return hyperparameters for some layers, of those that the optimizer has."""
    hyper = optimizer.hyper()
    adaptive = any("adapt" in parameters(rule) for rule in optimizer.stages())
    wished: dict[str, dict[str, Any]] = {
        "w": {"momentum": 0.5, "beta1": 0.75, "beta2": 0.96875, "eps": 0.25},
        "b": {"weight_decay": 0.0, "l2": 0.5},
        "s": {"lr": hyper["lr"] / part},
    }
    own = {
        layer: {name: x for name, x in wishes.items() if name in hyper}
        for layer, wishes in wished.items()
    }
    if adaptive:
        own["s"]["adapt"] = False
    return {layer: hyper_of for layer, hyper_of in own.items() if hyper_of}


def _without_momentum(setting: str, optimizers: Mapping[str, Optimizer]) -> Iterator[Core]:
    yield witness(
        f"sgd/descent-{setting}", "No momentum; decay and dampening hold all the same.",
        _with(optimizers["sgd"], momentum=0.0),
        steps=3,
    )
    yield witness(
        f"lars/no-momentum-{setting}", "No momentum, and a layer as large as the one before it.",
        _with(optimizers["lars"], momentum=0.0),
        shapes={"a": (3,), "b": (3,), "w": (3, 2)}, t=7, steps=2,
    )


def _tiny(name: str, setting: str, optimizer: Optimizer) -> Iterator[Core]:
    eps = float(optimizer.hyper()["eps"])
    inside = bool(optimizer.hyper().get("eps_inside_root", False))
    yield _tiny_case(f"{name}/tiny-{setting}", optimizer, eps, inside=inside)
    if name not in TRUSTING:
        yield witness(
            f"{name}/faint-{setting}", "Gradients far smaller than eps, which is all there is.",
            optimizer, t=10, steps=2, shapes={"moving": (3,), "calm": (3,)},
            weights={"calm": 0.0}, grads={"calm": 2.0 ** (round(float(np.log2(eps))) - 12)},
            hunts="faint-eps",
        )
    if "eps_inside_root" in optimizer.hyper():
        where = "outside" if inside else "inside"
        other = _with(optimizer, eps_inside_root=not inside)
        yield _tiny_case(f"{name}/tiny-{where}-{setting}", other, eps, inside=not inside)


def _tiny_case(case: str, optimizer: Optimizer, eps: float, *, inside: bool) -> Core:
    scale = 2.0 ** round(float(np.log2(eps)) / (2 if inside else 1))
    return witness(
        case, "Gradients as small as eps: where it stands shows.", optimizer,
        t=10, steps=2, weights=0.0, grads=scale,
    )


def _counted(name: str, setting: str, optimizer: Optimizer) -> Iterator[Core]:
    """Yield the first step that a count of few bits does not reach, for two formats.

    Dyadic second decay rates have died out by then.
    """
    for t, format in ((256, "bfloat16"), (2048, "float16")):
        yield witness(
            f"{name}/counted-{t}-{setting}",
            f"Step {t + 1}, which a count in {format} does not reach.",
            optimizer, t=t, shapes={"w": (2, 2), "z": (2,)}, weights={"z": 0.0},
        )


def switch(optimizer: Optimizer) -> int | None:
    """Return the first rectified step of an optimizer, None if there is none.

    Examples
    --------
    >>> from paratrooper_ref import RAdam
    >>> switch(RAdam()), switch(RAdam(beta2=0.5))
    (5, None)
    """
    hyper = optimizer.hyper()
    beta2 = scalar(EXACT, hyper["beta2"])
    rho_inf = 2 / (1 - beta2) - 1
    for t in range(1, 100):
        power = beta2**t
        if rho_inf - 2 * t * power / (1 - power) > hyper["threshold"]:
            return t
    return None


def _switch(name: str, setting: str, optimizer: Optimizer) -> Iterator[Core]:
    warmups = [("momentum", called) for called in BETAS2[setting]]
    for warmup, called in (*warmups, ("none", "0_999" if setting == "decimal" else "255_256")):
        changed = _with(optimizer, beta2=BETAS2[setting][called], warmup=warmup)
        yield _at_switch(f"{name}/switch-{called}-{warmup}-{setting}", changed)
    never = _with(optimizer, beta2=0.5, warmup="momentum")
    yield witness(
        f"{name}/never-{setting}", "A second decay rate so small that it is never rectified.",
        never, t=50, steps=2, shapes={"w": (2, 2)},
    )


def _at_switch(case: str, optimizer: Optimizer) -> Core:
    first, warmup = switch(optimizer), optimizer.hyper()["warmup"]
    assert first is not None
    return witness(
        case, f"The steps before, at and after the rectification switch, warming up by {warmup}.",
        optimizer, t=first - 2, steps=3, shapes={"w": (2, 2)}, weights=2.0**-6,
        hunts=f"switch-{warmup}",
    )


def _ratios(name: str, setting: str, optimizer: Optimizer) -> Iterator[Core]:
    shapes = {"large": (3,), "even": (3,), "small": (3,), "zero": (3,), "rest": (3,)}
    yield witness(
        f"{name}/ratios-{setting}",
        "Norms of the weights far above, near and far below that of the direction, and zero.",
        optimizer, t=40, steps=2, shapes=shapes,
        weights={"large": 2.0**10, "small": 2.0**-8, "zero": 0.0}, grads={"rest": 0.0},
    )


def _at_rest(name: str, setting: str, optimizer: Optimizer) -> Iterator[Core]:
    """Yield norms of zero and near it, without decay; and decay without a gradient."""
    bare = {"weight_decay": 0.0, "l2": 0.0} | ({"eps": 0.0} if name == "lars" else {})
    own = {k: x for k, x in bare.items() if k in optimizer.hyper()}
    yield witness(
        f"{name}/at-rest-{setting}",
        "Layers without weights, without a direction and without either, beside one that moves.",
        _with(optimizer, **own), t=10, steps=2,
        shapes={"moving": (3,), "light": (3,), "rest": (3,), "none": (3,)},
        weights={"light": 0.0, "none": 0.0}, grads={"rest": 0.0, "none": 0.0},
    )
    yield witness(
        f"{name}/faint-{setting}",
        "Weights and directions of small norms, which are not 0.",
        _with(optimizer, **own), t=10, steps=2,
        shapes={"moving": (3,), "light": (3,), "calm": (3,), "both": (3,)},
        weights={"light": 2.0**-20, "both": 2.0**-20}, grads={"calm": 2.0**-40, "both": 2.0**-40},
    )
    if name == "lars":
        decay = float(optimizer.hyper()["weight_decay"])
        yield witness(
            f"{name}/coasting-{setting}",
            "Gradients of zero, and more decay than the trust coefficient makes up for.",
            _with(optimizer, trust_coefficient=decay / 64), t=10, steps=2,
            grads=0.0, moments=0.25,
        )


def _synchronised(name: str, setting: str, optimizer: Optimizer) -> Iterator[Core]:
    k = int(optimizer.hyper()["k"])
    yield witness(
        f"{name}/sync-{setting}", "The steps before, at and after a synchronisation.",
        optimizer, t=4 * k - 2, steps=3, shapes={"w": (2, 2), "b": (2,)},
    )
    yield witness(
        f"{name}/first-sync-{setting}", "From the start over the first synchronisation.",
        optimizer, steps=k + 1, shapes={"w": (2, 2)},
    )
    yield witness(
        f"{name}/own-sync-{setting}",
        "Layers with k and alpha of their own, each before, at and after a synchronisation.",
        optimizer.for_layers(
            {"b": {"alpha": 0.25}, "c": {"k": k + 1}, "d": {"k": k + 1, "alpha": 0.25}}
        ),
        t=2 * k - 2, steps=5, shapes={"w": (2,), "b": (2,), "c": (2,), "d": (2,)},
    )


def _bounds(setting: str, optimizers: Mapping[str, Optimizer]) -> Iterator[Core]:
    shapes = {"large": (3,), "even": (3,), "small": (3,), "zero": (3,)}
    sizes = {"large": 2.0**6, "small": 2.0**-6, "zero": 0.0}
    crossed = {"lower": 4.0, "upper": 2.0}
    bounded, last = "bind above, not at all and below", "the one that comes last wins"
    changes: dict[str, tuple[str, str, dict[str, float]]] = {
        "lamb/norms": ("lamb", bounded, {"norm_lower": 0.5, "norm_upper": 8.0}),
        "lamb/norms-crossed": ("lamb", f"cross: {last}", {"norm_lower": 4.0, "norm_upper": 2.0}),
        "lamb/bounds": ("lamb", bounded, {"lower": 0.25, "upper": 4.0}),
        "lamb/bounds-crossed": ("lamb", f"cross: {last}", crossed),
        "rangerlars/lower": ("rangerlars", "keep the ratio at 1 or more", {"lower": 1.0}),
        "rangerlars/bounds-crossed": ("rangerlars", f"cross: {last}", crossed),
        "paratrooper/lower": ("paratrooper", "keep the ratio at 2 or more", {"lower": 2.0}),
        "paratrooper/cap": ("paratrooper", "have a constant ceiling", {"cap": 3.5}),
        "paratrooper/low-cap": ("paratrooper", "have a ceiling below the floor", {"cap": 0.5}),
    }
    for case, (name, do, change) in changes.items():
        what = "Bounds on the norm" if "norm_lower" in change else "Bounds on the ratio"
        yield witness(
            f"{case}-{setting}", f"{what} that {do}; and a norm of zero.",
            _with(optimizers[name], **change), t=40, steps=2, shapes=shapes, weights=sizes,
        )


def _edges(setting: str, optimizers: Mapping[str, Optimizer]) -> Iterator[Core]:
    adam, lookahead = optimizers["adam"], optimizers["lookahead"]
    bare: dict[str, Any] = {"weight_decay": 0.0, "eps": 0.0}
    edges: dict[str, tuple[Optimizer, str, dict[str, Any]]] = {
        "adam/no-eps": (_with(adam, **bare), "No eps at all.", {}),
        "adam/large": (_with(adam, **bare), "Gradients of 2**40.", {"grads": 2.0**40}),
        "adam/small": (_with(adam, **bare), "Gradients of 2**-40.", {"grads": 2.0**-40}),
        "adam/no-beta1": (_with(adam, beta1=0.0), "The first moment is the gradient.", {}),
        "adam/no-rate": (_with(adam, lr=0.0), "A rate of 0: only moments move.", {}),
        "lookahead/each-step": (
            _with(lookahead, k=1, alpha=1.0), "A synchronisation at each step, all the way.", {},
        ),
        "lookahead/around-lamb": (_with(lookahead, inner=optimizers["lamb"]), "Around LAMB.", {}),
        "lookahead/around-radam": (
            _with(lookahead, inner=optimizers["radam"]), "Around RAdam.", {},
        ),
        "lookahead/no-way": (
            _with(lookahead, k=2, alpha=0.0), "Each synchronisation goes back to the start.", {},
        ),
    }
    for case, (optimizer, about, options) in edges.items():
        yield witness(
            f"{case}-{setting}", about, optimizer, t=11, steps=2,
            shapes={"w": (2, 2), "b": (2,)}, **options,
        )


def _with(optimizer: Optimizer, **changes: Any) -> Optimizer:
    return replace(optimizer, **changes)


def _first_batches(setting: str, optimizers: Mapping[str, Optimizer]) -> Iterator[Core]:
    for name in RECTIFIED:
        optimizer = _with(optimizers[name], warmup="auto")
        hyper = optimizer.hyper()
        unit = ((1 - hyper["beta1"]) / (1 - hyper["beta2"])) ** 2
        yield _first_batch(f"{name}/quiet-{setting}", optimizer, unit, (0.2, 0.45), (0.55, 9))
        yield _first_batch(f"{name}/loud-{setting}", optimizer, unit, (0.55, 0.95), (0, 0.45))
    size = 2.0 ** round(float(np.log2(unit)) / 2 + 1)
    yield witness(
        f"paratrooper/late-choice-{setting}",
        "A state from the middle of a run that does not say how it has warmed up.",
        optimizers["paratrooper"], t=3, steps=2, grads=size, undecided=True,
    )


def _first_batch(
    case: str,
    optimizer: Optimizer,
    unit: float,
    whole: tuple[float, float],
    first: tuple[float, float],
) -> Core:
    """Return the first draw whose h is in an interval, and that of its first layer in another."""
    size = 2.0 ** round(float(np.log2(unit)) / 2)
    for seed in range(1000):
        for grads in ({"w": size, "b": size / 8, "s": size}, size / 2, size / 4):
            found = witness(
                case, f"A first gradient with {whole[0]} < h < {whole[1]}, its first layer apart.",
                optimizer, steps=2, grads=grads, seed=seed,
            )
            squares = [x * x for x in found.feeds[0].grads.values() if x is not None]
            h = sum(float(x.sum()) for x in squares) / sum(x.size for x in squares) / unit
            alone = float(squares[0].mean()) / unit
            if whole[0] < h < whole[1] and first[0] < alone < first[1]:
                return found
    msg = f"no draw is such a first gradient for {case}"
    raise ValueError(msg)


def _whose_batch(setting: str, optimizers: Mapping[str, Optimizer]) -> Iterator[Core]:
    """Yield first batches in which it matters whose elements h has."""
    shapes = {"a": (8,), "w": (2, 2), "b": (2,)}
    for name in RECTIFIED:
        optimizer = _with(optimizers[name], warmup="auto")
        yield _drawn_to(
            f"{name}/loud-frozen-{setting}",
            "A first gradient that is loud, and quiet if the elements of a frozen layer count.",
            optimizer, 0.55, 0.7, shapes=shapes, frozen=(("a", 1),), steps=2,
        )
        yield _drawn_to(
            f"{name}/quiet-still-{setting}",
            "A first gradient that is quiet, and loud without a layer whose gradient is zero.",
            optimizer, 0.3, 0.45, shapes=shapes, still="a", steps=2,
        )
    yield _drawn_to(
        f"paratrooper/late-choice-momentum-{setting}",
        "A state from the middle of a run that has yet to choose, and chooses momentum.",
        optimizers["paratrooper"], 0.2, 0.45, shapes={"w": (2, 2), "b": (2,)}, t=3, steps=2,
        undecided=True,
    )


def _drawn_to(
    case: str, about: str, optimizer: Optimizer, least: float, most: float, *,
    shapes: Mapping[str, tuple[int, ...]], still: str = "", **options: Any,
) -> Core:
    """Return the first draw whose h is in an interval; of one layer the gradient may be 0."""
    hyper = optimizer.hyper()
    unit = ((1 - hyper["beta1"]) / (1 - hyper["beta2"])) ** 2
    size = 2.0 ** round(float(np.log2(unit)) / 2)
    for seed in range(100):
        for scale in (size, size / 2):
            found = witness(
                case, about, optimizer, shapes=shapes, seed=seed,
                grads={name: 0.0 if name == still else scale for name in shapes}, **options,
            )
            moving = [g for g in found.feeds[0].grads.values() if g is not None]
            h = sum(float((g * g).sum()) for g in moving) / sum(g.size for g in moving) / unit
            if least < h < most:
                return found
    msg = f"no draw is such a first gradient for {case}"
    raise ValueError(msg)


def _waiting(setting: str, optimizers: Mapping[str, Optimizer]) -> Iterator[Core]:
    for name in ("ranger", "rangerlars", "paratrooper"):
        optimizer = _with(optimizers[name], warmup="none", k=4)
        first = switch(optimizer)
        assert first is not None
        assert first > 5
        yield witness(
            f"{name}/sync-waiting-{setting}",
            "Steps that wait to be rectified: the synchronisation alone moves the weights.",
            optimizer, t=2, steps=3, shapes={"w": (2, 2)},
        )


def _as_published(name: str, optimizer: Optimizer) -> Iterator[Core]:
    """Yield the witnesses of one decay and no lower bound, as most packages have them."""
    without = "L2 decay and lower bound" if name == "rangerlars" else "L2 decay"

    def case(what: str, about: str, **options: Any) -> Core:
        about = f"{about} Without {without}, as in most packages."
        return witness(f"{name}/{what}-published", about, optimizer, **options)

    yield case(
        "plain", "Three steps from the start.", steps=3, seed=1 if name == "rangerlars" else 0
    )
    yield case("turning", "Gradients that turn against the moments.", t=10, steps=2)
    yield case("still", "Gradients of zero.", t=10, grads=0.0, moments=0.25)
    eps = float(optimizer.hyper()["eps"])
    yield _tiny_case(f"{name}/tiny-published", optimizer, eps, inside=False)
    changed = _with(optimizer, beta2=BETAS2["decimal"]["0_999"], warmup="momentum")
    yield _at_switch(f"{name}/switch-0_999-momentum-published", changed)
    if "slow" in optimizer.slots():
        yield case(
            "sync", "The steps before, at and after a synchronisation.",
            t=4 * int(optimizer.hyper()["k"]) - 2, steps=3, shapes={"w": (2, 2), "b": (2,)},
        )


def _single_precision() -> Core:
    """Return the switch that rho with powers of single precision passes a step early: 5.18, not 5.

    RAdam's other cases have a threshold of 4; this one has that of torch and optax.
    """
    optimizer = _with(
        SETTINGS["decimal"]["radam"], beta2=0.9995, threshold=5.0, warmup="momentum"
    )
    return _at_switch("radam/switch-0_9995-momentum-decimal", optimizer)


def _ceilings(setting: str, optimizers: Mapping[str, Optimizer]) -> Iterator[Core]:
    optimizer = _with(optimizers["paratrooper"], warmup="momentum")
    shapes = {"large": (3,), "even": (3,)}
    sizes = {"large": 2.0**12, "even": 8.0}
    first = switch(optimizer)
    assert first is not None
    for what, t, about in (
        ("open", first, "The ceiling as it opens at the rectification switch."),
        ("shutting", 152, "The ceiling on its way down; in the decimal setting it passes 10."),
        ("shut", 5000, "The ceiling near 1."),
    ):
        yield witness(
            f"paratrooper/{what}-{setting}", about,
            optimizer, t=t - 2, steps=3, shapes=shapes, weights=sizes,
        )
    betas = {"decimal": (0.99, 0.9), "dyadic": (1 - 2.0**-7, 0.875)}[setting]
    low = _with(optimizer, beta1=betas[0], beta2=betas[1])
    first = switch(low)
    assert first is not None
    yield witness(
        f"paratrooper/below-1-{setting}", "A ceiling below the lower bound, which comes last.",
        low, t=first - 1, steps=2, shapes=shapes, weights=sizes,
    )


def _plateau() -> Iterator[Core]:
    still = (4.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0)
    patient = ReduceOnPlateau(patience=1, factor=0.5, cooldown=1)
    rate = float(SETTINGS["decimal"]["sgd"].hyper()["lr"])
    plans: dict[str, tuple[str, ReduceOnPlateau, tuple[float, ...]]] = {
        "ranger/plateau": ("Rates cut where a metric stands still.", patient, still),
        "paratrooper/plateau": ("Rates cut where a metric stands still.", patient, still),
        "sgd/plateau": ("Rates cut where a metric stands still.", patient, still),
        "sgd/plateau-rising": (
            "A metric that should rise, by an amount.",
            ReduceOnPlateau(
                patience=0, factor=0.1, mode="max", threshold=0.5, threshold_mode="abs"
            ),
            (1.0, 1.25, 2.0, 2.25, 2.5),
        ),
        "sgd/plateau-bounded": (
            "Cuts that end at the least rate, and one too small to be made.",
            ReduceOnPlateau(patience=0, factor=0.25, min_lr=rate / 5, eps=rate / 10),
            (1.0, 1.0, 1.0, 1.0),
        ),
        "sgd/plateau-epochs": (
            "Epochs of two steps.",
            ReduceOnPlateau(epoch=2, patience=0, factor=0.5),
            (3.0, 3.0, 3.0),
        ),
        "sgd/plateau-again": (
            "A cut with no cooldown, and as much patience before the next one.",
            ReduceOnPlateau(patience=1, factor=0.5), (4.0,) * 6,
        ),
        "sgd/plateau-cooldown": (
            "A metric that stands still through a whole cooldown, and until the next cut.",
            ReduceOnPlateau(patience=1, factor=0.5, cooldown=2), (4.0,) * 8,
        ),
        "sgd/plateau-share": (
            "A fall by more than the threshold, and by less than that share.",
            ReduceOnPlateau(patience=0, factor=0.5, threshold=0.1), (8.0, 7.5),
        ),
        "sgd/plateau-negative": (
            "A metric below 0: the share is taken of the number, not of its size.",
            ReduceOnPlateau(patience=0, factor=0.5, threshold=0.1), (-4.0, -3.75, -4.125, -3.5),
        ),
    }
    for case, (about, schedule, metrics) in plans.items():
        told, steps = iter(metrics), 1 + len(metrics) * schedule.epoch
        given = tuple(next(told) if schedule.asks(t) else None for t in range(1, steps + 1))
        yield witness(
            f"{case}-decimal", about, SETTINGS["decimal"][case.partition("/")[0]],
            steps=steps, shapes={"w": (2,)}, metrics=given, schedule=schedule, hunts="plateau",
        )


def _rates() -> Iterator[Core]:
    plans: dict[str, tuple[str, Schedule, int]] = {
        "cosine": (
            "A flat rate to the integer nearest to 3.6, half a cosine, a step past its end.",
            FlatThenCosine(steps=9, flat=0.4), 10,
        ),
        "warmup": ("A rate that rises for four steps, and one more.", LinearWarmup(steps=4), 5),
    }
    for what, (about, schedule, steps) in plans.items():
        yield witness(
            f"sgd/{what}-decimal", about, SETTINGS["decimal"]["sgd"], steps=steps,
            shapes={"w": (2,)}, schedule=schedule, hunts="plateau",
        )
