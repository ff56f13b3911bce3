"""Rules whose lines are heard: each hands what it assigns to a listener, in all its forms.

The rule itself stays as it reads.  Its copy, compiled from the same source, has in place of
``direction = m_hat / denominator`` ::

    direction = line("direction", m_hat / denominator, m_hat * (1 / denominator))

and goes on with what the listener returns: a bound that covers every form, the number that a
backend had there, or just the first.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.optimizer import Optimizer
from paratrooper_ref.variants.variant import (
    BEFORE,
    Variant,
    compiled,
    names_in,
    names_of_changes,
    normal,
    source_of,
    with_argument,
    with_rules,
)

LISTENER: Final = "line"

Listener = Callable[..., Any]


def heard(optimizer: Optimizer, forms: Iterable[Variant] = ()) -> Optimizer:
    """Return the optimizer with rules that need ``line``, a listener, and tell it every line.

    ``line(name, value, *others)`` gets the value of a line as it is published and as each form
    has it; the rule goes on with what it returns.  Forms of lines that do not stand in a rule,
    such as those that a variant has changed, are left out.
    """
    return with_rules(optimizer, [_heard(rule, tuple(forms)) for rule in optimizer.stages()])


@lru_cache(maxsize=1024)
def _heard(rule: Rule, forms: tuple[Variant, ...]) -> Rule:
    lines: dict[str, list[str]] = {}
    spoken = names_of_changes(rule)
    for form in forms:
        if rule.__name__ in form.rules and (form.of is None or form.of.name in spoken):
            for was, line in form.changes:
                lines.setdefault(normal(was), []).append(line)
    function = source_of(rule)
    _Telling(lines).visit(function)
    with_argument(function, LISTENER)
    if BEFORE in names_in(function):
        with_argument(function, BEFORE)
    return compiled(ast.fix_missing_locations(function), rule, f"<{rule.__name__}, heard>")


class _Telling(ast.NodeTransformer):
    """Put a call of the listener around what each line assigns."""

    def __init__(self, forms: dict[str, list[str]]) -> None:
        self.forms = forms

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        """Return the line, heard, after the helpers of its forms."""
        (target,) = node.targets
        assert isinstance(target, ast.Name)
        helpers: dict[str, list[ast.expr]] = {}
        others: list[ast.expr] = []
        for line in self.forms.get(normal(ast.unparse(node)), ()):
            *before, last = ast.parse(line).body
            for statement in before:
                assert isinstance(statement, ast.Assign)
                assert isinstance(statement.targets[0], ast.Name)
                _add(helpers.setdefault(statement.targets[0].id, []), statement.value)
            assert isinstance(last, ast.Assign)
            _add(others, last.value)
        told = [self._told(name, values, node) for name, values in helpers.items()]
        return [*told, self._told(target.id, [node.value, *others], node)]

    def _told(self, name: str, values: list[ast.expr], like: ast.stmt) -> ast.stmt:
        call = ast.Call(ast.Name(LISTENER, ast.Load()), [ast.Constant(name), *values], [])
        for value in values[1:]:  # of another line's text: its places are not those of the rule
            for part in ast.walk(value):
                ast.copy_location(part, like)
        statement = ast.Assign([ast.Name(name, ast.Store())], call)
        return ast.copy_location(statement, like)


def _add(expressions: list[ast.expr], new: ast.expr) -> None:
    if ast.dump(new) not in map(ast.dump, expressions):
        expressions.append(new)
