"""Programs as backends: the page is right, C conforms, and no program can do us harm."""

from __future__ import annotations

import copy
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paratrooper_ref.conformance import ProcessBackend, Profile, Report, Unsupported, check
from paratrooper_ref.conformance import program as program_module
from paratrooper_ref.conformance.gate import Gate, cases
from paratrooper_ref.conformance.process import PROTOCOL
from paratrooper_ref.conformance.program import ProcessError, ReportedError
from paratrooper_ref.conformance.verdict import CONFORMS, DEPARTS, HANGS, RAISES, UNSUPPORTED
from paratrooper_ref.conformance.watch import HungError
from paratrooper_ref.conformance.words import DIGITS, from_words, in_memory, to_words
from paratrooper_ref.golden.corpus import Corpus

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "process-protocol.md").read_text("utf-8")
BACKENDS = ROOT / "tests" / "backends"
SPEC = {"algorithm": "sgd", "hyper": {"lr": 0.125, "momentum": 0.5}}
PARAMS = {"w": np.array([[1.0, -3.0]]), "b": np.array(0.5)}
GRADS = {"w": np.array([[0.25, -1.0]]), "b": np.array(0.25)}
posix = pytest.mark.skipif(os.name != "posix", reason="asks for processes by number")

(RUNNER,) = (
    code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "def step(" in code
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., ProcessBackend]]:
    """Return a maker of backends from Python programs, all of which are stopped."""
    made: list[ProcessBackend] = []

    def maker(code: str, *, name: str = "runner", **options: Any) -> ProcessBackend:
        path = tmp_path / f"{name}.py"
        path.write_text(code, "utf-8")
        made.append(ProcessBackend([sys.executable, path], **options))
        return made[-1]

    yield maker
    for backend in made:
        backend.close()


def doing(body: str, when: str = "True") -> str:
    """Return the page's runner, doing something else instead of steps in which that holds."""
    other = f"honest = step\ndef step(ask):\n    if not ({when}):\n        return honest(ask)\n"
    other += textwrap.indent(f"{body}\nreturn {{}}\n", "    ")
    head, mark, rest = RUNNER.partition("verbs = {")
    return f"{head}import os\nimport time\n{other}\n{mark}{rest}"


def answering(**answers: str) -> str:
    """Return a runner that answers verbs so, in Python, and others with nothing."""
    hello = f'{{"protocol": {PROTOCOL!r}, "name": "it", "profile": {{"dtype": "float32"}}}}'
    cases = ", ".join(f"{verb!r}: {answer}" for verb, answer in {"hello": hello, **answers}.items())
    return textwrap.dedent(f"""
        import json, sys
        for line in sys.stdin:
            ask = json.loads(line)
            answer = {{{cases}}}.get(ask["verb"], {{}})
            print(json.dumps({{"seq": ask["seq"], **answer}}), flush=True)
    """)


def gone(pid: int) -> bool:
    """Return whether a process ends within some seconds."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{pid}/stat", encoding="ascii") if os.path.exists("/proc") else (
            open(os.devnull, encoding="ascii")
        ) as stat:
            if ") Z " in stat.read():  # ended; nobody has asked how
                return True
        time.sleep(0.01)
    return False


def ended(threads: int) -> bool:
    """Return whether within some seconds there are no more threads than so many."""
    for _ in range(500):
        if threading.active_count() <= threads:
            return True
        time.sleep(0.01)
    return False


def pid_of(backend: ProcessBackend) -> int:
    """Return the number of a backend's program."""
    assert backend._program is not None
    return backend._program._process.pid


# --------------------------------------------------------------------------- the page


def session() -> list[tuple[str, str]]:
    """Return the requests and answers of the page's session."""
    (text,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    lines = re.sub(r"\n    ", "", text).splitlines()
    assert [line[:2] for line in lines] == ["> ", "< "] * (len(lines) // 2)
    return [(a[2:], b[2:]) for a, b in zip(lines[::2], lines[1::2], strict=True)]


def test_the_session_is_what_the_runner_of_the_page_answers() -> None:
    """Asked line by line, it gives the page's answers."""
    asked, answered = zip(*session(), strict=True)
    ran = subprocess.run(
        [sys.executable, "-c", RUNNER], input="\n".join(asked) + "\n", capture_output=True,
        text=True, timeout=600,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == list(answered)


def test_the_session_is_what_the_kit_asks(running: Callable[..., ProcessBackend]) -> None:
    """A program that expects the page's requests, and no others, gets them."""
    script = f"import sys\nfor asked, answer in {session()!r}:\n" + textwrap.indent(
        textwrap.dedent("""
            got = sys.stdin.readline().rstrip("\\n")
            if got != asked:
                sys.exit(f"asked {got}\\nnot {asked}")
            print(answer, flush=True)
        """), "    ",
    )
    spec = SPEC | {"layers": {"b": {"lr": 0.25, "weight_decay": 0.1}}}
    with running(script + "assert not sys.stdin.read()\n") as backend:
        first = backend.start(spec, PARAMS)
        backend.step(first, GRADS | {"b": None}, 0.125)
        read = backend.read(first)
        np.testing.assert_array_equal(read["theta"]["w"], [[0.96875, -2.875]])
        np.testing.assert_array_equal(read["u"]["b"], 0.0)
        del first
        gc.collect()
        state = {"t": 4, "u": {"w": np.array([[0.5, 2.0]]), "b": np.array(-1.0)}}
        second = backend.start(spec, PARAMS, state)
        backend.step(second, GRADS, 0.0625)
        assert backend.read(second)["theta"]["b"] == 0.525
        with pytest.raises(Unsupported, match="SGD is all that is here"):
            backend.start({"algorithm": "adam"}, PARAMS)
        second.number = 7
        with pytest.raises(ReportedError, match=r"^KeyError\(7\)$"):
            backend.read(second)


def unasked(report: Report) -> set[str]:
    """Return why cases could not be asked; all others conform."""
    assert set(report.counts) <= {CONFORMS, UNSUPPORTED}
    return {r.detail for r in report.results if r.verdict == UNSUPPORTED}


def test_the_runner_of_the_page_conforms(running: Callable[..., ProcessBackend]) -> None:
    """On every case of SGD; and it does not once a line of it is wrong."""
    with running(RUNNER) as backend:
        assert (backend.name, backend.profile) == ("SGD in Python", Profile(dtype="float64"))
        report = check(backend, "sgd")
    assert report.ok, str(report)
    assert unasked(report) <= {"has no reload"}
    wrong = RUNNER.replace("(1 - dampening)", "1")
    with running(wrong, name="wrong") as backend:
        assert check(backend, "sgd").counts[DEPARTS] > 0


def test_numbers_are_written_as_the_page_says() -> None:
    """The table of types."""
    rows = re.findall(r"\| `(\w+)` \| (\d+) \| `(\w+)` \| `(\w+)` \|", PAGE)
    assert {name: int(digits) for name, digits, *_ in rows} == DIGITS
    for dtype, _, one, tenth in rows:
        rounded = {"bfloat16": -0.10009765625}.get(dtype, -0.1)
        x = np.array([1.0, rounded], in_memory(dtype))
        assert to_words(x, dtype) == f"{one} {tenth}"
        np.testing.assert_array_equal(from_words(f"{one} {tenth}", dtype), x)


@pytest.mark.parametrize("dtype", DIGITS)
def test_any_bits_come_back(dtype: str, running: Callable[..., ProcessBackend]) -> None:
    """Through text, and through a program that echoes it: NaNs and infinities too."""
    bits = np.random.default_rng(1).integers(0, 256, 64 * 8, np.uint8).tobytes()
    x = np.frombuffer(bits, in_memory(dtype)).copy()
    x[:4] = [np.inf, -0.0, np.nan, 1.0]
    if dtype == "bfloat16":
        x = (x.view(np.uint32) & 0xFFFF0000).view(np.float32)
    assert from_words(to_words(x, dtype), dtype).tobytes() == x.tobytes()
    echo = answering(read="kept").replace("answer =", textwrap.dedent("""
        if ask["verb"] == "start":
                kept = {"layers": [{"theta": ask["layers"][0]["theta"]}]}
            answer =""").strip()).replace("import json, sys", "import json, sys\nkept = {}")
    with running(echo, profile=Profile(dtype=dtype)) as backend:
        handle = backend.start({"algorithm": "sgd"}, {"w": x})
        assert backend.read(handle)["theta"]["w"].tobytes() == x.tobytes()


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        ("float32", ""), ("float32", "3F800000"), ("float32", "3f80000"),
        ("float32", "3f800000  3f800000"), ("float32", "3f800000 "),
        ("float32", "3f8000003f800000"), ("float32", "3ff0000000000000"),
        ("float64", "3f800000"), ("float16", "3f800000"),
        ("float32", "é"),
    ],
)
def test_other_texts_are_no_numbers(dtype: str, text: str) -> None:
    """Digits, spaces and their number are all fixed."""
    with pytest.raises(ValueError, match="digits 0-9a-f, single spaces between"):
        from_words(text, dtype)


def test_numbers_are_not_rounded_on_the_way() -> None:
    """What a dtype does not hold is refused."""
    with pytest.raises(ValueError, match="float32 needs to come as float32, got float64"):
        to_words(np.array([0.1]), "float32")
    with pytest.raises(ValueError, match="8 significant bits"):
        to_words(np.array([0.1], np.float32), "bfloat16")


# --------------------------------------------------------------------------- Paratrooper in C

PLAIN = ("-O2", "-ffp-contract=off")
FUSED = ("-O3", "-march=native", "-ffp-contract=fast")
CHECKED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compiled(folder: Path, *flags: str, change: tuple[str, str] | None = None) -> Path:
    """Return Paratrooper in C, compiled without a warning, perhaps with a change."""
    cc = shutil.which("cc")
    if cc is None:
        pytest.skip("no C compiler (cc) is there")
    source = (BACKENDS / "paratrooper.c").read_text("ascii")
    if change is not None:
        assert source.count(change[0]) == 1, change[0]
        source = source.replace(*change)
    (folder / "paratrooper.c").write_text(source, "ascii")
    shutil.copy(BACKENDS / "lines.h", folder)
    words = [cc, "-std=c99", *flags, "paratrooper.c", "-o", "paratrooper", "-lm"]
    if change is None:
        words[2:2] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    made = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if made.returncode and flags == CHECKED:
        pytest.skip(f"the C compiler lacks {' '.join(flags)}")
    assert made.returncode == 0, made.stderr
    return folder / "paratrooper"


@pytest.mark.parametrize("flags", [PLAIN, FUSED, CHECKED], ids=["plain", "fused", "checked"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_c_conforms(tmp_path: Path, dtype: str, flags: tuple[str, ...]) -> None:
    """On all core cases at factor 1, fused or not; nothing is misused or leaks."""
    double = ("-DDOUBLE",) if dtype == "float64" else ()
    with ProcessBackend([compiled(tmp_path, *flags, *double)]) as backend:
        assert backend.profile == Profile(dtype=dtype)
        report = check(backend, "paratrooper")
        assert report.ok, str(report)
        assert unasked(report) <= {"has no reload"}
        # Written as published it is within the bound of that order, which has no room to spare.
        profile = backend.profile.but(forms=False)
        published = check(backend, "paratrooper", runs=False, profile=profile)
        assert published.ok, str(published)
        assert published.worst is not None
        assert published.worst.share > 0.9
        if flags != CHECKED:
            return
        pid = pid_of(backend)
        tail = backend._program._tail if backend._program else b""
    assert gone(pid)
    assert not tail, bytes(tail)  # what leaks is told at the end


def test_a_fused_build_rounds_otherwise(tmp_path: Path) -> None:
    """So that it is a check of its own."""
    macros = subprocess.run(
        [shutil.which("cc") or pytest.skip("no C compiler (cc) is there"), "-dM", "-E",
         "-march=native", "-x", "c", os.devnull], capture_output=True, text=True,
    ).stdout
    if not re.search(r"__FMA__|__ARM_FEATURE_FMA|__aarch64__", macros):
        pytest.skip("this machine does not fuse")
    shares = []
    for flags in (PLAIN, FUSED):
        folder = tmp_path / flags[0]
        folder.mkdir()
        with ProcessBackend([compiled(folder, *flags)]) as backend:
            report = check(backend, "paratrooper", only="*/wide-*")
            shares.append([s.share for r in report.results for s in r.shares])
    assert shares[0] != shares[1]


MISTAKES = [
    ("l->g[i] + l2 * l->theta[i]", "l->g[i]", "plain-decimal", "m"),
    ("rest1 * g;", "rest1 * l->g[i];", "plain-decimal", "m"),
    ("beta1 * l->m[i] +", "beta2 * l->m[i] +", "plain-decimal", "m"),
    ("rest2 * (g * g)", "rest2 * (l->g[i] * l->g[i])", "plain-decimal", "v"),
    ("beta2 * l->v[i] +", "beta1 * l->v[i] +", "plain-decimal", "v"),
    ("2 / (1 - h->beta2) - 1", "2 / (1 - h->beta2)", "below-1-decimal", "rho"),
    ("2 * (double)t * beta2_t /", "2 * beta2_t /", "below-1-decimal", "rho"),
    ('.t = atol(member(request, "t"))', ".t = 0", "below-1-decimal", "rho"),
    ("rho > h->threshold", "rho > 4", "open-decimal", "rectified"),
    ("sqrt((rho - 4) * (rho - 2)", "sqrt((rho - 4) * (rho - 4)", "cap-decimal", "direction"),
    ("(rho_inf - 2) * rho)", "(rho_inf - 2))", "cap-decimal", "direction"),
    ("sqrt(1 - beta2_t) /", "1 /", "cap-decimal", "direction"),
    ("sqrt(1 - beta2_t) / (1 - beta1_t)", "sqrt(1 - beta2_t)", "cap-decimal", "direction"),
    ("? sqrt(l->v[i] + eps) :", "? sqrt(l->v[i]) + eps :", "layers-decimal", "denominator"),
    (": sqrt(l->v[i]) + eps", ": sqrt(l->v[i])", "tiny-outside-decimal", "denominator"),
    ("eps = h->eps, decay", "eps = 1e-8, decay", "layers-decimal", "denominator"),
    ("/ l->s[i] + decay * l->theta[i]", "/ l->s[i]", "cap-decimal", "direction"),
    ("/ correction + decay * l->theta[i]", "/ correction", "plain-decimal", "direction"),
    ("correction = 1 - beta1_t", "correction = 1", "plain-decimal", "direction"),
    ("h->scheduled ? 10 :", "h->scheduled ? 100 :", "plain-decimal", "cap"),
    ("l->cap = 1 / (r * b)", "l->cap = 10", "below-1-decimal", "cap"),
    ("(real)l->hyper.lower", "1", "lower-decimal", "trust_ratio"),
    (
        "fmax((real)l->hyper.lower, fmin((real)l->cap, weights / direction))",
        "fmin((real)l->cap, fmax((real)l->hyper.lower, weights / direction))",
        "below-1-decimal", "trust_ratio",
    ),
    ("return sqrt(sum)", "return sum", "cap-dyadic", "trust_ratio"),
    ("weights == 0 ||", "0 ||", "lower-decimal", "trust_ratio"),
    (" || !l->hyper.adapt", "", "layers-decimal", "trust_ratio"),
    ("lr * ratio * l->d[i]", "lr * l->d[i]", "cap-decimal", "theta"),
    ('number(member(at, "lr"))', 'number(member(request, "lr"))', "layers-decimal", ""),
    ("t % h->k == 0", "t % (h->k + 1) == 0", "sync-decimal", ""),
    ("l->theta[i] = l->slow[i] = rest", "l->slow[i] = rest", "sync-decimal", "theta"),
    (
        "rest * l->slow[i] + alpha * l->theta[i]", "alpha * l->slow[i] + rest * l->theta[i]",
        "sync-dyadic", "slow",
    ),
    ("given == NULL && i == 3", "given == NULL && i == 9", "plain-decimal", "slow"),
    ("<= 0.5 ?", "<= 5 ?", "loud-decimal", "theta"),
    ("scale * scale", "scale", "quiet-decimal", "theta"),
    ("squares / (elements * scale", "squares / (scale", "quiet-decimal", "theta"),
    ("if (!l->frozen)\n            step", "if (1)\n            step", "frozen-decimal", ""),
]


@pytest.mark.parametrize(("right", "wrong", "case", "tag"), MISTAKES)
def test_a_mistake_in_c_is_found(
    tmp_path: Path, right: str, wrong: str, case: str, tag: str
) -> None:
    """Each important line, made wrong, departs, and is the one that is named."""
    with ProcessBackend([compiled(tmp_path, "-O1", change=(right, wrong))]) as backend:
        goldens = cases("paratrooper", Corpus(), only=f"paratrooper/{case}")
        (result,) = Gate(backend).run(goldens)
    assert result.verdict == DEPARTS
    assert result.departure is not None
    assert tag in ("", result.departure.at.tag)


Given = tuple[dict[str, float], dict[str, Any] | None, dict[str, float | None], dict[str, float]]
ONE: dict[str, float] = {"w": 1.0, "b": 1.0}
UNSEEN: dict[str, tuple[str, str, Given]] = {
    # 40² > 1250 >= 40² / 2: no momentum steps, unless the frozen layer is counted.
    "frozen layers are none of the first gradient": (
        "i < l->n && !l->frozen", "i < l->n", (ONE, None, {"w": 40.0, "b": None}, ONE),
    ),
    "slow parameters are met while waiting": (
        "t % h->k == 0", "l->moved && t % h->k == 0",
        (ONE, {"t": 2, "warmup": "none", "slow": 3.0}, {"w": 0.0, "b": None}, {"w": 2.0, "b": 1.0}),
    ),
    "a late choice may be for momentum": (
        "o->warmup == UNDECIDED)", "o->t == 1)",
        (ONE, {"t": 3, "slow": 1.0}, {"w": 0.0, "b": 0.0}, {"w": 0.5, "b": 0.5}),
    ),
}


@pytest.mark.parametrize("what", UNSEEN)
def test_what_no_case_shows(tmp_path: Path, what: str) -> None:
    """Steps in numbers that leave nothing to round, right and made wrong."""
    right, wrong, (params, state, grads, after) = UNSEEN[what]
    for change in (None, (right, wrong)):
        folder = tmp_path / ("wrong" if change else "right")
        folder.mkdir()

        def arrays(x: Mapping[str, float]) -> dict[str, Any]:
            return {layer: np.array(number, np.float32) for layer, number in x.items()}

        given = None
        if state is not None:
            zeros = arrays({"w": 0.0, "b": 0.0})
            slow = arrays({"w": state["slow"], "b": state["slow"]})
            given = {**state, "m": zeros, "v": zeros, "slow": slow}
        with ProcessBackend([compiled(folder, "-O1", change=change)]) as backend:
            # Momentum steps are half of the decay of 1, as the ratio is bounded by 1.
            hyper = {"l2": 0.0, "weight_decay": 1.0, "lower": 0.0, "cap": 1.0, "k": 3}
            spec = {"algorithm": "paratrooper", "hyper": hyper}
            handle = backend.start(spec, arrays(params), given)
            backend.step(handle, {
                layer: None if g is None else np.array(g, np.float32) for layer, g in grads.items()
            }, 0.5)
            theta = {layer: float(x) for layer, x in backend.read(handle)["theta"].items()}
        assert (theta == after) == (change is None), theta


def test_c_knows_nothing_else(tmp_path: Path) -> None:
    """Other algorithms are unsupported, unknown optimizers an error."""
    with ProcessBackend([compiled(tmp_path, "-O1")]) as backend:
        params = {"w": np.array([1, 2], np.float32)}
        with pytest.raises(Unsupported, match="paratrooper is all that is here"):
            backend.start({"algorithm": "ranger"}, params)
        assert not hasattr(backend, "reload")
        handle = backend.start({"algorithm": "paratrooper"}, params)
        handle.number += 1
        with pytest.raises(ReportedError, match="no such optimizer"):
            backend.step(handle, {"w": params["w"]}, 0.1)


# --------------------------------------------------------------------------- several at once


def trajectory(backend: ProcessBackend, rate: float, steps: int = 20) -> list[bytes]:
    """Return the bytes of all that is read in some steps."""
    handle = backend.start(SPEC, PARAMS)
    found = []
    for _ in range(steps):
        backend.step(handle, GRADS, rate)
        found += [x.tobytes() for slot in backend.read(handle).values() for x in slot.values()]
    return found


def test_threads_may_share_a_backend(running: Callable[..., ProcessBackend]) -> None:
    """Each gets the answers to its own requests."""
    with running(RUNNER) as backend:
        rates = [0.125 * i for i in range(8)]
        alone = [trajectory(backend, rate) for rate in rates]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda rate: trajectory(backend, rate), rates))
        assert together == alone
        assert len({tuple(x) for x in alone}) == len(rates)


def test_what_is_not_needed_is_dropped(running: Callable[..., ProcessBackend]) -> None:
    """The program holds as many optimizers as there are handles."""
    counting = RUNNER.replace("def read(ask):\n", textwrap.dedent("""
        def read(ask):
            return {"error": str(len(optimizers))}
    """))
    with running(counting) as backend:
        kept = [backend.start(SPEC, PARAMS) for _ in range(3)]
        for _ in range(10):
            backend.start(SPEC, PARAMS)
        gc.collect()
        kept.append(backend.start(SPEC, PARAMS))
        with pytest.raises(ReportedError, match=r"^4$"):
            backend.read(kept[0])


def test_names_of_layers_may_be_anything(running: Callable[..., ProcessBackend]) -> None:
    """Quotation marks, line feeds and other alphabets too."""
    names = ['say "no"', "back\\slash", "θ\n", "", "0123456789abcdef"]
    params = {name: np.array([float(i)]) for i, name in enumerate(names)}
    with running(RUNNER) as backend:
        handle = backend.start(SPEC | {"layers": {'say "no"': {"lr": 1.0}}}, params)
        backend.step(handle, params, 0.125)
        theta = backend.read(handle)["theta"]
    assert {name: float(x[0]) for name, x in theta.items()} == {
        name: 0.875 * i for i, name in enumerate(names)
    }


def test_optional_verbs_are_there_if_the_runner_says_so(
    running: Callable[..., ProcessBackend],
) -> None:
    """Otherwise the backend has no such method."""
    with running(RUNNER) as backend:
        assert not hasattr(backend, "probe")
        assert not hasattr(backend, "reload")
    words = to_words(np.array([1.0, 2.0]), "float64")
    verbs = '"profile": profile, "verbs": ["probe", "reload"]}'
    more = RUNNER.replace('"profile": profile}', verbs).replace("verbs = {", textwrap.dedent(f"""
        def probe(ask):
            lines = {{"update": "{words}", "lr": "3f800000", "rectified": True}}
            return {{"layers": [lines, {{}}]}}

        def reload(ask):
            optimizers[ask["id"]] = json.loads(json.dumps(optimizers[ask["id"]]))
            return {{}}

        verbs = {{"probe": probe, "reload": reload, """))
    with running(more, name="more") as backend:
        handle = backend.start(SPEC, PARAMS)
        backend.step(handle, GRADS, 0.125)
        lines = backend.probe(handle)
        assert lines["b"] == {}
        np.testing.assert_array_equal(lines["w"]["update"], [[1.0, 2.0]])
        assert lines["w"]["lr"].shape == ()
        assert lines["w"]["lr"].dtype == np.float32
        assert lines["w"]["rectified"].dtype == bool
        before = backend.read(handle)
        assert backend.read(backend.reload(handle)).keys() == before.keys()


# --------------------------------------------------------------------------- what may go wrong

KILLED: dict[str, tuple[str, type[Exception], str]] = {
    "hangs": ("time.sleep(600)", HungError,
              r"asked to step \(seq 4\), did not answer within 0.5 s$"),
    "hangs halfway": (
        "sys.stdout.write('{\"seq\":'); sys.stdout.flush(); time.sleep(600)",
        HungError, r"it had begun '\{\"seq\":'",
    ),
    "exits": ("sys.stderr.write('out of luck'); sys.exit(3)", ProcessError,
              "exited with status 3; its standard error ends in:\nout of luck"),
    "exits halfway": ("print('{\"seq\":', end=''); sys.exit(0)", ProcessError,
                      "exited with status 0 in the middle of the line '{\"seq\":'"),
    "aborts": ("os.abort()", ProcessError, "was ended by signal 6"),
    "closes its output": ("os.close(1); time.sleep(600)", ProcessError, "closed its output"),
    "closes its input": ("os.close(0); os._exit(4)", ProcessError, "exited with status 4"),
    "chats": ("print('loss: 0.1')", ProcessError, r"no JSON object .*'loss: 0.1\\n'"),
    "prints an empty line": ("print()", ProcessError, "no JSON object"),
    "answers a list": ("print([1])", ProcessError, r"no JSON object: '\[1\]"),
    "answers a number": ("print(1)", ProcessError, "no JSON object: '1"),
    "answers another request": (
        "print(json.dumps({'seq': 3}))", ProcessError, "answered with seq 3: "
    ),
    "forgets the number": ("print('{}')", ProcessError, "answered with seq null"),
    "answers True": ("print('{\"seq\": true}')", ProcessError, "answered with seq true"),
    "answers a real number": ("print('{\"seq\": 4.0}')", ProcessError, "answered with seq 4.0"),
    "says it twice": ("print('{\"seq\": 4, \"seq\": 4}')", ProcessError, "a key stands twice"),
    "answers NaN": ("print('{\"seq\": NaN}')", ProcessError, "NaN is no JSON"),
    "nests": ("print('[' * 50000)", ProcessError, "no JSON object"),
    "counts": ("print('{\"seq\": ' + '1' * 5000 + '}')", ProcessError, "no JSON object"),
    "does not end": ("print('x' * (1 << 20))", ProcessError,
                     "a line of more than 65536 bytes: 'xxx"),
    "writes Latin-1": ("sys.stdout.buffer.write(b'{\"error\": \"\\xe9\"}\\n')", ProcessError,
                       "not UTF-8, at byte 11"),
    "floods": ("while True: print('x' * 1000)", ProcessError, "no JSON object"),
}


@pytest.mark.parametrize("fault", KILLED)
@posix
def test_a_broken_program_is_killed_and_named(
    fault: str, running: Callable[..., ProcessBackend]
) -> None:
    """The message says what came; other programs go on, and so does a new one."""
    body, kind, message = KILLED[fault]
    timeout = 0.5 if kind is HungError else 30.0
    bad = 'ask["lr"] == words([13.0])'
    with running(RUNNER, name="other") as other, running(doing(body, bad), timeout=300) as backend:
        elsewhere = other.start(SPEC, PARAMS)
        handle, bystander = backend.start(SPEC, PARAMS), backend.start(SPEC, PARAMS)
        pid, threads = pid_of(backend), threading.active_count()
        backend.timeout = timeout
        with pytest.raises(kind, match=message) as caught:
            backend.step(handle, GRADS, 13.0)
        assert str(caught.value).startswith(f"{sys.executable}, asked to step (seq 4), ")
        assert gone(pid)
        assert ended(threads - 2)
        backend.timeout = 30.0
        with pytest.raises(ProcessError, match=r"has ended.*start anew"):
            backend.read(bystander)
        assert trajectory(backend, 0.125) == trajectory(other, 0.125)  # anew
        assert pid_of(backend) != pid
        with pytest.raises(ProcessError, match="has ended"):
            backend.step(handle, GRADS, 0.125)
        other.step(elsewhere, GRADS, 0.125)


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("raise ValueError('no such luck')", ReportedError, r"^ValueError\('no such luck'\)$"),
        ("return {'unsupported': 'not on Mondays'}", Unsupported, "^not on Mondays$"),
        ("return {'theta': 1}", ProcessError, r"answer to step has the members \('seq',\)"),
    ],
)
def test_an_error_is_reported_and_the_program_goes_on(
    running: Callable[..., ProcessBackend], body: str, kind: type[Exception], message: str
) -> None:
    """It is an answer like any other."""
    with running(doing(body, 'ask["lr"] == words([13.0])')) as backend:
        handle = backend.start(SPEC, PARAMS)
        with pytest.raises(kind, match=message):
            backend.step(handle, GRADS, 13.0)
        backend.step(handle, GRADS, 0.125)
        assert backend.read(handle)["theta"]["b"] == 0.5 - 0.125 * 0.25


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("[]", "has a list of 1 layers, got "),
        ("{}", "has a list of 1 layers, got "),
        ("[1]", "has an object for each layer, got 1"),
        ('[{"them": "3f800000"}]', "knows the slots .*, got 'them'"),
        ('[{"theta": "3f800000 3f800000"}]', "has 1 numbers of float32"),
        ('[{"theta": "3ff0000000000000"}]', "has 1 numbers of float32 .*8 digits"),
        ('[{"theta": 1}]', r"has 1 numbers of float32 \(numbers are in a string\), got 1"),
    ],
)
def test_other_readings_are_refused(
    running: Callable[..., ProcessBackend], layers: str, message: str
) -> None:
    """Layers, slots, shapes and dtypes are those that were given."""
    with running(answering(read=f'{{"layers": {layers}}}')) as backend:
        handle = backend.start(SPEC, {"w": np.array([1], np.float32)})
        with pytest.raises(ProcessError, match=message):
            backend.read(handle)


@pytest.mark.parametrize(
    ("hello", "message"),
    [
        ("{}", r"hello has the members \('seq', 'protocol', 'name'\)"),
        ('{"protocol": "2", "name": ""}', "hello speaks 'paratrooper-ref process 1', got '2'"),
        (f'{{"protocol": {PROTOCOL!r}, "name": 1}}', "hello has a name that is a string, got 1"),
        (f'{{"protocol": {PROTOCOL!r}, "name": "", "dtype": ""}}', "hello has the members"),
        (f'{{"protocol": {PROTOCOL!r}, "name": "", "verbs": ["fly"]}}', "some of the verbs"),
        (f'{{"protocol": {PROTOCOL!r}, "name": "", "verbs": 1}}', "some of the verbs"),
        (f'{{"protocol": {PROTOCOL!r}, "name": ""}}', "needs a profile, the program declares none"),
        (
            f'{{"protocol": {PROTOCOL!r}, "name": "", "profile": {{"type": 1}}}}',
            "hello has a profile .*'type'",
        ),
        (f'{{"protocol": {PROTOCOL!r}, "name": "", "profile": 1}}', "hello has a profile"),
    ],
)
def test_other_greetings_are_refused(
    running: Callable[..., ProcessBackend], hello: str, message: str
) -> None:
    """Each time anew."""
    with running(answering(hello=hello)) as backend:
        for _ in range(2):
            with pytest.raises(ProcessError, match=message):
                backend.start(SPEC, {"w": np.array([1], np.float32)})


def test_a_program_may_complain_at_length(running: Callable[..., ProcessBackend]) -> None:
    """Its standard error is read as it comes, and the end is kept."""
    noisy = doing("sys.stderr.write('x' * (1 << 20) + 'the end\\n'); return honest(ask)")
    with running(noisy) as backend:
        trajectory(backend, 0.125, steps=3)
        assert backend._program is not None
        program = backend._program
    assert bytes(program._tail[-8:]) == b"the end\n"
    assert len(program._tail) <= program_module.TAIL


def test_long_answers_are_fine(running: Callable[..., ProcessBackend]) -> None:
    """The limit of a line grows with what is asked for."""
    x = np.arange(20_000.0)
    with running(RUNNER) as backend:
        handle = backend.start(SPEC, {"w": x})
        backend.step(handle, {"w": x}, 0.5)
        np.testing.assert_array_equal(backend.read(handle)["theta"]["w"], x / 2)


def test_there_has_to_be_a_program(tmp_path: Path) -> None:
    """And its words have to be a list."""
    backend = ProcessBackend([tmp_path / "nothing"])
    with pytest.raises(ProcessError, match=r"nothing cannot be started: .*No such file"):
        assert backend.name
    odd: tuple[Any, ...] = ("./runner", [], tmp_path)
    for cmd in odd:
        with pytest.raises(TypeError, match="needs a list of words"):
            ProcessBackend(cmd)
    with pytest.raises(ValueError, match=r"needs a timeout > 0, got timeout=0"):
        ProcessBackend(["runner"], timeout=0)


def test_what_is_given_goes_before_what_is_said(
    running: Callable[..., ProcessBackend], tmp_path: Path
) -> None:
    """Name and profile; the environment and the folder are passed on."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    profile = Profile(dtype="float32", inject=False)
    named = answering(hello="hello").replace("import json, sys", textwrap.dedent(f"""
        import json, os, sys
        name = os.environ["NAME"] + " in " + os.path.basename(os.getcwd())
        hello = {{"protocol": {PROTOCOL!r}, "name": name}}
    """))
    env = {**os.environ, "NAME": "it"}
    with running(named, env=env, cwd=folder, profile=profile) as backend:
        assert (backend.name, backend.profile) == ("it in elsewhere", profile)
        params = {"w": np.array([1], np.float32)}
        with pytest.raises(Unsupported, match="does not take over a state"):
            backend.start(SPEC, params, {"t": 1, "u": params})
    backend = running(named, name="other", profile=profile)
    with pytest.raises(ProcessError, match=r"exited with status 1(.|\n)*KeyError: 'NAME'"):
        assert backend.name
    assert ProcessBackend(["nothing"], name="mine", profile=profile).name == "mine"


@posix
def test_the_gate_goes_on_after_each_fault(running: Callable[..., ProcessBackend]) -> None:
    """The case is blamed, all others conform."""
    wide = 'len(optimizers[ask["id"]]["layers"][0]["theta"]) > 1000'
    for body, verdict in (
        ("time.sleep(600)", HANGS), ("os.abort()", RAISES), ("print('?')", RAISES),
        ("print(json.dumps({'seq': 0}))", RAISES), ("return {'error': 'no'}", RAISES),
    ):
        timeout = 3.0 if verdict == HANGS else 30.0
        with running(doing(body, wide), timeout=timeout) as backend:
            report = check(backend, "sgd", only="sgd/*")
        bad = {r.case: r.verdict for r in report.failed}
        assert bad == {"sgd/wide-decimal": verdict, "sgd/wide-dyadic": verdict}
        assert report.counts[CONFORMS] == report.total - 2 > 0
        assert report.exit_code == 1


# --------------------------------------------------------------------------- nothing is left


@posix
def test_a_program_stops_when_asked(running: Callable[..., ProcessBackend], tmp_path: Path) -> None:
    """It ends by itself, the threads with it, and may be started again."""
    note = tmp_path / "note"
    with running(f"{RUNNER}\nopen({str(note)!r}, 'w').write(str(ask))") as backend:
        trajectory(backend, 0.125)
        pid, threads = pid_of(backend), threading.active_count()
    assert gone(pid)
    assert "'verb': 'stop'" in note.read_text()  # it had the time to say so
    assert ended(threads - 2)
    backend.close()  # once more is nothing
    assert trajectory(backend, 0.125)  # and it may be used again


STUBBORN = {
    "it does not answer": "if ask['verb'] == 'stop': time.sleep(600)",
    "it goes on": "if ask['verb'] == 'stop': print(json.dumps(ask), flush=True); time.sleep(600)",
    "it crashes": "if ask['verb'] == 'stop': os.abort()",
}


@pytest.mark.parametrize("why", STUBBORN)
@pytest.mark.parametrize("deaf", [False, True])
@posix
def test_a_program_that_does_not_stop_is_ended(
    running: Callable[..., ProcessBackend], tmp_path: Path, why: str, deaf: bool
) -> None:
    """With SIGTERM, and with SIGKILL if it is deaf."""
    note = tmp_path / "note"
    handler = textwrap.dedent(f"""
        import os, signal, time
        def told(*_):
            open({str(note)!r}, "w").close()
            {"pass" if deaf else "os._exit(1)"}
        signal.signal(signal.SIGTERM, told)
    """)
    loop = "    ask = json.loads(line)\n"
    stubborn = handler + RUNNER.replace(loop, f"{loop}    {STUBBORN[why]}\n")
    with running(stubborn) as backend:
        trajectory(backend, 0.125, steps=1)
        pid, began = pid_of(backend), time.monotonic()
    assert gone(pid)
    assert note.exists() == (why != "it crashes")
    assert time.monotonic() - began < 3 * program_module.GRACE + 5


@posix
def test_what_the_program_has_started_goes_with_it(
    running: Callable[..., ProcessBackend], tmp_path: Path
) -> None:
    """Whether it stops, crashes or hangs."""
    note = tmp_path / "pid"
    child = f"""
import subprocess, sys, os, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(note)!r}, "w").write(str(child.pid))
"""
    for body in ("return honest(ask)", "os._exit(1)", "time.sleep(600)"):
        with running(child + doing(body), timeout=5.0) as backend:
            handle = backend.start(SPEC, PARAMS)
            pid = int(note.read_text())
            assert not gone_now(pid)
            backend.timeout = 0.5
            try:
                backend.step(handle, GRADS, 0.125)
            except (ProcessError, HungError):
                assert gone(pid), body
        assert gone(pid), body


def gone_now(pid: int) -> bool:
    """Return whether there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@posix
def test_collection_stops_the_program(running: Callable[..., ProcessBackend]) -> None:
    """A handle does not keep it."""
    path = Path(running(RUNNER)._words[1])
    backend = ProcessBackend([sys.executable, path])
    handle = backend.start(SPEC, PARAMS)
    pid = pid_of(backend)
    del backend
    gc.collect()
    assert gone(pid)
    assert handle.program.ended


@posix
@pytest.mark.parametrize("end", ["", "raise SystemExit(1)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_the_end_of_python_stops_the_program(tmp_path: Path, end: str) -> None:
    """However it ends."""
    (tmp_path / "runner.py").write_text(RUNNER)
    code = f"""
import os, signal, sys
import numpy as np
from paratrooper_ref.conformance import ProcessBackend
backend = ProcessBackend([sys.executable, {str(tmp_path / "runner.py")!r}])
handle = backend.start({{"algorithm": "sgd"}}, {{"w": np.array([1.0])}})
print(backend._program._process.pid, flush=True)
{end}
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, cwd=ROOT
    )
    assert ran.stderr == ""
    assert gone(int(ran.stdout))


@posix
def test_a_fork_does_not_stop_the_program(running: Callable[..., ProcessBackend]) -> None:
    """It is its parent's."""
    with running(RUNNER) as backend:
        trajectory(backend, 0.125, steps=1)
        program = backend._program
        assert program is not None
        program._owner += 1  # as a fork sees it
        program.close()
        program._owner -= 1
        assert trajectory(backend, 0.125, steps=1)
        assert backend._program is program


@posix
def test_an_interruption_kills_the_program(running: Callable[..., ProcessBackend]) -> None:
    """Nobody could tell what its next answer is to."""
    with running(doing("time.sleep(600)")) as backend:
        handle = backend.start(SPEC, PARAMS)
        pid = pid_of(backend)
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            backend.step(handle, GRADS, 0.125)
        timer.join()
        assert gone(pid)


def test_a_copy_has_a_program_of_its_own(running: Callable[..., ProcessBackend]) -> None:
    """And a profile: `check` makes one to hold it to another."""
    with running(RUNNER) as backend:
        handle = backend.start(SPEC, PARAMS)
        with copy.copy(backend) as other:
            other.profile = Profile(dtype="float64", scalars="array")
            assert trajectory(other, 0.125)
            assert other._program is not backend._program
        backend.step(handle, GRADS, 0.125)
        assert backend.profile == Profile(dtype="float64")


