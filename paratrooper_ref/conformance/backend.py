"""What the kit asks of an implementation: arrays in, arrays out."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.optimizers import Optimizer, build

Array = np.ndarray[Any, np.dtype[Any]]
Spec = Mapping[str, Any]
Params = Mapping[str, Array]
Grads = Mapping[str, Array | None]
Slots = Mapping[str, Mapping[str, Array]]


class Unsupported(Exception):
    """A backend cannot be asked this; the message says why, in a few words."""

    def __str__(self) -> str:
        return super().__str__() or "no reason given"


class Lacks(Unsupported):
    """A backend has no such hyperparameter, or not by layer.

    It is asked again without: with the value that has no effect, or the published one.
    """

    def __init__(self, name: str, message: str = "") -> None:
        super().__init__(message or f"has no {name}")
        self.name = name


class Backend(Protocol):
    """An implementation under test.

    Three methods and two facts; nothing has to be inherited.  Arrays are NumPy's, in the dtype
    in which the profile stores their slot; bfloat16 numbers come and go as float32 arrays.

    Optional, used where they are there:

    ``probe(handle) -> {layer: {tag: array}}``
        Tagged lines of the step just taken, so that the first wrong one can be named.
    ``reload(handle) -> handle``
        Save and load; what comes back has to go on as if nothing had happened.
    ``supports(spec) -> str | None``
        Why a spec cannot be started, or None: properties ask, so as not to draw what is refused.
    ``fixed``
        A mapping: hyperparameters of which it always uses one value.
    ``ungiven``
        A sequence: arguments of the implementation that no hyperparameter is, for reports.
    ``versions``
        A mapping of package to version, for reports.
    ``timeout``
        A number: the seconds after which it says itself that a step hangs.
    ``algorithm``
        A string: what it is held to if nothing else is said.
    """

    @property
    def name(self) -> str:
        """What stands in reports."""

    @property
    def profile(self) -> Profile:
        """The arithmetic that is declared."""

    def start(self, spec: Spec, params: Params, state: Mapping[str, Any] | None = None) -> Any:
        """Return a handle: an optimizer of this spec, before a step.

        Parameters
        ----------
        spec : mapping
            ``{"algorithm": ..., "hyper": {...}}`` and, where layers have hyperparameters of
            their own, ``"layers"``, as the golden files have it; see `hyper_of`.
        params : mapping of layer to array
            In order; not to be changed.
        state : mapping, optional
            ``{"t": steps taken, slot: {layer: array}}`` and ``"warmup"`` where it was chosen;
            None for the state before the first step.

        Raises
        ------
        Unsupported
            If there is no such optimizer here.
        """

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Take a step; return the handle to go on with, or None for the same one.

        Parameters
        ----------
        handle
            From `start` or the last step.
        grads : mapping of layer to array or None
            Not to be changed; None freezes the layer for this step.
        lr : float
            The effective rate of this step; a layer with a rate of its own keeps its proportion
            to the shared one (`rate_of`).
        """

    def read(self, handle: Any) -> Slots:
        """Return ``{"theta": {layer: array}, slot: {layer: array}}``, as far as it can be seen.

        All layers, and copies: a later step must not change what was read.
        """


def declaring(backend: Backend, profile: Profile) -> Backend:
    """Return a backend that declares this profile: a copy, where its own is another.

    Raises
    ------
    TypeError
        If its profile cannot be set.
    """
    if profile == backend.profile:
        return backend
    other: Any = copy.copy(backend)
    try:
        other.profile = profile
    except AttributeError:
        msg = f"another profile needs a backend whose profile can be set, got {backend.name}"
        raise TypeError(msg) from None
    return other  # type: ignore[no-any-return]


def hyper_of(spec: Spec, layer: str | None = None) -> dict[str, Any]:
    """Return the hyperparameters of a spec by name, those of an inner optimizer among them.

    Examples
    --------
    >>> hyper_of({"algorithm": "adam", "hyper": {"beta1": 0.5}})["beta2"]
    0.999
    """
    return optimizer_of(spec).hyper(layer)


def rate_of(spec: Spec, lr: float, layer: str) -> float:
    """Return the rate of a layer in a step whose effective rate is lr."""
    return optimizer_of(spec).rate(lr, layer)


def optimizer_of(spec: Spec) -> Optimizer:
    """Return the reference optimizer of a spec."""
    return build(spec)


def unread(optimizer: Optimizer, layers: Iterable[str]) -> tuple[str, ...]:
    """Return the slots that no step reads: a buffer of which no layer has momentum.

    Examples
    --------
    >>> unread(build({"algorithm": "sgd", "hyper": {"momentum": 0.0}}), ["w"])
    ('u',)
    """
    if "u" not in optimizer.slots() or any(optimizer.hyper(x)["momentum"] for x in layers):
        return ()
    return ("u",)


def slots_of(spec: Spec) -> tuple[str, ...]:
    """Return the slots of a spec's state, besides the parameters."""
    return optimizer_of(spec).slots()
