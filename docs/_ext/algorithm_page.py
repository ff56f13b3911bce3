"""The block ``algorithm NAME``: the page of an optimizer, from its rule, docstring and variants."""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from generated import table  # docs/generated.py
from inserted import inserting
from variants import code  # docs/variants.py

import paratrooper_ref as pr
import problems
from paratrooper_ref import plots
from paratrooper_ref.comparison import Entry, compare
from paratrooper_ref.lines import SYMBOLS, TAGS
from paratrooper_ref.listing import TEX, Rule, body, symbol, written
from paratrooper_ref.optimizers import OPTIMIZERS
from paratrooper_ref.variants import VARIANTS, Variant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sphinx.application import Sphinx

JUDGEMENTS: Final = Path(__file__).parents[1] / "reference" / "judgements.toml"
STEPS: Final = 500
# The line that shows best what an optimizer adds to those before it.
TELLING: Final = {
    "sgd": "u", "adam": "v_hat", "adamw": "v_hat", "radam": "rectification",
    "radamw": "rectification", "lars": "trust_ratio", "lamb": "trust_ratio", "lookahead": "slow",
    "ranger": "slow", "rangerlars": "trust_ratio", "paratrooper": "trust_ratio",
}
_ARXIV: Final = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
_NAME: Final = re.compile(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)")
_WORD: Final = re.compile(r'\\text\{"(\w+)"\}')
_LABEL: Final = re.compile(r"^([DV]\d+)\s+", re.MULTILINE)


def page(name: str, draw: Callable[..., str]) -> str:
    """Return the page of an algorithm in Markdown."""
    family = OPTIMIZERS[name]
    forms = made(family)
    said = sections(import_module(family.__module__).__doc__ or "")
    judgement = tomllib.loads(JUDGEMENTS.read_text("utf-8"))[name]
    lead, _, rest = said.pop("", "").partition("\n\n")
    parts = [
        lead, *formulas(forms), rest,
        "## For and against\n\n" + columns(judgement["pro"], judgement["contra"]),
        "## Pictures\n\n" + pictures(name, forms, draw),
        "## Symbols\n\n" + symbols(forms),
        "## Hyperparameters\n\n" + hyperparameters(family),
    ]
    parts += [f"## {title}\n\n{text}" for title, text in said.items()]
    parts.append("## In other implementations\n\n" + variants(forms))
    return "\n\n".join(parts)


def made(family: type[pr.Optimizer]) -> dict[str, pr.Optimizer]:
    """Return an optimizer of the family for each form of it that is published, by its name."""
    if family is pr.LARS:
        return {f"the form of {form}": pr.LARS(form=form) for form in ("2017", "2019")}
    if family is pr.Lookahead:
        return {"": pr.Lookahead(inner=pr.AdamW())}
    return {"": family()}


def sections(docstring: str) -> dict[str, str]:
    """Return what a docstring says, by its titles; what has none is under "".

    The listing is left out: the formulas are made from the rule.
    """
    found: dict[str, str] = {"": ""}
    for paragraph in re.split(r"\n\s*\n", docstring.strip()):
        first, _, rest = paragraph.partition("\n")
        if paragraph.startswith("    ") or paragraph.endswith("::"):
            continue
        if rest.startswith("    "):
            text = textwrap.dedent(rest)
            if _LABEL.match(text):
                text = "\n".join(
                    f"- **{label}** " + " ".join(said.split())
                    for label, said in zip(*[iter(_LABEL.split(text)[1:])] * 2, strict=True)
                )
            found[first] = linked(text)
        else:
            found[""] += linked(paragraph) + "\n\n"
    lead = found[""].partition(": ")[2]  # without the name, which is the title
    return found | {"": lead[:1].upper() + lead[1:]}


def linked(text: str) -> str:
    """Return text in which papers and names of the package are links."""
    text = _NAME.sub(r"{py:obj}`\1`", text)
    return _ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def formulas(forms: dict[str, pr.Optimizer]) -> Iterator[str]:
    """Yield the algorithm, stage by stage."""
    yield "## The algorithm\n\nFor each layer, at step $t$, from the source of the rule that runs:"
    for form, optimizer in forms.items():
        stages = optimizer.stages()
        if form:
            yield f"**{form.capitalize()}**"
        if isinstance(optimizer, pr.Lookahead):
            yield "A step of the inner optimizer, and then"
            stages = stages[-1:]
        for i, rule in enumerate(stages):
            if i:
                yield "and then, with $\\theta$ as it is after that,"
            yield f"$$\n{tex(rule)}\n$$"


def tex(rule: Rule) -> str:
    """Return the rule's lines in TeX, one a row, branches indented."""
    rows = r" \\[0.45em]".join(f"\n{row}" for row in _rows(list(body(rule)), 0))
    whole = rf"\begin{{array}}{{l}}{rows}" + "\n" + r"\end{array}"
    # MathJax takes text as it is: "\_" would be two characters, and both quotes closing ones.
    return _WORD.sub(r"\\text{“\1”}", whole.replace(r"\_", "_"))


def _rows(statements: list[ast.stmt], depth: int) -> Iterator[str]:
    margin = r"\displaystyle " + r"\qquad " * depth
    for line in statements:
        if isinstance(line, ast.Assign):
            sides = line.targets[0], line.value
            if written(sides[0]) != written(sides[1]):  # β1^t = β1^t says nothing
                yield f"{margin}{' = '.join(written(x, TEX) for x in sides)}"
        elif isinstance(line, ast.If):
            word, rest = "if", [line]
            while len(rest) == 1 and isinstance(rest[0], ast.If):
                branch = rest[0]
                yield rf"{margin}\textbf{{{word} }}{written(branch.test, TEX)}\textbf{{:}}"
                yield from _rows(branch.body, depth + 1)
                word, rest = "otherwise, if", branch.orelse  # type: ignore[assignment]
            if [n for n in rest if not isinstance(n, ast.Return)]:
                yield rf"{margin}\textbf{{otherwise:}}"
                yield from _rows(rest, depth + 1)  # type: ignore[arg-type]
            elif rest:
                yield rf"{margin}\textbf{{otherwise }}\theta\textbf{{ stays}}"


def columns(pro: Sequence[str], contra: Sequence[str]) -> str:
    """Return the reasons for and against."""
    sides = (("For", "pro", pro), ("Against", "contra", contra))
    boxes = [
        f":::{{container}} {name}\n**{title}**\n\n" + "\n".join(f"- {x}" for x in said) + "\n:::"
        for title, name, said in sides
    ]
    return "::::{container} judgement\n" + "\n".join(boxes) + "\n::::"


def pictures(name: str, forms: dict[str, pr.Optimizer], draw: Callable[..., str]) -> str:
    """Return the way down a valley, and the line that tells most."""
    optimizer = next(iter(forms.values()))
    (entry,) = compare({name: optimizer}, [problems.rosenbrock()], STEPS)
    label, tag = plots.look(name).label, TELLING[name]
    way = draw(f"{name}-path", partial(_way, entry))
    tale = f"{name}-{tag}"
    if tag == "trust_ratio":
        net = problems.linear_net()
        told = draw(tale, partial(plots.trust, pr.run(optimizer, net, STEPS)), (6.4, 3.4))
        where = f"in each layer of a linear net, at the default rate {optimizer.hyper()['lr']:g}"
        meaning = "The trust ratio"
    else:
        told = draw(tale, partial(plots.line, entry.best, tag), (6.4, 3.4))
        meaning, where = TAGS[tag].meaning.capitalize(), f"of that run, ${TAGS[tag].tex}$"
    return (
        f"![The path of {label} down Rosenbrock's valley]({way})\n\n"
        f"Rosenbrock's valley, {STEPS} steps at a rate of {entry.lr:g}, the best of "
        f"{len(entry.rates)} from {entry.rates[0]:g} to {entry.rates[-1]:g}: the loss goes from "
        f"{float(entry.best.losses[0]):.3g} to {float(entry.best.losses[-1]):.2g}.\n\n"
        f"![{meaning} over the steps]({told})\n\n{meaning}, {where}, over {STEPS} steps."
    )


def _way(entry: Entry, ax: Axes) -> None:
    plots.contour(entry.best.problem, ax)
    plots.path(entry.best, ax, name=entry.name)


def symbols(forms: dict[str, pr.Optimizer]) -> str:
    """Return the table of the lines that the rules have, in their order."""
    used = {
        node.id
        for optimizer in forms.values() for rule in optimizer.stages()
        for line in body(rule) for node in ast.walk(line) if isinstance(node, ast.Name)
    }
    rows: list[tuple[str, ...]] = [
        (f"${tag.tex}$", f"`{name}`", tag.meaning, tag.extent)
        for name, tag in TAGS.items() if name in used
    ]
    note = "The tag is the line's name in `lines`, in golden files and in failure messages.\n\n"
    return note + table(("symbol", "tag", "meaning", "one for each"), rows)


def hyperparameters(family: type[pr.Optimizer]) -> str:
    """Return the table of hyperparameters with their defaults."""
    rows: list[tuple[str, ...]] = []
    for field in fields(family):
        if field.name == "layers":
            continue
        known = field.name in SYMBOLS or field.name in TAGS
        default = "" if field.default is MISSING else f"`{field.default!r}`"
        rows.append(
            (f"${symbol(field.name, TEX)}$" if known else "", f"`{field.name}`", default)
        )
    note = f"What each means, and its range: {{py:obj}}`paratrooper_ref.{family.__name__}`.\n\n"
    return note + table(("symbol", "argument", "default"), rows)


def variants(forms: dict[str, pr.Optimizer]) -> str:
    """Return the table of bugs and dialects that have been seen, and how many more are known."""
    known = [
        v for v in VARIANTS.values()
        if v.kind != "form" and any(v.fits(optimizer) for optimizer in forms.values())
    ]
    seen = sorted((v for v in known if v.link), key=lambda v: (v.kind != "dialect", v.name))
    note = (
        f"Of {len(known)} variants of lines of this algorithm {len(seen)} have been seen in code "
        "that others wrote, at the versions linked; the rest are mutants, to be caught as well. "
        "A *dialect* is another published choice, a *bug* is wrong. All of them, with forms and "
        "faults: [Variants](../../variants.md); which case shows which: "
        "[the kill matrix](../../kill-matrix.md).\n\n"
    )
    return note + table(
        ("name", "kind", "the published line, and the variant's", "seen"),
        [(f"`{v.name}`", v.kind, changes(v), f"[{v.seen}]({v.link})") for v in seen],
    )


def changes(v: Variant) -> str:
    """Return the lines of a variant as a cell."""
    return "<br>".join(f"{code(was)}<br>→ {code(line)}" for was, line in v.changes)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the block."""
    return inserting(app, "algorithm", page)
