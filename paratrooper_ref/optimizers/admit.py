"""What `init` and `step` admit; the rest is refused in one message, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from paratrooper_ref.arithmetic import finite, kind
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.optimizers.state import Array, NonFiniteError, State

if TYPE_CHECKING:
    from paratrooper_ref.optimizers.optimizer import Optimizer

CHOICES = ("momentum", "none")


def admitted_params(
    optimizer: Optimizer, params: Mapping[str, Any], batch_axes: int
) -> dict[str, Array]:
    """Return read-only copies of the parameters, all of one number system and batch."""
    who = f"{optimizer.name}.init"
    arrays = _layers(optimizer, who, params, batch_axes)
    # A read-only view may be of an array that somebody else can write to.
    return {name: x if x is not params[name] else shut(x.copy()) for name, x in arrays.items()}


def admitted_state(optimizer: Optimizer, state: State) -> State:
    """Return the state with arrays of its own, whoever has built it.

    Arrays that can be written to are copied; those of a state that `init` or `step` has made
    cannot, so nothing is copied on the way from step to step.
    """
    who = f"{optimizer.name}.step"
    given: object = state
    if not isinstance(given, State):
        msg = f"{who} needs a State, got state={given!r}; start from init"
        raise TypeError(msg)
    t: object = state.t
    if isinstance(t, bool) or not isinstance(t, Integral) or t < 0:
        msg = f"{who} needs an integer state.t >= 0, got t={t!r}"
        raise ValueError(msg)
    params = _layers(optimizer, f"{who}, in state.params,", state.params, state.batch_axes)
    slots: dict[str, Any] = {slot: state.slot(slot) for slot in optimizer.slots()}
    for slot, layers in slots.items():
        for name, theta in params.items():
            x = layers.get(name)
            if not isinstance(x, np.ndarray) or (x.shape, x.dtype) != (theta.shape, theta.dtype):
                got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else repr(x)
                like = f"{theta.dtype} {theta.shape}"
                msg = f"{who} needs state.{slot}[{name!r}] to be {like}, got {got}"
                raise ValueError(msg)
        slots[slot] = {name: owned(layers[name]) for name in params}
    first = next(iter(params.values()))
    kind(state.scalars, first.dtype)  # refuses an unknown mode
    batch = first.shape[: state.batch_axes]
    alive = _alive(who, state, batch)
    warmup = _warmup(who, state.warmup, batch)
    return replace(state, t=int(t), params=params, alive=alive, warmup=warmup, **slots)


def admitted_gradients(
    optimizer: Optimizer, state: State, grads: Mapping[str, Any]
) -> dict[str, Array | None]:
    """Return read-only copies of the gradients, None for a frozen layer."""
    who = f"{optimizer.name}.step"
    given: object = grads
    if not isinstance(given, Mapping):
        msg = f"{who} needs a gradient for each named layer, got grads={given!r}"
        raise TypeError(msg)
    for name in grads:
        if name not in state.params:
            known = nearest(str(name), state.params)
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
        g = _native(np.array(grads[name]))
        if g.shape != theta.shape:
            msg = f"{who} needs {name}'s gradient of shape {theta.shape}, got {g.shape}"
            raise ValueError(msg)
        wanted, got = _numbers(theta), _numbers(g)
        if got != wanted:
            msg = f"{who} needs {name}'s gradient in {wanted}, got {got}; convert it"
            raise TypeError(msg)
        if state.alive is None:
            refuse_non_finite("gradient", name, g, state.t + 1)
        gradients[name] = shut(g)
    return gradients


def refuse_non_finite(what: str, name: str, x: Array, t: int) -> None:
    """Raise NonFiniteError at the first element that is infinite or not a number."""
    good = finite(x)
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        raise NonFiniteError(what, name, index, t, x[index])


def shut(x: Array) -> Array:
    """Make an array of a state read-only: nothing passed around is changed."""
    x.flags.writeable = False
    return x


def owned(x: Array) -> Array:
    """Return an array that nobody can change: itself if it is read-only, or else a copy."""
    return shut(x.copy()) if x.flags.writeable else x


def _layers(
    optimizer: Optimizer, who: str, params: Mapping[str, Any], batch_axes: int
) -> dict[str, Array]:
    given: object = params
    if not isinstance(given, Mapping) or not given:
        msg = f"{who} needs at least one named layer, as in {{'x': array}}, got params={given!r}"
        raise (ValueError if isinstance(given, Mapping) else TypeError)(msg)
    axes: object = batch_axes
    if isinstance(axes, bool) or not isinstance(axes, Integral) or axes < 0:
        msg = f"{who} needs an integer batch_axes >= 0, got batch_axes={axes!r}"
        raise ValueError(msg)
    arrays = {name: _layer(who, name, x, batch_axes) for name, x in params.items()}
    first, *others = arrays
    for name in others:
        a, b = arrays[first], arrays[name]
        _agree(who, "dtype", first, _numbers(a), name, _numbers(b))
        _agree(who, "batch", first, a.shape[:batch_axes], name, b.shape[:batch_axes])
    for name in optimizer.layer_names():
        if name not in arrays:
            msg = f"{who} needs the layers of for_layers, got no {name!r}; {nearest(name, arrays)}"
            raise ValueError(msg)
    return arrays


def _layer(who: str, name: Any, x: Any, batch_axes: int) -> Array:
    if not isinstance(name, str):
        msg = f"{who} needs layers named by strings, got name={name!r}"
        raise TypeError(msg)
    array = _native(np.asarray(x))
    if array.size == 0:
        msg = f"{who} needs layers with elements, got {name}.shape={array.shape}"
        raise ValueError(msg)
    _real_numbers(who, name, array)
    if array.ndim < batch_axes:
        msg = f"{who} needs {batch_axes} leading batch axes, got {name}.shape={array.shape}"
        raise ValueError(msg)
    return owned(array)


def _real_numbers(who: str, name: str, x: Array) -> None:
    if x.dtype.kind == "f":
        return
    found: Any = x.dtype
    if x.dtype.hasobject:
        # NOTE: an integer among objects would take every hyperparameter below 1 for 0, and a
        # float is better off in an array of floats.
        kinds = {type(a) for a in x.flat}
        plain = [k for k in kinds if issubclass(k, (Integral, float, complex, str, np.generic))]
        if len(kinds) == 1 and not plain and hasattr(x.flat[0], "__truediv__"):
            return
        found = "objects of " + ", ".join(sorted(k.__name__ for k in kinds))
    msg = (
        f"{who} needs an array of floats, or of objects of one exact type such as Fraction or arb, "
        f"got {name} of {found}; convert with array.astype(float)"
    )
    raise TypeError(msg)


def _numbers(x: Array) -> str:
    """Return the name of an array's number system: its dtype, or what its objects are."""
    if not x.dtype.hasobject:
        return str(x.dtype)
    return ", ".join(sorted({type(a).__name__ for a in x.flat}))


def _native(x: Array) -> Array:
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def _agree(who: str, what: str, a: str, of_a: Any, b: str, of_b: Any) -> None:
    if of_a != of_b:
        msg = f"{who} needs one {what} for all layers, got {a}: {of_a} and {b}: {of_b}"
        raise (TypeError if what == "dtype" else ValueError)(msg)


def _alive(who: str, state: State, batch: tuple[int, ...]) -> Array | None:
    alive: Any = state.alive
    if alive is None:
        return shut(np.ones(batch, dtype=bool)) if state.batch_axes else None
    like = isinstance(alive, np.ndarray) and (alive.dtype, alive.shape) == (bool, batch)
    if not state.batch_axes or not like:
        msg = f"{who} needs state.alive of bools for a batch {batch}, got alive={alive!r}"
        raise ValueError(msg)
    return owned(alive)


def _warmup(who: str, warmup: Any, batch: tuple[int, ...]) -> str | Array | None:
    single = warmup is None or (isinstance(warmup, str) and warmup in (*CHOICES, "auto"))
    rows = isinstance(warmup, np.ndarray) and warmup.shape == batch and (
        np.isin(warmup, CHOICES).all()
    )
    if not single and not rows:
        msg = f"{who} needs state.warmup 'momentum' or 'none', or one a row, got warmup={warmup!r}"
        raise ValueError(msg)
    return owned(warmup) if isinstance(warmup, np.ndarray) else warmup
