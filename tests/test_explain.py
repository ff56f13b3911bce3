"""What is shown is what is run: explanations, listings and TeX come from the rules themselves."""

import ast
import importlib
import re
import textwrap

import numpy as np
import pytest

import paratrooper_ref as pr
from paratrooper_ref import listing
from paratrooper_ref.explain import evaluate, explain
from paratrooper_ref.lines import SYMBOLS, TAGS
from paratrooper_ref.optimizers.lift import Rule

START = {"w": np.array([[-1.2, 1.0], [0.5, -0.25]]), "b": np.array([0.0, 0.0])}
OPTIMIZERS: list[pr.Optimizer] = [
    pr.SGD(momentum=0.9, dampening=0.5, nesterov=True, weight_decay=0.1),
    pr.SGD(),
    pr.Adam(weight_decay=0.1),
    pr.AdamW(),
    pr.RAdam(),
    pr.RAdam(warmup="none"),
    pr.RAdamW(warmup="none", l2=0.1),
    pr.RAdamW(eps_inside_root=True),
    pr.LARS(),
    pr.LARS(form="2019"),
    pr.LARS().for_layers({"w": {"adapt": False}}),
    pr.LAMB(norm_lower=0.5, norm_upper=2, lower=0.1, upper=5),
    pr.Lookahead(inner=pr.Adam(), k=3),
    pr.Ranger(k=4),
    pr.RangerLars(lower=1),
    pr.Paratrooper(),
    pr.Paratrooper(warmup="momentum"),
    pr.Paratrooper(warmup="none"),
    pr.Paratrooper(cap=3.0).for_layers({"w": {"adapt": False}}),
]
RULES: list[Rule] = list({r: None for optimizer in OPTIMIZERS for r in optimizer.stages()})


def gradient(t: int) -> dict[str, np.ndarray]:
    """Return a gradient that differs from step to step."""
    return {name: np.cos(t + np.arange(x.size)).reshape(x.shape) for name, x in START.items()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_explained_values_are_the_recorded_bits(optimizer: pr.Optimizer) -> None:
    """The walk evaluates the rule's own statements, so each line has the bits of the step."""
    state = optimizer.init(START)
    for t in range(1, 9):
        for layer in START:
            explained = explain(optimizer, state, gradient(t), layer=layer)

            after, lines = optimizer.step(state, gradient(t))

            recorded = lines[layer]
            last = {line.tag: line.value for line in explained}
            told = lines.model if t == 1 else {}
            assert set(last) == set(recorded) | set(told)
            last.pop("h", None)
            for tag in last:
                value = last[tag]
                if isinstance(value, np.ndarray):
                    assert value.tobytes() == recorded[tag].tobytes()
                else:
                    assert float(value) == float(recorded[tag])
        state = after


def test_explain_shows_the_branch_that_is_taken() -> None:
    """Conditional formulas are shown as the side that holds, a zero norm as the 1 it gives."""
    optimizer = pr.Paratrooper(warmup="momentum")
    state = optimizer.init(START)
    for t in range(1, 6):
        state, _ = optimizer.step(state, gradient(t))

    rectified = {line.tag: line for line in explain(optimizer, state, gradient(6), layer="w")}
    first = {
        line.tag: line
        for line in explain(optimizer, optimizer.init(START), gradient(1), layer="b")
    }

    assert rectified["denominator"].formula == "√(v + ε)"
    assert rectified["cap"].formula == "1 / (r b)"
    assert rectified["trust_ratio"].formula == "max(lo, min(R, q))"
    assert "m_hat" not in rectified
    assert first["m_hat"].formula == "m / (1 − β1^t)"
    assert first["ratio"].formula == first["ratio"].numbers == "1"
    assert first["trust_ratio"].formula == "1"


def test_numbers_are_those_that_enter_the_line() -> None:
    """The moment on the right is the one before the step."""
    optimizer = pr.AdamW(beta1=0.5)
    state, _ = optimizer.step(optimizer.init({"x": np.ones(1)}), {"x": np.array([4.0])})

    lines = {line.tag: line for line in explain(optimizer, state, {"x": np.array([8.0])})}

    assert lines["m"].numbers == "0.5 · 2 + (1 − 0.5) · 8"
    assert lines["m"].value == 5.0


def test_explain_refuses_what_it_cannot_show() -> None:
    """A batch, an unknown layer and a frozen one are named."""
    optimizer = pr.Adam()
    state = optimizer.init(START)
    batch = optimizer.init({"x": np.ones((3, 2))}, batch_axes=1)

    with pytest.raises(ValueError, match="explain needs a single trajectory"):
        explain(optimizer, batch, {"x": np.ones((3, 2))})
    with pytest.raises(ValueError, match="got layer='v'"):
        explain(optimizer, state, gradient(1), layer="v")
    with pytest.raises(ValueError, match="got layer='b'"):
        explain(optimizer, state, gradient(1) | {"b": None}, layer="b")
    with pytest.raises(ValueError, match="needs a layer with a gradient, got layer=None"):
        explain(optimizer, state, dict.fromkeys(START))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_docstring_lists_the_lines_of_the_code(rule: Rule) -> None:
    """The listing that a reader of help() sees is the one made from the rule's source."""
    module = importlib.import_module(rule.__module__)

    listed = textwrap.indent(listing.text(rule), "    ")

    assert module.__doc__ is not None
    assert f"::\n\n{listed}\n" in module.__doc__


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_line_has_text_and_tex(rule: Rule) -> None:
    """Each assignment is written in symbols and in TeX with balanced braces, no name left raw."""
    for tag, formula in assignments(rule):
        tex = listing.written(formula, listing.TEX)

        assert listing.written(formula)
        assert tex.count("{") == tex.count("}")
        assert tex.count(r"\left") == tex.count(r"\right")
        bare = re.sub(r"\\text\{[^}]*\}|\\[a-zA-Z]+", " ", tex)
        words = re.findall(r"[A-Za-z]{3,}", bare)
        assert set(words) <= {"cases", "otherwise"}, (tag, tex)


def assignments(rule: Rule) -> list[tuple[str, ast.expr]]:
    """Return the (tag, formula) of each assignment of a rule."""
    module = ast.Module(list(listing.body(rule)), [])
    lines = [n for n in ast.walk(module) if isinstance(n, ast.Assign)]
    return [(ast.unparse(line.targets[0]), line.value) for line in lines]


def test_formulas_keep_the_order_of_evaluation() -> None:
    """Brackets stand where the code has them: products of quotients, sums of differences."""
    cases = {
        "a * (b / c)": "a (b / c)",
        "a + (b - c)": "a + (b − c)",
        "a - (b - c)": "a − (b − c)",
        "a / (b * c)": "a / (b c)",
        "a ** (b + c)": "a^(b + c)",
        "(a * b) * c": "a b c",
        "a * a": "a²",
        "(a + b) * (a + b)": "(a + b)²",
        "sqrt(a + b)": "√(a + b)",
        "clamp(a, b, c)": "max(a, min(c, b))",
    }

    for source, text in cases.items():
        node = ast.parse(source, mode="eval").body
        assert listing.written(node) == text


@pytest.mark.parametrize("source", ["a @ b", "foo(a)", "a < b", "a // b", "[a]", "-a"])
def test_what_no_rule_may_hold_is_refused(source: str) -> None:
    """A formula of another kind is a TypeError that shows it."""
    with pytest.raises(TypeError, match="a line of a rule needs"):
        listing.written(ast.parse(source, mode="eval").body)


def test_evaluate_gives_one_line_from_the_names_it_reads() -> None:
    """A line can be asked for by its tag, with any numbers."""
    rule = pr.Adam().stages()[0]

    value = evaluate(rule, "m", {"beta1": 0.5, "m": 2.0, "regularized": 8.0})

    assert value == 5.0


def test_tags_are_those_of_the_specification_in_its_order() -> None:
    """The contract lists them in the order in which lines run."""
    contract = (
        "g regularized m v u beta1_t beta2_t m_hat v_hat rho_inf rho rectified rectification "
        "bias_correction denominator direction weight_norm direction_norm ratio cap trust_ratio "
        "lr update fast slow theta"
    )

    assert list(TAGS) == contract.split()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_lines_come_in_the_order_of_the_table(optimizer: pr.Optimizer) -> None:
    """Every step hands its lines back in one order, and no other names."""
    state = optimizer.init(START)
    for t in range(1, 8):
        state, lines = optimizer.step(state, gradient(t))

        for tags in lines.values():
            assert list(tags) == [tag for tag in TAGS if tag in tags]


def test_no_two_lines_share_a_symbol() -> None:
    """A symbol means one thing, among lines and what they read."""
    symbols = [tag.symbol for tag in TAGS.values()]
    symbols += [plain for name, (plain, _) in SYMBOLS.items() if name != "momentum"]

    repeated = {s for s in symbols if symbols.count(s) > 1}
    assert repeated == set()
