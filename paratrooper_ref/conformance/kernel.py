"""Bare update functions as backends: a kernel of Triton, CUDA or Pallas, or a loop.

    def update(theta, g, m, v, t, lr, beta1, beta2, eps):
        ...
        return {"theta": theta, "m": m, "v": v}

    KernelBackend(update)

The function has no state, so each step can be taken from any.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance.arguments import NAMES, matters
from paratrooper_ref.conformance.backend import (
    Array,
    Grads,
    Lacks,
    Params,
    Slots,
    Spec,
    Unsupported,
    optimizer_of,
    unread,
)
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.session import container
from paratrooper_ref.conformance.verdict import SHAPE, Fault
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.optimizers.state import SLOTS

UNIVERSAL: Final = ("theta", "g", "t", "lr")
"""What every function may name, beside slots and hyperparameters."""

NUMPY: Final = ("float64", "float32", "float16")


@dataclass(frozen=True)
class Handle:
    """An optimizer before a step: arrays by slot and layer, and lines of the last step."""

    optimizer: Optimizer
    slots: Mapping[str, Mapping[str, Array]]
    t: int
    warmup: str | None
    lines: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)


class KernelBackend:
    """A function that updates one layer, under test.

    Parameters
    ----------
    fn : callable
        Called by keyword with what its signature names: "theta", "g" and slots ("m", "v", "u",
        "slow") as arrays of one axis, "t" (from 1), "lr" (the step's) and hyperparameters, also
        by other usual names such as "wd", as Python numbers.  It returns a mapping of the new
        arrays, or a sequence of them in the order of theta and the slots that it names, or None
        if it has changed its arguments.  Further items of a mapping are tagged lines, to tell
        where a step first departs.
    to : callable, optional
        ``to(array, dtype)`` makes what the function takes of a NumPy array; ``dtype`` is the
        name of the slot's, and bfloat16 numbers come as float32.  ``jax.numpy.array`` is one.
    back : callable, optional
        ``back(array)`` makes a NumPy array of what the function returns; ``numpy.asarray`` if
        left out.
    first_batch : callable, optional
        ``first_batch(gradients, **hyper)`` gets the gradients of all layers that have one, and
        those hyperparameters that it names; it returns what warmup="auto" comes to, "momentum"
        or "none".  If left out the reference chooses: the rule is then not under test.
    fixed : mapping, optional
        Hyperparameters that the function does not name, with the values that they always have.
    dtype : str
        Of arrays.
    profile : Profile, optional
        Scalars in double is the default, as Python forms them.
    name : str, optional
        The function's by default.

    Notes
    -----
    A layer without gradient is not passed to the function: nothing happens to it.  Theta and
    slots are passed as copies.  The gradient is passed as it is, or what the function has done
    to its copy is done to it, so a function that changes it is found out.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        to: Callable[[Array, str], Any] | None = None,
        back: Callable[[Any], Array] | None = None,
        first_batch: Callable[..., str] | None = None,
        fixed: Mapping[str, Any] | None = None,
        dtype: str = "float32",
        profile: Profile | None = None,
        name: str | None = None,
    ) -> None:
        self.fn, self.to, self.back, self.first_batch = fn, to, back, first_batch
        self.fixed = dict(fixed or {})
        self.profile = profile or Profile(dtype=dtype)
        self.name = name or f"kernel {getattr(fn, '__name__', type(fn).__name__)}"
        self.named = _named(fn)
        self.meant = {name: _meaning(name) for name in self.named}
        for dtype in (self.profile.dtype, *self.profile.slots.values()):
            if dtype not in NUMPY and to is None:
                msg = (
                    f"KernelBackend needs to= for a dtype that NumPy lacks, got dtype={dtype!r}; "
                    "for JAX give to=jax.numpy.array"
                )
                raise ValueError(msg)

    def start(
        self, spec: Spec, params: Params, state: Mapping[str, Any] | None = None
    ) -> Handle:
        """Return the arrays that a function without state is called with."""
        optimizer = optimizer_of(spec)
        for layer in params:
            known = (*self.meant.values(), *self.fixed)
            unnamed = tuple(name for name in optimizer.hyper(layer) if name not in known)
            lacking = matters(optimizer, layer, unnamed)
            if lacking is not None:
                raise Lacks(lacking)
        for slot in optimizer.slots():
            if slot not in self.named and slot not in unread(optimizer, params):
                msg = f"has no {slot}"
                raise Unsupported(msg)
        given = state or {}
        zeros = {layer: np.zeros_like(x) for layer, x in params.items()}
        initial: dict[str, Params] = {"theta": params, "slow": params}
        slots = {}
        for slot in ("theta", *(s for s in optimizer.slots() if s in self.named)):
            layers = given.get(slot, initial.get(slot, zeros))
            dtype = container(self.profile, slot)
            slots[slot] = {layer: np.array(layers[layer], dtype) for layer in params}
        return Handle(optimizer, slots, int(given.get("t", 0)), given.get("warmup"))

    def step(self, handle: Handle, grads: Grads, lr: float) -> Handle:
        """Call the function for each layer that has a gradient."""
        optimizer, t = handle.optimizer, handle.t + 1
        warmup = self._warmup(handle, grads)
        slots = {slot: dict(layers) for slot, layers in handle.slots.items()}
        lines: dict[str, dict[str, Array]] = {}
        for layer, g in grads.items():
            if g is None:
                continue
            # Functions may name it for any algorithm: whoever has no trust ratio is told True.
            hyper = {"adapt": True} | optimizer.hyper(layer)
            hyper |= {"t": t, "lr": optimizer.rate(lr, layer)}
            if warmup is not None:
                hyper["warmup"] = warmup
            arrays = {slot: self._device(slots[slot][layer].copy(), slot) for slot in slots}
            given = hyper | arrays | {"g": self._device(g, "g")}
            asked = {name: given[meant] for name, meant in self.meant.items() if meant in given}
            found = self._found(self.fn(**asked), arrays)
            self._show(g, given["g"])
            lines[layer] = {}
            for name, x in found.items():
                if name in slots:
                    slots[name][layer] = self._back(x, name, layer, g.shape)
                else:
                    shape = g.shape if TAGS[name].extent == "element" else ()
                    lines[layer][name] = np.reshape(self._host(x), shape)
        return replace(handle, slots=slots, t=t, warmup=warmup, lines=lines)

    @property
    def ungiven(self) -> tuple[str, ...]:
        """Arguments that have a default, and that nothing is known of to give them."""
        known = {*UNIVERSAL, *SLOTS, *NAMES}
        return tuple(name for name, meant in self.meant.items() if meant not in known)

    def read(self, handle: Handle) -> Slots:
        """Return parameters, and the slots that the function names."""
        return {
            slot: {layer: x.copy() for layer, x in layers.items()}
            for slot, layers in handle.slots.items()
        }

    def probe(self, handle: Handle) -> Mapping[str, Mapping[str, Array]]:
        """Return the tagged lines that the function has returned in the step just taken."""
        return handle.lines

    def reload(self, handle: Handle) -> Handle:
        """Return the handle made of copies: a caller saves arrays, t, and what was chosen."""
        return replace(handle, slots=self.read(handle))

    def _warmup(self, handle: Handle, grads: Grads) -> str | None:
        """Return what the model has chosen, and choose if it is time to."""
        hyper = handle.optimizer.hyper()
        moving = {name: g for name, g in grads.items() if g is not None}
        if hyper.get("warmup") != "auto" or handle.warmup is not None or not moving:
            return handle.warmup
        if self.first_batch is None:
            flat = [np.asarray(g, dtype=np.float64).reshape(-1) for g in moving.values()]
            betas = {name: hyper[name] for name in ("beta1", "beta2")}
            small = handle.optimizer.first_batch(flat, **betas)["small"]
            return "momentum" if bool(np.all(small)) else "none"
        gradients = [self._device(g, "g") for g in moving.values()]
        asked = _named(self.first_batch)[1:]
        return self.first_batch(gradients, **{name: hyper[name] for name in asked})

    def _device(self, x: Array, slot: str) -> Any:
        flat = x.reshape(-1)
        return flat if self.to is None else self.to(flat, self.profile.stored(slot).name)

    def _host(self, x: Any) -> Array:
        found = np.array(x if self.back is None else self.back(x))
        return found.astype(np.float32) if found.dtype.name == "bfloat16" else found

    def _back(self, x: Any, slot: str, layer: str, shape: tuple[int, ...]) -> Array:
        """Return a new array of a slot in the shape of its layer, as it was made of it."""
        found = self._host(x)
        if found.shape not in ((math.prod(shape),), shape):
            msg = (
                f"{slot} of layer {layer!r} went as an array of shape {(math.prod(shape),)}, "
                f"and comes back with shape {found.shape}"
            )
            raise Fault(SHAPE, msg)
        return found.reshape(shape)

    def _show(self, g: Array, given: Any) -> None:
        """Change the caller's gradient as the function has changed what it was passed."""
        if self.to is not None:
            now = self._host(given).astype(g.dtype).reshape(g.shape)
            if now.tobytes() != g.tobytes():
                g[...] = now

    def _found(self, result: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a call has made, by name."""
        order = [slot for slot in given if slot in self.named]
        if result is None:
            return {slot: given[slot] for slot in order}
        if isinstance(result, Mapping):
            for name in result:
                if name not in given and name not in TAGS:
                    known = nearest(str(name), [*order, *TAGS])
                    msg = f"KernelBackend needs slots and tagged lines, got {name!r}; {known}"
                    raise ValueError(msg)
            missing = [slot for slot in order if slot not in result]
            if missing:
                msg = f"KernelBackend needs all new arrays, got none for {', '.join(missing)}"
                raise ValueError(msg)
            return result
        if not isinstance(result, Sequence) or len(result) != len(order):
            got = len(result) if isinstance(result, Sequence) else type(result).__name__
            msg = (
                f"KernelBackend needs a mapping, None, or a tuple of ({', '.join(order)}), "
                f"got {got}"
            )
            raise ValueError(msg)
        return dict(zip(order, result, strict=True))


def _named(fn: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters; it has to be clear what they are."""
    parameters = inspect.signature(fn).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        msg = (
            f"KernelBackend needs a function that names its arguments, got {fn!r} with * or **; "
            "wrap it in one that does"
        )
        raise ValueError(msg)
    return tuple(p.name for p in parameters)


def _meaning(name: str) -> str:
    """Return the hyperparameter that an argument is by another name, or the name."""
    if name in (*UNIVERSAL, *SLOTS, *NAMES):
        return name
    return next((hyper for hyper, names in NAMES.items() if name in names), name)
