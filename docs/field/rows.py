"""The rows of the field report: which optimizer is held to what, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any, Final

from field import adapters
from field.row import DTYPES, Known, Row

from paratrooper_ref.conformance import Unsupported

UNBOUNDED: Final = {"norm_lower": 0.0, "norm_upper": inf, "lower": 0.0, "upper": inf}
EPS_AFTER: Final = "eps is added to the root of the corrected v"


def _torch() -> Iterator[Row]:
    """torch.optim, in each of its implementations on a CPU."""
    said = {
        "SGD": "its pseudo-code: L2 decay; the buffer begins with the first gradient, undampened; "
               "without momentum there is no buffer, and dampening has no effect",
        "Adam": "its pseudo-code: L2 decay; " + EPS_AFTER,
        "AdamW": "its pseudo-code: decay before the step, times the rate; " + EPS_AFTER,
        "RAdam": "its pseudo-code: L2 decay; rectified where rho > 5, a step of momentum before; "
                 "eps is added to the root of v as it is",
    }
    ways = {"single": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
    for name, documented in said.items():
        for way, options in ways.items():
            if way == "fused" and name == "RAdam":
                continue
            known: list[Known] = []
            if (name, way) == ("SGD", "foreach"):
                known.append(Known(
                    cases="*", verdict="changes its gradient",
                    departure="torch_sgd_foreach_nesterov",
                    why="Nesterov without decay: the step is right, the gradient is another after "
                        "it",
                ))
            if (name, way) == ("SGD", "fused"):
                known.append(Known(
                    cases="*/wide-*", verdict="*", departure="torch_sgd_fused_bfloat16",
                    why="whole vectors do not move", dtypes=("bfloat16",),
                ))
            yield Row(
                name=f"torch.optim.{name} {way}", package="torch", imports="torch",
                algorithm=name.lower(), options={k: str(v) for k, v in options.items()},
                make=adapters.torch(f"torch.optim:{name}", options=options),
                documented=documented, known=known,
            )
    for way in ("single", "foreach"):
        decoupled: dict[str, Any] = {"decoupled_weight_decay": True, **ways[way]}
        yield Row(
            name=f"torch.optim.RAdam decoupled {way}", package="torch", imports="torch",
            algorithm="radamw", options={k: str(v) for k, v in decoupled.items()},
            make=adapters.torch("torch.optim:RAdam", options=decoupled, fixed={"l2": 0.0}),
            documented=said["RAdam"].replace("L2 decay", "decay before the step, times the rate"),
        )


def _looking(optax: Any, h: Any) -> Any:
    """Return optax's Lookahead of AdamW."""
    if h["inner"] != "adamw":
        msg = f"wraps adamw, not {h['inner']}"
        raise Unsupported(msg)
    fast = optax.adamw(h["lr"], h["beta1"], h["beta2"], h["eps"], weight_decay=h["weight_decay"])
    return optax.lookahead(fast, h["k"], h["alpha"])


def _optax() -> Iterator[Row]:
    """Factories of optax, eager and compiled."""
    wide: dict[str, Any] = {"package": "optax", "imports": "optax"}
    said = {
        "sgd": "its formulas: the buffer begins with the first gradient; no decay, no dampening",
        "adam": f"its formulas: no decay; {EPS_AFTER}",
        "adamw": f"its formulas: decay in the update, times the rate; {EPS_AFTER}",
        "lamb": "the paper it cites, and the eps of Adam; no bounds of norms or ratios",
    }
    lacks = {
        "sgd": {"weight_decay": 0.0, "dampening": 0.0}, "adam": {"weight_decay": 0.0},
        "lamb": UNBOUNDED,
    }
    for name, documented in said.items():
        for jit in (False, True):
            yield Row(
                name=f"optax.{name}{', compiled' if jit else ''}", algorithm=name,
                make=adapters.optax(name, jit, fixed=lacks.get(name)),
                documented=documented, **wide,
            )
    rho = Known(
        cases="*", verdict="unstable branch", departure="optax_radam_float32_rho",
        why="rho is formed in float32, and does not decide the branch",
        dtypes=("float32", "bfloat16"),
    )
    for jit in (False, True):
        yield Row(
            name=f"optax.radam{', compiled' if jit else ''}", algorithm="radam",
            dialect="radam.eps_corrected",
            make=adapters.optax("radam", jit, fixed={"warmup": "momentum", "weight_decay": 0.0}),
            documented="the paper it cites, threshold 5, and the eps of Adam: " + EPS_AFTER,
            known=(rho,), **wide,
        )
        yield Row(
            name=f"optax.lars{', compiled' if jit else ''}", algorithm="lars",
            dialect="lars.decay_in_norm",
            make=adapters.optax("lars", jit, state={"u": "-trace"}),
            documented="the paper it cites; the rate is inside of the buffer. Which norm decay is "
                       "in is not said",
            **wide,
        )
    yield Row(
        name="optax.lookahead of adamw", algorithm="lookahead",
        make=adapters.optax_of(_looking, "optax.lookahead of adamw"),
        documented="the paper it cites: synchronised at k, 2 k, ..., from the first weights on",
        **wide,
    )



AS_PUBLISHED: Final[dict[str, Any]] = {"threshold": 5.0, "warmup": "momentum", "l2": 0.0}
"""RAdam and what is made of it, as most have it: in the place of arguments that they lack."""


_OWN: Final = Known(
    cases="*own-sync*", verdict="departs",
    why="layers with a k or an alpha of their own are synchronised by those of the optimizer",
)


def _timm() -> Iterator[Row]:
    """timm.optim: what it does not take over from torch."""
    of: dict[str, Any] = {"package": "timm", "imports": "timm"}
    yield Row(
        name="timm.optim.AdamWLegacy", algorithm="adamw",
        make=adapters.torch("timm.optim:AdamWLegacy"),
        documented="the papers it cites: decay before the step, times the rate", **of,
    )
    yield Row(
        name="timm.optim.RAdamLegacy", algorithm="radamw",
        make=adapters.torch("timm.optim:RAdamLegacy", fixed=AS_PUBLISHED),
        documented="that it is a reference kept beside torch's RAdam; decay is decoupled in it, "
                   "and its arithmetic is float32",
        dtypes=("float32", "bfloat16"), **of,
    )
    for way in (False, True):
        options: dict[str, Any] = {"max_grad_norm": None, "foreach": way}
        said = {k: str(v) for k, v in options.items()}
        name = f"timm.optim.Lamb{' foreach' if way else ''}"
        documented = (
            "the paper it cites; gradients are clipped by their global norm unless "
            "max_grad_norm is None; without decay it adapts if always_adapt is set"
        )
        yield Row(
            name=f"{name}, always_adapt", algorithm="lamb",
            options=said | {"always_adapt": "True"},
            make=adapters.torch("timm.optim:Lamb", options=options | {"always_adapt": True}),
            documented=documented, **of,
        )
        yield Row(
            name=name, algorithm="lamb", dialect="lamb.skips_without_decay", options=said,
            make=adapters.torch("timm.optim:Lamb", options=options), documented=documented, **of,
        )
        yield Row(
            name=f"timm.optim.Lars{' foreach' if way else ''}, always_adapt", algorithm="lars",
            dialect="lars.timm",
            options={"always_adapt": "True", "foreach": str(way)},
            make=adapters.torch("timm.optim:Lars", options={"always_adapt": True, "foreach": way}),
            documented="the paper it cites, and torch's SGD for the buffer: the rate is outside of "
                       "it; where the gradient is zero the ratio is 1, as a comment in its code "
                       "says",
            **of,
        )
        documented = (
            "the paper it cites, and torch's SGD for the buffer: the rate is outside of it; "
            "without decay it adapts if always_adapt is set"
        )
        yield Row(
            name=f"timm.optim.Lars{' foreach' if way else ''}", algorithm="lars",
            dialect="lars.timm and lars.skips_without_decay", options={"foreach": str(way)},
            make=adapters.torch("timm.optim:Lars", options={"foreach": way}),
            documented=documented, **of,
        )
        yield Row(
            name=f"timm.optim.Lars{' foreach' if way else ''}, always_adapt, trust_clip",
            algorithm="lars", dialect="lars.larc and lars.lr_outside_buffer",
            options={"always_adapt": "True", "trust_clip": "True", "foreach": str(way)},
            make=adapters.torch(
                "timm.optim:Lars",
                options={"always_adapt": True, "trust_clip": True, "foreach": way},
            ),
            documented=f"{documented}; with trust_clip it is LARC of apex, which it cites",
            known=(Known(
                cases="lars/coasting-*", verdict="departs",
                why="where the gradient is zero the ratio is 1, whatever the decay, as a comment "
                    "in its code says",
            ),), **of,
        )
    yield Row(
        name="timm.optim.SGDW", algorithm="sgd", dialect="sgd.decay_decoupled",
        make=adapters.torch("timm.optim:SGDW"),
        documented="SGD with decoupled decay: before the step, times the rate", **of,
    )
    yield Row(
        name="timm.optim.Lookahead of AdamW", algorithm="lookahead", dialect="lookahead.late",
        make=adapters.looking("timm.optim:Lookahead"),
        documented="the paper it cites, in which slow weights are the first weights",
        departures=("timm_lookahead_late",), **of,
    )


def _jettify() -> Iterator[Row]:
    """torch_optimizer and pytorch_ranger, whose last releases are of 2021 and 2020."""
    of: dict[str, Any] = {"package": "torch_optimizer", "imports": "torch_optimizer"}
    shared = Known(
        cases="*layers*", verdict="*", departure="jettify_radam_groups",
        why="layers with a rate of their own are stepped at that of the first",
    )
    yield Row(
        name="torch_optimizer.RAdam", algorithm="radamw",
        make=adapters.torch("torch_optimizer:RAdam", fixed=AS_PUBLISHED),
        documented="the paper it cites; decay is said to be L2, and is decoupled, as in the "
                   "authors' code; its arithmetic is float32",
        dtypes=("float32", "bfloat16"), known=(shared,), **of,
    )
    yield Row(
        name="torch_optimizer.Lamb", algorithm="lamb", dialect="lamb.cybertronai",
        options={"clamp_value": "10.0"},
        make=adapters.torch(
            "torch_optimizer:Lamb", hyper={"norm_upper": None}, fixed=UNBOUNDED,
            options={"clamp_value": 10.0},
        ),
        documented="no bias correction unless debias is set; the norm of weights is at most "
                   "clamp_value",
        departures=("jettify_lamb_debias",), **of,
    )
    yield Row(
        name="torch_optimizer.LARS", algorithm="lars", dialect="lars.jettify",
        make=adapters.torch("torch_optimizer:LARS"),
        documented="its formulas: the rate is outside of the buffer; without decay it does not "
                   "adapt",
        departures=("jettify_lars_defaults",), **of,
    )
    yield Row(
        name="torch_optimizer.SGDW", algorithm="sgd", dialect="sgd.decay_constant",
        make=adapters.torch("torch_optimizer:SGDW"),
        documented="the paper it cites: decoupled decay. It is held to what it does",
        departures=("jettify_sgdw_decay",), **of,
    )
    yield Row(
        name="torch_optimizer.Lookahead of AdamW", algorithm="lookahead",
        dialect="lookahead.early_phase", make=adapters.looking("torch_optimizer:Lookahead"),
        documented="the paper it cites, in which slow weights are the first weights, and are "
                   "synchronised at k, 2 k, ...",
        departures=("jettify_lookahead_phase",),
        known=(Known(
            cases="reload/*", verdict="raises", departure="jettify_lookahead_state_dict",
            why="it cannot be saved",
        ),), **of,
    )
    yield Row(
        name="pytorch_ranger.Ranger", package="pytorch_ranger", imports="pytorch_ranger",
        algorithm="ranger",
        make=adapters.torch(
            "pytorch_ranger:Ranger", fixed={"warmup": "momentum", "l2": 0.0}
        ),
        documented="RAdam and Lookahead; its arithmetic is float32", dtypes=("float32", "bfloat16"),
        known=(
            replace(shared, why="layers with betas of their own are stepped by those of the first"),
            _OWN,
        ),
    )
    yield Row(
        name="pytorch_lamb.Lamb", package="pytorch-lamb", imports="pytorch_lamb", algorithm="lamb",
        dialect="lamb.cybertronai", make=adapters.torch("pytorch_lamb:Lamb", fixed=UNBOUNDED),
        documented="the third version of the paper: no bias correction; the bound of 10 is not "
                   "said",
        known=(Known(
            cases="*", verdict="departs",
            why="without a guard of zero norms: weights that are zero never move, and "
                "where the update is zero too they are not a number",
        ), Known(
            cases="lamb/at-rest-*", verdict="not finite",
            why="without a guard of zero norms: where a direction is zero the weights are no "
                "number",
        )),
    )


def _kozistr() -> Iterator[Row]:
    """pytorch_optimizer."""
    of: dict[str, Any] = {"package": "pytorch_optimizer", "imports": "pytorch_optimizer"}
    spoiled = Known(
        cases="*", verdict="changes its gradient",
        why="the gradient is worked on in place, of which its documentation says nothing",
    )
    yield Row(
        name="pytorch_optimizer.LARS of matrices", algorithm="lars",
        dialect="lars.lr_outside_buffer",
        make=adapters.layer_of("pytorch_optimizer:LARS", axes=2),
        documented="the rate is scaled by norms, but for scalars and vectors; there is no eps",
        known=(spoiled,), **of,
    )
    yield Row(
        name="pytorch_optimizer.LARS of vectors", algorithm="sgd",
        dialect="sgd.dampening_first",
        make=adapters.layer_of("pytorch_optimizer:LARS", axes=1),
        documented="scalars and vectors have neither a ratio nor decay: it is SGD of them",
        known=(spoiled,), **of,
    )
    for way in (False, True):
        options: dict[str, Any] = {"foreach": way}
        said, name = {"foreach": str(way)}, " foreach" if way else ""
        yield Row(
            name=f"pytorch_optimizer.RAdam{name}", algorithm="radamw", options=said,
            make=adapters.torch("pytorch_optimizer:RAdam", options=options, fixed={"l2": 0.0}),
            documented="decoupled decay; nothing moves before rectification unless "
                       "degenerated_to_sgd is set",
            departures=("kozistr_radam_coupled_decay",), **of,
        )
        yield Row(
            name=f"pytorch_optimizer.Ranger{name}, use_gc=False", algorithm="ranger",
            options=said | {"use_gc": "False"},
            make=adapters.torch(
                "pytorch_optimizer:Ranger", options=options | {"use_gc": False}, fixed={"l2": 0.0}
            ),
            documented="RAdam and Lookahead; a step of SGD before rectification only if "
                       "degenerated_to_sgd is set",
            known=tuple(Known(
                cases=cases, verdict="departs", departure="kozistr_ranger_uphill",
                why="before rectification, and with degenerated_to_sgd off, which is the "
                    "default, it goes uphill",
            ) for cases in ("ranger/switch-*-none-*", "ranger/sync-waiting-*")), **of,
        )
        third = (
            "the third version of the paper: no bias correction; decay in the update where "
            "it is not decoupled"
        )
        yield Row(
            name=f"pytorch_optimizer.Lamb{name}", algorithm="lamb", dialect="lamb.kozistr",
            options=said,
            make=adapters.torch("pytorch_optimizer:Lamb", options=options, fixed=UNBOUNDED),
            documented=third, departures=("kozistr_lamb_correction",), **of,
        )
        debias = options | {"adam_debias": True}
        yield Row(
            name=f"pytorch_optimizer.Lamb{name}, adam_debias, eps=0", algorithm="lamb",
            dialect="lamb.cybertronai", options=said | {"adam_debias": "True", "eps": "0"},
            make=adapters.torch(
                "pytorch_optimizer:Lamb", options=debias, fixed={**UNBOUNDED, "eps": 0.0}
            ),
            documented=third, **of,
        )
        yield Row(
            name=f"pytorch_optimizer.SGDW{name}", algorithm="sgd",
            options=said | {"weight_decouple": "False"},
            make=adapters.torch("pytorch_optimizer:SGDW", options=options), known=(spoiled,),
            documented="SGD, with L2 decay where it is not decoupled", **of,
        )
    yield Row(
        name="pytorch_optimizer.Lookahead of AdamW", algorithm="lookahead",
        make=adapters.looking("pytorch_optimizer:Lookahead"),
        documented="interpolation to slow weights each k steps", **of,
    )


def _optimi() -> Iterator[Row]:
    """optimi, which stores moments corrected."""
    of: dict[str, Any] = {"package": "torch-optimi", "imports": "optimi"}
    coupled = Known(
        cases="*", verdict="changes its gradient",
        why="L2 decay is added to the gradient in place, of which its documentation says nothing",
    )
    scratch = Known(
        cases="*", verdict="changes its gradient",
        why="where it sums by Kahan, the gradient is scratch space, of which its documentation "
            "says nothing",
    )
    half = Known(
        cases="*/never-*", verdict="unstable branch",
        why="beta2 is such that a moment is interpolated half way, where torch's lerp, a form of "
            "this dialect, turns to the other end: both ends give the same, and the kit does not "
            "say so",
    )
    rows: dict[str, tuple[str, str, dict[str, Any], tuple[Known, ...]]] = {
        "Adam": ("adam", "adam.stored_corrected", {}, (coupled,)),
        "AdamW": ("adamw", "adamw.stored_corrected", {}, ()),
        "RAdam": ("radamw", "radam.stored_corrected", AS_PUBLISHED, (half,)),
        "Ranger": ("ranger", "radam.stored_corrected", AS_PUBLISHED, (half,)),
    }
    options: dict[str, Any] = {"foreach": False, "triton": False}
    said = {k: str(v) for k, v in options.items()}
    yield Row(
        name="optimi.SGD", algorithm="sgd", options=said,
        known=(replace(coupled, why=f"{coupled.why}; and {scratch.why}"),),
        make=adapters.torch("optimi:SGD", options=options),
        documented="torch's SGD; L2 decay unless decouple_wd is set", **of,
    )
    papers = (
        "the papers it cites; moments are stored corrected; in bfloat16 it sums by Kahan unless "
        "kahan_sum is off"
    )
    plain = options | {"kahan_sum": False}
    for name, (algorithm, dialect, fixed, known) in rows.items():
        yield Row(
            name=f"optimi.{name}", algorithm=algorithm, dialect=dialect, known=known,
            options={k: str(v) for k, v in plain.items()},
            make=adapters.torch(f"optimi:{name}", options=plain, fixed=fixed),
            documented=papers, **of,
        )
    yield Row(
        name="optimi.AdamW, kahan_sum", algorithm="adamw", dialect="adamw.stored_corrected",
        options=said, known=(scratch,), dtypes=("bfloat16",), long=(),
        make=adapters.torch("optimi:AdamW", options=options), documented=papers, **of,
    )


def _keras() -> Iterator[Row]:
    """keras.optimizers, on torch."""
    of: dict[str, Any] = {"package": "keras", "imports": "keras"}
    hat = "eps is that before section 2.1 of the paper, of v as it is"
    moments = {"m": "_momentums", "v": "_velocities"}
    still = Known(
        cases="*", verdict="*", departure="keras_bfloat16_beta2", dtypes=("bfloat16",),
        why="beta2 is rounded to bfloat16: 0.999 becomes 1, and nothing moves, or is no number",
    )
    yield Row(
        name="keras.optimizers.SGD", algorithm="sgd", dialect="sgd.lr_in_buffer",
        make=adapters.keras(
            "SGD", {"u": "-momentums"}, fixed={"weight_decay": 0.0, "dampening": 0.0},
        ),
        documented="its formulas, Nesterov's too: the rate is inside of the buffer", **of,
    )
    yield Row(
        name="keras.optimizers.Adam", algorithm="adam", dialect="adam.eps_hat",
        make=adapters.keras("Adam", moments, fixed={"weight_decay": 0.0}),
        documented=hat, known=(still,), **of,
    )
    yield Row(
        name="keras.optimizers.AdamW", algorithm="adamw", dialect="adam.eps_hat",
        make=adapters.keras("AdamW", moments),
        documented=f"{hat}; decay before the step, times the rate", known=(still,), **of,
    )
    yield Row(
        name="keras.optimizers.Lamb", algorithm="lamb", dialect="lamb.decay_outside_ratio",
        make=adapters.keras(
            "Lamb", moments,
            fixed=UNBOUNDED,
        ),
        documented="the paper it cites; weight_decay is that of all optimizers, before the step",
        known=(still,), **of,
    )


def _fastai() -> Iterator[Row]:
    """fastai.optimizer: functions of steps."""
    of: dict[str, Any] = {"package": "fastai", "imports": "fastai"}
    yield Row(
        name="fastai.optimizer.SGD", algorithm="sgd", dialect="sgd.decay_decoupled",
        make=adapters.fastai("SGD"),
        documented="decoupled decay unless decouple_wd is off", **of,
    )
    yield Row(
        name="fastai.optimizer.Adam", algorithm="adamw", make=adapters.fastai("Adam"),
        documented="AdamW unless decouple_wd is off", **of,
    )
    yield Row(
        name="fastai.optimizer.RAdam", algorithm="radamw", dialect="radamw.eps_corrected",
        make=adapters.fastai("RAdam"), documented="RAdamW unless decouple_wd is off", **of,
    )
    yield Row(
        name="fastai.optimizer.Lamb", algorithm="lamb", dialect="lamb.decay_outside_ratio",
        make=adapters.fastai("Lamb"), documented="LAMB; decoupled decay",
        known=(Known(
            cases="*", verdict="departs",
            why="the ratio is at most 10, of which its documentation says nothing",
        ),), **of,
    )
    yield Row(
        name="fastai.optimizer.ranger", algorithm="ranger", dialect="radamw.eps_corrected",
        make=adapters.fastai("ranger"), documented="Lookahead with RAdam", **of,
    )
    unguarded = tuple(
        Known(
            cases=f"*{cases}*", verdict="departs",
            why="without a guard of zero norms: weights that are zero never move",
        ) for cases in ("zero-weights", "shapes", "ratios-decimal")
    )
    coasting = Known(
        cases="*coasting*", verdict="departs",
        why="without a guard of zero norms: where the gradient is zero the local rate is that of "
            "the decay, and the buffer is stepped at it",
    )
    local = "LARS, or with clip LARC: a local rate, clipped to be less than the rate"
    yield Row(
        name="fastai.optimizer.Larc, clip=False", algorithm="lars",
        dialect="lars.decay_decoupled and lars.ratio_of_history", options={"clip": "False"},
        make=adapters.fastai("Larc", clip=False), documented=f"{local}; decoupled decay",
        known=(
            *unguarded, replace(unguarded[0], cases="*ratios-dyadic"), coasting,
            replace(coasting, cases="*still*"), Known(
                cases="*at-rest*", verdict="not finite",
                why="without a guard of zero norms: with eps=0 and without decay weights whose "
                    "gradient is zero are no number",
            ),
        ), **of,
    )
    yield Row(
        name="fastai.optimizer.Larc", algorithm="lars",
        dialect="lars.decay_decoupled and lars.ratio_of_history and lars_2017.ratio_at_most_1",
        make=adapters.fastai("Larc"), documented=f"{local}; decoupled decay",
        known=(
            *unguarded, replace(unguarded[0], cases="*ratios-dyadic"),
            replace(unguarded[0], cases="*at-rest*"), coasting,
        ), **of,
    )


def _bitsandbytes() -> Iterator[Row]:
    """bitsandbytes: all of the family that steps on a CPU."""
    of: dict[str, Any] = {
        "package": "bitsandbytes", "imports": "bitsandbytes", "dtypes": ("float32", "bfloat16"),
    }
    path, moments = "bitsandbytes.optim:", {"m": "state1", "v": "state2"}
    same = (
        "; on a CPU those named 32bit, Paged, and 8bit below min_8bit_size elements take the same "
        "step; arithmetic and state are float32"
    )
    clipped = (
        "max_unorm, said to be the maximum norm of the gradient: a step is at most this part of "
        "the weights' norm"
    )
    yield Row(
        name="bitsandbytes.optim.AdamW", algorithm="adamw",
        make=adapters.in_float32(f"{path}AdamW", state=moments),
        documented=f"AdamW{same}", **of,
    )
    yield Row(
        name="bitsandbytes.optim.Adam", algorithm="adam", dialect="sgd.decay_decoupled",
        make=adapters.in_float32(f"{path}Adam", state=moments, fixed={"l2": 0.0}),
        documented=f"Adam, of which AdamW is said to be a variant that separates decay; it is held "
                   f"to what it does{same}",
        departures=("bnb_adam_decoupled", "bnb_flags_ignored"), **of,
    )
    yield Row(
        name="bitsandbytes.optim.SGD", algorithm="sgd",
        make=adapters.in_float32(
            f"{path}SGD", state={"u": "state1"}, hyper={"nesterov": None, "dampening": None},
            fixed={"nesterov": False, "dampening": 0.0},
        ),
        documented=f"SGD with L2 decay; a momentum of 0 is refused{same}",
        departures=("bnb_flags_ignored",), **of,
    )
    yield Row(
        name="bitsandbytes.optim.LARS", algorithm="lars", dialect="lars.update_clipped",
        make=adapters.in_float32(
            f"{path}LARS", state={"u": "state1"}, hyper={"trust_coefficient": "max_unorm"},
            fixed={"eps": 0.0},
        ),
        documented=f"{clipped}; a momentum of 0 is refused{same}",
        departures=("bnb_8bit_unclipped",), **of,
    )
    yield Row(
        name="bitsandbytes.optim.PytorchLARS", algorithm="lars", dialect="lars.update_clipped",
        make=adapters.in_float32(
            f"{path}PytorchLARS", hyper={"trust_coefficient": "max_unorm"}, fixed={"eps": 0.0},
        ),
        documented=f"{clipped}; parameters have to be float32",
        departures=("bnb_pytorch_lars_momentum",), **of | {"dtypes": ("float32",)},
    )
    lamb = (
        "the paper it cites, with a trust ratio that is clipped; max_unorm is 1 by default, said "
        "to be the maximum norm of the gradient"
    )
    yield Row(
        name="bitsandbytes.optim.LAMB", algorithm="lamb",
        make=adapters.in_float32(f"{path}LAMB", state=moments, fixed=UNBOUNDED),
        documented=f"{lamb}{same}",
        known=(Known(
            cases="*", verdict="departs", departure="bnb_lamb_no_ratio",
            why="there is no trust ratio: a step of AdamW, at most as long as the weights",
        ),), **of,
    )
    yield Row(
        name="bitsandbytes.optim.LAMB, eps=0, weight_decay=0", algorithm="lamb",
        dialect="lamb.decay_outside_ratio and lamb.ratio_at_most_1 and "
                "lamb.correction_outside_ratio",
        options={"eps": "0", "weight_decay": "0"},
        make=adapters.in_float32(
            f"{path}LAMB", state=moments, fixed={**UNBOUNDED, "eps": 0.0, "weight_decay": 0.0}
        ),
        documented=f"{lamb}. It is held to what it does: with eps, denominator = sqrt(v) + eps * "
                   "sqrt(1 - beta2_t), and with decay the norm is that of weights before it, for "
                   f"which no variant stands{same}",
        departures=("bnb_flags_ignored", "bnb_lamb_no_ratio"),
        known=(Known(
            cases="*", verdict="departs",
            why="without a guard of zero norms: weights that are zero never move",
        ),), **of,
    )


def _torchopt() -> Iterator[Row]:
    """torchopt: functions as of optax, for tensors."""
    of: dict[str, Any] = {"package": "torchopt", "imports": "torchopt"}
    said = {
        "sgd": "SGD with L2 decay, as torch's",
        "adam": f"the paper it cites; L2 decay; {EPS_AFTER}",
        "adamw": f"decay in the update, times the rate; {EPS_AFTER}",
        "radam": "the paper it cites; L2 decay; eps is added to the root",
    }
    single = Known(
        cases="*", verdict="departs", departure="torchopt_float64_correction", dtypes=("float64",),
        why="1 - beta^t is formed in float32, whatever the tensors are",
    )
    spoiled = Known(
        cases="*", verdict="changes its gradient",
        why="updates are made in the gradients, as is documented of inplace=True, the default; "
            "those of its classes, such as torchopt.SGD, do it to p.grad, of which theirs says "
            "nothing",
    )
    for name, documented in said.items():
        departures = ("torchopt_sgd_reload",) if name == "sgd" else ()
        known = (single,) if name in ("adam", "adamw") else ()
        yield Row(
            name=f"torchopt.{name}", algorithm=name, options={"inplace": "False"},
            make=adapters.torchopt(name), documented=documented, departures=departures,
            known=known, **of,
        )
        yield Row(
            name=f"torchopt.{name}, inplace", algorithm=name, options={"inplace": "True"},
            make=adapters.torchopt(name, inplace=True), documented=documented,
            known=() if name == "adamw" else (spoiled,), departures=departures,
            dtypes=("float32", "bfloat16"), **of,
        )
        if known:
            yield Row(
                name=f"torchopt.{name}, use_accelerated_op", algorithm=name,
                options={"inplace": "False", "use_accelerated_op": "True"},
                make=adapters.torchopt(name, use_accelerated_op=True), documented=documented,
                known=known, **of,
            )


def _pylocron() -> Iterator[Row]:
    """holocron.optim, of pylocron."""
    of: dict[str, Any] = {"package": "pylocron", "imports": "holocron"}
    yield Row(
        name="holocron.optim.LAMB", algorithm="lamb", dialect="lamb.cybertronai",
        make=adapters.torch("holocron.optim:LAMB", fixed=UNBOUNDED),
        documented="its formulas: moments are corrected; scale_clip is 10 by default. It is held "
                   "to what it does",
        departures=("pylocron_lamb_uncorrected",), **of,
    )
    yield Row(
        name="holocron.optim.LARS", algorithm="lars", dialect="lars.ratio_of_history",
        make=adapters.torch(
            "holocron.optim:LARS", fixed={"trust_coefficient": 1.0, "eps": 0.0}
        ),
        documented="its formulas: the rate and the ratio are inside of the buffer. It is held to "
                   "what it does",
        departures=("pylocron_lars_history",),
        known=(Known(
            cases="*", verdict="changes its gradient",
            why="decay is added to the gradient in place, of which its documentation says nothing",
        ),), **of,
    )
    yield Row(
        name="holocron.optim.wrapper.Lookahead of AdamW", algorithm="lookahead",
        make=adapters.looking(
            "holocron.optim.wrapper:Lookahead", k="sync_period", alpha="sync_rate", shown=False
        ),
        documented="the paper it cites",
        known=(Known(
            cases="reload/*", verdict="raises", departure="pylocron_lookahead_state_dict",
            why="it cannot be saved",
        ),), long=DTYPES, **of,
    )


ROWS: Final = (
    *_torch(), *_optax(), *_timm(), *_jettify(), *_kozistr(), *_optimi(), *_keras(), *_fastai(),
    *_bitsandbytes(), *_torchopt(), *_pylocron(),
)
