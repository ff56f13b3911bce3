"""Where a torch optimizer keeps its state: every tensor and number in it, by a path.

Wrappers are optimizers with optimizers among their attributes, so the search goes through all of
them: the state of each parameter, the parameter groups, and attributes.  A path names layers by
their names, so that it leads to the same place in another optimizer of the same class.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Iterator, Mapping, MutableMapping
from typing import Any, Final, NamedTuple

Tensor = Any
Path = tuple[Hashable, ...]

STATE: Final = "state"
GROUP: Final = "group"
ATTRIBUTE: Final = "attribute"
DEEPEST: Final = 4  # containers in containers

# Of torch.optim.Optimizer itself, or searched already.
PLAIN: Final = frozenset({"state", "param_groups", "defaults"})


class Layer(NamedTuple):
    """A step of a path: to what belongs to a layer."""

    name: str


class Cell(NamedTuple):
    """A tensor or a number, and the container that it is in."""

    holder: Any
    key: Any

    @property
    def value(self) -> Any:
        """What is there now."""
        return self.holder[self.key]

    def put(self, value: Any) -> None:
        """Write into a tensor, or put another number in the place of one."""
        if hasattr(self.value, "copy_"):
            data = self.value.detach()
            data.copy_(value) if hasattr(value, "shape") else data.fill_(value)
        else:
            self.holder[self.key] = type(self.value)(value)

    def drop(self) -> None:
        """Take an entry out, as if it had not been made; what has a place in a list stays."""
        if isinstance(self.holder, MutableMapping):
            del self.holder[self.key]


def parts(optimizer: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield an optimizer and the optimizers that it wraps, with their paths."""
    yield path, optimizer
    if len(path) < DEEPEST:
        for name, value in vars(optimizer).items():
            if hasattr(value, "param_groups") and hasattr(value, "step"):
                yield from parts(value, (*path, name))


def cells(optimizer: Any, params: Mapping[str, Tensor]) -> dict[Path, Cell]:
    """Return all tensors and numbers of an optimizer besides parameters and gradients."""
    names = {id(p): Layer(layer) for layer, p in params.items()}
    found: dict[Path, Cell] = {}

    def walk(holder: Any, key: Any, path: Path, depth: int = 0) -> None:
        value = holder[key]
        if id(value) in names or isinstance(value, (bool, str)):
            return
        number = isinstance(value, (int, float)) and not isinstance(holder, tuple)
        if number or hasattr(value, "copy_"):
            found[path] = Cell(holder, key)
        elif depth < DEEPEST and isinstance(value, MutableMapping):
            for k in value:
                # By the parameter or by its id; a parameter compares elementwise.
                layer = names.get(k if isinstance(k, int) else id(k))
                walk(value, k, (*path, layer or k), depth + 1)
        elif depth < DEEPEST and isinstance(value, (list, tuple, deque)):
            for i in range(len(value)):
                walk(value, i, (*path, i), depth + 1)

    for path, part in parts(optimizer):
        state = getattr(part, "state", {})  # a wrapper may leave that to what it wraps
        for p in state:
            walk(state, p, (*path, STATE, names.get(id(p), id(p))))
        for i, group in enumerate(part.param_groups):
            for key in group:
                if key != "params":
                    walk(group, key, (*path, GROUP, i, key))
        held = vars(part)
        for name in held:
            if name not in PLAIN and not hasattr(held[name], "param_groups"):
                walk(held, name, (*path, ATTRIBUTE, name))
    return found


def in_groups(path: Path, known: Collection[Path]) -> list[Path]:
    """Return the known paths that lead to the same place, in whatever parameter group.

    Examples
    --------
    >>> in_groups(("group", 0, "step"), [("group", 0, "step"), ("group", 1, "step"), ("state", 1)])
    [('group', 0, 'step'), ('group', 1, 'step')]
    """
    if GROUP not in path:
        return [path] if path in known else []
    place = path.index(GROUP) + 1
    rest = path[:place], path[place + 1 :]
    return [other for other in known if (other[:place], other[place + 1 :]) == rest]


def layer_of(path: Path) -> str | None:
    """Return the layer whose state a path leads to, if it is one's."""
    return next((at.name for at in path if isinstance(at, Layer)), None)


def name_of(path: Path) -> str:
    """Return the last name of a path, as somebody has chosen it."""
    return next((at for at in reversed(path) if isinstance(at, str)), "")
