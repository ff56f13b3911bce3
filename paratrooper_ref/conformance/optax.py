"""Transformations of optax as backends.

    OptaxBackend(optax.adam)
    OptaxBackend(lambda h: optax.chain(
        optax.add_decayed_weights(h["weight_decay"]),
        optax.adam(h["lr"], h["beta1"], h["beta2"], h["eps"])))

A transformation is a pair of pure functions, so each step can be taken from any state: the
state's tree is made by the transformation's own ``init``, and the fields of the named tuples in
it are then set, and read, by their names.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance.arguments import arguments, decouples, matters
from paratrooper_ref.conformance.backend import (
    Array,
    Grads,
    Lacks,
    Params,
    Slots,
    Spec,
    Unsupported,
    optimizer_of,
)
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.state import SLOTS

FIELDS: Final[Mapping[str, str]] = {
    "m": "mu", "v": "nu", "u": "trace", "slow": "slow", "t": "count", "warmup": "warmup",
}
"""The fields of a state in which optax keeps a slot."""

WARMUPS: Final = (None, "momentum", "none")
"""How a state says what warmup="auto" has chosen: by the place in this list."""

KEPT: Final = 64  # functions of different rates, which are not to be compiled twice

Hyper = Mapping[str, Any]
Tree = Any
ReadState = Callable[[Tree], Mapping[str, Mapping[str, Any]]]
WriteState = Callable[[Tree, Mapping[str, Any]], Tree]


@dataclass(frozen=True)
class Group:
    """Layers with the same hyperparameters: a transformation's parameters and state."""

    layers: tuple[str, ...]
    params: Tree
    state: Tree


@dataclass(frozen=True)
class Handle:
    """An optimizer before a step."""

    optimizer: Optimizer
    groups: tuple[Group, ...]


class OptaxBackend:
    """A transformation of optax under test.

    Parameters
    ----------
    make : callable
        A factory such as ``optax.adam``, called with those hyperparameters that its signature
        names; or a function of one argument, the mapping of all hyperparameters ("lr" is the
        step's, "algorithm" and "inner" are the names of the optimizer and of a wrapped one),
        that returns a transformation, or raises `Unsupported`.
    hyper : mapping of str to str, or callable, optional
        What the factory calls hyperparameters, where it is not one of the common names; or a
        function of the mapping of all hyperparameters that returns the factory's arguments.
    state : mapping of str to str, or pair of callables, optional
        In which fields of the state slots are kept, beside `FIELDS`; a "-" before the field is
        for numbers of the other sign, such as the trace of ``optax.lars``.  Or a pair ``read,
        write``: ``read(state)`` returns ``{slot: {layer: array}}``, and ``write(state, new)``
        the state with such slots and the ``"t"`` and ``"warmup"`` that are in ``new``.
    fixed : mapping, optional
        Hyperparameters that the factory does not name, with the values that they always have.
    dtype : str
        Of parameters, state and gradients.
    jit : bool
        Whether steps are compiled.
    holes : bool
        Whether None can stand for a gradient, and its layer is frozen then.
    profile : Profile, optional
        What JAX does is the default: constants are formed in double, powers of t in the dtype of
        the arrays, and subnormal numbers are 0.
    name : str, optional
        The factory's by default.

    Notes
    -----
    A step at another rate is taken by a transformation made anew, from the same state.  Layers
    with hyperparameters of their own have a transformation of their own, which sees no other
    layer, as ``optax.partition`` has it.  ``optax.lookahead`` is given its pair of parameters.
    """

    def __init__(
        self,
        make: Callable[..., Any],
        *,
        hyper: Mapping[str, str] | Callable[[Hyper], Mapping[str, Any]] | None = None,
        state: Mapping[str, str] | tuple[ReadState, WriteState] | None = None,
        fixed: Mapping[str, Any] | None = None,
        dtype: str = "float32",
        jit: bool = False,
        holes: bool = False,
        profile: Profile | None = None,
        name: str | None = None,
    ) -> None:
        self.make, self.hyper, self.jit, self.holes = make, hyper, jit, holes
        self.fixed = dict(fixed or {})
        self.profile = profile or Profile(dtype=dtype, scalars="mixed", flush=True)
        called = getattr(make, "__name__", type(make).__name__)
        self.name = name or f"optax {called}{', compiled' if jit else ''}"
        self._functions = state if isinstance(state, tuple) else None
        self._fields = dict(FIELDS) | dict(state if isinstance(state, Mapping) else {})
        self._function = lru_cache(maxsize=KEPT)(self._made)

    # ------------------------------------------------------------------ the protocol

    def start(
        self, spec: Spec, params: Params, state: Mapping[str, Any] | None = None
    ) -> Handle:
        """Return the transformations of a spec's groups of layers, with their states."""
        optimizer = optimizer_of(spec)
        together: dict[tuple[Any, ...], list[str]] = {}
        for layer in params:
            key = tuple(optimizer.hyper(layer).items())
            together.setdefault(key, []).append(layer)
        undecided = optimizer.hyper().get("warmup") == "auto" and not (state or {}).get("warmup")
        if undecided and len(together) > 1:
            msg = "groups of layers do not see one another's first gradients"
            raise Unsupported(msg)
        with self._dtypes():
            groups = [self._begun(optimizer, of, params, state) for of in together.values()]
        return Handle(optimizer, tuple(groups))

    def step(self, handle: Handle, grads: Grads, lr: float) -> Handle:
        """Return the handle after a step."""
        if not self.holes and any(g is None for g in grads.values()):
            msg = "None is a hole in its tree of gradients"
            raise Unsupported(msg)
        with self._dtypes():
            groups = [self._stepped(handle.optimizer, of, grads, lr) for of in handle.groups]
        return replace(handle, groups=tuple(groups))

    def read(self, handle: Handle) -> Slots:
        """Return parameters and slots."""
        found: dict[str, dict[str, Array]] = {}
        for group in handle.groups:
            for slot, layers in self._read(group).items():
                found.setdefault(slot, {}).update(
                    {layer: _numpy(x) for layer, x in layers.items() if layer in group.layers}
                )
        return found

    def reload(self, handle: Handle) -> Handle:
        """Return a handle of which nothing but the leaves of its trees is left."""
        import jax

        def kept(tree: Tree) -> Tree:
            leaves, shape = jax.tree.flatten(tree)
            copies = [jax.numpy.asarray(np.array(x), x.dtype) for x in leaves]
            return jax.tree.unflatten(shape, copies)

        self._function.cache_clear()
        with self._dtypes():
            groups = [Group(of.layers, kept(of.params), kept(of.state)) for of in handle.groups]
        return replace(handle, groups=tuple(groups))

    # ------------------------------------------------------------------ transformations

    @contextmanager
    def _dtypes(self) -> Iterator[None]:
        """Let there be doubles where the profile has them, and only there."""
        import jax

        dtypes = (self.profile.dtype, *self.profile.slots.values())
        with jax.enable_x64("float64" in dtypes):
            yield

    def _transformation(self, optimizer: Optimizer, layer: str, lr: float | None) -> Any:
        """Return what the factory makes for a layer, at the rate of a step."""
        hyper = optimizer.hyper(layer) | {"lr": optimizer.rate(lr, layer)}
        inner = None if optimizer.inner is None else optimizer.inner.algorithm
        told = hyper | {"algorithm": optimizer.algorithm, "inner": inner}
        if callable(self.hyper):
            return self.make(**self.hyper(told))
        named = inspect.signature(self.make).parameters
        defaults = {name: parameter.default for name, parameter in named.items()}
        found = arguments(hyper, defaults, self.hyper or {}, decouples(optimizer))
        if not found.kwargs and len(named) == 1:
            return self.make(told)
        missing = tuple(name for name in found.missing if name not in self.fixed)
        lacking = matters(optimizer, layer, missing)
        if lacking is not None:
            raise Lacks(lacking)
        return self.make(**found.kwargs)

    def _begun(
        self,
        optimizer: Optimizer,
        layers: list[str],
        params: Params,
        given: Mapping[str, Any] | None,
    ) -> Group:
        import optax

        transformation = self._transformation(optimizer, layers[0], None)
        theta: Tree = self._arrays({layer: params[layer] for layer in layers}, "theta")
        with _unheard("absl"):  # lookahead says there that it was not given a pair
            tree = transformation.init(theta)
        if any(isinstance(node, optax.LookaheadState) for node in _named(tree)):
            slow = self._arrays((given or {}).get("slow", params), "slow")
            theta = optax.LookaheadParams(theta, {layer: slow[layer] for layer in layers})
            tree = transformation.init(theta)
        if given is not None:
            new = dict(given) | {
                slot: self._arrays({layer: given[slot][layer] for layer in layers}, slot)
                for slot in SLOTS if slot in given
            }
            if "k" in optimizer.hyper():
                new["phase"] = given["t"] % optimizer.hyper(layers[0])["k"]
            tree = self._written(tree, new)
        return Group(tuple(layers), theta, tree)

    def _stepped(
        self, optimizer: Optimizer, group: Group, grads: Grads, lr: float
    ) -> Group:
        given = self._arrays({layer: grads[layer] for layer in group.layers}, "g")
        step = self._function(optimizer, group.layers[0], lr)
        params, state = step(group.params, group.state, given)
        return Group(group.layers, params, state)

    def _made(self, optimizer: Optimizer, layer: str, lr: float) -> Callable[..., Any]:
        """Return a function of parameters, state and gradients that takes a step."""
        import jax
        import optax

        transformation = self._transformation(optimizer, layer, lr)

        def step(params: Tree, state: Tree, g: Tree) -> tuple[Tree, Tree]:
            updates, state = transformation.update(g, state, params)
            return optax.apply_updates(params, updates), state

        return jax.jit(step) if self.jit else step

    def _arrays(self, layers: Mapping[str, Any], slot: str) -> dict[str, Any]:
        import jax.numpy as jnp

        dtype = self.profile.stored(slot).name
        return {
            layer: None if x is None else jnp.array(x, dtype) for layer, x in layers.items()
        }

    # ------------------------------------------------------------------ states

    def _read(self, group: Group) -> dict[str, Mapping[str, Any]]:
        import optax

        found: dict[str, Mapping[str, Any]] = {"theta": group.params}
        if isinstance(group.params, optax.LookaheadParams):
            found = {"theta": group.params.fast, "slow": group.params.slow}
        if self._functions is not None:
            return found | dict(self._functions[0](group.state))
        slots = self._slots_by_field()
        for node in _named(group.state):
            for field, value in zip(node._fields, node, strict=True):
                slot, sign = slots.get(field, ("", 1))
                if slot in SLOTS and isinstance(value, Mapping):
                    found[slot] = {layer: sign * _numpy(x) for layer, x in value.items()}
        return found

    def _written(self, tree: Tree, new: Mapping[str, Any]) -> Tree:
        """Return a state with new slots, t and warmup, in whatever named tuple they are."""
        import jax.numpy as jnp

        if self._functions is not None:
            return self._functions[1](tree, new)
        slots = self._slots_by_field() | {"steps_since_sync": ("phase", 1)}

        def field(name: str, value: Any) -> Any:
            slot, sign = slots.get(name, ("", 1))
            if slot in SLOTS and slot in new and isinstance(value, Mapping):
                given = {layer: sign * _numpy(new[slot][layer]) for layer in value}
                return {layer: jnp.array(given[layer], x.dtype) for layer, x in value.items()}
            if slot == "warmup" and new.get(slot) is not None:
                return jnp.asarray(WARMUPS.index(new[slot]), value.dtype)
            if slot in ("t", "phase") and slot in new:
                return jnp.asarray(new[slot], value.dtype)
            return node(value)

        def node(value: Any) -> Any:
            if _is_named(value):
                fields = zip(value._fields, value, strict=True)
                return value._replace(**{name: field(name, x) for name, x in fields})
            if isinstance(value, (tuple, list)):
                return type(value)(map(node, value))
            if isinstance(value, dict):
                return {name: node(x) for name, x in value.items()}
            return value

        return node(tree)

    def _slots_by_field(self) -> dict[str, tuple[str, int]]:
        return {
            field.removeprefix("-"): (slot, -1 if field.startswith("-") else 1)
            for slot, field in self._fields.items()
        }


def _is_named(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _named(tree: Tree) -> Iterator[Any]:
    """Yield the named tuples of a tree, the outer ones first."""
    if _is_named(tree):
        yield tree
    if isinstance(tree, (tuple, list, dict)):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _named(part)


def _numpy(x: Any) -> Array:
    """Return a copy as NumPy has it: bfloat16 as float32."""
    found: Array = np.array(x)
    return found if found.dtype.kind == "f" else found.astype(np.float32)


@contextmanager
def _unheard(logger: str) -> Iterator[None]:
    found = logging.getLogger(logger)
    before, found.disabled = found.disabled, True
    try:
        yield
    finally:
        found.disabled = before
