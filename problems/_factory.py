"""Factories record how a problem was made, so that it can be made again from JSON."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import numpy as np

from problems._problem import Problem

P = ParamSpec("P")

FACTORIES: dict[str, Callable[..., Problem]] = {}


def factory(make: Callable[P, Problem]) -> Callable[P, Problem]:
    """Register a function that makes problems; its problems get a name and a spec.

    The name shows the arguments that differ from their defaults.
    """
    signature = inspect.signature(make)
    defaults = {
        name: None if p.default is p.empty else _plain(make.__name__, name, p.default)
        for name, p in signature.parameters.items()
    }

    @functools.wraps(make)
    def recorded(*args: P.args, **kwargs: P.kwargs) -> Problem:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        inner = bound.arguments.get("problem")
        if "problem" in bound.arguments and not isinstance(inner, Problem):
            msg = f"{make.__name__} needs a problem, got problem={inner!r:.200}"
            raise TypeError(msg)
        arguments = {name: _plain(make.__name__, name, v) for name, v in bound.arguments.items()}
        shown = [
            _shown(name, value)
            for name, value in bound.arguments.items()
            if arguments[name] != defaults[name]
        ]
        name = f"{make.__name__}({', '.join(shown)})" if shown else make.__name__
        spec = {"problem": make.__name__, "arguments": arguments}
        return dataclasses.replace(make(*args, **kwargs), name=name, spec=spec)

    FACTORIES[make.__name__] = recorded
    return recorded


def build(spec: object) -> Problem:
    """Make a problem from its ``spec``, as read from JSON.

    Parameters
    ----------
    spec : mapping
        ``{"problem": factory name, "arguments": {name: value}}``; the value of an argument may
        be a spec again.

    Raises
    ------
    ValueError
        If the spec has another form, or names no factory or no argument of it.

    Examples
    --------
    >>> import json, problems
    >>> p = problems.minibatch(problems.diabetes(), size=32, seed=1)
    >>> problems.build(json.loads(json.dumps(p.spec))).name
    'minibatch(diabetes, seed=1)'
    """
    if not isinstance(spec, Mapping) or set(spec) != {"problem", "arguments"}:
        msg = f'build needs {{"problem": name, "arguments": {{...}}}}, got {spec!r:.200}'
        raise ValueError(msg)
    name, arguments = spec["problem"], spec["arguments"]
    if not isinstance(name, str) or name not in FACTORIES:
        among = ", ".join(sorted(FACTORIES))
        msg = f"build needs one of the problems {among}, got problem={name!r:.200}"
        raise ValueError(msg)
    known = inspect.signature(FACTORIES[name]).parameters
    needed = {k for k, parameter in known.items() if parameter.default is parameter.empty}
    if not isinstance(arguments, Mapping) or not needed <= set(arguments) <= set(known):
        among = ", ".join(known) or "(none)"
        always = f" (always {', '.join(needed)})" if needed else ""
        msg = f"{name} needs arguments among {among}{always}, got arguments={arguments!r:.200}"
        raise ValueError(msg)
    made = {k: build(v) if isinstance(v, Mapping) else v for k, v in arguments.items()}
    return FACTORIES[name](**made)


def _plain(who: str, name: str, value: Any) -> Any:
    """Return an argument as JSON would hold it."""
    if isinstance(value, Problem):
        if not value.spec:
            msg = f"{who} needs a problem made by a factory, got {name}={value!r}"
            raise TypeError(msg)
        return dict(value.spec)
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(who, name, one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    msg = f"{who} needs arguments that JSON can hold, got {name}={value!r:.200}"
    raise TypeError(msg)


def _shown(name: str, value: Any) -> str:
    if isinstance(value, Problem):
        return value.name
    value = _plain("", name, value)
    if isinstance(value, list) and len(value) > 6:
        return f"{name}=[{', '.join(map(str, value[:3]))}, ... {len(value)} in all]"
    return f"{name}={value!r}"
