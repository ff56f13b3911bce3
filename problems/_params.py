"""Parameters as callers give them, checked, and as authors receive them."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from problems._arithmetic import Array, Floats

AnyArray = NDArray[Any]
Params = dict[str, Array]
Point = Mapping[str, Floats]
Layers = Mapping[str, tuple[int, ...]]


def as_rows(
    who: str, layers: Layers, params: Mapping[str, AnyArray]
) -> tuple[Params, tuple[int, ...], Any]:
    """Return parameters with exactly one leading axis, their batch shape and their dtype.

    Examples
    --------
    >>> rows, batch, dtype = as_rows("me", {"a": ()}, {"a": np.array(2.0)})
    >>> rows["a"].shape, batch, dtype
    ((1,), (), dtype('float64'))
    """
    _check_names(who, layers, params)
    arrays = {name: np.asarray(params[name]) for name in layers}
    batches = {name: _batch(who, name, arrays[name], layers[name]) for name in layers}
    contents: dict[str, Any] = {name: _content(who, name, arrays[name]) for name in layers}
    for common, found in (("batch axes", batches), ("dtype", contents)):
        if len(set(found.values())) > 1:
            listed = ", ".join(f"{name}: {value}" for name, value in found.items())
            msg = f"{who} needs the same {common} on all layers, got {listed}"
            raise ValueError(msg)
    batch = next(iter(batches.values()))
    rows = {
        name: np.ascontiguousarray(array).reshape(math.prod(batch), *layers[name])
        for name, array in arrays.items()
    }
    return rows, batch, next(iter(arrays.values())).dtype


def as_point(who: str, layers: Layers, params: Mapping[str, Any]) -> Point:
    """Return one point, without batch axes, as read-only float64 arrays.

    Examples
    --------
    >>> as_point("me", {"a": (2,)}, {"a": [1, 2]})["a"]
    array([1., 2.])
    """
    _check_names(who, layers, params)
    point = {}
    for name, shape in layers.items():
        point[name] = np.array(params[name], dtype=np.float64)
        if point[name].shape != shape:
            msg = f"{who} needs layer {name} of shape {shape}, got {point[name].shape}"
            raise ValueError(msg)
        point[name].setflags(write=False)
    return MappingProxyType(point)


def _check_names(who: str, layers: Layers, params: object) -> None:
    names = ", ".join(layers)
    if not isinstance(params, Mapping):
        msg = (
            f"{who} needs a mapping of layer names to arrays, got {type(params).__name__}; "
            f"the layers are {names}"
        )
        raise TypeError(msg)
    if set(params) != set(layers):
        missing = [name for name in layers if name not in params]
        unknown = [name for name in params if name not in layers]
        msg = f"{who} needs exactly the layers {names}, got missing={missing}, unknown={unknown}"
        raise ValueError(msg)


def _batch(who: str, name: str, array: AnyArray, shape: tuple[int, ...]) -> tuple[int, ...]:
    cut = array.ndim - len(shape)
    if cut < 0 or array.shape[cut:] != shape:
        wanted = ", ".join(["...", *map(str, shape)])
        msg = f"{who} needs layer {name} of shape ({wanted}), got {array.shape}"
        raise ValueError(msg)
    return array.shape[:cut]


def _content(who: str, name: str, array: AnyArray) -> Any:
    """Return the dtype, or for an object array the one type of its elements."""
    if array.dtype.kind in "biuSUMm":
        msg = (
            f"{who} needs floating-point arrays, got layer {name} of dtype {array.dtype}; "
            "write 1.0 for 1"
        )
        raise TypeError(msg)
    if array.dtype != object:
        return array.dtype
    kinds = {type(element) for element in array.flat}
    if len(kinds) != 1 or kinds & {int, float, bool}:
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        msg = (
            f"{who} needs object arrays of one exact type, got layer {name} of {found}; "
            "convert every element"
        )
        raise TypeError(msg)
    return kinds.pop()
