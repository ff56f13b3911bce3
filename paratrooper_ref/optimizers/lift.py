"""Lift rules for one layer to named layers, batches, frozen layers and any arithmetic.

A rule is a function of bare names for ONE layer, whose arrays arrive as ``(*batch, n)`` and
whose local names come back as its lines.  This is the only place that knows about layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from paratrooper_ref.arithmetic import Kind, Names, Scalar, finite, kind, scalar
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.optimizers.state import SLOTS, Array, Layers, Lines, NonFiniteError, State
from paratrooper_ref.optimizers.warmup import first_batch

if TYPE_CHECKING:
    from paratrooper_ref.optimizers.optimizer import Optimizer

Rule = Callable[..., Names]


def begin(
    optimizer: Optimizer, params: Mapping[str, Any], *, scalars: str, batch_axes: int
) -> State:
    """Return the state before the first step; see `Optimizer.init`."""
    who = f"{optimizer.name}.init"
    given: object = params
    if not isinstance(given, Mapping) or not given:
        msg = f"{who} needs at least one named layer, as in {{'x': array}}, got params={given!r}"
        raise (ValueError if isinstance(given, Mapping) else TypeError)(msg)
    arrays = {name: _parameter(who, name, x) for name, x in params.items()}
    first, *others = arrays
    for name in others:
        _agree(who, "dtype", first, arrays[first].dtype, name, arrays[name].dtype)
    for name, x in arrays.items():
        if x.ndim < batch_axes:
            msg = f"{who} needs {batch_axes} leading batch axes, got {name}.shape={x.shape}"
            raise ValueError(msg)
        _agree(
            who, "batch", first, arrays[first].shape[:batch_axes], name, x.shape[:batch_axes]
        )
    for name in optimizer.layer_names():
        if name not in arrays:
            msg = f"{who} needs the layers of for_layers, got no {name!r}; {nearest(name, arrays)}"
            raise ValueError(msg)
    kind(scalars, arrays[first].dtype)
    alive = None
    if batch_axes:
        alive = _all_rows([finite(x) for x in arrays.values()], batch_axes)
    else:
        for name, x in arrays.items():
            _refuse_non_finite("parameter", name, x, 0)
    zeros = {name: _shut(_zeros(x)) for name, x in arrays.items()}
    state = State(params=arrays, scalars=scalars, batch_axes=batch_axes, alive=alive)
    slots: Names = {s: arrays if s == "slow" else zeros for s in optimizer.slots()}
    return replace(state, **slots)


def advance(
    optimizer: Optimizer, state: State, grads: Mapping[str, Any], lr: float | None
) -> tuple[State, Lines]:
    """Return the state after one step, and its lines; see `Optimizer.step`."""
    t, batch = state.t + 1, state.batch
    gradients = _gradients(optimizer, state, grads)
    slots = {slot: _layers_of(optimizer, state, slot) for slot in optimizer.slots()}
    arithmetic = kind(state.scalars, next(iter(state.params.values())).dtype)
    alive = state.alive
    lines: dict[str, Names] = {}
    results: dict[str, Names] = {}

    with np.errstate(all="ignore"):  # what is not finite is found and named below
        flat = {
            name: g.reshape(*batch, -1)
            for name, g in gradients.items()
            if g is not None
        }
        state, model = _chosen(optimizer, state, list(flat.values()), arithmetic)
        for name, g in flat.items():
            results[name] = _run(optimizer.stages(), inputs(optimizer, state, name, g, lr))
            if alive is not None:
                stored = [results[name][slot] for slot in ("theta", *slots)]
                alive = alive & _all_rows([finite(x) for x in (g, *stored)], len(batch))

    after: Names = {slot: dict(state.slot(slot)) for slot in ("theta", *slots)}
    for name, names in results.items():
        for slot in after:
            before = after[slot][name]
            new = names[slot].reshape(before.shape)
            if alive is None:
                _refuse_non_finite(f"result {slot}", name, new, t)
            elif not alive.all():
                new = np.where(_spread(alive, new), new, before)
            after[slot][name] = _shut(new)
        lines[name] = _recorded(names, slots, state.params[name], batch, arithmetic, alive)
    params = after.pop("theta")
    if alive is not None:
        _shut(alive)
    tagged = {name: lines.get(name, {}) for name in params}  # a frozen layer has no lines
    return replace(state, t=t, params=params, alive=alive, **after), Lines(tagged, model)


def inputs(optimizer: Optimizer, state: State, layer: str, g: Array, lr: float | None) -> Names:
    """Return all that the rules of a step may ask for, for one layer, as ``(*batch, n)``."""
    theta = state.params[layer]
    arithmetic = kind(state.scalars, theta.dtype)
    arrays = {slot: state.slot(slot)[layer] for slot in ("theta", *optimizer.slots())} | {"g": g}
    return (
        _lifted(tuple(optimizer.hyper(layer).items()), arithmetic)
        | {name: x.reshape(*state.batch, -1) for name, x in arrays.items()}
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
    missing = dict.fromkeys(momentum.keys() - none.keys(), np.nan)
    return momentum | {
        tag: np.where(moves, momentum[tag], x)
        for tag, x in (none | missing).items()
        if isinstance(momentum[tag], np.ndarray)
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
def _lifted(hyper: tuple[tuple[str, Any], ...], arithmetic: Kind) -> Names:
    # An infinite bound never binds: it stays a float, which every clamp understands.
    return {
        name: scalar(arithmetic, x) if type(x) is float and np.isfinite(x) else x
        for name, x in hyper
    }


def _chosen(
    optimizer: Optimizer, state: State, gradients: list[Array], arithmetic: Kind
) -> tuple[State, Names]:
    """Settle how to warm up: as told, or by the first batch's gradient, once."""
    hyper = optimizer.hyper()
    told = hyper.get("warmup")
    if told != "auto":
        return replace(state, warmup=told), {}
    if state.warmup is not None or not gradients:
        return state, {}
    betas = _lifted(tuple((b, hyper[b]) for b in ("beta1", "beta2")), arithmetic)
    found = first_batch(gradients, **betas)
    warmup = np.where(found["small"], "momentum", "none")[..., 0]
    optimizer.warn_if_stuck(stays=bool((warmup == "none").any()))
    chosen: str | Array = str(warmup) if not state.batch else _shut(warmup)
    return replace(state, warmup=chosen), {"h": found["h"].reshape(state.batch)[()]}


def _recorded(
    names: Names,
    slots: Layers | Mapping[str, Any],
    like: Array,
    batch: tuple[int, ...],
    arithmetic: Kind,
    alive: Array | None,
) -> Names:
    """Return the lines of a layer in the shapes of the outside, in the order of TAGS."""
    lines: Names = {}
    for tag, (_, _, extent, _) in TAGS.items():
        if tag not in names or (tag in slots and names[tag] is slots[tag]):
            continue
        value = names[tag]
        if extent == "step":
            lines[tag] = _number(value, like, arithmetic)
            continue
        if not isinstance(value, np.ndarray):  # a trust ratio that is switched off
            value = np.full((*batch, 1), value).astype(like.dtype)
        if alive is not None and not alive.all():
            value = np.where(_spread(alive, value), value, np.nan)
        lines[tag] = _shut(value.reshape(like.shape if extent == "element" else batch))
    return lines


def _number(x: Any, like: Array, arithmetic: Kind) -> Any:
    """Return a scalar line as a double (or longdouble), or in the number system of the layer."""
    if isinstance(x, bool):
        return x
    x = x if isinstance(x, Scalar) else scalar(arithmetic, x)
    if like.dtype.hasobject:
        return x.met(like)
    return arithmetic.to_dtype(x, np.result_type(like.dtype, np.float64))


def _parameter(who: str, name: Any, x: Any) -> Array:
    if not isinstance(name, str):
        msg = f"{who} needs layers named by strings, got name={name!r}"
        raise TypeError(msg)
    array = np.array(x)
    if array.dtype.kind not in "fO":
        msg = (
            f"{who} needs floating or object arrays, got {name}.dtype={array.dtype}; "
            "convert with array.astype(float)"
        )
        raise TypeError(msg)
    if array.size == 0:
        msg = f"{who} needs layers with elements, got {name}.shape={array.shape}"
        raise ValueError(msg)
    return _shut(array)


def _gradients(
    optimizer: Optimizer, state: State, grads: Mapping[str, Any]
) -> dict[str, Array | None]:
    who = f"{optimizer.name}.step"
    given: object = grads
    if not isinstance(given, Mapping):
        msg = f"{who} needs a gradient for each named layer, got grads={given!r}"
        raise TypeError(msg)
    for name in grads:
        if name not in state.params:
            known = nearest(name, state.params)
            msg = f"{who} needs gradients of known layers, got {name!r}; {known}"
            raise ValueError(msg)
    gradients: dict[str, Array | None] = {}
    for name, theta in state.params.items():
        if name not in grads:
            msg = f"{who} needs a gradient for each layer, got none for {name!r}; None freezes it"
            raise ValueError(msg)
        if grads[name] is None:
            gradients[name] = None
            continue
        g = np.array(grads[name])
        if g.shape != theta.shape:
            msg = f"{who} needs {name}'s gradient of shape {theta.shape}, got {g.shape}"
            raise ValueError(msg)
        if g.dtype != theta.dtype:
            msg = f"{who} needs {name}'s gradient in {theta.dtype}, got {g.dtype}"
            raise TypeError(msg)
        if state.alive is None:
            _refuse_non_finite("gradient", name, g, state.t + 1)
        gradients[name] = _shut(g)
    return gradients


def _layers_of(optimizer: Optimizer, state: State, slot: str) -> Layers:
    layers = state.slot(slot)
    for name, theta in state.params.items():
        if name not in layers or layers[name].shape != theta.shape:
            msg = (
                f"{optimizer.name}.step needs state.{slot} shaped as the parameters, "
                f"got {slot}[{name!r}] {getattr(layers.get(name), 'shape', 'missing')}"
            )
            raise ValueError(msg)
    return layers


def _refuse_non_finite(what: str, name: str, x: Array, t: int) -> None:
    good = finite(x)
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        raise NonFiniteError(what, name, index, t, x[index])


def _agree(who: str, what: str, a: str, of_a: Any, b: str, of_b: Any) -> None:
    if of_a != of_b:
        msg = f"{who} needs one {what} for all layers, got {a}: {of_a} and {b}: {of_b}"
        raise (TypeError if what == "dtype" else ValueError)(msg)


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


def _shut(x: Array) -> Array:
    """Make an array of a state read-only: nothing passed around is changed."""
    x.flags.writeable = False
    return x


__all__ = ["SLOTS", "advance", "begin", "parameters"]
