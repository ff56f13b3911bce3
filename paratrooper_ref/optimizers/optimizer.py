"""What all optimizers have in common: hyperparameters, per layer too, `init` and `step`."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, ClassVar, Self

from paratrooper_ref.arithmetic import EXACT, scalar
from paratrooper_ref.optimizers.hyper import check, nearest
from paratrooper_ref.optimizers.lift import Rule, advance, begin, parameters
from paratrooper_ref.optimizers.state import SLOTS, Lines, State
from paratrooper_ref.optimizers.warmup import first_batch


@dataclass(frozen=True, kw_only=True, repr=False)
class Optimizer(ABC):
    """The hyperparameters of an optimizer, and the rules that its step runs in turn.

    A final class declares its hyperparameters as fields and names its rules and slots.
    """

    algorithm: ClassVar[str]
    inner: ClassVar[Optimizer | None] = None
    first_batch: ClassVar[Rule] = staticmethod(first_batch)
    # Nested tuples, not a mapping: an optimizer must hash, as its scalars are kept by it.
    layers: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        hyper = {} if self.inner is None else {"inner": self.inner}
        hyper |= {f.name: getattr(self, f.name) for f in fields(self) if f.metadata}
        shown = f"{self.name}({', '.join(f'{name}={value!r}' for name, value in hyper.items())})"
        own = {name: dict(own) for name, own in self.layers}
        return f"{shown}.for_layers({own})" if own else shown

    @abstractmethod
    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step, in the order in which they run."""

    def slots(self) -> tuple[str, ...]:
        """Return the names of the state's slots besides the parameters: what its rules read."""
        return tuple(p for rule in self.stages() for p in parameters(rule) if p in SLOTS)

    @property
    def name(self) -> str:
        """The class's name, for messages."""
        return type(self).__name__

    def __post_init__(self) -> None:
        for declared in fields(self):
            if declared.metadata:
                value = check(self.name, declared, getattr(self, declared.name))
                object.__setattr__(self, declared.name, value)

    def declared(self) -> tuple[Field[Any], ...]:
        """Return the fields that are hyperparameters, those of a wrapped optimizer first."""
        own = tuple(f for f in fields(self) if f.metadata)
        return own if self.inner is None else (*self.inner.declared(), *own)

    def hyper(self, layer: str | None = None) -> dict[str, Any]:
        """Return the hyperparameters by name, as they hold for a layer or for all."""
        hyper = {} if self.inner is None else self.inner.hyper(layer)
        hyper |= {f.name: getattr(self, f.name) for f in fields(self) if f.metadata}
        hyper.update(dict(self.layers).get(layer or "", ()))
        if hyper.get("l2", 0.0) is None:
            hyper["l2"] = hyper["weight_decay"]
        return hyper

    def layer_names(self) -> tuple[str, ...]:
        """Return the layers that have hyperparameters of their own."""
        inner = () if self.inner is None else self.inner.layer_names()
        return (*inner, *(name for name, _ in self.layers))

    def rate(self, lr: float | None, layer: str | None = None) -> float:
        """Return the effective learning rate of a layer, one double.

        ``lr`` is that of the step, None for the optimizer's own.  A layer with a rate of its
        own keeps its proportion: its rate times ``lr`` over the shared rate, rounded once.
        """
        own, shared = float(self.hyper(layer)["lr"]), float(self.hyper()["lr"])
        if lr is None:
            return own
        (declared,) = (f for f in self.declared() if f.name == "lr")
        lr = float(check(f"{self.name}.step", declared, lr))
        if own == shared:
            return lr
        if shared == 0:
            msg = (
                f"{self.name}.step needs a shared lr > 0 to scale the lr of layer {layer!r}, "
                f"got lr={shared}"
            )
            raise ValueError(msg)
        return float(scalar(EXACT, own) * lr / shared)

    def at_rate(self, lr: float) -> Self:
        """Return this optimizer with another learning rate; layers keep their proportion to it."""
        layers = tuple(
            (name, tuple((k, self.rate(lr, name) if k == "lr" else v) for k, v in own))
            for name, own in self.layers
        )
        changed: dict[str, Any] = {"lr": lr}
        if self.inner is not None:
            changed = {"inner": self.inner.at_rate(lr)}
        return replace(self, layers=layers, **changed)

    def init(
        self, params: Mapping[str, Any], scalars: str = "exact", batch_axes: int = 0
    ) -> State:
        """Return the state before the first step: t = 0, moments 0, slow weights the start.

        Parameters
        ----------
        params : mapping of str to array
            The layers in order, shape ``(*batch, *layer)``, finite, all of one floating dtype
            or of Python objects of one number type; copied.
        scalars : {"exact", "float64", "array"}
            How scalars of t and the betas are formed: as real numbers rounded once where they
            meet an array, or naively in double or in the dtype of the arrays.
        batch_axes : int
            Leading axes that count independent trajectories; each row has the bits that it
            would have alone.

        Raises
        ------
        TypeError, ValueError
            If there is no layer, or an array is empty, of integers, or unlike the others.
        NonFiniteError
            If a parameter is not finite (in a batch the row is marked instead).
        """
        if self.hyper().get("warmup") == "none":
            self.warn_if_stuck(depth=2)
        return begin(self, params, scalars=scalars, batch_axes=batch_axes)

    def step(
        self, state: State, grads: Mapping[str, Any], lr: float | None = None
    ) -> tuple[State, Lines]:
        """Return the state after one step, and the step's tagged lines.

        Pure: nothing passed in is changed, and the arrays that come back are read-only.

        Parameters
        ----------
        state : State
            From `init`, from a step, or built from stored arrays.
        grads : mapping of str to array or None
            One gradient a layer, shape and dtype as the parameters; None freezes the layer
            for this step.
        lr : float, optional
            The effective learning rate of this step, >= 0; the optimizer's own if None.

        Returns
        -------
        State
            Parameters and slots after the step, t one higher.
        Lines
            ``lines[layer][tag]``; a line on a branch not taken is absent.

        Raises
        ------
        TypeError, ValueError
            If a layer is unknown or missing, or a gradient's shape or dtype is not its layer's.
        NonFiniteError
            If a gradient or a result is not finite; in a batch the row is marked in
            ``state.alive`` and stays where it was.
        """
        return advance(self, state, grads, lr)

    def for_layers(self, hyper: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return this optimizer with hyperparameters of their own for some layers.

        Parameters
        ----------
        hyper : mapping of str to mapping
            By layer, then by name.  ``adapt=False`` switches a trust ratio off; ``warmup`` is one
            choice for the model, ``form`` one for the algorithm, so neither can be given.

        Raises
        ------
        ValueError, TypeError
            If a name is unknown or a value not admitted.

        Examples
        --------
        >>> from paratrooper_ref import AdamW
        >>> AdamW().for_layers({"b": dict(weight_decay=0)}).hyper("b")["weight_decay"]
        0.0
        """
        admitted = {f.name: f for f in self.declared() if f.name not in ("warmup", "form")}
        adaptive = any("adapt" in parameters(rule) for rule in self.stages())
        layers = {name: dict(own) for name, own in self.layers}
        who = f"{self.name}.for_layers"
        for layer, own in hyper.items():
            given: tuple[object, object] = (layer, own)
            if not isinstance(given[0], str) or not isinstance(given[1], Mapping):
                msg = f"{who} needs hyperparameters by layer and name, got {layer!r}: {own!r}"
                raise TypeError(msg)
            for name, value in own.items():
                if name == "adapt" and adaptive and isinstance(value, bool):
                    layers.setdefault(layer, {})[name] = value
                elif name in admitted:
                    checked = check(f"{who} {layer!r}", admitted[name], value)
                    layers.setdefault(layer, {})[name] = checked
                else:
                    known = [*admitted, *(["adapt (a flag)"] if adaptive else [])]
                    msg = f"{who} needs hyperparameters of a layer, got {name}={value!r}; " + (
                        nearest(name, known)
                    )
                    raise ValueError(msg)
        return replace(self, layers=tuple((k, tuple(v.items())) for k, v in layers.items()))

    def warn_if_stuck(self, *, depth: int) -> None:
        """Warn, ``depth`` calls up, if a run that waits for rectification waits for ever."""
        for layer in (None, *self.layer_names()):
            hyper = self.hyper(layer)
            beta2 = scalar(EXACT, hyper["beta2"])
            if 2 / (1 - beta2) - 1 <= hyper["threshold"]:
                where = "" if layer is None else f" in layer {layer!r}"
                msg = (
                    f"{self.name} with warmup 'none' never moves{where}: rho stays below "
                    f"threshold={hyper['threshold']:g} for beta2={hyper['beta2']:g}; raise beta2"
                )
                warnings.warn(msg, stacklevel=1 + depth)
                return

    @property
    def spec(self) -> dict[str, Any]:
        """What this optimizer is, as plain data: algorithm, hyper, and layers if they differ."""
        hyper: dict[str, Any] = {} if self.inner is None else {"inner": self.inner.spec}
        hyper |= {f.name: getattr(self, f.name) for f in fields(self) if f.metadata}
        spec: dict[str, Any] = {"algorithm": self.algorithm, "hyper": hyper}
        if self.layers:
            spec["layers"] = {name: dict(own) for name, own in self.layers}
        return spec
