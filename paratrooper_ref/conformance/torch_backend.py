"""Optimizers of torch as backends.

    TorchBackend(torch.optim.AdamW)
    TorchBackend(Lamb, options={"always_adapt": True, "max_grad_norm": None})
    TorchBackend(lambda params, lr, betas, eps, weight_decay, k, alpha:
        Lookahead(AdamW(params, lr, betas, eps, weight_decay), k=k, alpha=alpha))

Hyperparameters go to the constructor's arguments by their names (`torch_making`).  Where the
optimizer keeps its state (`torch_state`) is learnt from a few steps of a small one
(`torch_trial`).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance.arguments import Names
from paratrooper_ref.conformance.backend import (
    Grads,
    Params,
    Slots,
    Spec,
    Unsupported,
    optimizer_of,
)
from paratrooper_ref.conformance.layout import copied
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.session import container
from paratrooper_ref.conformance.torch_making import Handle, Hyper, Maker, array, the_torch
from paratrooper_ref.conformance.torch_state import Keeper, at_first
from paratrooper_ref.conformance.torch_trial import Learner
from paratrooper_ref.conformance.watch import Watch

Where = str | Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]]

BUILT_IN: Final[Mapping[str, Hyper]] = {
    "torch.optim.radam.RAdam": {"threshold": 5.0, "warmup": "momentum"},
}
"""What classes of torch always use, and have no argument for."""

SECONDS: Final = 30.0  # that a few steps of a small optimizer may take


class TorchBackend:
    """A torch optimizer under test.

    Parameters
    ----------
    factory : callable
        A class like those of torch.optim, or a function that returns an optimizer: called with
        the parameters, or groups of them, and keyword arguments.
    dtype : str, optional
        Of the tensors; the profile's, or "float32".
    device : str
    hyper : mapping or callable, optional
        By hyperparameter the name of the constructor's argument, None where it has none; or
        ``hyper(values) -> keyword arguments``.  Names found in its signature need not be given.
    state : mapping, optional
        By slot, or "t", or "warmup", where the optimizer keeps it: the name of an entry, or
        ``read(optimizer, parameter)``, or that and ``write(optimizer, parameter, tensor)``; of
        "t" and "warmup" without the parameter.  What is found by itself need not be given, but
        for "theta": master weights, in which case they are what is read and set, as long as the
        parameters are them, rounded.
    fixed : mapping, optional
        Hyperparameters of which the optimizer always uses one value; of a wrapper, "inner" is
        the algorithm that it wraps, if neither a class nor the first steps tell.
    options : mapping, optional
        Further keyword arguments of the constructor; they win.
    profile : Profile, optional
        The arithmetic; ``Profile(dtype=dtype)`` if it is left out, with the dtypes in which
        slots are found.  With master weights it is theirs, and that of the gradients is dtype.
    name : str, optional

    Notes
    -----
    A hyperparameter without an argument is refused, unless it has no effect at its value or is a
    part of the algorithm as published, such as RAdam's threshold: a class that has no name for
    it is taken at its word.  A ValueError of the constructor is a refusal, and a
    NotImplementedError.

    States are set as they arise: an optimizer takes a step, so that it makes its entries, and
    they are overwritten.  It is refused where a small optimizer of the same hyperparameters,
    given the state of another, does not go on as that one does.

    Examples
    --------
    >>> backend = TorchBackend(torch.optim.AdamW, options={"foreach": True})  # doctest: +SKIP
    """

    def __init__(
        self,
        factory: Callable[..., Any],
        *,
        dtype: str | None = None,
        device: str = "cpu",
        hyper: Names | Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        state: Mapping[str, Where] | None = None,
        fixed: Hyper | None = None,
        options: Hyper | None = None,
        profile: Profile | None = None,
        name: str | None = None,
    ) -> None:
        self.factory, self.device = factory, device
        self.hyper: Any = {} if hyper is None else hyper
        self.where: Mapping[str, Any] = dict(state or {})
        self.options = dict(options or {})
        self.fixed: Hyper = {**BUILT_IN.get(_path_of(factory), {}), **(fixed or {})}
        self._profile = profile
        of = "g" if "theta" in self.where else "theta"  # masters beside: gradients are as tensors
        self.dtype = dtype or ("float32" if profile is None else profile.stored(of).name)
        options_said = ", ".join(f"{k}={v}" for k, v in self.options.items())
        self.name = name or _shown(factory) + (f"({options_said})" if options_said else "")
        self._maker = Maker(factory, self.hyper, self.fixed, self.options, self.dtype, device)
        self._keeper = Keeper(self._maker, self.where)
        self._learner = Learner(self._keeper)
        self._given: set[str] = set()

    @property
    def torch(self) -> Any:
        """The module; imported where it is needed first."""
        return the_torch()

    @property
    def profile(self) -> Profile:
        """The arithmetic that is declared, or what is found of it."""
        if self._profile is None:
            scalars: Any = "mixed" if self.options.get("capturable") else "float64"
            watch, wide = Watch(SECONDS), dict[str, str]()
            try:
                wide = watch.call(self._learner.widths)
            except KeyboardInterrupt:
                raise
            except BaseException:
                pass  # it does not get through a few steps: those that are asked will tell
            watch.close()
            dtype = wide.get("theta", self.dtype)
            stored = {"g": self.dtype, **wide}
            slots = {slot: name for slot, name in stored.items() if name != dtype}
            self._profile = Profile(dtype=dtype, scalars=scalars, slots=slots)
        return self._profile

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self._profile = profile

    @property
    def versions(self) -> dict[str, str]:
        """Of torch, and of the package that the factory is from."""
        package = str(getattr(self.factory, "__module__", "")).partition(".")[0]
        found = {k: getattr(sys.modules.get(k), "__version__", None) for k in (package, "torch")}
        return {name: str(version) for name, version in found.items() if version is not None}

    @property
    def ungiven(self) -> tuple[str, ...]:
        """Arguments of the constructor that no optimizer was started with."""
        known = dict.fromkeys(name for level in self._maker.accepted for name in level)
        return tuple(name for name in known if name not in self._given)

    def supports(self, spec: Spec) -> str | None:
        """Return why a spec cannot be started, or None."""
        ours = optimizer_of(spec)
        try:
            self._learner.refuse(ours)
            self._maker.begun(ours, dict.fromkeys((*ours.layer_names(), "x"), np.ones(2)))
        except Unsupported as reason:
            return str(reason)
        return None

    def start(self, spec: Spec, params: Params, state: Mapping[str, Any] | None = None) -> Handle:
        """Return a handle: an optimizer of this spec, before a step."""
        ours = optimizer_of(spec)
        self._learner.refuse(ours)
        handle = self._maker.begun(ours, params)
        for layer in (None, *(k for k in ours.layer_names() if k in params)):
            self._given.update(self._maker.arguments(ours, layer))
        handle = replace(handle, layout=self._learner.layout(ours, params))
        if state is None or self._keeper.initial(ours, params, state):
            if "theta" not in self.where or all(
                np.array_equal(array(p), params[k]) for k, p in handle.params.items()
            ):
                return handle
            state = {"t": 0, **{slot: at_first(slot, params) for slot in ours.slots()}}
        return self._keeper.set(handle, {**state, "theta": params})

    def step(self, handle: Handle, grads: Grads, lr: float) -> Handle | None:
        """Take a step; change the gradients as given if the optimizer changes them."""
        own = {layer: grads[layer] for layer in handle.params}
        given = {k: None if g is None else self._maker.tensor(g) for k, g in own.items()}
        before = {layer: array(x) for layer, x in given.items() if x is not None}
        self._keeper.step(handle, given, lr)
        for layer, was in before.items():
            for x in (given[layer], handle.params[layer].grad):
                if x is not None and tuple(x.shape) == was.shape:
                    after = array(x)
                    if after.tobytes() != was.tobytes():
                        np.asarray(grads[layer])[...] = after
        return replace(handle, given=None) if handle.given is not None else None

    def read(self, handle: Handle) -> Slots:
        """Return parameters, and the slots that can be seen."""
        kind = None if self._profile is None else container(self._profile, "theta")
        found = {"theta": self._keeper.weights(handle, kind)}
        for slot in handle.ours.slots():
            if (layers := self._keeper.shown(handle, slot)) is not None:
                found[slot] = layers
        return found

    def reload(self, handle: Handle) -> Handle:
        """Save the optimizer's state_dict; load it into a new optimizer of the same parameters."""
        if not hasattr(handle.optimizer, "state_dict"):
            msg = "has no state_dict"
            raise Unsupported(msg)
        written = io.BytesIO()
        self.torch.save(handle.optimizer.state_dict(), written)
        written.seek(0)
        tensors = {k: self.torch.nn.Parameter(copied(p)) for k, p in handle.params.items()}
        optimizer = self._maker.made(handle.ours, tensors)
        optimizer.load_state_dict(self.torch.load(written, weights_only=False))
        return replace(handle, params=tensors, optimizer=optimizer, stepped=set(handle.stepped))


def _path_of(factory: Any) -> str:
    return f"{getattr(factory, '__module__', '')}.{getattr(factory, '__qualname__', '')}"


def _shown(factory: Any) -> str:
    """Return the shortest path under which a factory can be imported."""
    name = getattr(factory, "__qualname__", None) or repr(factory)
    *modules, = str(getattr(factory, "__module__", "")).split(".")
    for n in range(1, len(modules) + 1):
        module = sys.modules.get(".".join(modules[:n]))
        if getattr(module, name, None) is factory:
            return ".".join([*modules[:n], name])
    return ".".join([*modules, name]).lstrip(".")
