"""The forms of lines: other ways of writing them, equal in real numbers, with other roundings.

A backend may use any of them, and mix them, so the bound on an honest step covers each: see
`paratrooper_ref.variants.heard`.  Where several forms of one line first assign to the same
name, such as ``step``, any of its values goes with any of the lines; the first is one that is
written in the names of other lines, so that it is right in a dialect that changes those.
"""

from __future__ import annotations

from typing import Final

from paratrooper_ref.variants.table import BUFFER
from paratrooper_ref.variants.variant import Variant

_ADAPTIVE: Final = ("adam", "adamw", "lamb")  # m̂ and v̂ apart
_RECTIFIED: Final = ("radam", "radamw", "rangerlars", "paratrooper")
_REGULARIZED: Final = ("adam", *_RECTIFIED)
_RAW: Final = ("adamw", "lamb")
TRUSTING: Final = ("rangerlars", "paratrooper")

_TORCH: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim/adam.py"
_TORCH_RADAM: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim/radam.py"
TORCH_LERP: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/aten/src/ATen/native/Lerp.h"
OPTAX: Final = "https://github.com/google-deepmind/optax/blob/v0.2.8/optax/_src/transform.py"
OPTAX_SLOW: Final = "https://github.com/google-deepmind/optax/blob/v0.2.8/optax/_src/lookahead.py"
KERAS: Final = "https://github.com/keras-team/keras/blob/3422977/keras/src/optimizers/adam.py"
AUTHORS: Final = "https://github.com/LiyuanLucasLiu/RAdam/blob/d9fd30a/radam/radam.py"
TIMM: Final = "https://github.com/huggingface/pytorch-image-models/blob/aa4b585/timm/optim/sgdw.py"
FASTAI: Final = "https://github.com/fastai/fastai/blob/2.8.12/fastai/optimizer.py"
KERNELS: Final = "kernels that would rather multiply"
IN_TURN: Final = "the gradient and the decay added in turn, not their sum"


def adam_steps(
    after: str = "eps", before: str = "eps * sqrt(1 - beta2_t)"
) -> dict[str, tuple[str, str, str]]:
    """Return the ways to write α m̂ / (√v̂ + ε), with ε as it is beside √v̂ and beside √v.

    By name the expression, where it is seen, and a link.
    """
    return {
        "rate_last": ("lr * (m_hat / denominator)", "optax, fastai", OPTAX),
        "rate_first": ("lr * m_hat / denominator", "the paper's order", ""),
        "folded": ("lr / (1 - beta1_t) * m / denominator", "torch", _TORCH),
        "folded_last": (
            "lr / (1 - beta1_t) * (m / denominator)", "torch (addcdiv, compiled)", _TORCH
        ),
        "hat": (
            f"lr * sqrt(1 - beta2_t) / (1 - beta1_t) * m / (sqrt(v) + {before})",
            "the paper's remark on speed, with eps scaled so that it is the same", "",
        ),
        "hat_last": (
            f"lr * sqrt(1 - beta2_t) / (1 - beta1_t) * (m / (sqrt(v) + {before}))",
            "the same, the rate last", "",
        ),
        "one_by_one": (
            f"lr * (m / (1 - beta1_t) * (1 / (sqrt(v) / sqrt(1 - beta2_t) + {after})))",
            "one scalar after the other, and a reciprocal", "",
        ),
        "rate_in_denominator": (
            (
                "m / (sqrt(v) / (sqrt(1 - beta2_t) * (lr / (1 - beta1_t)))"
                f" + {after} / (lr / (1 - beta1_t)))"
            ),
            "torch, capturable", _TORCH,
        ),
    }


# α r b m / s, or α m̂ before.
_RADAM_STEPS: Final = {
    "rate_last": (
        "lr * (rectification * bias_correction * m / denominator) if rectified else lr * m_hat",
        "fastai", FASTAI,
    ),
    "rate_first": (
        (
            "lr * rectification * bias_correction * m / denominator"
            " if rectified else lr / (1 - beta1_t) * m"
        ),
        "the authors' code", AUTHORS,
    ),
    "scalars_last": (
        (
            "lr * rectification * bias_correction * (m / denominator)"
            " if rectified else lr / (1 - beta1_t) * m"
        ),
        "the authors' code (addcdiv)", AUTHORS,
    ),
    "one_by_one": (
        (
            "m / (1 - beta1_t) * lr * (sqrt(1 - beta2_t) / denominator) * rectification"
            " if rectified else m / (1 - beta1_t) * lr"
        ),
        "torch", _TORCH_RADAM,
    ),
    "reciprocal": (
        (
            "m / (1 - beta1_t) * lr * (sqrt(1 - beta2_t) * (1 / denominator)) * rectification"
            " if rectified else m / (1 - beta1_t) * lr"
        ),
        "torch's order, in kernels that would rather multiply", "",
    ),
    "one_root": (
        (
            "lr * (sqrt((1 - beta2_t) * (rho - 4) / (rho_inf - 4) * (rho - 2) / rho"
            " * rho_inf / (rho_inf - 2)) / (1 - beta1_t)) * m / denominator"
            " if rectified else lr * (1 / (1 - beta1_t)) * m"
        ),
        "the authors' code: one root for both scalars", AUTHORS,
    ),
}


def corrected_step(*, inside: bool, eps: str = "eps / sqrt(1 - beta2_t)") -> str:
    """Return r m̂ / (√v̂ + ε), with ε as it is beside √v̂, and in the root if one may be there."""
    root = f"sqrt(v) / sqrt(1 - beta2_t) + {eps}"
    if inside:
        within = eps.replace("sqrt(1 - beta2_t)", "(1 - beta2_t)")
        root = f"sqrt(v / (1 - beta2_t) + {within}) if eps_inside_root else {root}"
    return f"rectification * (m / (1 - beta1_t) / ({root}))"


# r b m / s.
RADAM_DIRECTIONS: Final = (
    ("scalars_last", "rectification * bias_correction * (m / denominator)",
     "the authors' code (addcdiv)", AUTHORS),
    ("rectified_last", "rectification * (bias_correction * m / denominator)",
     "optax: the rectification scales a direction", OPTAX),
    ("one_by_one", "m / (1 - beta1_t) * (sqrt(1 - beta2_t) / denominator) * rectification",
     "torch", _TORCH_RADAM),
    ("reciprocal", "m / (1 - beta1_t) * (sqrt(1 - beta2_t) * (1 / denominator)) * rectification",
     "torch's order, in kernels that would rather multiply", ""),
    ("corrected", corrected_step(inside=True),
     "optax's order, with eps scaled so that it is the same", OPTAX),
    ("one_root",
     (
         "sqrt((1 - beta2_t) * (rho - 4) / (rho_inf - 4) * (rho - 2) / rho"
         " * rho_inf / (rho_inf - 2)) / (1 - beta1_t) * m / denominator"
     ),
     "the authors' code: one root for both scalars", AUTHORS),
)
_DECOUPLED: Final = {
    "decay_first": ("theta * (1 - lr * weight_decay) - step", "torch, fastai", _TORCH),
    "decay_apart": (
        "theta - lr * weight_decay * theta - step", "the authors' code of RAdam", AUTHORS
    ),
    "decay_after": (
        "theta - step - lr * weight_decay * theta", "decay of the old weights, taken last", ""
    ),
    "decay_added": (
        "theta - (step + lr * weight_decay * theta)", "one update of two parts", ""
    ),
}

# What a trust ratio scales, without decay.
_SCALED_STEPS: Final = (
    ("lamb", ("lamb",), "m_hat / denominator"),
    (
        "rangerlars", TRUSTING,
        "rectification * bias_correction * m / denominator if rectified else m_hat",
    ),
)


def form(
    name: str, rules: tuple[str, ...], was: str, line: str, seen: str, link: str = "", *,
    also: tuple[tuple[str, str], ...] = (), of: Variant | None = None,
) -> Variant:
    """Return a form of a line, of a dialect if there is one."""
    return Variant(
        name=name, rules=rules, was=was, line=line, kind="form", seen=seen, link=link, also=also,
        of=of,
    )


def _moments() -> tuple[Variant, ...]:
    found = []
    for name, rules, g in (("adam", _REGULARIZED, "regularized"), ("adamw", _RAW, "g")):
        m = f"m = beta1 * m + (1 - beta1) * {g}"
        v = f"v = beta2 * v + (1 - beta2) * ({g} * {g})"
        found += [
            form(f"{name}.moment_lerp", rules, m, f"m = m + (1 - beta1) * ({g} - m)",
                 "Keras, MLX", KERAS),
            form(f"{name}.moment_lerp_torch", rules, m,
                 f"m = {g} - ({g} - m - (1 - beta1) * ({g} - m)) if beta1 <= 0.5"
                 f" else m + (1 - beta1) * ({g} - m)",
                 "torch (lerp): from the nearer end", TORCH_LERP),
            form(f"{name}.square_scaled", rules, v,
                 f"v = beta2 * v + (1 - beta2) * {g} * {g}", "torch (addcmul)", _TORCH),
            form(f"{name}.square_of_scaled", rules, v,
                 f"v = beta2 * v + (sqrt(1 - beta2) * {g}) * (sqrt(1 - beta2) * {g})",
                 "the gradient scaled by a root, then squared"),
            form(f"{name}.square_lerp", rules, v,
                 f"v = v + (1 - beta2) * ({g} * {g} - v)", "Keras", KERAS),
        ]
    for name, of_rules, decay in (
        ("adam", ("adam", "radam"), "weight_decay"), ("radamw", ("radamw", *TRUSTING), "l2"),
    ):
        found += [
            form(f"{name}.decay_into_moment", of_rules, "m = beta1 * m + (1 - beta1) * regularized",
                 f"m = beta1 * m + (1 - beta1) * g + (1 - beta1) * ({decay} * theta)", IN_TURN),
            form(f"{name}.decay_beside", of_rules, "m = beta1 * m + (1 - beta1) * regularized",
                 f"m = beta1 * m + ((1 - beta1) * g + (1 - beta1) * ({decay} * theta))", IN_TURN),
        ]
    return tuple(found)


PUBLISHED_FORMS: Final = (
    # SGD.
    form("sgd.decay_into_buffer", ("sgd",), BUFFER,
         "u = momentum * u + (1 - dampening) * g + (1 - dampening) * (weight_decay * theta)"
         " if t > 1 else regularized", IN_TURN),
    form("sgd.decay_beside", ("sgd",), BUFFER,
         "u = momentum * u + ((1 - dampening) * g + (1 - dampening) * (weight_decay * theta))"
         " if t > 1 else regularized", IN_TURN),
    form("sgd.decay_last", ("sgd",), "direction = regularized + momentum * u if nesterov else u",
         "direction = momentum * u + g + weight_decay * theta if nesterov else u", IN_TURN),
    form("sgd.nesterov_in_turn", ("sgd",), "update = lr * direction",
         "update = lr * regularized + lr * (momentum * u) if nesterov else lr * direction",
         "the gradient and the buffer scaled each by itself"),
    form("sgd.nesterov_apart", ("sgd",), "theta = theta - update",
         "theta = theta - lr * regularized - lr * (momentum * u) if nesterov else theta - update",
         "the buffer and the gradient taken in turn"),
    form("sgd.decay_first", ("sgd",), "theta = theta - update",
         "theta = theta * (1 - lr * weight_decay) - lr * g"
         " if momentum <= 0 and (t == 1 or dampening <= 0) else theta - update",
         "without momentum L2 decay and decoupled decay are the same"),
    *_moments(),
    # Adam, AdamW and LAMB: the corrections, and what they correct.
    form("adam.m_hat_reciprocal", (*_ADAPTIVE, *_RECTIFIED), "m_hat = m / (1 - beta1_t)",
         "m_hat = m * (1 / (1 - beta1_t))", KERNELS),
    form("adam.v_hat_reciprocal", _ADAPTIVE, "v_hat = v / (1 - beta2_t)",
         "v_hat = v * (1 / (1 - beta2_t))", KERNELS),
    form("adam.root_first", _ADAPTIVE, "denominator = sqrt(v_hat) + eps",
         "denominator = sqrt(v) / sqrt(1 - beta2_t) + eps", "torch", _TORCH),
    form("adam.root_first_reciprocal", _ADAPTIVE, "denominator = sqrt(v_hat) + eps",
         "denominator = sqrt(v) * (1 / sqrt(1 - beta2_t)) + eps", KERNELS),
    form("adam.reciprocal", ("adam",), "direction = m_hat / denominator",
         "direction = m_hat * (1 / denominator)", KERNELS),
    form("adam.direction_hat", ("adam",), "direction = m_hat / denominator",
         "direction = sqrt(1 - beta2_t) / (1 - beta1_t) * m / (sqrt(v) + eps * sqrt(1 - beta2_t))",
         "the paper's remark on speed, with eps scaled so that it is the same"),
    form("adamw.reciprocal", _RAW, "direction = m_hat / denominator + weight_decay * theta",
         "direction = m_hat * (1 / denominator) + weight_decay * theta", KERNELS),
    form("adamw.direction_hat", _RAW,
         "direction = m_hat / denominator + weight_decay * theta",
         "direction = sqrt(1 - beta2_t) / (1 - beta1_t) * m"
         " / (sqrt(v) + eps * sqrt(1 - beta2_t)) + weight_decay * theta",
         "the paper's remark on speed, with eps scaled so that it is the same"),
    *(
        form(f"adam.{name}", ("adam",), "update = lr * direction", f"update = {step}", seen, link)
        for name, (step, seen, link) in adam_steps().items() if name != "rate_last"
    ),
    *(
        form(f"adamw.{name}", ("adamw",), "theta = theta - update",
             f"step = lr * (m_hat / denominator)\ntheta = {line}", seen, link)
        for name, (line, seen, link) in _DECOUPLED.items()
    ),
    *(
        form(f"adamw.{name}", ("adamw",), "theta = theta - update",
             f"step = {step}\ntheta = theta * (1 - lr * weight_decay) - step", seen, link)
        for name, (step, seen, link) in adam_steps().items() if name != "rate_last"
    ),
    # RAdam and what is made of it.
    form("radam.threshold_reached", _RECTIFIED, "rectified = rho > threshold",
         "rectified = rho >= threshold", "the authors' code, optax: rho never is the threshold",
         AUTHORS),
    form("radam.rectification_by_factors", _RECTIFIED,
         "rectification = sqrt(\n    (rho - 4) * (rho - 2) * rho_inf"
         " / ((rho_inf - 4) * (rho_inf - 2) * rho)\n)",
         "rectification = sqrt((rho - 4) / (rho_inf - 4) * (rho - 2) / rho"
         " * rho_inf / (rho_inf - 2))",
         "the authors' code", AUTHORS),
    *(
        form(f"radam.{name}", ("radam",), "update = lr * direction", f"update = {step}",
             seen, link)
        for name, (step, seen, link) in _RADAM_STEPS.items() if name != "rate_last"
    ),
    form("radam.corrected", ("radam",), "update = lr * direction",
         f"update = lr * ({corrected_step(inside=False)}) if rectified else lr * m_hat",
         "optax's order, with eps scaled so that it is the same", OPTAX),
    *(
        form(f"radamw.{name}", ("radamw",), "theta = theta - update",
             f"step = {_RADAM_STEPS['rate_last'][0]}\ntheta = {line}", seen, link)
        for name, (line, seen, link) in _DECOUPLED.items()
    ),
    *(
        form(f"radamw.{name}", ("radamw",), "theta = theta - update",
             f"step = {step}\ntheta = theta * (1 - lr * weight_decay) - step", seen, link)
        for name, (step, seen, link) in _RADAM_STEPS.items() if name != "rate_last"
    ),
    form("radamw.corrected", ("radamw",), "theta = theta - update",
         f"step = lr * ({corrected_step(inside=True)}) if rectified else lr * m_hat\n"
         "theta = theta * (1 - lr * weight_decay) - step",
         "optax's order, with eps scaled so that it is the same", OPTAX),
    *(
        form(f"rangerlars.{name}", TRUSTING,
             "direction = rectification * bias_correction * m / denominator"
             " + weight_decay * theta",
             f"direction = {line} + weight_decay * theta", seen, link)
        for name, line, seen, link in RADAM_DIRECTIONS
    ),
    # Trust ratios.
    form("lamb.weight_norm_scaled", ("lars_2017", "lars_2019", "lamb", *TRUSTING),
         "weight_norm = norm(theta)", "weight_norm = 3 * norm(theta / 3)",
         "BLAS (nrm2): scaled, against overflow"),
    form("lamb.direction_norm_scaled", ("lars_2019", "lamb", *TRUSTING),
         "direction_norm = norm(direction)", "direction_norm = 3 * norm(direction / 3)",
         "BLAS (nrm2): scaled, against overflow"),
    form("lamb.rate_outermost", ("lars_2019", "lamb", *TRUSTING),
         "update = lr * trust_ratio * direction", "update = lr * (trust_ratio * direction)",
         "optax", OPTAX),
    form("lamb.ratio_outermost", ("lars_2019", "lamb", *TRUSTING),
         "update = lr * trust_ratio * direction", "update = trust_ratio * (lr * direction)",
         "updates scaled layer by layer at the end"),
    *(
        form(f"{name}.decay_in_turn", rules, "update = lr * trust_ratio * direction",
             f"update = lr * trust_ratio * ({step}) + lr * trust_ratio * (weight_decay * theta)",
             IN_TURN)
        for name, rules, step in _SCALED_STEPS
    ),
    *(
        form(f"{name}.{how}", rules, "theta = theta - update",
             f"step = lr * trust_ratio * ({step})\ntheta = {line}", seen)
        for name, rules, step in _SCALED_STEPS
        for how, line, seen in (
            ("decay_first", "theta * (1 - lr * trust_ratio * weight_decay) - step",
             "the decay taken before the step, scaled like it"),
            ("decay_apart", "theta - lr * trust_ratio * (weight_decay * theta) - step",
             "the decay and the step taken in turn"),
        )
    ),
    form("lamb.ratio_reciprocal", ("lamb",),
         "ratio = unless_zero(phi / direction_norm, weight_norm, direction_norm)",
         "ratio = unless_zero(phi * (1 / direction_norm), weight_norm, direction_norm)", KERNELS),
    form("lars.ratio_reciprocal", ("lars_2019", *TRUSTING),
         "ratio = unless_zero(weight_norm / direction_norm, weight_norm, direction_norm)",
         "ratio = unless_zero(weight_norm * (1 / direction_norm), weight_norm, direction_norm)",
         KERNELS),
    form("lars.decay_into_buffer", ("lars_2017",),
         "u = momentum * u + lr * trust_ratio * direction",
         "u = momentum * u + lr * trust_ratio * g + lr * trust_ratio * (weight_decay * theta)",
         IN_TURN),
    form("lars.decay_into_moment", ("lars_2019",),
         "u = momentum * u + (1 - momentum) * regularized",
         "u = momentum * u + (1 - momentum) * g + (1 - momentum) * (weight_decay * theta)",
         IN_TURN),
    form("lars.rate_outermost", ("lars_2017",),
         "u = momentum * u + lr * trust_ratio * direction",
         "u = momentum * u + lr * (trust_ratio * direction)", "optax", OPTAX),
    form("lars.moment_lerp", ("lars_2019",),
         "u = momentum * u + (1 - momentum) * regularized",
         "u = u + (1 - momentum) * (regularized - u)", "torch (lerp)", TORCH_LERP),
    # Lookahead.
    form("lookahead.lerp", ("lookahead",), "slow = (1 - alpha) * slow + alpha * fast",
         "slow = slow + alpha * (fast - slow)",
         "over9000, fastai, optax, Ranger; not exact where alpha is 1", OPTAX_SLOW),
    form("lookahead.lerp_torch", ("lookahead",), "slow = (1 - alpha) * slow + alpha * fast",
         "slow = fast - (fast - slow - alpha * (fast - slow)) if alpha >= 0.5"
         " else slow + alpha * (fast - slow)",
         "torch (lerp): from the nearer end", TORCH_LERP),
    # Transformations that keep slow weights return updates, which are added to the old weights.
    form("lookahead.by_update", ("lookahead",), "theta = slow",
         "theta = before + (slow - before)", "JAX: a transformation returns updates", OPTAX),
    form("lookahead.by_fast_update", ("lookahead",), "theta = slow",
         "theta = before + (fast - before - (1 - alpha) * difference)",
         "optax: the update, less what leads back", OPTAX_SLOW,
         also=(("fast = theta", "difference = theta - slow\nfast = theta"),)),
)
