"""What `init` and `step` admit; the rest is refused in one message, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from paratrooper_ref.arithmetic import finite
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.optimizers.state import Array, Layers, NonFiniteError, State

if TYPE_CHECKING:
    from paratrooper_ref.optimizers.optimizer import Optimizer


def admitted_params(
    optimizer: Optimizer, params: Mapping[str, Any], batch_axes: int
) -> dict[str, Array]:
    """Return read-only copies of the parameters, all of one dtype and batch."""
    who = f"{optimizer.name}.init"
    given: object = params
    if not isinstance(given, Mapping) or not given:
        msg = f"{who} needs at least one named layer, as in {{'x': array}}, got params={given!r}"
        raise (ValueError if isinstance(given, Mapping) else TypeError)(msg)
    axes: object = batch_axes
    if isinstance(axes, bool) or not isinstance(axes, Integral) or axes < 0:
        msg = f"{who} needs an integer batch_axes >= 0, got batch_axes={axes!r}"
        raise ValueError(msg)
    arrays = {name: _parameter(who, name, x) for name, x in params.items()}
    first, *others = arrays
    for name in others:
        _agree(who, "dtype", first, arrays[first].dtype, name, arrays[name].dtype)
    for name, x in arrays.items():
        if x.ndim < batch_axes:
            msg = f"{who} needs {batch_axes} leading batch axes, got {name}.shape={x.shape}"
            raise ValueError(msg)
        batches = arrays[first].shape[:batch_axes], x.shape[:batch_axes]
        _agree(who, "batch", first, batches[0], name, batches[1])
    for name in optimizer.layer_names():
        if name not in arrays:
            msg = f"{who} needs the layers of for_layers, got no {name!r}; {nearest(name, arrays)}"
            raise ValueError(msg)
    return arrays


def _parameter(who: str, name: Any, x: Any) -> Array:
    if not isinstance(name, str):
        msg = f"{who} needs layers named by strings, got name={name!r}"
        raise TypeError(msg)
    array = np.array(x)
    if array.size == 0:
        msg = f"{who} needs layers with elements, got {name}.shape={array.shape}"
        raise ValueError(msg)
    _real_numbers(who, name, array)
    return shut(array)


def _real_numbers(who: str, name: str, x: Array) -> None:
    # NOTE: an int among objects would take every hyperparameter below 1 for 0.
    integers = x.dtype.hasobject and any(isinstance(a, int) for a in x.flat)
    if x.dtype.kind not in "fO" or integers:
        found = "integers" if integers else x.dtype
        msg = (
            f"{who} needs arrays of floats, or of objects such as fractions, got {name} of "
            f"{found}; convert with array.astype(float)"
        )
        raise TypeError(msg)


def admitted_slots(optimizer: Optimizer, state: State) -> dict[str, Layers]:
    """Return the slots that the optimizer needs, each shaped as the parameters."""
    who = f"{optimizer.name}.step"
    t: object = state.t
    if isinstance(t, bool) or not isinstance(t, Integral) or t < 0:
        msg = f"{who} needs an integer state.t >= 0, got t={t!r}"
        raise ValueError(msg)
    slots = {slot: state.slot(slot) for slot in optimizer.slots()}
    for slot, layers in {"params": state.params, **slots}.items():
        for name, theta in state.params.items():
            x = layers.get(name)
            if not isinstance(x, np.ndarray) or (x.shape, x.dtype) != (theta.shape, theta.dtype):
                like = f"{theta.dtype} {theta.shape}" if hasattr(theta, "shape") else "an array"
                got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else repr(x)
                msg = f"{who} needs state.{slot}[{name!r}] to be {like}, got {got}"
                raise ValueError(msg)
            if slot == "params":
                _real_numbers(who, name, x)
    return slots


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
            refuse_non_finite("gradient", name, g, state.t + 1)
        gradients[name] = shut(g)
    return gradients


def refuse_non_finite(what: str, name: str, x: Array, t: int) -> None:
    """Raise NonFiniteError at the first element that is infinite or not a number."""
    good = finite(x)
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        raise NonFiniteError(what, name, index, t, x[index])


def _agree(who: str, what: str, a: str, of_a: Any, b: str, of_b: Any) -> None:
    if of_a != of_b:
        msg = f"{who} needs one {what} for all layers, got {a}: {of_a} and {b}: {of_b}"
        raise (TypeError if what == "dtype" else ValueError)(msg)


def shut(x: Array) -> Array:
    """Make an array of a state read-only: nothing passed around is changed."""
    x.flags.writeable = False
    return x
