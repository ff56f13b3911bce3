"""The forms of lines: other ways of writing them, equal in real numbers, with other roundings.

A backend may use any of them, and mix them, so the bound on an honest step covers each: see
`paratrooper_ref.variants.heard`.  Where several forms of one line first assign to the same
name, such as ``step``, any of its values goes with any of the lines.
"""

from __future__ import annotations

from typing import Final

from paratrooper_ref.variants.variant import Variant

_ADAPTIVE: Final = ("adam", "adamw", "lamb")  # m̂ and v̂ apart
_RECTIFIED: Final = ("radam", "radamw", "rangerlars", "paratrooper")
_REGULARIZED: Final = ("adam", *_RECTIFIED)
_RAW: Final = ("adamw", "lamb")
_TRUSTING: Final = ("rangerlars", "paratrooper")

_TORCH: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim/adam.py"
_TORCH_RADAM: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim/radam.py"
_TORCH_LERP: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/aten/src/ATen/native/Lerp.h"
_OPTAX: Final = "https://github.com/google-deepmind/optax/blob/v0.2.8/optax/_src/transform.py"
_OPTAX_SLOW: Final = "https://github.com/google-deepmind/optax/blob/v0.2.8/optax/_src/lookahead.py"
_KERAS: Final = "https://github.com/keras-team/keras/blob/3422977/keras/src/optimizers/adam.py"
_AUTHORS: Final = "https://github.com/LiyuanLucasLiu/RAdam/blob/d9fd30a/radam/radam.py"
_FASTAI: Final = "https://github.com/fastai/fastai/blob/2.8.12/fastai/optimizer.py"
_KERNELS: Final = "kernels that would rather multiply"

# α m̂ / (√v̂ + ε), and how to subtract it where decay is decoupled.
_ADAM_STEPS: Final = {
    "rate_last": ("lr * (m_hat / denominator)", "optax, fastai", _OPTAX),
    "rate_first": ("lr * m_hat / denominator", "the paper's order", ""),
    "folded": ("lr / (1 - beta1_t) * m / denominator", "torch", _TORCH),
    "folded_last": ("lr / (1 - beta1_t) * (m / denominator)", "torch (addcdiv, compiled)", _TORCH),
    "hat": (
        "lr * sqrt(1 - beta2_t) / (1 - beta1_t) * m / (sqrt(v) + eps * sqrt(1 - beta2_t))",
        "the paper's remark on speed, with eps scaled so that it is the same", "",
    ),
    "hat_last": (
        "lr * sqrt(1 - beta2_t) / (1 - beta1_t) * (m / (sqrt(v) + eps * sqrt(1 - beta2_t)))",
        "the same, the rate last", "",
    ),
    "rate_in_denominator": (
        "m / (sqrt(v) / (sqrt(1 - beta2_t) * (lr / (1 - beta1_t))) + eps / (lr / (1 - beta1_t)))",
        "torch, capturable", _TORCH,
    ),
}
# α r b m / s, or α m̂ before.
_RADAM_STEPS: Final = {
    "rate_last": (
        "lr * (rectification * bias_correction * m / denominator) if rectified else lr * m_hat",
        "fastai", _FASTAI,
    ),
    "rate_first": (
        (
            "lr * rectification * bias_correction * m / denominator"
            " if rectified else lr / (1 - beta1_t) * m"
        ),
        "the authors' code", _AUTHORS,
    ),
    "scalars_last": (
        (
            "lr * rectification * bias_correction * (m / denominator)"
            " if rectified else lr / (1 - beta1_t) * m"
        ),
        "the authors' code (addcdiv)", _AUTHORS,
    ),
    "one_by_one": (
        (
            "m / (1 - beta1_t) * lr * (sqrt(1 - beta2_t) / denominator) * rectification"
            " if rectified else m / (1 - beta1_t) * lr"
        ),
        "torch", _TORCH_RADAM,
    ),
    "one_root": (
        (
            "lr * (sqrt((1 - beta2_t) * (rho - 4) / (rho_inf - 4) * (rho - 2) / rho"
            " * rho_inf / (rho_inf - 2)) / (1 - beta1_t)) * m / denominator"
            " if rectified else lr * (1 / (1 - beta1_t)) * m"
        ),
        "the authors' code: one root for both scalars", _AUTHORS,
    ),
}
_DECOUPLED: Final = {
    "decay_first": ("theta * (1 - lr * weight_decay) - step", "torch, fastai", _TORCH),
    "decay_apart": (
        "theta - lr * weight_decay * theta - step", "the authors' code of RAdam", _AUTHORS
    ),
    "decay_after": (
        "theta - step - lr * weight_decay * theta", "decay of the old weights, taken last", ""
    ),
    "decay_added": (
        "theta - (step + lr * weight_decay * theta)", "one update of two parts", ""
    ),
}


def _form(
    name: str, rules: tuple[str, ...], was: str, line: str, seen: str, link: str = "",
    also: tuple[tuple[str, str], ...] = (),
) -> Variant:
    return Variant(
        name=name, rules=rules, was=was, line=line, kind="form", seen=seen, link=link, also=also
    )


def _moments() -> tuple[Variant, ...]:
    found = []
    for name, rules, g in (("adam", _REGULARIZED, "regularized"), ("adamw", _RAW, "g")):
        m = f"m = beta1 * m + (1 - beta1) * {g}"
        v = f"v = beta2 * v + (1 - beta2) * ({g} * {g})"
        found += [
            _form(f"{name}.moment_lerp", rules, m, f"m = m + (1 - beta1) * ({g} - m)",
                  "Keras, MLX", _KERAS),
            _form(f"{name}.moment_lerp_torch", rules, m,
                  f"m = {g} - ({g} - m - (1 - beta1) * ({g} - m)) if beta1 <= 0.5"
                  f" else m + (1 - beta1) * ({g} - m)",
                  "torch (lerp): from the nearer end", _TORCH_LERP),
            _form(f"{name}.square_scaled", rules, v,
                  f"v = beta2 * v + (1 - beta2) * {g} * {g}", "torch (addcmul)", _TORCH),
            _form(f"{name}.square_lerp", rules, v,
                  f"v = v + (1 - beta2) * ({g} * {g} - v)", "Keras", _KERAS),
        ]
    return tuple(found)


FORMS: Final = (
    *_moments(),
    # Adam, AdamW and LAMB: the corrections, and what they correct.
    _form("adam.m_hat_reciprocal", (*_ADAPTIVE, *_RECTIFIED), "m_hat = m / (1 - beta1_t)",
          "m_hat = m * (1 / (1 - beta1_t))", _KERNELS),
    _form("adam.v_hat_reciprocal", _ADAPTIVE, "v_hat = v / (1 - beta2_t)",
          "v_hat = v * (1 / (1 - beta2_t))", _KERNELS),
    _form("adam.root_first", _ADAPTIVE, "denominator = sqrt(v_hat) + eps",
          "denominator = sqrt(v) / sqrt(1 - beta2_t) + eps", "torch", _TORCH),
    _form("adam.root_first_reciprocal", _ADAPTIVE, "denominator = sqrt(v_hat) + eps",
          "denominator = sqrt(v) * (1 / sqrt(1 - beta2_t)) + eps", _KERNELS),
    _form("adam.reciprocal", ("adam",), "direction = m_hat / denominator",
          "direction = m_hat * (1 / denominator)", _KERNELS),
    _form("adam.direction_hat", ("adam",), "direction = m_hat / denominator",
          "direction = sqrt(1 - beta2_t) / (1 - beta1_t) * m / (sqrt(v) + eps * sqrt(1 - beta2_t))",
          "the paper's remark on speed, with eps scaled so that it is the same"),
    _form("adamw.reciprocal", _RAW, "direction = m_hat / denominator + weight_decay * theta",
          "direction = m_hat * (1 / denominator) + weight_decay * theta", _KERNELS),
    _form("adamw.direction_hat", _RAW,
          "direction = m_hat / denominator + weight_decay * theta",
          "direction = sqrt(1 - beta2_t) / (1 - beta1_t) * m"
          " / (sqrt(v) + eps * sqrt(1 - beta2_t)) + weight_decay * theta",
          "the paper's remark on speed, with eps scaled so that it is the same"),
    *(
        _form(f"adam.{name}", ("adam",), "update = lr * direction", f"update = {step}", seen, link)
        for name, (step, seen, link) in _ADAM_STEPS.items() if name != "rate_last"
    ),
    *(
        _form(f"adamw.{name}", ("adamw",), "theta = theta - update",
              f"step = lr * (m_hat / denominator)\ntheta = {line}", seen, link)
        for name, (line, seen, link) in _DECOUPLED.items()
    ),
    *(
        _form(f"adamw.{name}", ("adamw",), "theta = theta - update",
              f"step = {step}\ntheta = theta * (1 - lr * weight_decay) - step", seen, link)
        for name, (step, seen, link) in _ADAM_STEPS.items() if name != "rate_last"
    ),
    # RAdam and what is made of it.
    _form("radam.threshold_reached", _RECTIFIED, "rectified = rho > threshold",
          "rectified = rho >= threshold", "the authors' code, optax: rho never is the threshold",
          _AUTHORS),
    _form("radam.rectification_by_factors", _RECTIFIED,
          "rectification = sqrt(\n    (rho - 4) * (rho - 2) * rho_inf"
          " / ((rho_inf - 4) * (rho_inf - 2) * rho)\n)",
          "rectification = sqrt((rho - 4) / (rho_inf - 4) * (rho - 2) / rho"
          " * rho_inf / (rho_inf - 2))",
          "the authors' code", _AUTHORS),
    *(
        _form(f"radam.{name}", ("radam",), "update = lr * direction", f"update = {step}",
              seen, link)
        for name, (step, seen, link) in _RADAM_STEPS.items() if name != "rate_last"
    ),
    *(
        _form(f"radamw.{name}", ("radamw",), "theta = theta - update",
              f"step = {_RADAM_STEPS['rate_last'][0]}\ntheta = {line}", seen, link)
        for name, (line, seen, link) in _DECOUPLED.items()
    ),
    *(
        _form(f"radamw.{name}", ("radamw",), "theta = theta - update",
              f"step = {step}\ntheta = theta * (1 - lr * weight_decay) - step", seen, link)
        for name, (step, seen, link) in _RADAM_STEPS.items() if name != "rate_last"
    ),
    *(
        _form(f"rangerlars.{name}", _TRUSTING,
              "direction = rectification * bias_correction * m / denominator"
              " + weight_decay * theta",
              f"direction = {line} + weight_decay * theta", seen, link)
        for name, line, seen, link in (
            ("scalars_last", "rectification * bias_correction * (m / denominator)",
             "the authors' code (addcdiv)", _AUTHORS),
            ("rectified_last", "rectification * (bias_correction * m / denominator)",
             "optax: the rectification scales a direction", _OPTAX),
            ("one_by_one", "m / (1 - beta1_t) * (sqrt(1 - beta2_t) / denominator) * rectification",
             "torch", _TORCH_RADAM),
            ("one_root",
             (
                 "sqrt((1 - beta2_t) * (rho - 4) / (rho_inf - 4) * (rho - 2) / rho"
                 " * rho_inf / (rho_inf - 2)) / (1 - beta1_t) * m / denominator"
             ),
             "the authors' code: one root for both scalars", _AUTHORS),
        )
    ),
    # Trust ratios.
    _form("lamb.weight_norm_scaled", ("lars_2017", "lars_2019", "lamb", *_TRUSTING),
          "weight_norm = norm(theta)", "weight_norm = 3 * norm(theta / 3)",
          "BLAS (nrm2): scaled, against overflow"),
    _form("lamb.direction_norm_scaled", ("lars_2019", "lamb", *_TRUSTING),
          "direction_norm = norm(direction)", "direction_norm = 3 * norm(direction / 3)",
          "BLAS (nrm2): scaled, against overflow"),
    _form("lamb.rate_outermost", ("lars_2019", "lamb", *_TRUSTING),
          "update = lr * trust_ratio * direction", "update = lr * (trust_ratio * direction)",
          "optax", _OPTAX),
    _form("lamb.ratio_outermost", ("lars_2019", "lamb", *_TRUSTING),
          "update = lr * trust_ratio * direction", "update = trust_ratio * (lr * direction)",
          "updates scaled layer by layer at the end"),
    _form("lars.rate_outermost", ("lars_2017",),
          "u = momentum * u + lr * trust_ratio * direction",
          "u = momentum * u + lr * (trust_ratio * direction)", "optax", _OPTAX),
    _form("lars.moment_lerp", ("lars_2019",),
          "u = momentum * u + (1 - momentum) * regularized",
          "u = u + (1 - momentum) * (regularized - u)", "torch (lerp)", _TORCH_LERP),
    # Lookahead.
    _form("lookahead.lerp", ("lookahead",), "slow = (1 - alpha) * slow + alpha * fast",
          "slow = slow + alpha * (fast - slow)",
          "over9000, fastai, optax, Ranger; not exact where alpha is 1", _OPTAX_SLOW),
    _form("lookahead.lerp_torch", ("lookahead",), "slow = (1 - alpha) * slow + alpha * fast",
          "slow = fast - (fast - slow - alpha * (fast - slow)) if alpha >= 0.5"
          " else slow + alpha * (fast - slow)",
          "torch (lerp): from the nearer end", _TORCH_LERP),
    # Transformations that keep slow weights return updates, which are added to the old weights.
    _form("lookahead.by_update", ("lookahead",), "theta = slow",
          "theta = before + (slow - before)", "JAX: a transformation returns updates", _OPTAX),
    _form("lookahead.by_fast_update", ("lookahead",), "theta = slow",
          "theta = before + (fast - before - (1 - alpha) * difference)",
          "optax: the update, less what leads back", _OPTAX_SLOW,
          also=(("fast = theta", "difference = theta - slow\nfast = theta"),)),
)
