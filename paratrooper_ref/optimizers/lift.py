"""Lift rules for one layer to named layers, batches, frozen layers and any arithmetic.

A rule is a function of bare names for ONE layer, whose arrays arrive as ``(*batch, n)`` and
whose local names come back as its lines.  No rule knows about layers; it is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from paratrooper_ref.arithmetic import Kind, Names, Scalar, finite, kind, scalar
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers.admit import (
    admitted_gradients,
    admitted_params,
    admitted_state,
    refuse_non_finite,
    shut,
)
from paratrooper_ref.optimizers.state import SLOTS, Array, Lines, State

if TYPE_CHECKING:
    from paratrooper_ref.optimizers.optimizer import Optimizer

Rule = Callable[..., Names]


def begin(
    optimizer: Optimizer, params: Mapping[str, Any], *, scalars: str, batch_axes: int
) -> State:
    """Return the state before the first step; see `Optimizer.init`."""
    arrays = admitted_params(optimizer, params, batch_axes)
    kind(scalars, next(iter(arrays.values())).dtype)
    alive = None
    if batch_axes:
        alive = _all_rows([finite(x) for x in arrays.values()], batch_axes)
    else:
        for name, x in arrays.items():
            refuse_non_finite("parameter", name, x, 0)
    zeros = {name: shut(_zeros(x)) for name, x in arrays.items()}
    state = State(params=arrays, scalars=scalars, batch_axes=batch_axes, alive=alive)
    slots: Names = {s: arrays if s == "slow" else zeros for s in optimizer.slots()}
    return replace(state, **slots)


def advance(
    optimizer: Optimizer, state: State, grads: Mapping[str, Any], lr: float | None
) -> tuple[State, Lines]:
    """Return the state after one step, and its lines; see `Optimizer.step`."""
    state = admitted_state(optimizer, state)
    t, batch, slots = state.t + 1, state.batch, optimizer.slots()
    gradients = {
        name: g.reshape(*batch, -1)
        for name, g in admitted_gradients(optimizer, state, grads).items()
        if g is not None
    }
    arithmetic = kind(state.scalars, next(iter(state.params.values())).dtype)
    alive = state.alive
    given: dict[str, Names] = {}
    found: dict[str, Names] = {}

    with np.errstate(all="ignore"):  # what is not finite is found and named below
        state, model = _chosen(optimizer, state, list(gradients.values()), arithmetic)
        for name, g in gradients.items():
            given[name] = inputs(optimizer, state, name, g, lr)
            found[name] = _run(optimizer.stages(), given[name])
            if alive is not None:
                results = [found[name][slot] for slot in ("theta", *slots)]
                alive = alive & _all_rows([finite(x) for x in (g, *results)], len(batch))

    after: Names = {slot: dict(state.slot(slot)) for slot in ("theta", *slots)}
    for name, names in found.items():
        for slot in after:
            before = after[slot][name]
            new = names[slot].reshape(before.shape)
            if alive is None:
                refuse_non_finite(f"result {slot}", name, new, t)
            elif not alive.all():
                new = np.where(_spread(alive, new), new, before)
            after[slot][name] = shut(new)
    lines = {
        name: _recorded(names, given[name], state.params[name], batch, arithmetic, alive)
        for name, names in found.items()
    }
    params = after.pop("theta")
    if alive is not None:
        shut(alive)
    tagged = {name: lines.get(name, {}) for name in params}  # a frozen layer has no lines
    return replace(state, t=t, params=params, alive=alive, **after), Lines(tagged, model)


@np.errstate(all="ignore")  # what is not finite is the caller's to find
def evaluated(
    optimizer: Optimizer,
    state: State,
    grads: Mapping[str, Any],
    lr: float | None,
    number: Callable[[str, str, Array], Any],
    scalars: Kind | None = None,
    told: Callable[[str], Names] | None = None,
) -> tuple[dict[str, Names], Names]:
    """Return the names of a step's rules, by layer, and of the model, in another arithmetic.

    The same lines as `advance` runs, on whatever ``number(layer, slot, array)`` makes of the
    arrays ("g" is the gradient), for one trajectory.  Scalars are of a kind, or as
    ``state.scalars`` has them; ``told(layer)`` are further names that rules ask for.
    """
    arithmetic = scalars or kind(state.scalars, next(iter(state.params.values())).dtype)
    moving = {name: g for name, g in grads.items() if g is not None}
    given: dict[str, Names] = {}
    for name, g in moving.items():
        names = inputs(optimizer, state, name, np.asarray(g).reshape(-1), lr, scalars)
        names |= told(name) if told else {}
        arrays = ("theta", *optimizer.slots(), "g")
        given[name] = names | {slot: number(name, slot, names[slot]) for slot in arrays}
        given[name]["before"] = given[name]["theta"]
    warmup, model = state.warmup, {}
    hyper = _hyper(optimizer, None, arithmetic)
    if hyper.get("warmup") == "auto" and warmup is None and moving:
        gradients = [given[name]["g"] for name in state.params if name in moving]
        model = optimizer.first_batch(gradients, beta1=hyper["beta1"], beta2=hyper["beta2"])
        warmup = "momentum" if bool(np.all(model["small"])) else "none"
    elif hyper.get("warmup") != "auto":
        warmup = hyper.get("warmup")
    return {
        name: _staged(optimizer.stages(), names | {"warmup": warmup})
        for name, names in given.items()
    }, model


def inputs(
    optimizer: Optimizer,
    state: State,
    layer: str,
    g: Array,
    lr: float | None,
    scalars: Kind | None = None,
) -> Names:
    """Return all that the rules of a step may ask for, for one layer, as ``(*batch, n)``."""
    arithmetic = scalars or kind(state.scalars, g.dtype)
    arrays = {slot: state.slot(slot)[layer] for slot in ("theta", *optimizer.slots())} | {"g": g}
    return (
        _hyper(optimizer, layer, arithmetic)
        | {name: x.reshape(*state.batch, -1) for name, x in arrays.items()}
        | {"before": arrays["theta"].reshape(*state.batch, -1)}
        | {"t": state.t + 1, "lr": scalar(arithmetic, optimizer.rate(lr, layer))}
        | {"warmup": state.warmup}
    )


def _run(stages: tuple[Rule, ...], names: Names) -> Names:
    """Run the stages on one layer; rows that warm up differently are run both ways."""
    warmup = names["warmup"]
    if not isinstance(warmup, np.ndarray):
        return _staged(stages, names)
    momentum, none = (_staged(stages, names | {"warmup": w}) for w in ("momentum", "none"))
    if momentum.get("rectified"):
        return momentum
    moves = _spread(warmup == "momentum", momentum["theta"])
    if "trust_ratio" in momentum:  # the number 1 where it is switched off
        one = momentum["trust_ratio"] * np.ones_like(momentum["theta"][..., :1])
        momentum = momentum | {"trust_ratio": one}
    return momentum | {
        tag: np.where(moves, x, none.get(tag, np.nan))
        for tag, x in momentum.items()
        if isinstance(x, np.ndarray) and x is not none.get(tag)
    }


def _staged(stages: tuple[Rule, ...], names: Names) -> Names:
    for stage in stages:
        names = names | stage(**{p: names[p] for p in parameters(stage) if p in names})
    return names


@lru_cache
def parameters(rule: Rule) -> tuple[str, ...]:
    """Return the names of a rule's parameters."""
    code = rule.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


@lru_cache
def _hyper(optimizer: Optimizer, layer: str | None, arithmetic: Kind) -> Names:
    """Return the hyperparameters of a layer, or of all, with numbers as scalars."""
    # An infinite bound never binds: it stays a float, which every clamp understands.
    return {
        name: scalar(arithmetic, x) if type(x) is float and np.isfinite(x) else x
        for name, x in optimizer.hyper(layer).items()
    }


def _chosen(
    optimizer: Optimizer, state: State, gradients: list[Array], arithmetic: Kind
) -> tuple[State, Names]:
    """Settle how to warm up: as told, or by the first batch's gradient, once."""
    hyper = _hyper(optimizer, None, arithmetic)
    told = hyper.get("warmup")
    if told != "auto":
        return replace(state, warmup=told), {}
    if state.warmup is not None or not gradients:
        return state, {}
    found = optimizer.first_batch(gradients, beta1=hyper["beta1"], beta2=hyper["beta2"])
    warmup = np.where(found["small"], "momentum", "none")[..., 0]
    if (warmup == "none").any():
        optimizer.warn_if_stuck(depth=4)
    chosen: str | Array = str(warmup) if not state.batch else shut(warmup)
    return replace(state, warmup=chosen), {"h": shut(found["h"].reshape(state.batch))}


def _recorded(
    names: Names,
    given: Names,
    like: Array,
    batch: tuple[int, ...],
    arithmetic: Kind,
    alive: Array | None,
) -> Names:
    """Return the lines of a layer in the shapes of the outside, in the order of TAGS."""
    lines: Names = {}
    for tag, (_, _, extent, _) in TAGS.items():
        value = names.get(tag)
        if value is None or (tag in SLOTS and value is given[tag]):  # no line assigned it
            continue
        if extent == "step":
            lines[tag] = _number(value, like, arithmetic)
            continue
        if not isinstance(value, np.ndarray):  # a trust ratio that is switched off
            value = np.full((*batch, 1), value).astype(like.dtype)
        if alive is not None and not alive.all():
            value = np.where(_spread(alive, value), value, np.nan)
        lines[tag] = shut(value.reshape(like.shape if extent == "element" else batch))
    return lines


def _number(x: Any, like: Array, arithmetic: Kind) -> Any:
    """Return a scalar line as a double (or longdouble), or in the number system of the layer."""
    if isinstance(x, bool):
        return x
    if isinstance(x, float):  # an infinite bound, see _hyper
        return np.result_type(like.dtype, np.float64).type(x) if not like.dtype.hasobject else x
    x = x if isinstance(x, Scalar) else scalar(arithmetic, x)
    if like.dtype.hasobject:
        return x.met(like)
    return arithmetic.to_dtype(x, np.result_type(like.dtype, np.float64))


def _zeros(x: Array) -> Array:
    if x.dtype.hasobject:
        return np.full(x.shape, type(x.flat[0])(0), dtype=object)
    return np.zeros_like(x)


def _all_rows(good: list[Array], batch_axes: int) -> Array:
    rows = [g.reshape(*g.shape[:batch_axes], -1).all(axis=-1) for g in good]
    return np.asarray(np.logical_and.reduce(rows))


def _spread(rows: Array, x: Array) -> Array:
    """Give rows trailing axes, to select among arrays shaped as x."""
    return rows.reshape(rows.shape + (1,) * (x.ndim - rows.ndim))
