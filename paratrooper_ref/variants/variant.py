"""A variant: a line of a rule as it is published, and as it stands somewhere else.

What differs is text, matched with the rule's source line by line and compiled again, so the
published rule stays as it reads, and a traceback through a variant shows the changed line.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from types import FunctionType
from typing import Any, Literal

from paratrooper_ref import arithmetic
from paratrooper_ref.optimizers.optimizer import Optimizer
from paratrooper_ref.variants.published import PUBLISHED, Source

BEFORE = "before"  # the weights from before the step: forms may ask for them
_WITH = " with "
_WRITTEN: dict[str, list[str]] = {}  # by the name of its file, the source of a rewritten rule

Rule = Callable[..., dict[str, Any]]
Kind = Literal["bug", "dialect", "form"]


class VariantError(ValueError):
    """A variant does not fit: its line does not stand exactly once in the rule it names."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One line of one or several rules, as it `was` and as the `line` stands in the variant.

    Parameters
    ----------
    name : str
        "rule.what", such as "adam.eps_hat".
    rules : tuple of str
        The functions in which the line stands, such as ("radamw", "rangerlars"); the rule of
        the whole model is "first_batch", one of a schedule is "ReduceOnPlateau.__call__".
    was : str
        The published line; of a branch its head, such as "if t % k == 0:".
    line : str
        What stands there instead: one line or several; empty for a line that is left out.
    kind : {"bug", "dialect", "form"}
        Wrong; another published choice; equal in real numbers, with other roundings.
    seen, link : str
        Where it is or was, and where that can be read; no link where it is known of no code.
    also : tuple of (was, line)
        Further lines, for a variant that no single line can say.
    of : Variant, optional
        The dialect in which the line stands, for a form of a line that is not the published one.
    """

    name: str
    rules: tuple[str, ...]
    was: str
    line: str
    kind: Kind
    seen: str
    link: str = ""
    also: tuple[tuple[str, str], ...] = ()
    of: Variant | None = None

    @property
    def published(self) -> Source:
        """Where the line that it departs from can be read."""
        return PUBLISHED[self.rules[0]]

    @property
    def where(self) -> tuple[str, str]:
        """Where it has been seen, or else where its line is published: in words, and a link."""
        if self.link:
            return self.seen, self.link
        return f"{self.seen}; the line is that of {self.published.title}", self.published.link

    @property
    def changes(self) -> tuple[tuple[str, str], ...]:
        """All (was, line) of this variant."""
        return ((self.was, self.line), *self.also)

    def fits(self, optimizer: Optimizer) -> bool:
        """Return whether the optimizer runs a rule that this variant changes."""
        return any(rule.__name__ in self.rules for rule in _rules(optimizer))


def changed(optimizer: Optimizer, variant: Variant) -> Optimizer:
    """Return the optimizer with the variant's line in place of the published one.

    Raises
    ------
    VariantError
        If the optimizer runs none of the variant's rules, or the published line does not stand
        exactly once in a rule that it runs: another variant may have changed it.

    Examples
    --------
    >>> import numpy as np
    >>> import paratrooper_ref as pr
    >>> doubled = Variant(name="sgd.twice", rules=("sgd",), kind="bug", seen="an example",
    ...     was="update = lr * direction", line="update = 2 * lr * direction")
    >>> opt = changed(pr.SGD(lr=0.5), doubled)
    >>> state, _ = opt.step(opt.init({"x": np.array([1.0])}), {"x": np.array([1.0])})
    >>> print(state.params["x"])
    [0.]
    """
    if not variant.fits(optimizer):
        msg = (
            f"the variant {variant.name} needs an optimizer that runs "
            f"{' or '.join(variant.rules)}, got {optimizer.name}"
        )
        raise VariantError(msg)

    def other(rule: Rule) -> Rule:
        return rewritten(rule, variant) if rule.__name__ in variant.rules else rule

    family = type(optimizer)
    model = staticmethod(other(family.first_batch))
    name = f"{family.__name__}{_WITH}{variant.name}"
    return with_rules(optimizer, map(other, optimizer.stages()), name, first_batch=model)


def with_rules(
    optimizer: Optimizer, stages: Iterable[Rule], name: str = "", **members: Any
) -> Optimizer:
    """Return an optimizer of the same hyperparameters that runs these rules.

    ``name`` is that of its class, and ``members`` are others of it that differ.
    """
    family, rules = type(optimizer), tuple(stages)
    members["stages"] = lambda self: rules
    other: type[Optimizer] = type(name or family.__name__, (family,), members)
    return other(**{f.name: getattr(optimizer, f.name) for f in fields(optimizer)})


def _rules(optimizer: Optimizer) -> tuple[Rule, ...]:
    """Return the rules that an optimizer runs; that of the model only where it decides."""
    decides = optimizer.hyper().get("warmup") == "auto"
    return (*optimizer.stages(), *([type(optimizer).first_batch] if decides else []))


@lru_cache(maxsize=1024)
def rewritten(rule: Rule, variant: Variant) -> Rule:
    """Return the rule with the variant's lines, compiled from its source.

    Raises
    ------
    VariantError
        If a line does not stand exactly once or is no Python, or the rule's source is not there.
    """
    if variant.of is not None:
        rule = rewritten(rule, variant.of)
    source = _lines(rule)
    try:
        for was, line in variant.changes:
            source = _with_line(source, rule.__qualname__, was, line, variant.name)
        found = _function(source, rule.__qualname__)
    except SyntaxError as error:
        msg = f"{variant.name} needs lines of Python, got {error.text!r}: {error.msg}"
        raise VariantError(msg) from None
    if BEFORE in names_in(found):
        with_argument(found, BEFORE)
    before = rule.__code__.co_filename.strip("<>") if _is_written(rule) else rule.__qualname__
    filename = f"<{before}{_WITH}{variant.name}>"
    _WRITTEN[filename] = source
    linecache.cache[filename] = (len(source), None, source, filename)  # for tracebacks
    return compiled(found, rule, filename)


def names_of_changes(rule: Rule) -> list[str]:
    """Return the names of the variants that a rule has been rewritten by."""
    filename = rule.__code__.co_filename
    return filename.strip("<>").split(_WITH)[1:] if _is_written(rule) else []


def compiled(function: ast.FunctionDef, rule: Rule, filename: str) -> Rule:
    """Return a function of the rule's module, compiled from its tree."""
    namespace = {**vars(arithmetic), **rule.__globals__}  # a line may use what its rule does not
    lazily = __future__.annotations.compiler_flag
    tree = ast.Module([function], [])
    exec(compile(tree, filename, "exec", flags=lazily, dont_inherit=True), namespace)
    made: Rule = namespace[rule.__name__]
    return made


def names_in(function: ast.FunctionDef) -> set[str]:
    """Return the names that a function reads or assigns."""
    return {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}


def with_argument(function: ast.FunctionDef, name: str) -> None:
    """Give a function one more argument, by keyword."""
    function.args.kwonlyargs.append(ast.arg(name))
    function.args.kw_defaults.append(None)
    ast.fix_missing_locations(function)


def source_of(rule: Rule) -> ast.FunctionDef:
    """Return the tree of a rule, or of what `rewritten` has made of one."""
    return _function(_lines(rule), rule.__qualname__)


def _is_written(rule: Rule) -> bool:
    """Return whether a rule is the work of `rewritten`."""
    return rule.__code__.co_filename in _WRITTEN


def _lines(rule: Rule) -> list[str]:
    assert isinstance(rule, FunctionType)
    if _is_written(rule):
        return list(_WRITTEN[rule.__code__.co_filename])
    module = inspect.getmodule(rule)
    try:
        assert module is not None
        return inspect.getsource(module).splitlines(keepends=True)
    except OSError:
        msg = f"variants are lines of source, and that of {rule.__name__} is not installed"
        raise VariantError(msg) from None


def _with_line(source: list[str], rule: str, was: str, line: str, variant: str) -> list[str]:
    """Return the source with one line exchanged; lines after it may move."""
    places = [span for span in _spans(source, rule) if normal(span[2]) == normal(was)]
    if len(places) != 1:
        msg = f"{variant} needs its line exactly once in {rule}, got {len(places)} of {was!r}"
        raise VariantError(msg)
    first, last, text = places[0]
    margin = text[: len(text) - len(text.lstrip())]
    new = textwrap.indent(textwrap.dedent(line).strip() or "pass", margin) + "\n"
    if text.lstrip().startswith("elif"):
        new = f"{margin}el{new.removeprefix(margin)}"
    return [*source[:first], *new.splitlines(keepends=True), *source[last:]]


def _spans(source: list[str], rule: str) -> list[tuple[int, int, str]]:
    """Return (first, last, text) of each assignment of the rule, and of each head of a branch."""
    spans = []
    for node in ast.walk(_function(source, rule)):
        if isinstance(node, (ast.Assign, ast.If)):
            end = node.test.end_lineno if isinstance(node, ast.If) else node.end_lineno
            first = node.lineno - 1
            spans.append((first, end or first, "".join(source[first:end])))
    return spans


def _function(source: list[str], rule: str) -> ast.FunctionDef:
    """Return the tree of a function, or of a method by its qualified name."""
    body: Sequence[ast.stmt] = ast.parse("".join(source)).body
    *families, name = rule.split(".")
    for family in families:
        (holder,) = (n for n in body if isinstance(n, ast.ClassDef) and n.name == family)
        body = holder.body
    (found,) = (n for n in body if isinstance(n, ast.FunctionDef) and n.name == name)
    return found


def normal(line: str) -> str:
    """Return one spelling of a line of a rule: layout and brackets that change nothing are gone."""
    line = textwrap.dedent(line).strip()
    if line.startswith("elif "):
        line = line.removeprefix("el")
    return ast.unparse(ast.parse(f"{line} pass" if line.endswith(":") else line))
