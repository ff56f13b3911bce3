"""The family, one published algorithm a file.

Each file holds the algorithm as a function of bare names for one layer, which reads like the
publication, and a frozen dataclass of its hyperparameters.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from paratrooper_ref.optimizers.adam import Adam
from paratrooper_ref.optimizers.adamw import AdamW
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.optimizers.lamb import LAMB
from paratrooper_ref.optimizers.lars import LARS
from paratrooper_ref.optimizers.lookahead import Lookahead
from paratrooper_ref.optimizers.optimizer import Optimizer
from paratrooper_ref.optimizers.paratrooper import Paratrooper
from paratrooper_ref.optimizers.radam import RAdam
from paratrooper_ref.optimizers.radamw import RAdamW
from paratrooper_ref.optimizers.ranger import Ranger
from paratrooper_ref.optimizers.rangerlars import RangerLars
from paratrooper_ref.optimizers.sgd import SGD
from paratrooper_ref.optimizers.state import Lines, NonFiniteError, State

OPTIMIZERS: Final[dict[str, type[Optimizer]]] = {
    family.algorithm: family
    for family in (
        SGD, Adam, AdamW, RAdam, RAdamW, LARS, LAMB, Lookahead, Ranger, RangerLars, Paratrooper,
    )
}
"""The classes of the family, by the names that specs and the command line have for them."""


def build(spec: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer that a spec describes, the inverse of `Optimizer.spec`.

    Parameters
    ----------
    spec : mapping
        ``{"algorithm": name, "hyper": {...}, "layers": {...}}``; what is left out has its
        default, and "layers" may be absent.

    Raises
    ------
    ValueError, TypeError
        If the algorithm or a hyperparameter is unknown, or a value is not admitted.

    Examples
    --------
    >>> build({"algorithm": "sgd", "hyper": {"lr": 0.1}}).spec["hyper"]["lr"]
    0.1
    """
    parts = ("algorithm", "hyper", "layers")
    for part in spec:
        if part not in parts:
            msg = f"build needs the parts of a spec, got {part!r}; {nearest(part, parts)}"
            raise ValueError(msg)
    algorithm = str(spec.get("algorithm"))
    family = OPTIMIZERS.get(algorithm)
    if family is None:
        known = nearest(algorithm, OPTIMIZERS)
        msg = f"build needs a known algorithm, got algorithm={algorithm!r}; {known}"
        raise ValueError(msg)
    hyper = dict(spec.get("hyper", {}))
    admitted = [f.name for f in fields(family) if f.name != "layers"]
    for name in hyper:
        if name not in admitted:
            known = nearest(name, admitted)
            msg = f"{family.__name__} needs known hyperparameters, got {name!r}; {known}"
            raise ValueError(msg)
    if isinstance(hyper.get("inner"), Mapping):
        hyper["inner"] = build(hyper["inner"])
    return family(**hyper).for_layers(spec.get("layers", {}))


__all__ = [
    "LAMB",
    "LARS",
    "OPTIMIZERS",
    "SGD",
    "Adam",
    "AdamW",
    "Lines",
    "Lookahead",
    "NonFiniteError",
    "Optimizer",
    "Paratrooper",
    "RAdam",
    "RAdamW",
    "Ranger",
    "RangerLars",
    "State",
    "build",
]
