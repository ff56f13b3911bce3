"""The forms of the lines of dialects.

They are admitted where an optimizer speaks that dialect, and nowhere else: the same line of
text, such as ``update = lr * direction``, may stand for something else in another.
"""

from __future__ import annotations

from typing import Final

from paratrooper_ref.variants.forms import (
    AUTHORS,
    FASTAI,
    IN_TURN,
    KERAS,
    KERNELS,
    OPTAX,
    OPTAX_SLOW,
    RADAM_DIRECTIONS,
    TIMM,
    TORCH_LERP,
    TRUSTING,
    adam_steps,
    corrected_step,
    form,
)
from paratrooper_ref.variants.table import BUGS_AND_DIALECTS, OPTIMI
from paratrooper_ref.variants.variant import Variant

_DIALECTS: Final = {v.name: v for v in BUGS_AND_DIALECTS}
_HAT: Final = "eps / sqrt(1 - beta2_t)"  # beside the corrected root, what is eps beside the other
_SUM: Final = "u = momentum * u + (1 - dampening) * regularized"
_SCALED_DECAY: Final = "lr * trust_ratio * (weight_decay * theta)"


def _of(
    dialect: str, name: str, was: str, line: str, seen: str, link: str = "", *,
    rules: tuple[str, ...] = (),
) -> Variant:
    """Return a form of a line of a dialect, in some of its rules, named after it."""
    of = _DIALECTS[dialect]
    return form(f"{dialect}_{name}", rules or of.rules, was, line, seen, link, of=of)


def _decays() -> tuple[Variant, ...]:
    """Return the ways to take a step, and a decay that is no part of it."""
    found = []
    for dialect, was, decay in (
        (
            "sgd.decay_decoupled", "theta = theta * (1 - lr * weight_decay) - update",
            "lr * weight_decay * theta",
        ),
        (
            "sgd.decay_without_lr", "theta = theta * (1 - weight_decay) - update",
            "weight_decay * theta",
        ),
        (
            "adamw.decay_without_lr", "theta = theta * (1 - weight_decay) - update",
            "weight_decay * theta",
        ),
        ("sgd.decay_constant", "theta = theta - update - lr * weight_decay", "lr * weight_decay"),
    ):
        for name, line, seen, link in (
            ("apart", f"theta = theta - {decay} - update", "decay taken first", AUTHORS),
            ("after", f"theta = theta - update - {decay}", "decay taken last", TIMM),
            ("added", f"theta = theta - (update + {decay})", "one update of two parts", FASTAI),
        ):
            if line != was:
                found.append(_of(dialect, name, was, line, seen, link))
    return tuple(found)


def _buffers() -> tuple[Variant, ...]:
    """Return the ways to add to a buffer the gradient and the decay, one after the other."""
    found = []
    for dialect, was, scale, otherwise in (
        ("sgd.dampening_first", _SUM, "(1 - dampening)", ""),
        (
            "sgd.dampening_needs_momentum",
            "u = regularized if undamped else momentum * u + (1 - dampening) * regularized",
            "(1 - dampening)", " if not undamped else regularized",
        ),
        (
            "sgd.moment_average", "u = momentum * u + (1 - momentum) * regularized",
            "(1 - momentum)", "",
        ),
        ("lars.update_clipped", "u = momentum * u + direction", "", ""),
        ("lars.lr_outside_buffer", "u = momentum * u + trust_ratio * direction", "trust_ratio", ""),
        ("lars.timm", "u = momentum * u + trust_ratio * direction", "trust_ratio", ""),
        ("lars.jettify", "u = momentum * u + trust_ratio * direction", "trust_ratio", ""),
    ):
        times = f"{scale} * " if scale else ""
        decay = "(weight_decay * theta)"
        if dialect == "lars.jettify":
            decay = f"((norm(g) > 0) * {decay})"
        for name, line in (
            ("decay_last", f"momentum * u + {times}g + {times}{decay}"),
            ("decay_first", f"momentum * u + {times}{decay} + {times}g"),
            ("decay_beside", f"momentum * u + ({times}g + {times}{decay})"),
        ):
            if times or name != "decay_beside":  # which without a scale is the line itself
                found.append(_of(dialect, name, was, f"u = {line}{otherwise}", IN_TURN))
    found.append(
        _of("sgd.moment_average", "lerp", "u = momentum * u + (1 - momentum) * regularized",
            "u = u + (1 - momentum) * (regularized - u)", "torch (lerp)", TORCH_LERP)
    )
    return tuple(found)


def _corrected_moments() -> tuple[Variant, ...]:
    """Return the ways to form moments that are stored corrected."""
    found = []
    for dialect, g in (
        ("adam.stored_corrected", "regularized"), ("adamw.stored_corrected", "g"),
        ("radam.stored_corrected", "regularized"),
    ):
        m, v = f"m = kept * m + (1 - kept) * {g}", f"v = kept * v + (1 - kept) * ({g} * {g})"
        found += [
            _of(dialect, "moment_lerp", m, f"m = m + (1 - kept) * ({g} - m)", "optimi", OPTIMI),
            _of(dialect, "moment_lerp_torch", m,
                f"m = {g} - ({g} - m - (1 - kept) * ({g} - m)) if kept <= 0.5"
                f" else m + (1 - kept) * ({g} - m)",
                "torch (lerp): from the nearer end", TORCH_LERP),
            *(
                _of(dialect, f"{moment}_divided", was,
                    f"{moment} = (({beta} - {beta}**t) * {moment} + (1 - {beta}) * {new})"
                    f" / (1 - {beta}**t)",
                    "a sum that is divided by the sum of its weights")
                for moment, was, beta, new in (
                    ("m", m, "beta1", g), ("v", v, "beta2", f"({g} * {g})"),
                )
            ),
            _of(dialect, "square_lerp", v, f"v = v + (1 - kept) * ({g} * {g} - v)",
                "the same for the squares", OPTIMI),
            _of(dialect, "square_lerp_nearer", v,
                f"v = {g} * {g} - kept * ({g} * {g} - v) if kept <= 0.5"
                f" else v + (1 - kept) * ({g} * {g} - v)",
                "the same, from the nearer end", TORCH_LERP),
            _of(dialect, "square_scaled", v, f"v = kept * v + (1 - kept) * {g} * {g}",
                "optimi (addcmul)", OPTIMI),
        ]
    return tuple(found)


def _hats() -> tuple[Variant, ...]:
    """Return the ways to add eps to the root of v as it is."""
    dialect, root = "adam.eps_hat", "denominator = sqrt(v_hat) + eps / sqrt(1 - beta2_t)"
    direction = "sqrt(1 - beta2_t) / (1 - beta1_t) * m / (sqrt(v) + eps)"
    apart = "sqrt(1 - beta2_t) * (m / (1 - beta1_t) * (1 / (sqrt(v) + eps)))"
    found = [
        _of(dialect, "root_first", root,
            "denominator = sqrt(v) / sqrt(1 - beta2_t) + eps / sqrt(1 - beta2_t)",
            "torch's order, with eps scaled"),
        _of(dialect, "root_first_reciprocal", root,
            "denominator = sqrt(v) * (1 / sqrt(1 - beta2_t)) + eps / sqrt(1 - beta2_t)", KERNELS),
    ]
    was, decay = "direction = m_hat / denominator", " + weight_decay * theta"
    for name, line in (("direction", direction), ("one_by_one", apart)):
        line = f"direction = {line}"
        found += [
            _of(dialect, name, was, line, "Keras", KERAS, rules=("adam",)),
            _of(dialect, f"{name}_decayed", was + decay, line + decay, "Keras", KERAS,
                rules=("adamw", "lamb")),
        ]
    for name, (step, seen, link) in adam_steps(after=_HAT, before="eps").items():
        if "eps" in step:
            found += [
                _of(dialect, f"update_{name}", "update = lr * direction", f"update = {step}",
                    seen, link, rules=("adam",)),
                _of(dialect, f"step_{name}", "theta = theta - update",
                    f"step = {step}\ntheta = theta * (1 - lr * weight_decay) - step",
                    seen, link, rules=("adamw",)),
            ]
    return tuple(found)


def _uncorrected_roots() -> tuple[Variant, ...]:
    """Return the ways to divide by the root of v + eps as it is."""
    dialect, root = "adam.eps_inside_uncorrected_root", "sqrt(v + eps)"
    was = "denominator = sqrt(v_hat + eps / (1 - beta2_t))"
    seen, link = "objax", _DIALECTS[dialect].link
    scale = "sqrt(1 - beta2_t) / (1 - beta1_t)"
    found = [
        _of(dialect, "sum_first", was, "denominator = sqrt((v + eps) / (1 - beta2_t))", KERNELS),
        _of(dialect, "root_first", was, f"denominator = {root} / sqrt(1 - beta2_t)", KERNELS),
    ]
    for name, step in (
        ("scaled", f"{scale} * m / {root}"), ("reciprocal", f"{scale} * m * (1 / {root})"),
    ):
        plain = "direction = m_hat / denominator"
        found += [
            _of(dialect, f"direction_{name}", plain, f"direction = {step}", seen, link,
                rules=("adam",)),
            _of(dialect, f"direction_{name}_decayed", f"{plain} + weight_decay * theta",
                f"direction = {step} + weight_decay * theta", seen, link, rules=("adamw", "lamb")),
            _of(dialect, f"update_{name}", "update = lr * direction", f"update = lr * {step}",
                seen, link, rules=("adam",)),
            _of(dialect, f"step_{name}", "theta = theta - update",
                f"step = lr * {step}\ntheta = theta * (1 - lr * weight_decay) - step", seen, link,
                rules=("adamw",)),
        ]
    return tuple(found)


def _decayed_apart() -> tuple[Variant, ...]:
    """Return the ways to form AdamW's step where its direction has no decay."""
    dialect = "adamw.decay_without_lr"
    return (
        _of(dialect, "reciprocal", "direction = m_hat / denominator",
            "direction = m_hat * (1 / denominator)", KERNELS),
        *(
            _of(dialect, name, "update = lr * direction", f"update = {step}", seen, link)
            for name, (step, seen, link) in adam_steps().items() if name != "rate_last"
        ),
    )


def _corrected_eps() -> tuple[Variant, ...]:
    """Return the ways to form RAdam's step where eps is added to the corrected root."""
    seen = "optax, fastai"
    step = corrected_step(inside=True, eps="eps")
    return (
        _of("radam.eps_corrected", "step", "update = lr * direction",
            f"update = lr * ({corrected_step(inside=False, eps='eps')}) if rectified"
            " else lr * m_hat", seen, OPTAX),
        _of("radamw.eps_corrected", "step", "theta = theta - update",
            f"step = lr * ({step}) if rectified else lr * m_hat\n"
            "theta = theta * (1 - lr * weight_decay) - step", seen, OPTAX, rules=("radamw",)),
        _of("radamw.eps_corrected", "direction",
            "direction = rectification * bias_correction * m / denominator + weight_decay * theta",
            f"direction = {step} + weight_decay * theta", seen, OPTAX, rules=TRUSTING),
    )


def _rescaled() -> tuple[Variant, ...]:
    """Return the ways to scale a direction, and the decay with it."""
    dialect = "ranger.decay_rescaled"
    was = "direction = rectification * bias_correction * (m / denominator + weight_decay * theta)"
    return (
        _of(dialect, "in_turn", was,
            "direction = rectification * bias_correction * (m * (1 / denominator))"
            " + rectification * bias_correction * (weight_decay * theta)", IN_TURN),
        _of(dialect, "one_by_one", was,
            "direction = (m * (1 / denominator) + weight_decay * theta) / (1 - beta1_t)"
            " * sqrt(1 - beta2_t) * rectification", "one scalar after the other"),
        _of(dialect, "momentum", "direction = m_hat + weight_decay * theta / (1 - beta1_t)",
            "direction = (m + weight_decay * theta) / (1 - beta1_t)", "ranger2020.py"),
    )


def _corrections_outside() -> tuple[Variant, ...]:
    """Return the ways to scale LAMB's step by its corrections, outside of the ratio."""
    found = []
    for dialect in ("lamb.correction_outside_ratio", "lamb.deepspeed"):
        was = "update = lr * sqrt(1 - beta2_t) / (1 - beta1_t) * trust_ratio * direction"
        scale = "lr * sqrt(1 - beta2_t) / (1 - beta1_t)"
        found += [
            _of(dialect, "outermost", was, f"update = {scale} * (trust_ratio * direction)",
                "the ratio first"),
            _of(dialect, "one_by_one", was,
                "update = direction / (1 - beta1_t) * sqrt(1 - beta2_t) * lr * trust_ratio",
                "one scalar after the other"),
            _of(dialect, "in_turn", was,
                f"update = {scale} * trust_ratio * (m_hat / denominator)"
                f" + {scale} * trust_ratio * (weight_decay * theta)", IN_TURN),
        ]
    return tuple(found)


def _over9000() -> tuple[Variant, ...]:
    """Return the ways to form the direction of RangerLars where it has no decay."""
    was = "direction = rectification * bias_correction * m / denominator"
    return tuple(
        _of(dialect, name, was, f"direction = {line}", seen, link)
        for dialect in ("rangerlars.over9000", "rangerlars.over9000_first")
        for name, line, seen, link in RADAM_DIRECTIONS
    )


def _late() -> tuple[Variant, ...]:
    """Return the ways to synchronise where the first time is another."""
    return tuple(
        _of(dialect, name, f"slow = fast if {first} else (1 - alpha) * slow + alpha * fast",
            f"slow = fast if {first} else {line}", seen, link)
        for dialect, first in (("lookahead.late", "t == k"), ("lookahead.early_phase", "t == 1"))
        for name, line, seen, link in (
            ("lerp", "slow + alpha * (fast - slow)",
             "over9000, timm; not exact where alpha is 1", OPTAX_SLOW),
            ("lerp_torch",
             (
                 "(fast - (fast - slow - alpha * (fast - slow)) if alpha >= 0.5"
                 " else slow + alpha * (fast - slow))"
             ),
             "torch (lerp): from the nearer end", TORCH_LERP),
        )
    )


DIALECT_FORMS: Final = (
    *_decays(),
    *_buffers(),
    _of("sgd.lr_in_buffer", "rate_spread", "regularized = lr * regularized",
        "regularized = lr * g + lr * (weight_decay * theta)", IN_TURN),
    _of("sgd.lr_in_buffer", "nesterov_apart", "theta = theta - update",
        "theta = theta - momentum * u - regularized if nesterov else theta - update",
        "the buffer and the gradient taken in turn"),
    _of("sgd.lr_in_buffer", "nesterov_apart_after", "theta = theta - update",
        "theta = theta - regularized - momentum * u if nesterov else theta - update",
        "the gradient and the buffer taken in turn"),
    *_corrected_moments(),
    *_hats(), *_uncorrected_roots(),
    *_decayed_apart(),
    *_corrected_eps(),
    *_rescaled(),
    *_corrections_outside(),
    *_over9000(),
    *_late(),
)
