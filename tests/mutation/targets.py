"""Which files are mutated, and the tests that each is held to: the fastest first."""

from __future__ import annotations

from typing import Final

PACKAGE: Final = "paratrooper_ref"
COMPARED: Final = (
    "tests/conformance/test_judge.py", "tests/conformance/test_bounds.py",
    "tests/conformance/test_gate.py",
)
GATE: Final = "tests/conformance/test_gate.py"
SESSION: Final = "tests/conformance/test_session.py"
EXPECTED: Final = "tests/conformance/test_expectations.py"
NAMES: Final = "tests/conformance/test_names.py"
OF_THE_KIT: Final = "check or explains or choice or looks_like"  # tests of the gate's file


def _rule(groups: str) -> tuple[str, ...]:
    return (
        f"golden:{groups}", "tests/test_known_answers.py", "tests/test_limits.py",
        "tests/test_refusals.py",
    )


TARGETS: Final[dict[str, tuple[str, ...]]] = {
    "optimizers/sgd.py": _rule("sgd,nesterov"),
    "optimizers/adam.py": _rule("adam"),
    "optimizers/adamw.py": _rule("adamw"),
    "optimizers/radam.py": _rule("radam"),
    "optimizers/radamw.py": _rule("radamw,ranger"),
    "optimizers/lars.py": _rule("lars,lars_2019"),
    "optimizers/lamb.py": _rule("lamb"),
    "optimizers/lookahead.py": _rule("lookahead,ranger"),
    "optimizers/ranger.py": _rule("ranger"),
    "optimizers/rangerlars.py": _rule("rangerlars"),
    "optimizers/paratrooper.py": _rule("paratrooper"),
    "optimizers/warmup.py": _rule("paratrooper"),
    "optimizers/lift.py": (
        "golden:sgd,lookahead,paratrooper", "tests/test_known_answers.py", "tests/test_limits.py",
        "tests/test_refusals.py", "tests/test_running.py", "tests/test_properties.py",
        "tests/conformance/test_bounds.py",
    ),
    "arithmetic/running.py": (
        "tests/conformance/test_bounds.py", "tests/test_running.py", "golden:sgd,lamb",
    ),
    "arithmetic/array.py": (
        "golden:sgd,lamb,paratrooper", "tests/test_known_answers.py", "tests/test_limits.py",
        "tests/test_refusals.py", "tests/test_running.py", "tests/test_arithmetic.py",
    ),
    "arithmetic/scalar.py": (
        "golden:sgd,radam,paratrooper", "tests/test_known_answers.py", "tests/test_arithmetic.py",
        "tests/test_running.py", "tests/test_limits.py", "tests/conformance/test_bounds.py",
    ),
    "golden/bounds.py": (
        "tests/conformance/test_bounds.py", "golden:sgd,lamb", "tests/conformance/test_judge.py",
    ),
    "variants/heard.py": (
        "tests/test_variants.py -k 'helpers or left_out'", "tests/conformance/test_bounds.py",
        "tests/test_variants.py -k 'hearing or heard'",
    ),
    "conformance/wanted.py": COMPARED,
    "conformance/judge.py": COMPARED,
    "conformance/bounds.py": COMPARED,
    "conformance/alike.py": ("tests/conformance/test_alike.py",),
    "conformance/lent.py": (SESSION, GATE),
    "conformance/session.py": (SESSION, GATE),
    "conformance/step.py": (SESSION, GATE, "tests/conformance/test_loop.py"),
    "conformance/adapted.py": ("tests/conformance/test_adapted.py",),
    "conformance/corners.py": ("tests/conformance/test_corners.py",),
    "conformance/gate.py": (NAMES, f"{GATE} -k 'not ({OF_THE_KIT})'", EXPECTED),
    "conformance/dialect.py": (f"{GATE} -k dialect", GATE),
    "conformance/habits.py": ("tests/conformance/test_habits.py",),
    "conformance/kit.py": (NAMES, f"{GATE} -k '{OF_THE_KIT}'", EXPECTED),
    "conformance/report.py": ("tests/conformance/test_report.py", EXPECTED, GATE),
    "conformance/expectations.py": (EXPECTED, GATE),
}
