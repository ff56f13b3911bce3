"""Optimizers of torch, made of hyperparameters; and tensors, made of arrays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance import arguments as names_of
from paratrooper_ref.conformance.arguments import (
    RATE,
    TUPLES,
    Names,
    accepted,
    arguments,
    decouples,
    matters,
    near,
    ours_of,
)
from paratrooper_ref.conformance.backend import Array, Lacks, Unsupported
from paratrooper_ref.conformance.cells import parts
from paratrooper_ref.conformance.layout import Layout, copied
from paratrooper_ref.optimizers import Optimizer

Tensor = Any
Hyper = Mapping[str, Any]

SOME_RATE: Final = 0.25  # of a small optimizer, and of one that is asked for a rate of 0


@dataclass(frozen=True)
class Handle:
    """An optimizer before a step."""

    ours: Optimizer
    params: dict[str, Tensor]
    optimizer: Any
    began: dict[str, Tensor]
    layout: Layout = field(default_factory=Layout)
    given: Mapping[str, Any] | None = None  # a state whose meaning may depend on the step's rate
    stepped: set[str] = field(default_factory=set)  # layers that should have their state


@dataclass(frozen=True)
class Maker:
    """What makes the optimizers of a `TorchBackend`; its arguments are those of that."""

    factory: Callable[..., Any]
    hyper: Any
    fixed: Hyper
    options: dict[str, Any]
    dtype: str
    device: str

    @cached_property
    def accepted(self) -> list[dict[str, Any]]:
        """The arguments that the factory takes, a class's own before its parents'."""
        return accepted(self.factory)

    @property
    def names(self) -> Names:
        """The names that were told; none where a function gives all arguments."""
        return self.hyper if isinstance(self.hyper, Mapping) else {}

    def begun(self, ours: Optimizer, params: Mapping[str, Any]) -> Handle:
        """Return an optimizer of these parameters, of which nothing is known yet."""
        tensors = {layer: self.parameter(x) for layer, x in params.items()}
        optimizer = self.made(ours, tensors)
        return Handle(ours, tensors, optimizer, {k: copied(p) for k, p in tensors.items()})

    def made(self, ours: Optimizer, tensors: Mapping[str, Tensor]) -> Any:
        """Return an optimizer of tensors; layers with arguments of their own make groups."""
        shared, alone = self.arguments(ours, None), ours.layer_names()
        groups: dict[str, dict[str, Any]] = {}
        for layer, tensor in tensors.items():
            of_layer = self.arguments(ours, layer) if layer in alone else shared
            own = {k: v for k, v in of_layer.items() if k not in shared or v != shared[k]}
            groups.setdefault(repr(own), {"params": [], **own})["params"].append(tensor)
        try:
            if groups.keys() == {"{}"}:
                return self.factory(list(tensors.values()), **shared)
            single = self.factory([self.parameter(np.ones(2))], **shared)
            known = single.param_groups[0].keys()
            names = {} if "alpha" in ours.hyper() else {RATE: "lr"}
            names |= {called: name for name, called in self.names.items() if called}
            given = [_group(group, known, names) for group in groups.values()]
            return self.factory(given, **shared)
        except (ValueError, NotImplementedError) as refusal:
            msg = f"refuses: {refusal}"
            raise Unsupported(msg) from refusal

    def arguments(self, ours: Optimizer, layer: str | None, **others: Any) -> dict[str, Any]:
        """Return what the factory is called with, for a layer or for all.

        Hyperparameters among ``others`` are in the place of their own.

        Raises
        ------
        Lacks
            If there is no argument for a hyperparameter that matters.
        """
        hyper = ours.hyper(layer)
        hyper |= {name: value for name, value in self.fixed.items() if name in hyper} | others
        if ours.inner is not None:
            hyper["inner"] = ours.inner.algorithm
        # The rate of a step is set before the step, and some refuse to begin with 0.
        hyper["lr"] = hyper["lr"] or SOME_RATE
        if callable(self.hyper):
            return dict(self.hyper(hyper)) | self.options
        found = arguments(hyper, self.accepted, self.hyper, decouples(ours))
        kwargs = found.kwargs | self.options
        missing = tuple(name for name in found.missing if name not in self.fixed)
        if lacking := matters(ours, layer, missing):
            of = "" if layer is None or matters(ours, None, missing) else f" of layer {layer!r}"
            raise Lacks(lacking, f"has no {lacking}{of}{self._hint(lacking, kwargs)}")
        return kwargs

    def _hint(self, name: str, kwargs: Mapping[str, Any]) -> str:
        """Return how to say what a hyperparameter is called here."""
        known = dict.fromkeys(k for level in self.accepted for k in level)
        left = [k for k in known if k not in kwargs and k != name]
        others = near(name, left) or (left if name == "lr" else [])  # a rate they all have
        if not others:
            return ""
        called = f'"{others[0]}"' if len(others) == 1 else "..."
        return f'; if {" or ".join(others)} is it, say so: hyper={{"{name}": {called}}}'

    def set_rates(self, handle: Handle, lr: float) -> None:
        """Set the rate of the next step; a layer with a rate of its own keeps its proportion."""
        slow = {*names_of.NAMES["k"], *({RATE} & handle.ours.hyper().keys())}
        told = self.names.get("lr")
        layers = {id(p): layer for layer, p in handle.params.items()}
        for _, part in parts(handle.optimizer):
            for group in part.param_groups:
                names = (told, *names_of.NAMES["lr"], *(() if slow & group.keys() else (RATE,)))
                key = next((name for name in names if name in group), "lr")
                layer = next((layers[id(p)] for p in group["params"] if id(p) in layers), None)
                rate = handle.ours.rate(lr, layer)
                if hasattr(group.get(key), "fill_"):
                    group[key].fill_(rate)
                else:
                    group[key] = rate

    def tensor(self, x: Any, dtype: str | None = None) -> Tensor:
        """Return a tensor of its own, of the dtype of parameters if of no other."""
        torch = the_torch()
        return torch.tensor(np.array(x), device=self.device).to(getattr(torch, dtype or self.dtype))

    def parameter(self, x: Any) -> Tensor:
        """Return a parameter of its own."""
        return the_torch().nn.Parameter(self.tensor(x))


@cache
def the_torch() -> Any:
    """Return the module; imported where it is needed first."""
    torch: Any = import_module("torch")
    # The first step imports what torch puts off: seconds that are no step's of ours.
    p = torch.nn.Parameter(torch.zeros(1))
    p.grad = torch.zeros(1)
    torch.optim.SGD([p], lr=0.0).step()
    return torch


def array(x: Tensor, dtype: Any = None) -> Array:
    """Return an array of its own, in the tensor's dtype; NumPy has no bfloat16."""
    x = x.detach().cpu()
    if x.dtype == the_torch().bfloat16:
        x = x.float()
    return np.array(x.numpy(), dtype=dtype)


def dtype_of(x: Tensor) -> str:
    """Return the name of a tensor's dtype."""
    return str(x.dtype).removeprefix("torch.")


def rounded(p: Tensor, master: Tensor) -> bool:
    """Return whether a parameter is one of the two numbers beside its master, or the same."""
    torch = the_torch()
    p, exact = p.detach().cpu(), master.detach().cpu().double()
    up = torch.full_like(p, np.inf)
    below, above = (torch.nextafter(p, end).double() for end in (-up, up))
    return bool(((p.double() == exact) | ((below < exact) & (exact < above))).all())


def _group(
    group: Mapping[str, Any], known: Collection[str], names: Mapping[str, str]
) -> dict[str, Any]:
    """Return a group as a class knows it, which may keep the parts of a tuple apart."""
    found: dict[str, Any] = {}
    for name, value in group.items():
        parts = TUPLES.get(name, ())
        if name in known:
            found[name] = value
        elif parts and all(part in known for part in parts):
            found.update(zip(parts, value, strict=True))
        else:
            raise Lacks(names.get(name) or ours_of(name), f"has no {name} by group")
    return found
