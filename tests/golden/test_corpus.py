"""The shipped corpus: it holds, it is what the recipes make, the same bytes everywhere."""

import json
import os
import subprocess
import sys
import zlib
from dataclasses import fields
from pathlib import Path

import pytest

import paratrooper_ref as pr
from paratrooper_ref.golden.content import dump, parse
from paratrooper_ref.golden.corpus import Corpus, dump_manifest, entry_of, shipped
from paratrooper_ref.golden.generate import proved_bytes
from paratrooper_ref.golden.make import make
from paratrooper_ref.golden.recipe import Full
from paratrooper_ref.golden.recipes import recipes
from paratrooper_ref.golden.recipes.settings import BETAS2, DECIMAL, DYADIC
from paratrooper_ref.golden.schema import text
from paratrooper_ref.golden.verify import verify
from paratrooper_ref.optimizers import OPTIMIZERS
from tests.test_portability import dispatched

ROOTS = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(pr.__file__).parents[1])])
MANIFEST = Corpus().manifest()
CORE = [entry for entry in MANIFEST.cases.values() if entry.tier == "core"]

# Trajectories that take a second or less; the others are generated in CI.
QUICK = ("bowl/adam", "rastrigin/adam", "rosenbrock/paratrooper", "rosenbrock/sgd")


def test_the_shipped_corpus_holds() -> None:
    """Every byte of it, with NumPy alone."""
    report = verify(Corpus())

    assert not report.errors
    assert report.holds
    assert report.held == {"core": len(CORE), "full": 0}
    assert report.absent["full"] == MANIFEST.count("full") >= 50
    assert not report.waiting


def test_the_recipes_make_the_shipped_bytes() -> None:
    """Proved afresh, with their claims, all of the core tier; the full tier is pinned."""
    corpus = Corpus()
    assert {entry.case for entry in MANIFEST.cases.values()} == recipes().keys()

    for entry in CORE:
        assert proved_bytes(entry.case) == corpus.bytes_of(entry), entry.case


@pytest.mark.parametrize("case", QUICK)
def test_trajectories_are_the_pinned_bytes(case: str) -> None:
    """A few of them here."""
    recipe = recipes()[case]
    assert isinstance(recipe, Full)
    golden = make(recipe)

    assert entry_of(golden, dump(golden)) == MANIFEST.cases[case]


def python(code: str, **environment: str) -> str:
    """Run Python in a process of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": ROOTS} | environment,
        capture_output=True, text=True, check=True,
    )
    return done.stdout.strip()


def test_bytes_do_not_depend_on_the_cpu_features() -> None:
    """With every dispatched feature off, a case of each optimizer and a trajectory."""
    cases = [f"{name}/{what}" for name in DECIMAL for what in ("shapes-decimal", "plain-dyadic")]
    cases += ["rastrigin/adam"]
    code = (
        "import hashlib; from paratrooper_ref.golden.generate import proved_bytes; "
        f"print(*[hashlib.sha256(proved_bytes(c)).hexdigest() for c in {cases!r}])"
    )

    found = python(code, NPY_DISABLE_CPU_FEATURES=" ".join(dispatched())).split()

    assert found == [MANIFEST.cases[case].sha256 for case in cases]


def test_verify_needs_numpy_alone() -> None:
    """With flint, scipy, matplotlib and hypothesis out of reach."""
    out_of_reach = ("flint", "scipy", "matplotlib", "hypothesis", "pytest", "jsonschema", "mpmath")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({out_of_reach!r}))\n"
        "from paratrooper_ref.cli import main\n"
        "print(main(['golden', 'verify', '--jobs', '1']))\n"
        "print(main(['golden', 'verify', '--prove']))\n"
        "print(main(['golden', 'generate', '--corpus', 'nowhere']))"
    )

    *_, held, prove, generate = python(code).splitlines()

    assert (held, prove, generate) == ("0", "2", "2")
    assert not Path("nowhere").exists()


def test_the_page_is_about_this_corpus() -> None:
    """Its digest and counts are the manifest's; the rest of it is compared in CI."""
    page = (Path(__file__).parents[2] / "docs" / "golden-corpus.md").read_text()

    assert f"Corpus {MANIFEST.corpus}, content sha256 `{MANIFEST.digest}`." in page
    for tier in ("core", "full"):
        entries = [entry for entry in MANIFEST.cases.values() if entry.tier == tier]
        steps, values = (sum(getattr(e, name) for e in entries) for name in ("steps", "values"))
        assert f"| {tier} | {len(entries)} | {steps:,} | {values:,} |" in page


def test_the_schema_knows_the_hyperparameters() -> None:
    """All of them, and no others."""
    schema = json.loads(text("case"))["$defs"]
    names = {f.name for family in OPTIMIZERS.values() for f in fields(family) if f.metadata}

    assert schema["spec"]["properties"]["hyper"]["properties"].keys() == names | {"inner"}
    assert schema["settings"]["properties"].keys() == names | {"adapt"}


def test_the_core_tier_is_small() -> None:
    """At most 4 MB compressed in the wheel."""
    files = [path.read_bytes() for path in shipped().rglob("*") if path.is_file()]

    assert sum(len(zlib.compress(content, 6)) for content in files) < 4_000_000


def test_the_core_tier_has_the_witnesses_that_were_asked_for() -> None:
    """Every optimizer in both settings, both sides of each switch, every shape, every edge."""
    cases = {entry.case for entry in CORE}
    for setting, optimizers in (("decimal", DECIMAL), ("dyadic", DYADIC)):
        for name in optimizers:
            for what in ("plain", "zero-weights", "still", "turning", "rates", "late", "wide",
                         "frozen", "shapes", "layers"):
                assert f"{name}/{what}-{setting}" in cases
        for beta2 in BETAS2[setting]:
            assert f"paratrooper/switch-{beta2}-momentum-{setting}" in cases
        for what in ("open", "below-1", "quiet", "loud", "sync", "own-sync", "ratios", "cap"):
            assert f"paratrooper/{what}-{setting}" in cases
    shapes = {shape for entry in CORE for shape in Corpus().load(entry).layers.values()}
    assert {(), (1,), (3, 2), (1025,)} <= shapes
    late = Corpus().load(MANIFEST.cases["paratrooper/late-decimal"])
    assert late.steps[0].t == 100_000
    wide = [Corpus().load(entry) for entry in CORE if "/wide-" in entry.case]
    assert all(len(golden.steps) == 1 for golden in wide)


def test_dyadic_hyperparameters_are_exact_in_bfloat16() -> None:
    """So that no format rounds them."""
    from paratrooper_ref.golden.bits import to_bfloat16

    for optimizer in DYADIC.values():
        for name, value in optimizer.hyper().items():
            if isinstance(value, float) and value != float("inf"):
                assert float(to_bfloat16(value)) == value, (optimizer.name, name)


def test_the_manifest_is_canonical() -> None:
    """Written again it is the same bytes; so is every case."""
    assert dump_manifest(MANIFEST) == (shipped() / "MANIFEST.json").read_bytes()
    for entry in CORE[::40]:
        written = Corpus().bytes_of(entry)
        assert dump(parse(written, entry.case)) == written
