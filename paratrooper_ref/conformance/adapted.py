"""Optimizers as a backend has them, which may lack a hyperparameter, or always use one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from paratrooper_ref.conformance.backend import Backend, Lacks
from paratrooper_ref.optimizers import Optimizer

Answer = TypeVar("Answer")


class Adapted:
    """An optimizer, of which a backend is asked what it has.

    Parameters
    ----------
    published : Optimizer
    fixed : mapping
        Hyperparameters of which the backend always uses one value: see `fixed_of`.

    Attributes
    ----------
    optimizer : Optimizer
        As the backend was asked last.
    """

    def __init__(self, published: Optimizer, fixed: Mapping[str, Any]) -> None:
        self.published, self.optimizer = published, with_hyper(published, fixed)

    def ask(self, question: Callable[..., Answer], *args: Any) -> Answer:
        """Return ``question(optimizer, *args)``; if the backend lacks something, without that.

        Raises
        ------
        Lacks
            If there is nothing to be left out.
        """
        while True:
            try:
                return question(self.optimizer, *args)
            except Lacks as lack:
                fewer = without(self.optimizer, lack.name)
                if fewer is None:
                    raise
                self.optimizer = fewer

    @property
    def changes(self) -> dict[str, Any]:
        """The hyperparameters that are others than published."""
        return differences(self.published, self.optimizer)


def fixed_of(backend: Backend) -> Mapping[str, Any]:
    """Return the hyperparameters of which a backend says that it always uses one value."""
    return getattr(backend, "fixed", None) or {}


def with_hyper(optimizer: Optimizer, fixed: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer with those of some hyperparameters that it has, in all layers."""
    own = {name: value for name, value in fixed.items() if name in optimizer.hyper()}
    if not own:
        return optimizer
    mine = {k: v for k, v in own.items() if hasattr(optimizer, k)}
    inner = {k: v for k, v in own.items() if k not in mine}
    changes: dict[str, Any] = dict(mine)
    if optimizer.inner is not None:
        changes["inner"] = with_hyper(optimizer.inner, inner)
    layers = tuple(
        (layer, tuple((k, own.get(k, v)) for k, v in of_layer))
        for layer, of_layer in optimizer.layers
    )
    return replace(optimizer, layers=layers, **changes)


def without(optimizer: Optimizer, name: str) -> Optimizer | None:
    """Return the optimizer without a hyperparameter: by layer first, then at all.

    Decay of 0, and what is published of others; None if that is how it is.

    Examples
    --------
    >>> from paratrooper_ref import AdamW
    >>> own = AdamW().for_layers({"b": {"weight_decay": 0.5}})
    >>> without(own, "weight_decay")
    AdamW(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.01)
    >>> without(without(own, "weight_decay"), "weight_decay").weight_decay
    0.0
    """
    layers = tuple(
        (layer, tuple((k, v) for k, v in own if k != name)) for layer, own in optimizer.layers
    )
    layers = tuple((layer, own) for layer, own in layers if own)
    if layers != optimizer.layers:
        return replace(optimizer, layers=layers)
    defaults = {f.name: f.default for f in optimizer.declared()}
    if name not in defaults:
        return None
    other = with_hyper(optimizer, {name: 0.0 if name == "weight_decay" else defaults[name]})
    return None if other == optimizer else other


def differences(published: Optimizer, asked: Optimizer) -> dict[str, Any]:
    """Return the hyperparameters that a backend was asked with instead of those of a case."""
    was, now = published.hyper(), asked.hyper()
    found = {name: now[name] for name in was if was[name] != now[name]}
    return found | ({"by layer": "fewer"} if published.layers != asked.layers else {})
