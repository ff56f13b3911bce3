"""Hyperparameters under the names that constructors of optimizers give them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from enum import Enum
from math import inf
from typing import Any, Final, NamedTuple

from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import parameters

# The first name that a constructor has, and whose default is of a like type, is taken.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "lr": ("lr", "learning_rate"),
    "momentum": ("momentum", "mu", "beta"),
    "dampening": ("dampening",),
    "nesterov": ("nesterov",),
    "weight_decay": ("weight_decay", "wd"),
    "l2": ("l2", "l2_decay", "l2_penalty"),
    "beta1": ("beta1", "b1", "beta_1"),
    "beta2": ("beta2", "b2", "beta_2"),
    "eps": ("eps", "epsilon"),
    "threshold": (
        "threshold", "n_sma_threshold", "N_sma_threshold", "n_sma_threshhold",
        "N_sma_threshhold", "sma_threshold", "rho_threshold",
    ),
    "warmup": ("warmup",),
    "eps_inside_root": ("eps_inside_root", "eps_inside_sqrt", "eps_in_sqrt"),
    "trust_coefficient": ("trust_coefficient", "trust_coeff", "trust_coef", "eeta", "eta"),
    "form": ("form",),
    "norm_lower": ("norm_lower", "min_weight_norm"),
    "norm_upper": ("norm_upper", "max_weight_norm", "clamp_value"),
    "lower": ("lower", "min_trust_ratio", "min_coeff"),
    "upper": ("upper", "max_trust_ratio", "max_coeff"),
    "cap": ("cap",),
    "k": ("k", "la_steps", "la_k", "lookahead_k", "lookahead_steps", "lookahead_merge_time"),
    "alpha": ("alpha", "la_alpha", "lookahead_alpha", "lookahead_blending_alpha"),
    "adapt": ("adapt",),
    "inner": ("inner",),
}

# Papers call the rate so; but where there are slow weights, their step.
RATE: Final = "alpha"

# Several hyperparameters in one argument.
TUPLES: Final[Mapping[str, tuple[str, ...]]] = {"betas": ("beta1", "beta2")}

# Where there is no such name: another argument, and what it says for which value.
WORDS: Final[Mapping[str, tuple[tuple[str, Mapping[Any, Any]], ...]]] = {
    "warmup": (("degenerated_to_sgd", {"momentum": True, "none": False}),),
    "upper": (("trust_clip", {1.0: True, inf: False}),),
    "adapt": (("adam", {True: False, False: True}),),
}

DECOUPLED: Final = (
    "decoupled_weight_decay", "weight_decouple", "decouple_weight_decay", "decouple_wd",
)

# What an algorithm is made of: whoever has no such argument has it as published, or fails.
STRUCTURE: Final = (
    "threshold", "warmup", "eps_inside_root", "l2", "form", "norm_lower", "norm_upper", "lower",
    "upper", "cap",
)

IDLE: Final[Mapping[str, Any]] = {
    "momentum": 0.0, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0, "l2": 0.0,
    "eps": 0.0, "adapt": True, "lower": 0.0, "upper": inf, "norm_lower": 0.0, "norm_upper": inf,
    "trust_coefficient": 1.0,
}

NEAR: Final = 0.7  # of letters in common, from which a name is worth a mention

Names = Mapping[str, str | None]


class Arguments(NamedTuple):
    """Keyword arguments of a constructor, and the hyperparameters that it has none for."""

    kwargs: dict[str, Any]
    missing: tuple[str, ...]


def accepted(factory: Callable[..., Any]) -> list[dict[str, Any]]:
    """Return the arguments of a constructor besides its first, with their defaults.

    Where a class takes keywords for its parent, the parent's follow.

    Examples
    --------
    >>> def factory(params, lr=1e-3, *, eps): ...
    >>> accepted(factory)
    [{'lr': 0.001, 'eps': <class 'inspect._empty'>}]
    """
    if not inspect.isclass(factory):
        return [_keywords(factory)[0]]
    found = []
    for family in factory.__mro__:
        if "__init__" in vars(family) and family is not object:
            names, more = _keywords(vars(family)["__init__"], bound=True)
            found.append(names)
            if not more:
                break
    return found


def _keywords(function: Callable[..., Any], bound: bool = False) -> tuple[dict[str, Any], bool]:
    given = list(inspect.signature(function).parameters.values())[2 if bound else 1 :]
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    more = any(p.kind is p.VAR_KEYWORD for p in given)
    return {p.name: p.default for p in given if p.kind in kinds}, more


def arguments(
    hyper: Mapping[str, Any],
    defaults: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    named: Names,
    decoupled: bool,
) -> Arguments:
    """Return what to call a constructor with.

    Parameters
    ----------
    hyper : mapping
        Hyperparameters of one layer, or of all.
    defaults : mapping, or sequence of mapping
        Arguments and their defaults; from `accepted`, where a class's own go before its parents'.
    named : mapping of str to str or None
        Names of arguments that go before all; None for a hyperparameter that the constructor
        does not take.
    decoupled : bool
        Whether ``weight_decay`` is meant to be decoupled, where the constructor asks.
    """
    left = {name: value for name, value in hyper.items() if name not in named}
    kwargs = {called: hyper[name] for name, called in named.items() if name in hyper and called}
    levels = [defaults] if isinstance(defaults, Mapping) else list(defaults)
    for level in levels:
        for argument, parts in TUPLES.items():
            if argument in level and all(name in left for name in parts):
                kwargs[argument] = tuple(left.pop(name) for name in parts)
        for name in list(left):
            for argument, value in _ways(name, left[name], level):
                if argument not in kwargs:
                    kwargs[argument] = value
                    del left[name]
                    break
        if "weight_decay" in hyper:
            flags = [name for name in DECOUPLED if isinstance(level.get(name), bool)]
            kwargs |= dict.fromkeys(flags, decoupled)
    slow = "alpha" in hyper or any(name in level for name in NAMES["k"] for level in levels)
    rates = [level[RATE] for level in levels if RATE in level and RATE not in kwargs]
    if "lr" in left and not slow and any(_fits(left["lr"], default) for default in rates):
        kwargs[RATE] = left.pop("lr")
    missing = [name for name in hyper if name in left or named.get(name, "") is None]
    return Arguments(kwargs, tuple(missing))


def _ways(name: str, value: Any, defaults: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the ways to say a hyperparameter's value to a constructor."""
    for argument in NAMES[name]:
        if argument in defaults and _fits(value, defaults[argument]):
            yield argument, value
    for argument, words in WORDS.get(name, ()):
        if argument in defaults and value in words:
            yield argument, words[value]


def _fits(value: Any, default: Any) -> bool:
    """Return whether an argument with this default may be meant for such a value."""
    if default is None or default is inspect.Parameter.empty or _stands_for_none(default):
        return True
    if isinstance(value, (bool, str)) or isinstance(default, bool):
        return isinstance(default, type(value))
    return isinstance(default, (int, float, str)) or hasattr(default, "__float__")


def _stands_for_none(default: Any) -> bool:
    """Return whether a default says nothing of its kind, such as torch's ``required``."""
    kinds = ("__float__", "__len__", "__iter__", "__call__")
    return not isinstance(default, Enum) and not any(hasattr(default, kind) for kind in kinds)


def matters(optimizer: Optimizer, layer: str | None, missing: tuple[str, ...]) -> str | None:
    """Return the first of some hyperparameters without which the step may be another.

    One does not matter if no rule reads it or its value has no effect.  A part of the algorithm
    does not where it is as published.
    """
    read = {name for rule in optimizer.stages() for name in parameters(rule)}
    hyper = optimizer.hyper(layer)
    published = {f.name: f.default for f in optimizer.declared()}
    if published.get("l2", 0.0) is None:
        published["l2"] = hyper["weight_decay"]
    inert = {name for name in hyper if name not in read and name != "form"}
    inert |= {name for name, value in IDLE.items() if hyper.get(name) == value}
    inert |= {name for name in STRUCTURE if name in hyper and hyper[name] == published.get(name)}
    if hyper.get("k") == 1 and hyper.get("alpha") == 1:
        inert |= {"k", "alpha"}
    return next((name for name in missing if name in hyper and name not in inert), None)


def near(name: str, others: Collection[str]) -> list[str]:
    """Return the arguments that may be meant for a hyperparameter by another name.

    Examples
    --------
    >>> near("weight_decay", ["decay_rate", "foreach"]), near("beta1", ["beta_one", "amsgrad"])
    (['decay_rate'], ['beta_one'])
    >>> near("eps", ["e", "b1", "b2"]), near("beta1", ["e", "b1", "b2"])
    (['e'], ['b1'])
    """
    known = NAMES.get(name, (name,))
    words = {word for at in known for word in at.split("_") if len(word) >= len("beta")}

    def like(other: str) -> bool:
        shared = words.intersection(other.lower().split("_"))
        return bool(shared) or _is_short_for(other, name) or any(
            SequenceMatcher(None, at, other.lower()).ratio() >= NEAR for at in known
        )

    return [other for other in others if like(other)]


def _is_short_for(short: str, name: str) -> bool:
    """Return whether letters of a name, the first of them first, are another."""
    rest = iter(name)
    return short[:1] == name[:1] and all(letter in rest for letter in short)


def ours_of(argument: str) -> str:
    """Return the hyperparameter that an argument is for, the first of several.

    Examples
    --------
    >>> ours_of("betas"), ours_of("la_steps")
    ('beta1', 'k')
    """
    if argument in TUPLES:
        return TUPLES[argument][0]
    return next((ours for ours, theirs in NAMES.items() if argument in theirs), argument)


def decouples(optimizer: Optimizer) -> bool:
    """Return whether an algorithm subtracts its decay from the parameters by itself.

    LAMB does not: its decay is part of a direction whose norm is taken.
    """
    inner = optimizer if optimizer.inner is None else optimizer.inner
    return inner.algorithm in ("adamw", "radamw", "ranger", "rangerlars", "paratrooper")

