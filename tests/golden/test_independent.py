"""The golden corpus against a second evaluation that shares nothing with the package."""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

pytest.importorskip("mpmath")

from tests.golden import independent
from tests.golden.independent import Checker, Tally, decode, load

# Found, not imported: wherever the package is installed.
PACKAGE: Final = find_spec("paratrooper_ref")
assert PACKAGE is not None
assert PACKAGE.origin is not None
CORE: Final = Path(PACKAGE.origin).parent / "golden" / "corpus" / "core"
GROUPS: Final = sorted(path.name for path in CORE.iterdir())
STEM: Final = CORE / "paratrooper" / "plain-decimal.json"

Json = dict[str, Any]
Mutation = Callable[[Json], None]


def test_shares_nothing() -> None:
    """The second evaluation imports no more than the standard library and mpmath."""
    tree = ast.parse(Path(independent.__file__).read_text(encoding="utf-8"))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add((node.module or "").partition(".")[0])
    assert roots <= {"mpmath", *sys.stdlib_module_names}


def test_the_corpus_is_there() -> None:
    """No group is missing, and each algorithm is in one."""
    assert len(list(CORE.glob("*/*.json"))) >= 400
    algorithms = {load(path)["spec"]["algorithm"] for path in CORE.glob("*/plain-*.json")}
    assert algorithms == {
        *("sgd", "adam", "adamw", "radam", "radamw", "lars", "lamb"),
        *("lookahead", "ranger", "rangerlars", "paratrooper"),
    }


@pytest.mark.parametrize("group", GROUPS)
def test_every_number(group: str) -> None:
    """Each hi and lo is to the last bit what it says, and no line is missing."""
    tally = Tally()
    checker = Checker(tally)
    wrong = []
    count = 0
    for path in sorted((CORE / group).glob("*.json")):
        case = load(path)
        wrong += checker.differences(case)
        count += case["count"]["values"]
        assert case["case"] == f"{group}/{path.stem}"
    assert not wrong
    assert tally.values == count > 1000
    assert tally.remainders > tally.values // 4


# --- the comparison can fail -------------------------------------------------------------------


def _flip(text: str, place: int, bit: int = 0) -> str:
    words = text.split(" ")
    words[place] = f"{int(words[place], 16) ^ (1 << bit):016x}"
    return " ".join(words)


def _of_line(step: int, layer: str, tag: str, part: str, place: int = 0) -> Mutation:
    def flip(case: Json) -> None:
        line = case["steps"][step]["lines"][layer][tag]
        line[part] = _flip(line[part], place)

    return flip


def _of_input(step: int, layer: str, slot: str, bit: int = 0) -> Mutation:
    def flip(case: Json) -> None:
        stored = case["steps"][step]["inputs"][layer][slot]
        stored["hi"] = _flip(stored["hi"], 0, bit)

    return flip


def _boolean(case: Json) -> None:
    lines = case["steps"][1]["lines"]["b"]
    lines["rectified"] = not lines["rectified"]


def _missing(case: Json) -> None:
    del case["steps"][0]["lines"]["w"]["ratio"]


def _surplus(case: Json) -> None:
    lines = case["steps"][0]["lines"]["w"]
    lines["slow"] = lines["theta"]


def _no_remainder(case: Json) -> None:
    del case["steps"][0]["lines"]["w"]["v"]["lo"]


def _unproved(case: Json) -> None:
    case["steps"][0]["lines"]["w"]["v"]["proved"] = False


def _size(case: Json) -> None:
    line = case["steps"][0]["model"]["h"]
    line["lo"] = _flip(line["lo"], 0)


def _rate(case: Json) -> None:
    case["steps"][2]["lr"] = _flip(case["steps"][2]["lr"], 0)


def _hyper(case: Json) -> None:
    hyper = case["spec"]["hyper"]
    hyper["beta2"] = _flip(hyper["beta2"], 0)


def _warmup(case: Json) -> None:
    case["steps"][2]["warmup"] = "none"


def _count(case: Json) -> None:
    case["count"]["values"] += 1


# bit 45 is the last one of a bfloat16: what it changes is a bfloat16 still
MUTATIONS: Final[dict[str, tuple[Mutation, str]]] = {
    "hi of an element": (_of_line(1, "w", "theta", "hi", 4), "t=2 w theta[4]: hi stored"),
    "hi of a number": (_of_line(2, "b", "direction_norm", "hi"), "t=3 b direction_norm[0]: hi"),
    "lo of an element": (_of_line(0, "w", "v", "lo", 5), "t=1 w v[5]: lo stored"),
    "lo of a number": (_of_line(0, "s", "rho_inf", "lo"), "t=1 s rho_inf[0]: lo stored"),
    "h": (_size, "t=1 h[0]: lo stored"),
    "boolean": (_boolean, "t=2 b rectified: stored True, computed False"),
    "gradient, by one bit": (_of_input(1, "s", "g"), "t=2 s g[0]: hi stored"),
    "gradient, by a bit of bfloat16": (_of_input(1, "s", "g", 45), "t=2 s g[0]: hi stored"),
    "input, by one bit": (_of_input(2, "w", "m"), "t=3 w: an input m that is no bfloat16"),
    "input, by a bit of bfloat16": (
        _of_input(2, "w", "theta", 45),
        "t=3 w: theta does not follow from the step before",
    ),
    "first state": (_of_input(0, "w", "v", 62), "t=1 w: the first v"),
    "line that is missing": (_missing, "t=1 w: lacks ['ratio'], has [] too"),
    "line too many": (_surplus, "t=1 w: lacks [], has ['slow'] too"),
    "remainder left out": (_no_remainder, "t=1 w v[0]: lo stored 0000000000000000"),
    "no proof": (_unproved, "t=1 w v: keys"),
    "rate": (_rate, "t=3 b lr[0]: hi stored"),
    "hyperparameter": (_hyper, "t=1 b v[0]: hi stored"),
    "warm-up": (_warmup, "t=3: warm-up none, not momentum"),
    "count": (_count, "plain-decimal: counts"),
}


def test_the_case_that_is_changed() -> None:
    """What the next test changes is without fault before."""
    assert Checker().differences(load(STEM)) == []


@pytest.mark.parametrize("what", MUTATIONS)
def test_a_change_is_seen(what: str) -> None:
    """One bit of difference is reported, where it is."""
    mutation, expected = MUTATIONS[what]
    case = copy.deepcopy(load(STEM))
    mutation(case)
    differences = Checker().differences(case)
    assert any(expected in line for line in differences), differences


def test_a_flip_of_hi_or_lo_is_seen_once() -> None:
    """The report names one number, and no more, for each stored number of a step."""
    checker, case = Checker(), load(CORE / "sgd" / "late-decimal.json")
    assert checker.differences(case) == []
    where = "sgd/late-decimal t=100000"
    for layer, lines in case["steps"][0]["lines"].items():
        for tag, line in lines.items():
            for part in {"hi", "lo"} & set(line):
                kept = line[part]
                for place in range(len(kept.split())):
                    line[part] = _flip(kept, place)
                    (found,) = checker.differences(case)
                    assert found.startswith(f"{where} {layer} {tag}[{place}]: {part} stored")
                line[part] = kept


def test_a_rate_off_the_schedule_is_seen() -> None:
    """A rate that the plateau does not give is reported, whoever changed it."""
    case = load(CORE / "sgd" / "plateau-decimal.json")
    assert decode(case["steps"][3]["lr"]) == 0.005
    case["steps"][3]["metric"] = case["steps"][4]["metric"] = "3ff0000000000000"
    differences = Checker().differences(case)
    assert "sgd/plateau-decimal t=4: rate 0.005, by the schedule 0.01" in differences


@pytest.mark.parametrize(("name", "t"), [("cosine", 6), ("cosine", 10), ("warmup", 2)])
def test_a_rate_off_a_plan_is_seen(name: str, t: int) -> None:
    """One bit of it, on the way and past the end."""
    case = load(CORE / "sgd" / f"{name}-decimal.json")
    assert Checker().differences(case) == []
    step = case["steps"][t - 1]
    step["lr"] = _flip(step["lr"], 0)
    differences = Checker().differences(case)
    assert any(f"sgd/{name}-decimal t={t}: rate" in line for line in differences)
