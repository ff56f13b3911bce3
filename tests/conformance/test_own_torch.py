"""Our own Paratrooper for torch and in Triton, written from the page, held to the corpus."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from importlib import import_module
from inspect import getsource
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import paratrooper_ref as pr
from paratrooper_ref.conformance import KernelBackend, TorchBackend, check
from paratrooper_ref.conformance.bounds import lines
from paratrooper_ref.conformance.gate import Gate, cases
from paratrooper_ref.conformance.judge import shares
from paratrooper_ref.conformance.step import Question, take
from paratrooper_ref.conformance.verdict import CONFORMS, DEPARTS, UNSTABLE
from paratrooper_ref.conformance.wanted import computed
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.optimizers.state import Array

torch: Any = pytest.importorskip("torch", reason='torch comes with the extra "peers"')

pytestmark = pytest.mark.peers

ours: Any = import_module("tests.backends.paratrooper_torch")

GOLDENS = cases("paratrooper", Corpus())
FORMS = {"single": False, "foreach": True}

forms = pytest.mark.parametrize("foreach", FORMS.values(), ids=FORMS)
dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def backend(dtype: str, foreach: bool, of: Any = ours) -> TorchBackend:
    """Return an implementation as a backend."""
    return TorchBackend(of.Paratrooper, dtype=dtype, options={"foreach": foreach})


# --- the corpus -------------------------------------------------------------------------------


@forms
@dtypes
def test_every_case_is_within_its_bound(dtype: str, foreach: bool) -> None:
    """Parameters and state of all steps of the core tier, and of whole runs."""
    report = check(backend(dtype, foreach), "paratrooper")
    assert report.ok, str(report)
    assert set(report.counts) == {CONFORMS}
    assert {r.case for r in report.results} >= {golden.case for golden in GOLDENS}
    assert all(result.steps == result.of for result in report.results)


@forms
def test_in_bfloat16_too_but_where_a_norm_may_be_zero(foreach: bool) -> None:
    """Decay and update of a layer of one element may cancel there, and T is 1 if they do."""
    report = check(backend("bfloat16", foreach), "paratrooper")
    unstable = {r.case: r.detail for r in report.results if r.verdict == UNSTABLE}
    assert report.complete
    assert set(report.counts) == {CONFORMS, UNSTABLE}, str(report)
    assert set(unstable) == {
        f"paratrooper/{name}"
        for name in ("frozen-dyadic", "plain-decimal", "plain-dyadic", "shapes-decimal")
    }
    assert all("is not decided" in detail for detail in unstable.values())


MISTAKES = {
    "the shared count": ("self.state[p][\"step\"] = t", "self.state[p][\"step\"] = t - 1"),
    "h of the mean": ("sum(g.numel() for g in grads)", "grads[0].numel()"),
    "h of decayed betas": ("((1 - beta1) / (1 - beta2)) ** 2", "((1 - beta1) / (1 - beta2))"),
    "h reversed": ("\"momentum\" if h <= 0.5", "\"momentum\" if h > 0.5"),
    "rho of t - 1": ("2 * t * beta2**t / (1", "2 * (t - 1) * beta2**t / (1"),
    "the switch at 4": ("rho > group[\"threshold\"]", "rho > 4"),
    "no square root of r": ("r = sqrt((", "r = abs(("),
    "no correction of v": ("sqrt(1 - beta2**t) / (1", "1 / (1"),
    "no correction of m before": ("1 / (1 - beta1**t), 10.0", "1.0, 10.0"),
    "another ceiling before": ("(1 - beta1**t), 10.0", "(1 - beta1**t), 100.0"),
    "a ceiling without b": ("cap = 1 / scale", "cap = 1 / r"),
    "a constant ceiling unheard": ("if group[\"cap\"] == \"rectified\" else group[\"cap\"]", ""),
    "l2 unheard": ("if group[\"l2\"] is None else group[\"l2\"]", ""),
    "never still": ("rectified or group[\"warmup\"] == \"momentum\"", "True"),
    "min comes last": (
        ".clamp(max=by.cap).clamp(min=group[\"lower\"])",
        ".clamp(min=group[\"lower\"]).clamp(max=by.cap)",
    ),
    "a ratio of 0 for zero weights": ("(weights != 0) & (direction != 0)", "(direction != 0)"),
    "adapt unheard": (" & group[\"adapt\"]", ""),
}
OF_BOTH = {
    "no l2": ("alpha=by.l2", "alpha=0"),
    "m after v": ("alpha=1 - beta1", "alpha=beta1"),
    "v of beta1": ("value=1 - beta2", "value=1 - beta1"),
    "no decay": ("alpha=group[\"weight_decay\"]", "alpha=0"),
    "the other alpha": ("1 - group[\"alpha\"]", "group[\"alpha\"]"),
    "no slow step": ("alpha=group[\"alpha\"]", "alpha=1.0"),
    "a sync too late": ("t % group[\"k\"] == 0", "t % group[\"k\"] == 1"),
    "eps always outside": ("by.rectified and group[\"eps_inside_root\"]", "False"),
    "eps always inside": ("by.rectified and group[\"eps_inside_root\"]", "by.rectified"),
}


def mistaken(was: str, now: str, times: int) -> ModuleType:
    """Return the module with one text in place of another."""
    source = getsource(ours)
    assert source.count(was) == times
    module = ModuleType(ours.__name__)
    exec(compile(source.replace(was, now), "<mistaken>", "exec"), vars(module))
    return module


@forms
@pytest.mark.parametrize("name", [*MISTAKES, *OF_BOTH])
def test_a_mistake_in_a_line_departs(name: str, foreach: bool) -> None:
    """So what conforms above conforms for a reason."""
    was, now = (MISTAKES | OF_BOTH)[name]
    wrong = mistaken(was, now, times=2 if name in OF_BOTH else 1)
    gate = Gate(backend("float32", foreach, wrong))
    assert any(gate.case(golden).verdict == DEPARTS for golden in GOLDENS)
    gate.watch.close()


# --- what the corpus does not ask -------------------------------------------------------------


def layers(seed: int = 0, dtype: Any = None) -> list[Any]:
    """Return three parameters."""
    source = torch.Generator().manual_seed(seed)
    shapes = ((3, 2), (4,), ())
    dtype = dtype or torch.float32
    return [
        torch.nn.Parameter(torch.randn(shape, generator=source).to(dtype)) for shape in shapes
    ]


def stepped(optimizer: Any, params: list[Any], seed: int, without: tuple[int, ...] = ()) -> None:
    """Take a step with gradients of a seed, None for some."""
    source = torch.Generator().manual_seed(seed)
    for i, p in enumerate(params):
        g = torch.randn(p.shape, generator=source).to(p.dtype)
        p.grad = None if i in without else g
    optimizer.step()


def content(optimizer: Any, params: list[Any]) -> list[bytes]:
    """Return the bits of parameters and state."""
    tensors = [x for p in params for x in (p, *optimizer.state[p].values()) if torch.is_tensor(x)]
    counts = [optimizer.state[p]["step"] for p in params]
    return [x.detach().float().numpy().tobytes() for x in tensors] + [bytes(counts)]


@forms
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("saved_after", [1, 5, 6, 7])
def test_a_saved_run_goes_on_as_if_it_had_not_been(
    saved_after: int, dtype: str, foreach: bool
) -> None:
    """Through a file, to the last bit; the choice of the first batch and the phase are saved."""
    params = layers(dtype=getattr(torch, dtype))
    optimizer = ours.Paratrooper(params, foreach=foreach)
    for t in range(saved_after):
        stepped(optimizer, params, seed=t, without=(1,) if t == 2 else ())
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)

    again = [torch.nn.Parameter(p.detach().clone()) for p in params]
    loaded = ours.Paratrooper(again, foreach=foreach)
    loaded.load_state_dict(torch.load(file, weights_only=True))

    assert content(loaded, again) == content(optimizer, params)
    for t in range(saved_after, saved_after + 8):
        for o, of in ((optimizer, params), (loaded, again)):
            stepped(o, of, seed=100 + t)
        assert content(loaded, again) == content(optimizer, params)


@forms
def test_a_parameter_without_gradient_stands_still_and_is_counted(foreach: bool) -> None:
    """Also where the others synchronise, and where it has never had a gradient."""
    params = layers()
    optimizer = ours.Paratrooper(params, foreach=foreach, k=2)
    start = params[1].detach().clone()
    for t in (1, 2, 3):
        stepped(optimizer, params, seed=t, without=(1,))
    state = optimizer.state[params[1]]
    assert torch.equal(params[1], start)
    assert torch.equal(state["slow_buffer"], start)
    assert not state["exp_avg"].any()
    assert not state["exp_avg_sq"].any()
    assert {optimizer.state[p]["step"] for p in params} == {3}


@forms
def test_the_first_gradient_of_all_groups_together_chooses(foreach: bool) -> None:
    """A loud parameter of one element beside a quiet one of a hundred: h is theirs together."""
    loud, quiet = (torch.nn.Parameter(torch.ones(n)) for n in (1, 100))
    loud.grad, quiet.grad = torch.full((1,), 100.0), torch.zeros(100)
    groups = [{"params": [loud]}, {"params": [quiet], "lr": 1e-4}]
    optimizer = ours.Paratrooper(groups, foreach=foreach)
    optimizer.step()
    assert {group["warmup"] for group in optimizer.param_groups} == {"momentum"}

    alone = ours.Paratrooper([loud], foreach=foreach)
    alone.step()
    assert alone.param_groups[0]["warmup"] == "none"


def test_a_group_that_comes_later_joins_the_count_and_the_choice() -> None:
    """There is one count, and one choice, for the model."""
    params, late = layers(), torch.nn.Parameter(torch.ones(2))
    optimizer = ours.Paratrooper(params)
    stepped(optimizer, params, seed=0)
    optimizer.add_param_group({"params": [late], "adapt": False})
    stepped(optimizer, [*params, late], seed=1)
    assert {optimizer.state[p]["step"] for p in (*params, late)} == {2}
    assert len({group["warmup"] for group in optimizer.param_groups} - {"auto"}) == 1


@forms
def test_a_closure_is_asked_once_with_gradients_enabled(foreach: bool) -> None:
    """Its loss comes back; the step itself leaves no trace for autograd."""
    params = layers()
    optimizer = ours.Paratrooper(params, foreach=foreach)
    asked = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = sum((p * p).sum() for p in params)
        loss.backward()
        asked.append(loss)
        return loss

    before = [p.detach().clone() for p in params]
    assert optimizer.step(closure) is asked[0]
    assert len(asked) == 1
    assert all(p.requires_grad and p.is_leaf and p.grad_fn is None for p in params)
    assert not any(x.requires_grad for p in params for x in list(optimizer.state[p].values())[:3])
    assert not any(torch.equal(p, x) for p, x in zip(params, before, strict=True))


def test_who_never_moves_is_told() -> None:
    """Where rho stays below the threshold and the first batch is loud."""
    p = torch.nn.Parameter(torch.ones(1))
    p.grad = torch.full((1,), 100.0)
    with pytest.warns(UserWarning, match="never moves.*raise beta2"):
        ours.Paratrooper([p], betas=(0.5, 0.5)).step()


# --- sizes, around those of a block -----------------------------------------------------------


def margin(kernel: Any, size: int, hyper: dict[str, Any], seed: int = 0) -> float:
    """Return the largest error over bound of a step from a state of doubles drawn from a seed."""
    rng = np.random.default_rng(seed)
    cast = np.dtype(kernel.profile.dtype).type
    draws: list[dict[str, Array]] = [
        {"w": rng.uniform(0.5, 2, size).astype(cast).astype(float)} for _ in range(5)
    ]
    optimizer = pr.Paratrooper(warmup="momentum", **hyper)
    state = pr.State(params=draws[0], m=draws[1], v=draws[2], slow=draws[3], t=11)
    given = (optimizer, state, draws[4], 2.0**-6)
    question = Question(
        spec=optimizer.spec, state=state, slots=optimizer.slots(), grads=draws[4], lr=2.0**-6
    )
    found = shares(12, computed(*given), take(kernel, question), lines(*given, kernel.profile))
    return max(s.share for s in found)


SIZES = [1, 2, 1023, 1024, 1025, 4097]
# Without eps, and with a trust ratio that nothing holds, so that both norms are in the step.
NO_EPS: dict[str, Any] = {"eps": 0.0, "weight_decay": 0.0, "lower": 0.0, "cap": 2.0**20}


@forms
@pytest.mark.parametrize("size", SIZES)
def test_a_layer_may_have_any_size(size: int, foreach: bool) -> None:
    """Norms of layers of one element, and of thousands."""
    assert 0 < margin(backend("float32", foreach), size, NO_EPS) <= 1
    assert margin(backend("float64", foreach), size, NO_EPS) <= 1


# --- Triton -----------------------------------------------------------------------------------

# Whether Triton interprets is settled when it is imported, which torch may have done here.
INTERPRET = """
import json
from tests.conformance import test_own_torch
print(json.dumps(test_own_torch.of_kernels()))
"""


def of_kernels() -> dict[str, Any]:
    """Return what the interpreted kernels come to, as plain data, by dtype."""
    kernels = import_module("tests.backends.paratrooper_triton")
    found = {}
    for dtype in ("float64", "float32"):
        interpreted = KernelBackend(
            kernels.update, to=lambda x, _: torch.tensor(x), back=torch.Tensor.numpy,
            first_batch=ours.first_batch, dtype=dtype,
        )
        report = check(interpreted, "paratrooper")
        sizes = [margin(interpreted, size, NO_EPS) for size in SIZES]
        found[dtype] = {"report": report.to_json(), "text": str(report), "sizes": sizes}
    return found


def child(program: str, **environment: str) -> str:
    """Return what a program prints that runs in a process of its own."""
    pytest.importorskip("triton", reason='triton comes with the extra "peers"')
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRITON")}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=inherited | environment,
        capture_output=True, text=True, check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def interpreted() -> Any:
    """Return what the kernels come to in an interpreter."""
    return json.loads(child(INTERPRET, TRITON_INTERPRET="1"))


@dtypes
def test_kernels_are_within_their_bound(interpreted: Any, dtype: str) -> None:
    """In every step of every case of the core tier."""
    report = interpreted[dtype]["report"]
    assert report["ok"], interpreted[dtype]["text"]
    assert set(report["counts"]) == {CONFORMS}
    assert {r["case"] for r in report["results"]} >= {golden.case for golden in GOLDENS}
    assert all(result["steps"] == result["of"] for result in report["results"])


def test_blocks_are_masked(interpreted: Any) -> None:
    """A layer need not fill its last block; without eps what is beyond it would be 0 / 0."""
    assert all(0 < found <= 1 for found in interpreted["float32"]["sizes"])
    assert all(found <= 1 for found in interpreted["float64"]["sizes"])


COMPILE = """
import re, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from tests.backends import paratrooper_triton as kernels
for dtype in ("fp32", "fp64"):
    said = set()
    for kernel in (kernels.direct, kernels.move):
        signature = {
            name: "*" + dtype if name.endswith("_at") else "i32" if name == "n" else "constexpr"
            for name in kernel.arg_names
        }
        constants = {name: True for name, kind in signature.items() if kind == "constexpr"}
        source = ASTSource(fn=kernel, signature=signature, constexprs={**constants, "BLOCK": 1024})
        compiled = triton.compile(source, target=GPUTarget("cuda", 80, 32))
        assert compiled.asm["cubin"]
        said |= set(re.findall(r"(?:sqrt|div)[.\\w]*", compiled.asm["ptx"])) - {"sqrt"}
    print(dtype, *sorted(said))
"""


def test_kernels_compile_to_what_their_profile_says(tmp_path: Path) -> None:
    """The interpreter admits more than the compiler, which needs no GPU; and divides otherwise."""
    said = child(COMPILE, TRITON_CACHE_DIR=str(tmp_path), TRITON_DEFAULT_FP_FUSION="1")
    fp32, fp64 = (set(line.split()[1:]) for line in said.splitlines())
    assert {"div.full.f32", "sqrt.approx.ftz.f32"} <= fp32
    assert {"div.rn.f64", "sqrt.rn.f64"} <= fp64
