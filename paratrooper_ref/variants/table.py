"""The table of bugs and dialects, by rule.

A bug that no library is known to have had is "a mutant": it is there to be caught all the same.
"""

from __future__ import annotations

from typing import Final

from paratrooper_ref.variants.variant import Variant

# Files, as they stood when they were read.
_TORCH: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim"
_OPTAX: Final = "https://github.com/google-deepmind/optax/blob/v0.2.8/optax"
_KERAS: Final = "https://github.com/keras-team/keras/blob/3422977/keras/src/optimizers"
_ADDONS: Final = "https://github.com/tensorflow/addons/blob/d208d75/tensorflow_addons/optimizers"
_TIMM: Final = "https://github.com/huggingface/pytorch-image-models/blob/aa4b585/timm/optim"
_FASTAI: Final = "https://github.com/fastai/fastai/blob/2.8.12/fastai/optimizer.py"
_JETTIFY: Final = "https://github.com/jettify/pytorch-optimizer/blob/19c3e41/torch_optimizer"
_AUTHORS: Final = "https://github.com/LiyuanLucasLiu/RAdam/blob/d9fd30a/radam/radam.py"
_RANGER: Final = "https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer/blob/c82a304/ranger"
_GRANKIN: Final = "https://github.com/mgrankin/over9000/blob"
_CYBERTRONAI: Final = "https://github.com/cybertronai/pytorch-lamb/blob/d3ab8dc/pytorch_lamb/lamb.py"
_DEEPSPEED: Final = "https://github.com/deepspeedai/DeepSpeed/blob/edaa722"
_KOZISTR: Final = (
    "https://github.com/kozistr/pytorch_optimizer/blob/7a076d2/pytorch_optimizer/optimizer"
)
OPTIMI: Final = "https://github.com/warner-benjamin/optimi/blob/d14e068/optimi/utils.py"
_BITSANDBYTES: Final = "https://github.com/bitsandbytes-foundation/bitsandbytes/blob/95f9af3"

# Rules that have lines in common.
_CORRECTED: Final = ("adam", "adamw", "lamb")  # m̂ and v̂ apart
_RECTIFIED: Final = ("radam", "radamw", "rangerlars", "paratrooper")
_MOMENTS: Final = (*_CORRECTED, *_RECTIFIED)
_REGULARIZED: Final = ("adam", *_RECTIFIED)  # moments of the gradient with L2
_RAW: Final = ("adamw", "lamb")  # moments of the gradient as it is
_RADAMW: Final = ("radamw", "rangerlars", "paratrooper")
_LAYERWISE: Final = ("lars_2017", "lars_2019", "lamb", "rangerlars", "paratrooper")
_RATIO: Final = ("lars_2019", "rangerlars", "paratrooper")  # ‖θ‖ / ‖D‖
_STEP: Final = ("sgd", "adam", "adamw", "radam", "radamw")  # α D

# Lines that several variants change, and are long.
BUFFER: Final = "u = regularized if t == 1 else momentum * u + (1 - dampening) * regularized"
_RECTIFICATION: Final = """rectification = sqrt(
    (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
)"""
_DIRECTION: Final = """direction = (
    rectification * bias_correction * m / denominator + weight_decay * theta
)"""
_RATIO_2017: Final = """ratio = unless_zero(
    weight_norm / (norm(g) + weight_decay * weight_norm + eps), weight_norm, direction_norm
)"""
_SCALED: Final = "trust_ratio = unless_zero(trust_coefficient * ratio, weight_norm, direction_norm)"
_RATIO_OF_GRADIENT: Final = (
    "ratio = unless_zero(weight_norm / (norm(g) + weight_decay * weight_norm + eps),"
    " weight_norm, norm(g))"
)
_SCALED_OF_GRADIENT: Final = (
    "trust_ratio = unless_zero(trust_coefficient * ratio, weight_norm, norm(g))"
)
_CLAMPED: Final = (
    "trust_ratio = unless_zero(clamp(lower, ratio, upper), weight_norm, direction_norm)"
)
_CAPPED: Final = "trust_ratio = unless_zero(clamp(lower, ratio, cap), weight_norm, direction_norm)"

# over9000 keeps the norm at 10 or less, and decays the weights before it steps.
_OVER9000: Final = """weight_norm = clamp(0, norm(theta), 10)
theta = (1 - lr * weight_decay) * theta"""
_OVER9000_IN_PLACE: Final = """theta = (1 - lr * weight_decay) * theta
weight_norm = clamp(0, norm(theta), 10)"""

def _over9000(*, name: str, weights: str, norm: str, seen: str, link: str) -> Variant:
    """Return what over9000 makes of RangerLars: decay apart, and what the ratio is made of."""
    return Variant(
        name=name,
        rules=("rangerlars",),
        was=_DIRECTION,
        line="direction = rectification * bias_correction * m / denominator",
        also=(
            ("direction = m_hat + weight_decay * theta", "direction = m_hat"),
            ("weight_norm = norm(theta)", weights),
            ("direction_norm = norm(direction)", f"direction_norm = {norm}"),
            (_CLAMPED, "trust_ratio = ratio"),
        ),
        kind="dialect",
        seen=seen,
        link=link,
    )


BUGS_AND_DIALECTS: Final = (
    # Every rule: the step itself.
    Variant(
        name="step.uphill",
        rules=(*_STEP, *_LAYERWISE),
        was="theta = theta - update",
        line="theta = theta + update",
        kind="bug",
        seen="pytorch_optimizer's Ranger",
        link="https://github.com/kozistr/pytorch_optimizer/issues/232",
    ),
    Variant(
        name="step.lr_ignored",
        rules=_STEP,
        was="update = lr * direction",
        line="update = direction",
        kind="bug",
        seen="BrainPy's Adadelta until 2026",
        link="https://github.com/brainpy/BrainPy/blob/73a54b3/brainpy/optim/optimizer.py",
    ),
    Variant(
        name="step.lr_twice",
        rules=_STEP,
        was="update = lr * direction",
        line="update = lr * lr * direction",
        kind="bug",
        seen="RangerVA (ranger913A.py), without its softplus",
        link=f"{_RANGER}/ranger913A.py",
    ),
    # L2 decay, of the rules that have it in the gradient.
    Variant(
        name="sgd.weight_decay_ignored",
        rules=("sgd", "adam", "radam", "lars_2017", "lars_2019"),
        was="regularized = g + weight_decay * theta",
        line="regularized = g",
        kind="bug",
        seen="pytorch_optimizer's SignSGD: validated, stored, never used",
        link="https://github.com/kozistr/pytorch_optimizer/issues/518",
    ),
    Variant(
        name="sgd.decay_needs_momentum",
        rules=("sgd",),
        was="regularized = g + weight_decay * theta",
        line="regularized = g + weight_decay * theta if momentum > 0 else g",
        kind="bug",
        seen="MLX's SGD: an early return where the momentum is 0",
        link="https://github.com/ml-explore/mlx/issues/440",
    ),
    Variant(
        name="sgd.decay_constant",
        rules=("sgd",),
        was="regularized = g + weight_decay * theta",
        line="regularized = g",
        also=(("theta = theta - update", "theta = theta - update - lr * weight_decay"),),
        kind="bug",
        seen="jettify's SGDW: the weights are not in the decay",
        link="https://github.com/jettify/pytorch-optimizer/issues/454",
    ),
    Variant(
        name="sgd.decay_decoupled",
        rules=("sgd", "adam", "radam"),
        was="regularized = g + weight_decay * theta",
        line="regularized = g",
        also=(
            ("theta = theta - update", "theta = theta * (1 - lr * weight_decay) - update"),
        ),
        kind="dialect",
        seen="Keras (any optimizer), fastai's default, torch's RAdam with its flag",
        link=f"{_KERAS}/base_optimizer.py",
    ),
    Variant(
        name="sgd.decay_without_lr",
        rules=("sgd",),
        was="regularized = g + weight_decay * theta",
        line="regularized = g",
        also=(("theta = theta - update", "theta = theta * (1 - weight_decay) - update"),),
        kind="dialect",
        seen="TensorFlow Addons' SGDW: decay is not scaled by the rate",
        link=f"{_ADDONS}/weight_decay_optimizers.py",
    ),
    # SGD: the buffer.
    Variant(
        name="sgd.momentum_ignored",
        rules=("sgd",),
        was=BUFFER,
        line="u = regularized if t == 1 else (1 - dampening) * regularized",
        kind="bug",
        seen="pytorch_optimizer's SignSGD: the buffer is zero again at every step",
        link="https://github.com/kozistr/pytorch_optimizer/issues/516",
    ),
    Variant(
        name="sgd.momentum_on_gradient",
        rules=("sgd",),
        was=BUFFER,
        line="u = regularized if t == 1 else u + momentum * regularized",
        kind="bug",
        seen="AiDotNet: the factor is on the other term, and the buffer never decays",
        link="https://github.com/ooples/AiDotNet/issues/2008",
    ),
    Variant(
        name="sgd.dampening_ignored",
        rules=("sgd",),
        was=BUFFER,
        line="u = regularized if t == 1 else momentum * u + regularized",
        kind="bug",
        seen="bitsandbytes: no kernel reads it",
        link="https://github.com/bitsandbytes-foundation/bitsandbytes/pull/2085",
    ),
    Variant(
        name="sgd.moment_average",
        rules=("sgd",),
        was=BUFFER,
        line="u = momentum * u + (1 - momentum) * regularized",
        kind="dialect",
        seen="autograd: a moving average, from zero",
        link="https://github.com/HIPS/autograd/blob/2ccb125/autograd/misc/optimizers.py",
    ),
    Variant(
        name="sgd.u_stale",
        rules=("sgd",),
        was=BUFFER,
        line=f"stale = u\n{BUFFER}",
        also=(
            (
                "direction = regularized + momentum * u if nesterov else u",
                "direction = regularized + momentum * u if nesterov else stale",
            ),
        ),
        kind="bug",
        seen="evosax: the step takes the buffer of the step before",
        link="https://github.com/RobertTLange/evosax/blob/1ba2442/evosax/core/optimizer.py",
    ),
    Variant(
        name="sgd.dampening_first",
        rules=("sgd",),
        was=BUFFER,
        line="u = momentum * u + (1 - dampening) * regularized",
        kind="dialect",
        seen="buffers that begin at zero, such as fastai's",
        link=_FASTAI,
    ),
    Variant(
        name="sgd.dampening_needs_momentum",
        rules=("sgd",),
        was=BUFFER,
        line=(
            "undamped = t == 1 or momentum <= 0\n"
            "u = regularized if undamped else momentum * u + (1 - dampening) * regularized"
        ),
        kind="dialect",
        seen="torch: no buffer, so no dampening, where the momentum is 0",
        link=f"{_TORCH}/sgd.py",
    ),
    Variant(
        name="sgd.lr_in_buffer",
        rules=("sgd",),
        was=BUFFER,
        line=(
            "regularized = lr * regularized\n"
            "u = regularized if t == 1 else momentum * u + (1 - dampening) * regularized"
        ),
        also=(("update = lr * direction", "update = direction"),),
        kind="dialect",
        seen="Keras",
        link=f"{_KERAS}/sgd.py",
    ),
    Variant(
        name="sgd.nesterov_ignored",
        rules=("sgd",),
        was="direction = regularized + momentum * u if nesterov else u",
        line="direction = u",
        kind="bug",
        seen="bitsandbytes: never asked; BrainPy's MomentumNesterov until 2026",
        link="https://github.com/bitsandbytes-foundation/bitsandbytes/pull/2085",
    ),
    # The moments, of the gradient with L2 and of the gradient as it is.
    Variant(
        name="adam.beta1_ignored",
        rules=_REGULARIZED,
        was="m = beta1 * m + (1 - beta1) * regularized",
        line="m = regularized",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="adamw.beta1_ignored",
        rules=_RAW,
        was="m = beta1 * m + (1 - beta1) * g",
        line="m = g",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="adam.beta2_ignored",
        rules=_REGULARIZED,
        was="v = beta2 * v + (1 - beta2) * (regularized * regularized)",
        line="v = regularized * regularized",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="adamw.beta2_ignored",
        rules=_RAW,
        was="v = beta2 * v + (1 - beta2) * (g * g)",
        line="v = g * g",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="adam.betas_swapped",
        rules=_REGULARIZED,
        was="m = beta1 * m + (1 - beta1) * regularized",
        line="m = beta2 * m + (1 - beta2) * regularized",
        also=(
            (
                "v = beta2 * v + (1 - beta2) * (regularized * regularized)",
                "v = beta1 * v + (1 - beta1) * (regularized * regularized)",
            ),
        ),
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="adamw.betas_swapped",
        rules=_RAW,
        was="m = beta1 * m + (1 - beta1) * g",
        line="m = beta2 * m + (1 - beta2) * g",
        also=(("v = beta2 * v + (1 - beta2) * (g * g)", "v = beta1 * v + (1 - beta1) * (g * g)"),),
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="adam.v_of_beta1",
        rules=_REGULARIZED,
        was="v = beta2 * v + (1 - beta2) * (regularized * regularized)",
        line="v = beta1 * v + (1 - beta1) * (regularized * regularized)",
        kind="bug",
        seen="a mutant: one decay rate for both moments",
    ),
    Variant(
        name="adam.m_weights_swapped",
        rules=_REGULARIZED,
        was="m = beta1 * m + (1 - beta1) * regularized",
        line="m = (1 - beta1) * m + beta1 * regularized",
        kind="bug",
        seen="a mutant: an interpolation the wrong way round",
    ),
    Variant(
        name="adam.v_weights_swapped",
        rules=_REGULARIZED,
        was="v = beta2 * v + (1 - beta2) * (regularized * regularized)",
        line="v = (1 - beta2) * v + beta2 * (regularized * regularized)",
        kind="bug",
        seen="a mutant: an interpolation the wrong way round",
    ),
    Variant(
        name="adamw.v_of_beta1",
        rules=_RAW,
        was="v = beta2 * v + (1 - beta2) * (g * g)",
        line="v = beta1 * v + (1 - beta1) * (g * g)",
        kind="bug",
        seen="a mutant: one decay rate for both moments",
    ),
    Variant(
        name="adamw.m_weights_swapped",
        rules=_RAW,
        was="m = beta1 * m + (1 - beta1) * g",
        line="m = (1 - beta1) * m + beta1 * g",
        kind="bug",
        seen="a mutant: an interpolation the wrong way round",
    ),
    Variant(
        name="adamw.v_weights_swapped",
        rules=_RAW,
        was="v = beta2 * v + (1 - beta2) * (g * g)",
        line="v = (1 - beta2) * v + beta2 * (g * g)",
        kind="bug",
        seen="a mutant: an interpolation the wrong way round",
    ),
    Variant(
        name="adam.v_twice",
        rules=_REGULARIZED,
        was="v = beta2 * v + (1 - beta2) * (regularized * regularized)",
        line=(
            "v = beta2 * v + (1 - beta2) * (regularized * regularized)\n"
            "v = beta2 * v + (1 - beta2) * (regularized * regularized)"
        ),
        kind="bug",
        seen="RangerVA (ranger913A.py)",
        link=f"{_RANGER}/ranger913A.py",
    ),
    Variant(
        name="adamw.beta2_bfloat16",
        rules=_RAW,
        was="v = beta2 * v + (1 - beta2) * (g * g)",
        line="cut = int(256 * float(beta2)) / 256\nv = cut * v + (1 - cut) * (g * g)",
        kind="bug",
        seen="tt-metal: 0.999 is cut to 0.996",
        link="https://github.com/tenstorrent/tt-metal/issues/55935",
    ),
    Variant(
        name="adam.beta2_bfloat16",
        rules=_REGULARIZED,
        was="v = beta2 * v + (1 - beta2) * (regularized * regularized)",
        line=(
            "cut = int(256 * float(beta2)) / 256\n"
            "v = cut * v + (1 - cut) * (regularized * regularized)"
        ),
        kind="bug",
        seen="tt-metal: 0.999 is cut to 0.996",
        link="https://github.com/tenstorrent/tt-metal/issues/55935",
    ),
    Variant(
        name="adam.betas_float32",
        rules=_REGULARIZED,
        was="v = beta2 * v + (1 - beta2) * (regularized * regularized)",
        line=(
            "single = round(2**24 * float(beta2)) / 2**24\n"
            "v = single * v + (1 - single) * (regularized * regularized)"
        ),
        kind="bug",
        seen="torch's fused Adam on CUDA: of beta2 = 0.999, 1 - beta2 is off by 1.3e-5 of itself",
        link="https://github.com/pytorch/pytorch/pull/173224",
    ),
    Variant(
        name="adamw.betas_float32",
        rules=_RAW,
        was="v = beta2 * v + (1 - beta2) * (g * g)",
        line=(
            "single = round(2**24 * float(beta2)) / 2**24\n"
            "v = single * v + (1 - single) * (g * g)"
        ),
        kind="bug",
        seen="torch's fused AdamW on CUDA: of beta2 = 0.999, 1 - beta2 is off by 1.3e-5 of itself",
        link="https://github.com/pytorch/pytorch/pull/173224",
    ),
    Variant(
        name="adam.m_stale",
        rules=("adam",),
        was="m = beta1 * m + (1 - beta1) * regularized",
        line="stale = m\nm = beta1 * m + (1 - beta1) * regularized",
        also=(("m_hat = m / (1 - beta1_t)", "m_hat = stale / (1 - beta1_t)"),),
        kind="bug",
        seen="a mutant: the step takes the moment of the step before",
    ),
    Variant(
        name="adamw.m_stale",
        rules=_RAW,
        was="m = beta1 * m + (1 - beta1) * g",
        line="stale = m\nm = beta1 * m + (1 - beta1) * g",
        also=(("m_hat = m / (1 - beta1_t)", "m_hat = stale / (1 - beta1_t)"),),
        kind="bug",
        seen="a mutant: the step takes the moment of the step before",
    ),
    # The step count and the bias corrections.
    Variant(
        name="adam.beta1_power_behind",
        rules=_MOMENTS,
        was="beta1_t = beta1**t",
        line="beta1_t = beta1 ** max(1, t - 1)",
        kind="bug",
        seen="pytorch_optimizer's RAdam until 2022: its first step is none",
        link="https://github.com/kozistr/pytorch_optimizer/blob/93813cb/pytorch_optimizer/radam.py",
    ),
    Variant(
        name="adam.beta2_power_behind",
        rules=_MOMENTS,
        was="beta2_t = beta2**t",
        line="beta2_t = beta2 ** max(1, t - 1)",
        kind="bug",
        seen="a mutant: the count goes up too late",
    ),
    Variant(
        name="adam.counts_twice",
        rules=_CORRECTED,
        was="beta1_t = beta1**t",
        line="beta1_t = beta1 ** (2 * t)",
        also=(("beta2_t = beta2**t", "beta2_t = beta2 ** (2 * t)"),),
        kind="bug",
        seen="geoopt: the count goes up inside the loop over parameters, here two",
        link="https://github.com/geoopt/geoopt/issues/164",
    ),
    Variant(
        name="adam.count_ahead",
        rules=_CORRECTED,
        was="beta1_t = beta1**t",
        line="beta1_t = beta1 ** (t + 1)",
        also=(("beta2_t = beta2**t", "beta2_t = beta2 ** (t + 1)"),),
        kind="bug",
        seen="a mutant: the count goes up before the step and in it",
    ),
    Variant(
        name="radam.count_ahead",
        rules=_RECTIFIED,
        was="beta1_t = beta1**t",
        line="beta1_t = beta1 ** (t + 1)",
        also=(
            ("beta2_t = beta2**t", "beta2_t = beta2 ** (t + 1)"),
            (
                "rho = rho_inf - 2 * t * beta2_t / (1 - beta2_t)",
                "rho = rho_inf - 2 * (t + 1) * beta2_t / (1 - beta2_t)",
            ),
        ),
        kind="bug",
        seen="thinc 9.1's RAdam: the count goes up before the step and in it",
        link="https://github.com/explosion/thinc/blob/main/thinc/optimizers.py",
    ),
    Variant(
        name="adam.count_stops",
        rules=_CORRECTED,
        was="beta1_t = beta1**t",
        line="beta1_t = beta1 ** min(t, 256)",
        also=(("beta2_t = beta2**t", "beta2_t = beta2 ** min(t, 256)"),),
        kind="bug",
        seen="torchao: a count in bfloat16 stops at 256",
        link="https://github.com/pytorch/ao/issues/4915",
    ),
    Variant(
        name="radam.counts_twice",
        rules=_RECTIFIED,
        was="beta1_t = beta1**t",
        line="beta1_t = beta1 ** (2 * t)",
        also=(
            ("beta2_t = beta2**t", "beta2_t = beta2 ** (2 * t)"),
            (
                "rho = rho_inf - 2 * t * beta2_t / (1 - beta2_t)",
                "rho = rho_inf - 4 * t * beta2_t / (1 - beta2_t)",
            ),
        ),
        kind="bug",
        seen="geoopt's RAdam: the count goes up inside the loop over parameters, here two",
        link="https://github.com/geoopt/geoopt/issues/164",
    ),
    Variant(
        name="radam.count_stops",
        rules=_RECTIFIED,
        was="beta1_t = beta1**t",
        line="beta1_t = beta1 ** min(t, 256)",
        also=(
            ("beta2_t = beta2**t", "beta2_t = beta2 ** min(t, 256)"),
            (
                "rho = rho_inf - 2 * t * beta2_t / (1 - beta2_t)",
                "rho = rho_inf - 2 * min(t, 256) * beta2_t / (1 - beta2_t)",
            ),
        ),
        kind="bug",
        seen="torchao: a count in bfloat16 stops at 256 (DeepSpeed: in float16 at 2048)",
        link="https://github.com/pytorch/ao/issues/4915",
    ),
    Variant(
        name="adam.uncorrected",
        rules=_CORRECTED,
        was="m_hat = m / (1 - beta1_t)",
        line="m_hat = m",
        also=(("v_hat = v / (1 - beta2_t)", "v_hat = v"),),
        kind="dialect",
        seen="BERT's AdamW, MLX until 2024, cybertronai's LAMB",
        link="https://github.com/ml-explore/mlx/pull/1640",
    ),
    Variant(
        name="adam.m_uncorrected",
        rules=_MOMENTS,
        was="m_hat = m / (1 - beta1_t)",
        line="m_hat = m",
        kind="dialect",
        seen="pytorch_optimizer's adam_debias; in RAdam its momentum steps",
        link=f"{_KOZISTR}/radam.py",
    ),
    Variant(
        name="adam.v_uncorrected",
        rules=_CORRECTED,
        was="v_hat = v / (1 - beta2_t)",
        line="v_hat = v",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="adam.v_corrected_twice",
        rules=_CORRECTED,
        was="v_hat = v / (1 - beta2_t)",
        line="v_hat = v / (1 - beta2_t) / (1 - beta2_t)",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="adam.corrections_of_first_step",
        rules=_CORRECTED,
        was="beta1_t = beta1**t",
        line="beta1_t = beta1",
        also=(("beta2_t = beta2**t", "beta2_t = beta2"),),
        kind="bug",
        seen="OLMo-core's SkipStepAdamW until 2025: the count never goes up",
        link="https://github.com/allenai/OLMo-core/pull/317",
    ),
    Variant(
        name="adam.corrections_multiplied",
        rules=_CORRECTED,
        was="m_hat = m / (1 - beta1_t)",
        line="m_hat = m * (1 - beta1_t)",
        also=(("v_hat = v / (1 - beta2_t)", "v_hat = v * (1 - beta2_t)"),),
        kind="bug",
        seen="ConvNetJS",
        link="https://github.com/karpathy/convnetjs/pull/70",
    ),
    Variant(
        name="adam.eps_floor",
        rules=_CORRECTED,
        was="denominator = sqrt(v_hat) + eps",
        line="denominator = at_least(eps, sqrt(v_hat))",
        kind="dialect",
        seen="HeavyBall: eps is the least divisor",
        link="https://github.com/HomebrewML/HeavyBall/blob/main/heavyball/utils.py",
    ),
    Variant(
        name="adam.corrected_in_place",
        rules=_CORRECTED,
        was="m_hat = m / (1 - beta1_t)",
        line="m = m / (1 - beta1_t)\nm_hat = m",
        also=(("v_hat = v / (1 - beta2_t)", "v = v / (1 - beta2_t)\nv_hat = v"),),
        kind="bug",
        seen="holocron: the corrections accumulate",
        link="https://github.com/frgfm/holocron/issues/1",
    ),
    Variant(
        name="adam.stored_corrected",
        rules=("adam",),
        was="m = beta1 * m + (1 - beta1) * regularized",
        line=(
            "kept = (beta1 - beta1**t) / (1 - beta1**t)\n"
            "m = kept * m + (1 - kept) * regularized"
        ),
        also=(
            (
                "v = beta2 * v + (1 - beta2) * (regularized * regularized)",
                (
                    "kept = (beta2 - beta2**t) / (1 - beta2**t)\n"
                    "v = kept * v + (1 - kept) * (regularized * regularized)"
                ),
            ),
            ("m_hat = m / (1 - beta1_t)", "m_hat = m"),
            ("v_hat = v / (1 - beta2_t)", "v_hat = v"),
        ),
        kind="dialect",
        seen="optimi: what is stored is corrected already",
        link=OPTIMI,
    ),
    Variant(
        name="adamw.stored_corrected",
        rules=_RAW,
        was="m = beta1 * m + (1 - beta1) * g",
        line="kept = (beta1 - beta1**t) / (1 - beta1**t)\nm = kept * m + (1 - kept) * g",
        also=(
            (
                "v = beta2 * v + (1 - beta2) * (g * g)",
                "kept = (beta2 - beta2**t) / (1 - beta2**t)\nv = kept * v + (1 - kept) * (g * g)",
            ),
            ("m_hat = m / (1 - beta1_t)", "m_hat = m"),
            ("v_hat = v / (1 - beta2_t)", "v_hat = v"),
        ),
        kind="dialect",
        seen="optimi: what is stored is corrected already",
        link=OPTIMI,
    ),
    Variant(
        name="radam.stored_corrected",
        rules=_RECTIFIED,
        was="m = beta1 * m + (1 - beta1) * regularized",
        line=(
            "kept = (beta1 - beta1**t) / (1 - beta1**t)\n"
            "m = kept * m + (1 - kept) * regularized"
        ),
        also=(
            (
                "v = beta2 * v + (1 - beta2) * (regularized * regularized)",
                (
                    "kept = (beta2 - beta2**t) / (1 - beta2**t)\n"
                    "v = kept * v + (1 - kept) * (regularized * regularized)"
                ),
            ),
            ("bias_correction = sqrt(1 - beta2_t) / (1 - beta1_t)", "bias_correction = 1"),
            ("m_hat = m / (1 - beta1_t)", "m_hat = m"),
        ),
        kind="dialect",
        seen="optimi's RAdam and Ranger: what is stored is corrected already, and eps is added to "
             "its root",
        link=OPTIMI,
    ),
    # eps, where it is added to the root of v̂.
    Variant(
        name="adam.eps_hat",
        rules=_CORRECTED,
        was="denominator = sqrt(v_hat) + eps",
        line="denominator = sqrt(v_hat) + eps / sqrt(1 - beta2_t)",
        kind="dialect",
        seen="Keras, TensorFlow, ONNX: eps is added to the uncorrected root",
        link="https://github.com/tensorflow/tensorflow/issues/9047",
    ),
    Variant(
        name="adam.eps_inside_root",
        rules=_CORRECTED,
        was="denominator = sqrt(v_hat) + eps",
        line="denominator = sqrt(v_hat + eps)",
        kind="dialect",
        seen="optax's eps_root; Flux until 2018",
        link="https://github.com/FluxML/Flux.jl/pull/448",
    ),
    Variant(
        name="adam.eps_inside_uncorrected_root",
        rules=_CORRECTED,
        was="denominator = sqrt(v_hat) + eps",
        line="denominator = sqrt(v_hat + eps / (1 - beta2_t))",
        kind="dialect",
        seen="objax: √(v + ε)",
        link="https://github.com/google/objax/blob/9dd7dc3/objax/optimizer/adam.py",
    ),
    Variant(
        name="adam.eps_ignored",
        rules=_CORRECTED,
        was="denominator = sqrt(v_hat) + eps",
        line="denominator = sqrt(v_hat)",
        kind="bug",
        seen="fp16: 1e-8 is 0 there (optax)",
        link="https://github.com/google-deepmind/optax/issues/1754",
    ),
    # AdamW and LAMB: decay in the direction.
    Variant(
        name="adamw.weight_decay_ignored",
        rules=_RAW,
        was="direction = m_hat / denominator + weight_decay * theta",
        line="direction = m_hat / denominator",
        kind="bug",
        seen="pytorch_optimizer's SignSGD: validated, stored, never used",
        link="https://github.com/kozistr/pytorch_optimizer/issues/518",
    ),
    Variant(
        name="adamw.decay_l2",
        rules=_RAW,
        was="m = beta1 * m + (1 - beta1) * g",
        line="regularized = g + weight_decay * theta\nm = beta1 * m + (1 - beta1) * regularized",
        also=(
            (
                "v = beta2 * v + (1 - beta2) * (g * g)",
                "v = beta2 * v + (1 - beta2) * (regularized * regularized)",
            ),
            (
                "direction = m_hat / denominator + weight_decay * theta",
                "direction = m_hat / denominator",
            ),
        ),
        kind="bug",
        seen="cybertronai's LAMB, at first",
        link="https://github.com/cybertronai/pytorch-lamb/issues/3",
    ),
    Variant(
        name="adamw.decay_twice",
        rules=_RAW,
        was="m = beta1 * m + (1 - beta1) * g",
        line="regularized = g + weight_decay * theta\nm = beta1 * m + (1 - beta1) * regularized",
        also=(
            (
                "v = beta2 * v + (1 - beta2) * (g * g)",
                "v = beta2 * v + (1 - beta2) * (regularized * regularized)",
            ),
        ),
        kind="bug",
        seen="a mutant: decay in the gradient, and again in the direction",
    ),
    Variant(
        name="adamw.decay_corrected",
        rules=_RAW,
        was="direction = m_hat / denominator + weight_decay * theta",
        line=(
            "correction = sqrt(1 - beta2_t) / (1 - beta1_t)\n"
            "direction = m_hat / denominator + correction * weight_decay * theta"
        ),
        kind="bug",
        seen="OneFlow: the corrections are in the rate, which scales the decay too",
        link="https://github.com/Oneflow-Inc/oneflow/issues/5960",
    ),
    Variant(
        name="adamw.decay_rate_twice",
        rules=_RAW,
        was="direction = m_hat / denominator + weight_decay * theta",
        line="direction = m_hat / denominator + lr * weight_decay * theta",
        kind="bug",
        seen="a mutant: the decay is scaled by the rate twice",
    ),
    Variant(
        name="radamw.decay_rate_twice",
        rules=("radamw", "rangerlars", "paratrooper"),
        was=_DIRECTION,
        line="direction = rectification * bias_correction * m / denominator"
        " + lr * weight_decay * theta",
        also=(
            (
                "direction = m_hat + weight_decay * theta",
                "direction = m_hat + lr * weight_decay * theta",
            ),
        ),
        kind="bug",
        seen="a mutant: the decay is scaled by the rate twice",
    ),
    Variant(
        name="adamw.decay_without_lr",
        rules=("adamw",),
        was="direction = m_hat / denominator + weight_decay * theta",
        line="direction = m_hat / denominator",
        also=(("theta = theta - update", "theta = theta * (1 - weight_decay) - update"),),
        kind="dialect",
        seen="TensorFlow Addons; the paper, but for the schedule's factor",
        link=f"{_ADDONS}/weight_decay_optimizers.py",
    ),
    Variant(
        name="adamw.decay_after_step",
        rules=("adamw",),
        was="direction = m_hat / denominator + weight_decay * theta",
        line="direction = m_hat / denominator",
        also=(("theta = theta - update", "theta = (1 - lr * weight_decay) * (theta - update)"),),
        kind="bug",
        seen="bitsandbytes: the step decays with the weights",
        link="https://github.com/bitsandbytes-foundation/bitsandbytes/issues/2010",
    ),
    # RAdam and what is built on it: the switch.
    Variant(
        name="radam.threshold_4",
        rules=_RECTIFIED,
        was="rectified = rho > threshold",
        line="rectified = rho > 4",
        kind="dialect",
        seen="the paper",
        link="https://arxiv.org/abs/1908.03265",
    ),
    Variant(
        name="radam.threshold_5",
        rules=_RECTIFIED,
        was="rectified = rho > threshold",
        line="rectified = rho > 5",
        kind="dialect",
        seen="torch, and the authors' code",
        link=_AUTHORS,
    ),
    Variant(
        name="radam.threshold_6",
        rules=_RECTIFIED,
        was="rectified = rho > threshold",
        line="rectified = rho > 6",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="ranger.two_thresholds",
        rules=_RADAMW,
        was="direction = m_hat + weight_decay * theta",
        line=(
            "direction = m_hat / (sqrt(v) + eps) if rho > 4 else m_hat\n"
            "direction = direction + weight_decay * theta"
        ),
        kind="bug",
        seen="Ranger: one test asks the hyperparameter, the other one 4",
        link="https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer/commit/7ceeaec",
    ),
    Variant(
        name="radam.always_momentum",
        rules=_RECTIFIED,
        was='if warmup == "momentum":',
        line="if True:",
        kind="dialect",
        seen="torch, optax, fastai, timm",
        link=f"{_TORCH}/radam.py",
    ),
    Variant(
        name="radam.never_momentum",
        rules=_RECTIFIED,
        was='if warmup == "momentum":',
        line="if False:",
        kind="dialect",
        seen="the authors' code, degenerated_to_sgd=False",
        link=_AUTHORS,
    ),
    Variant(
        name="radam.warmup_opposite",
        rules=_RECTIFIED,
        was='if warmup == "momentum":',
        line='if warmup == "none":',
        kind="bug",
        seen="a mutant: Han's word for no step is the authors' flag for a momentum step",
    ),
    Variant(
        name="radam.ascends",
        rules=_RECTIFIED,
        was='if warmup == "momentum":',
        line="if True:",
        also=(
            (
                "m_hat = m / (1 - beta1_t)",
                'm_hat = m / (1 - beta1_t) if warmup == "momentum" else -m',
            ),
        ),
        kind="bug",
        seen="a step size of -1 that should say no step, taken as a step",
        link="https://github.com/LiyuanLucasLiu/RAdam/issues/54",
    ),
    # RAdam and what is built on it: the rectified step.
    Variant(
        name="radam.rectification_ignored",
        rules=_RECTIFIED,
        was=_RECTIFICATION,
        line="rectification = 1",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="radam.rectification_unrooted",
        rules=_RECTIFIED,
        was=_RECTIFICATION,
        line=(
            "rectification = (rho - 4) * (rho - 2) * rho_inf"
            " / ((rho_inf - 4) * (rho_inf - 2) * rho)"
        ),
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="radam.rho_inf_unshifted",
        rules=_RECTIFIED,
        was="rho_inf = 2 / (1 - beta2) - 1",
        line="rho_inf = 2 / (1 - beta2)",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="radam.rho_half",
        rules=_RECTIFIED,
        was="rho = rho_inf - 2 * t * beta2_t / (1 - beta2_t)",
        line="rho = rho_inf - t * beta2_t / (1 - beta2_t)",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="radam.m_uncorrected",
        rules=_RECTIFIED,
        was="bias_correction = sqrt(1 - beta2_t) / (1 - beta1_t)",
        line="bias_correction = sqrt(1 - beta2_t)",
        kind="dialect",
        seen="pytorch_optimizer's adam_debias",
        link=f"{_KOZISTR}/radam.py",
    ),
    Variant(
        name="radam.uncorrected",
        rules=_RECTIFIED,
        was="bias_correction = sqrt(1 - beta2_t) / (1 - beta1_t)",
        line="bias_correction = 1",
        also=(("m_hat = m / (1 - beta1_t)", "m_hat = m"),),
        kind="bug",
        seen="Holocron's RAdam at first",
        link="https://github.com/frgfm/Holocron/blob/527ba21/holocron/optim/radam.py",
    ),
    Variant(
        name="radam.v_uncorrected",
        rules=_RECTIFIED,
        was="bias_correction = sqrt(1 - beta2_t) / (1 - beta1_t)",
        line="bias_correction = 1 / (1 - beta1_t)",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="radam.eps_corrected",
        rules=("radam",),
        was="denominator = sqrt(v) + eps",
        line="denominator = sqrt(v) + eps * sqrt(1 - beta2_t)",
        kind="dialect",
        seen="optax, fastai, TensorFlow Addons: eps is added to the corrected root",
        link=f"{_OPTAX}/_src/transform.py",
    ),
    Variant(
        name="radam.eps_inside_root",
        rules=("radam",),
        was="denominator = sqrt(v) + eps",
        line="denominator = sqrt(v + eps)",
        kind="bug",
        seen="keras-radam",
        link="https://github.com/CyberZHG/keras-radam/issues/29",
    ),
    Variant(
        name="radam.eps_ignored",
        rules=("radam",),
        was="denominator = sqrt(v) + eps",
        line="denominator = sqrt(v)",
        kind="bug",
        seen="torch's RAdam with foreach, until 2023",
        link="https://github.com/pytorch/pytorch/pull/92551",
    ),
    # RAdamW, RangerLars, Paratrooper: eps, in the root or outside.
    Variant(
        name="radamw.eps_corrected",
        rules=_RADAMW,
        was="denominator = sqrt(v + eps) if eps_inside_root else sqrt(v) + eps",
        line=(
            "denominator = sqrt(v) + eps * sqrt(1 - beta2_t)\n"
            "if eps_inside_root:\n"
            "    denominator = sqrt(v + eps * (1 - beta2_t))"
        ),
        kind="dialect",
        seen="optax, fastai, TensorFlow Addons: eps is added to what is corrected",
        link=f"{_OPTAX}/_src/transform.py",
    ),
    Variant(
        name="radamw.eps_ignored",
        rules=_RADAMW,
        was="denominator = sqrt(v + eps) if eps_inside_root else sqrt(v) + eps",
        line="denominator = sqrt(v)",
        kind="bug",
        seen="torch's RAdam with foreach, until 2023",
        link="https://github.com/pytorch/pytorch/pull/92551",
    ),
    Variant(
        name="radamw.eps_inside_root_always",
        rules=_RADAMW,
        was="denominator = sqrt(v + eps) if eps_inside_root else sqrt(v) + eps",
        line="denominator = sqrt(v + eps)",
        kind="bug",
        seen="keras-radam",
        link="https://github.com/CyberZHG/keras-radam/issues/29",
    ),
    Variant(
        name="radamw.eps_inside_root_never",
        rules=_RADAMW,
        was="denominator = sqrt(v + eps) if eps_inside_root else sqrt(v) + eps",
        line="denominator = sqrt(v) + eps",
        kind="bug",
        seen="a mutant",
    ),
    # RAdamW, RangerLars, Paratrooper: decay, once in the gradient and once in the direction.
    Variant(
        name="radamw.l2_ignored",
        rules=_RADAMW,
        was="regularized = g + l2 * theta",
        line="regularized = g",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="radamw.weight_decay_ignored",
        rules=_RADAMW,
        was=_DIRECTION,
        line="direction = rectification * bias_correction * m / denominator",
        also=(("direction = m_hat + weight_decay * theta", "direction = m_hat"),),
        kind="bug",
        seen="fastai: a list of callbacks overwritten, not extended",
        link="https://github.com/fastai/fastai2/issues/246",
    ),
    Variant(
        name="radamw.decay_waits",
        rules=_RADAMW,
        was="direction = m_hat + weight_decay * theta",
        line="direction = m_hat",
        kind="bug",
        seen="a mutant: no decay before the switch",
    ),
    Variant(
        name="ranger.decay_rescaled",
        rules=_RADAMW,
        was=_DIRECTION,
        line=(
            "direction = rectification * bias_correction * (m / denominator + weight_decay * theta)"
        ),
        also=(
            (
                "direction = m_hat + weight_decay * theta",
                "direction = m_hat + weight_decay * theta / (1 - beta1_t)",
            ),
        ),
        kind="dialect",
        seen="ranger2020.py: decay is part of what is corrected and rectified",
        link=f"{_RANGER}/ranger2020.py",
    ),
    Variant(
        name="ranger.decay_into_moment",
        rules=_RADAMW,
        was="m_hat = m / (1 - beta1_t)",
        line="m = m + weight_decay * theta\nm_hat = m / (1 - beta1_t)",
        also=(("direction = m_hat + weight_decay * theta", "direction = m_hat"),),
        kind="bug",
        seen="ranger2020.py: the update is an alias of the first moment",
        link=f"{_RANGER}/ranger2020.py",
    ),
    # All trust ratios.
    Variant(
        name="lars.adapt_ignored",
        rules=_LAYERWISE,
        was="if not adapt:",
        line="if False:",
        kind="bug",
        seen="holocron: biases and norms cannot be excluded",
        link="https://github.com/frgfm/holocron/issues/107",
    ),
    Variant(
        name="lars.ratio_one",
        rules=_LAYERWISE,
        was="if not adapt:",
        line="if True:",
        kind="bug",
        seen="AiDotNet.Tensors' CUDA kernel takes no norm",
        link=(
            "https://github.com/ooples/AiDotNet.Tensors/blob/5bb07dd/src/AiDotNet.Tensors/"
            "Engines/DirectGpu/CUDA/Kernels/CudaOptimizerKernels.cs"
        ),
    ),
    Variant(
        name="lars.skips_without_decay",
        rules=("lars_2017", "lars_2019"),
        was="if not adapt:",
        line="if not adapt or weight_decay <= 0:",
        kind="dialect",
        seen="timm, jettify; in Paddle a bug",
        link="https://github.com/PaddlePaddle/Paddle/issues/40892",
    ),
    Variant(
        name="lamb.skips_without_decay",
        rules=("lamb",),
        was="if not adapt:",
        line="if not adapt or weight_decay <= 0:",
        kind="dialect",
        seen="apex, timm; as an issue at NUS-HPC-AI-Lab",
        link="https://github.com/NUS-HPC-AI-Lab/pytorch-lamb/issues/1",
    ),
    Variant(
        name="lamb.squared_norms",
        rules=("lars_2019", "lamb", "rangerlars", "paratrooper"),
        was="weight_norm = norm(theta)",
        line="weight_norm = norm(theta) * norm(theta)",
        also=(
            (
                "direction_norm = norm(direction)",
                "direction_norm = norm(direction) * norm(direction)",
            ),
        ),
        kind="dialect",
        seen="the LAMB section of Han's page",
        link="https://danielhanchen.github.io",
    ),
    Variant(
        name="lamb.decay_outside_norm",
        rules=("lamb", "rangerlars", "paratrooper"),
        was="direction_norm = norm(direction)",
        line="direction_norm = norm(direction - weight_decay * theta)",
        kind="bug",
        seen="a mutant: decay is in the step, not in its norm",
    ),
    Variant(
        name="lars.zero_weights_stuck",
        rules=_LAYERWISE,
        was="if not adapt:",
        line="trust_ratio = trust_ratio * (weight_norm > 0)\nif not adapt:",
        kind="bug",
        seen="cybertronai's LAMB, at first: layers that begin at zero never move",
        link="https://github.com/cybertronai/pytorch-lamb/pull/6",
    ),
    # LARS, the form of 2017.
    Variant(
        name="lars.decay_in_norm",
        rules=("lars_2017",),
        was=_RATIO_2017,
        line=(
            "ratio = unless_zero(weight_norm / (direction_norm + eps), weight_norm, direction_norm)"
        ),
        kind="dialect",
        seen="optax: the norm of the sum, not the sum of the norms",
        link=f"{_OPTAX}/_src/alias.py",
    ),
    Variant(
        name="lars.decay_outside_norm",
        rules=("lars_2017",),
        was=_RATIO_2017,
        line="ratio = unless_zero(weight_norm / (norm(g) + eps), weight_norm, norm(g))",
        kind="bug",
        seen="pytorch_optimizer, after MAE's: decay is added behind the ratio",
        link=f"{_KOZISTR}/lars.py",
    ),
    Variant(
        name="lars.eps_ignored",
        rules=("lars_2017",),
        was=_RATIO_2017,
        line=(
            "ratio = unless_zero(weight_norm / (norm(g) + weight_decay * weight_norm),"
            " weight_norm, direction_norm)"
        ),
        kind="bug",
        seen="AiDotNet.Tensors' fused LARS until 2026",
        link="https://github.com/ooples/AiDotNet.Tensors/pull/955",
    ),
    Variant(
        name="lars.direction_norm_unguarded",
        rules=("lars_2017",),
        was=_RATIO_2017,
        line=(
            "ratio = unless_zero(weight_norm / (norm(g) + weight_decay * weight_norm + eps),"
            " weight_norm)"
        ),
        also=((_SCALED, "trust_ratio = unless_zero(trust_coefficient * ratio, weight_norm)"),),
        kind="bug",
        seen="a mutant: without decay and eps a gradient of 0 divides by 0",
    ),
    Variant(
        name="lars.ratio_at_least_1_at_rest",
        rules=("lars_2017",),
        was=_SCALED,
        line=(
            "rest = unless_zero(0 * ratio, weight_norm, norm(g))\n"
            "trust_ratio = (1 - rest) * trust_coefficient * ratio"
            " + rest * at_least(1, trust_coefficient * ratio)"
        ),
        kind="bug",
        seen="objax: where the norm of g or of the weights is 0",
        link="https://github.com/google/objax/blob/9dd7dc3/objax/optimizer/lars.py",
    ),
    Variant(
        name="lars.ratio_inverted",
        rules=("lars_2017",),
        was=_RATIO_2017,
        line=(
            "ratio = unless_zero((norm(g) + weight_decay * weight_norm + eps) / weight_norm,"
            " weight_norm, direction_norm)"
        ),
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="lars.trust_coefficient_ignored",
        rules=("lars_2017",),
        was=_SCALED,
        line="trust_ratio = ratio",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="lars.zero_norm_scaled",
        rules=("lars_2017",),
        was=_SCALED,
        line="trust_ratio = trust_coefficient * ratio",
        kind="bug",
        seen="a mutant: a norm of 0 makes the ratio 1, but not the whole local rate",
    ),
    Variant(
        name="lars.decay_decoupled",
        rules=("lars_2017",),
        was="regularized = g + weight_decay * theta",
        line="regularized = g\ntheta = (1 - lr * weight_decay) * theta",
        kind="dialect",
        seen="fastai's Larc: weights decay first, and then have the norm",
        link=_FASTAI,
    ),
    Variant(
        name="lars_2017.ratio_at_most_1",
        rules=("lars_2017",),
        was="trust_ratio = unless_zero(trust_coefficient * ratio, weight_norm, direction_norm)",
        line=(
            "trust_ratio = unless_zero("
            "at_most(1, trust_coefficient * ratio), weight_norm, direction_norm)"
        ),
        kind="bug",
        seen="a mutant: a ratio that only shortens steps",
    ),
    Variant(
        name="lars_2019.ratio_at_most_1",
        rules=("lars_2019",),
        was="trust_ratio = ratio",
        line="trust_ratio = unless_zero(at_most(1, ratio), weight_norm, direction_norm)",
        kind="bug",
        seen="a mutant: a ratio that only shortens steps",
    ),
    Variant(
        name="lars.update_clipped",
        rules=("lars_2017",),
        was="u = momentum * u + lr * trust_ratio * direction",
        line="u = momentum * u + direction",
        also=(
            (
                "update = u",
                (
                    "clipped = at_most(1, trust_coefficient * weight_norm / norm(u))\n"
                    "update = lr * unless_zero(clipped, norm(u)) * u"
                ),
            ),
        ),
        kind="dialect",
        seen="bitsandbytes: no ratio, but a step at most so long as a part of the weights",
        link=f"{_BITSANDBYTES}/bitsandbytes/optim/lars.py",
    ),
    Variant(
        name="lars.larc",
        rules=("lars_2017",),
        was=_SCALED,
        line=(
            "trust_ratio = at_most(1, trust_coefficient * ratio / lr)\n"
            "trust_ratio = unless_zero(trust_ratio, weight_norm, direction_norm)"
        ),
        kind="dialect",
        seen="LARC of apex and timm: a local rate that is clipped at the global one",
        link=f"{_TIMM}/lars.py",
    ),
    Variant(
        name="lars.no_decay_at_rest",
        rules=("lars_2017",),
        was="direction = regularized",
        line="direction = g + (norm(g) > 0) * (weight_decay * theta)",
        kind="dialect",
        seen="jettify, LARC: where the gradient is 0 there is no decay either",
        link=f"{_JETTIFY}/lars.py",
    ),
    Variant(
        name="lars.gradient_norm_decides",
        rules=("lars_2017",),
        was=_RATIO_2017,
        line=_RATIO_OF_GRADIENT,
        also=((_SCALED, _SCALED_OF_GRADIENT),),
        kind="dialect",
        seen="timm: the norm that makes the ratio 1 where it is 0 is that of g, without decay",
        link=f"{_TIMM}/lars.py",
    ),
    Variant(
        name="lars.timm",
        rules=("lars_2017",),
        was=_RATIO_2017,
        line=_RATIO_OF_GRADIENT,
        also=(
            (_SCALED, _SCALED_OF_GRADIENT),
            (
                "u = momentum * u + lr * trust_ratio * direction",
                "u = momentum * u + trust_ratio * direction",
            ),
            ("update = u", "update = lr * u"),
        ),
        kind="dialect",
        seen="timm, always_adapt: the norm of g decides, and the rate is outside of the buffer",
        link=f"{_TIMM}/lars.py",
    ),
    Variant(
        name="lars.jettify",
        rules=("lars_2017",),
        was="direction = regularized",
        line="direction = g + (norm(g) > 0) * (weight_decay * theta)",
        also=(
            ("if not adapt:", "if not adapt or weight_decay <= 0:"),
            (
                "u = momentum * u + lr * trust_ratio * direction",
                "u = momentum * u + trust_ratio * direction",
            ),
            ("update = u", "update = lr * u"),
        ),
        kind="dialect",
        seen="jettify: no ratio where nothing decays, no decay where the gradient is 0, and the "
             "rate outside of the buffer",
        link=f"{_JETTIFY}/lars.py",
    ),
    Variant(
        name="lars.momentum_ignored",
        rules=("lars_2017",),
        was="u = momentum * u + lr * trust_ratio * direction",
        line="u = lr * trust_ratio * direction",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="lars.lr_ignored",
        rules=("lars_2017",),
        was="u = momentum * u + lr * trust_ratio * direction",
        line="u = momentum * u + trust_ratio * direction",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="lars.lr_outside_buffer",
        rules=("lars_2017",),
        was="u = momentum * u + lr * trust_ratio * direction",
        line="u = momentum * u + trust_ratio * direction",
        also=(("update = u", "update = lr * u"),),
        kind="dialect",
        seen="timm, jettify: the same until the rate changes",
        link=f"{_TIMM}/lars.py",
    ),
    Variant(
        name="lars.ratio_of_history",
        rules=("lars_2017",),
        was="u = momentum * u + lr * trust_ratio * direction",
        line="u = momentum * u + direction",
        also=(("update = u", "update = lr * trust_ratio * u"),),
        kind="bug",
        seen="fastai's Larc, AiDotNet: today's ratio scales all past gradients",
        link="https://github.com/ooples/AiDotNet.Tensors/issues/955",
    ),
    # LARS, the form of 2019.
    Variant(
        name="lars_2019.momentum_ignored",
        rules=("lars_2019",),
        was="u = momentum * u + (1 - momentum) * regularized",
        line="u = regularized",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="lars_2019.moment_sum",
        rules=("lars_2019",),
        was="u = momentum * u + (1 - momentum) * regularized",
        line="u = momentum * u + regularized",
        kind="bug",
        seen="a mutant that the ratio hides: only u and a norm of 0 show it",
    ),
    Variant(
        name="lamb.lr_ignored",
        rules=("lars_2019", "lamb", "rangerlars", "paratrooper"),
        was="update = lr * trust_ratio * direction",
        line="update = trust_ratio * direction",
        kind="bug",
        seen="a mutant",
    ),
    # LAMB: the weights' norm, the ratio and its bounds.
    Variant(
        name="lamb.correction_outside_ratio",
        rules=("lamb",),
        was="m_hat = m / (1 - beta1_t)",
        line="m_hat = m",
        also=(
            ("v_hat = v / (1 - beta2_t)", "v_hat = v"),
            (
                "update = lr * trust_ratio * direction",
                "update = lr * sqrt(1 - beta2_t) / (1 - beta1_t) * trust_ratio * direction",
            ),
        ),
        kind="dialect",
        seen="DeepSpeed, jettify's debias: decay is scaled too, and no ratio makes it good",
        link="https://github.com/jettify/pytorch-optimizer/issues/443",
    ),
    Variant(
        name="lamb.decay_outside_ratio",
        rules=("lamb",),
        was="direction = m_hat / denominator + weight_decay * theta",
        line="direction = m_hat / denominator\ntheta = (1 - lr * weight_decay) * theta",
        kind="dialect",
        seen="Keras, fastai: weights decay first, and then have the norm",
        link=f"{_KERAS}/lamb.py",
    ),
    Variant(
        name="lamb.norm_at_most_10",
        rules=("lamb",),
        was="phi = at_most(norm_upper, at_least(norm_lower, weight_norm))",
        line="phi = at_most(10, weight_norm)",
        kind="dialect",
        seen="cybertronai, over9000, jettify",
        link=_CYBERTRONAI,
    ),
    Variant(
        name="lamb.cybertronai",
        rules=("lamb",),
        was="m_hat = m / (1 - beta1_t)",
        line="m_hat = m",
        also=(
            ("v_hat = v / (1 - beta2_t)", "v_hat = v"),
            (
                "phi = at_most(norm_upper, at_least(norm_lower, weight_norm))",
                "phi = at_most(10, weight_norm)",
            ),
        ),
        kind="dialect",
        seen="cybertronai, over9000, jettify: no bias correction, and the norm at most 10",
        link=_CYBERTRONAI,
    ),
    Variant(
        name="lamb.kozistr",
        rules=("lamb",),
        was="m_hat = m / (1 - beta1_t)",
        line="m_hat = m",
        also=(
            ("v_hat = v / (1 - beta2_t)", "v_hat = v"),
            (
                "phi = at_most(norm_upper, at_least(norm_lower, weight_norm))",
                "phi = at_most(10, weight_norm)",
            ),
            (
                "ratio = unless_zero(phi / direction_norm, weight_norm, direction_norm)",
                "ratio = unless_zero(phi / (direction_norm + eps), weight_norm, direction_norm)",
            ),
            (
                "update = lr * trust_ratio * direction",
                "update = lr / (1 - beta1_t) * trust_ratio * direction",
            ),
        ),
        kind="bug",
        seen="pytorch_optimizer: the rate is divided by 1 - beta1^t outside of the ratio, in whose "
             "denominator is eps too",
        link=f"{_KOZISTR}/lamb.py",
    ),
    Variant(
        name="lamb.deepspeed",
        rules=("lamb",),
        was="m_hat = m / (1 - beta1_t)",
        line="m_hat = m",
        also=(
            ("v_hat = v / (1 - beta2_t)", "v_hat = v"),
            (
                _CLAMPED,
                "trust_ratio = unless_zero(clamp(0.01, ratio, 10), weight_norm, direction_norm)",
            ),
            (
                "update = lr * trust_ratio * direction",
                "update = lr * sqrt(1 - beta2_t) / (1 - beta1_t) * trust_ratio * direction",
            ),
        ),
        kind="dialect",
        seen="DeepSpeed: the corrections scale the step, the ratio is in [0.01, 10]",
        link=f"{_DEEPSPEED}/csrc/lamb/fused_lamb_cuda_kernel.cu",
    ),
    Variant(
        name="lamb.gradient_clipped_by_layer",
        rules=("lamb",),
        was="m = beta1 * m + (1 - beta1) * g",
        line="g = g / at_least(1, norm(g))\nm = beta1 * m + (1 - beta1) * g",
        kind="bug",
        seen="apex: gradients clipped by the norm of a group, not of the whole model",
        link="https://github.com/NVIDIA/apex/issues/819",
    ),
    Variant(
        name="lamb.norm_lower_ignored",
        rules=("lamb",),
        was="phi = at_most(norm_upper, at_least(norm_lower, weight_norm))",
        line="phi = at_most(norm_upper, weight_norm)",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="lamb.norm_upper_ignored",
        rules=("lamb",),
        was="phi = at_most(norm_upper, at_least(norm_lower, weight_norm))",
        line="phi = at_least(norm_lower, weight_norm)",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="lamb.norm_bounds_order",
        rules=("lamb",),
        was="phi = at_most(norm_upper, at_least(norm_lower, weight_norm))",
        line="phi = at_least(norm_lower, at_most(norm_upper, weight_norm))",
        kind="bug",
        seen="a mutant that only bounds the wrong way round show",
    ),
    Variant(
        name="lamb.ratio_inverted",
        rules=("lamb",),
        was="ratio = unless_zero(phi / direction_norm, weight_norm, direction_norm)",
        line="ratio = unless_zero(direction_norm / phi, weight_norm, direction_norm)",
        kind="bug",
        seen="a mutant that Keras's golden for LAMB does not see",
        link=f"{_KERAS}/lamb_test.py",
    ),
    Variant(
        name="lamb.direction_norm_unguarded",
        rules=("lamb",),
        was="ratio = unless_zero(phi / direction_norm, weight_norm, direction_norm)",
        line="ratio = unless_zero(phi / direction_norm, weight_norm)",
        also=((_CLAMPED, "trust_ratio = unless_zero(clamp(lower, ratio, upper), weight_norm)"),),
        kind="bug",
        seen="a mutant: without decay a gradient of 0 divides by 0",
    ),
    Variant(
        name="lars_2019.direction_norm_unguarded",
        rules=("lars_2019",),
        was="ratio = unless_zero(weight_norm / direction_norm, weight_norm, direction_norm)",
        line="ratio = unless_zero(weight_norm / direction_norm, weight_norm)",
        kind="bug",
        seen="a mutant: without decay a gradient of 0 divides by 0",
    ),
    Variant(
        name="lamb.eps_in_ratio",
        rules=("lamb",),
        was="ratio = unless_zero(phi / direction_norm, weight_norm, direction_norm)",
        line="ratio = unless_zero(phi / (direction_norm + eps), weight_norm, direction_norm)",
        kind="bug",
        seen="tt-metal's reference, pytorch_optimizer",
        link=(
            "https://github.com/tenstorrent/tt-metal/blob/4c74579/tests/tt_eager/"
            "python_api_testing/sweep_tests/reference_optimizer/lamb_optimizer_kernel.py"
        ),
    ),
    Variant(
        name="lamb.norms_absolute",
        rules=("lamb", "rangerlars", "paratrooper"),
        was="weight_norm = norm(theta)",
        line="weight_norm = total(sqrt(theta * theta))",
        also=(("direction_norm = norm(direction)",
               "direction_norm = total(sqrt(direction * direction))"),),
        kind="bug",
        seen="a mutant: sums of magnitudes for norms",
    ),
    Variant(
        name="lamb.ratio_at_most_1",
        rules=("lamb",),
        was=_CLAMPED,
        line="trust_ratio = unless_zero(at_most(1, ratio), weight_norm, direction_norm)",
        kind="dialect",
        seen="timm's trust_clip",
        link=f"{_TIMM}/lamb.py",
    ),
    Variant(
        name="lamb.ratio_at_most_10",
        rules=("lamb",),
        was=_CLAMPED,
        line="trust_ratio = unless_zero(at_most(10, ratio), weight_norm, direction_norm)",
        kind="dialect",
        seen="fastai",
        link=_FASTAI,
    ),
    Variant(
        name="lamb.ratio_from_hundredth_to_10",
        rules=("lamb",),
        was=_CLAMPED,
        line="trust_ratio = unless_zero(clamp(0.01, ratio, 10), weight_norm, direction_norm)",
        kind="dialect",
        seen="DeepSpeed",
        link=f"{_DEEPSPEED}/deepspeed/ops/lamb/fused_lamb.py",
    ),
    Variant(
        name="lamb.lower_ignored",
        rules=("lamb", "rangerlars"),
        was=_CLAMPED,
        line="trust_ratio = unless_zero(clamp(0, ratio, upper), weight_norm, direction_norm)",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="lamb.upper_ignored",
        rules=("lamb", "rangerlars"),
        was=_CLAMPED,
        line="trust_ratio = unless_zero(clamp(lower, ratio, inf), weight_norm, direction_norm)",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="lamb.bounds_order",
        rules=("lamb", "rangerlars"),
        was=_CLAMPED,
        line=(
            "trust_ratio = clamp(0, clamp(lower, ratio, inf), upper)\n"
            "trust_ratio = unless_zero(trust_ratio, weight_norm, direction_norm)"
        ),
        kind="bug",
        seen="np.clip, torch.clamp: the upper bound wins where they cross",
        link="https://numpy.org/doc/stable/reference/generated/numpy.clip.html",
    ),
    Variant(
        name="lamb.zero_norm_clamped",
        rules=("lamb", "rangerlars"),
        was=_CLAMPED,
        line="trust_ratio = clamp(lower, ratio, upper)",
        kind="bug",
        seen="a mutant: the 1 of a norm of 0 is clamped too",
    ),
    # RangerLars.
    Variant(
        name="rangerlars.ratio_inverted",
        rules=_RATIO,
        was="ratio = unless_zero(weight_norm / direction_norm, weight_norm, direction_norm)",
        line="ratio = unless_zero(direction_norm / weight_norm, weight_norm, direction_norm)",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="rangerlars.norm_of_new_weights",
        rules=("rangerlars", "paratrooper"),
        was="direction_norm = norm(direction)",
        line="direction_norm = norm(theta - lr * direction)",
        kind="bug",
        seen="over9000's RangerLars, alone of all that is its own",
        link=f"{_GRANKIN}/ac21bf9/ralamb.py",
    ),
    _over9000(
        name="rangerlars.over9000",
        weights=_OVER9000,
        norm="norm(theta - lr * direction)",
        seen="over9000 since 2019-08-28: the norm of the new weights, ‖θ‖ at most 10",
        link=f"{_GRANKIN}/ac21bf9/ralamb.py",
    ),
    _over9000(
        name="rangerlars.over9000_first",
        weights=_OVER9000,
        norm="norm(theta)",
        seen="over9000, first version of 2019-08-25: the norm of the decayed weights",
        link=f"{_GRANKIN}/094f4d3/over9000.py",
    ),
    _over9000(
        name="rangerlars.over9000_float32",
        weights=_OVER9000_IN_PLACE,
        norm="norm(theta - lr * direction)",
        seen="over9000 on float32 weights, whose copy is no copy: their norm is taken decayed",
        link=f"{_GRANKIN}/ac21bf9/ralamb.py",
    ),
    # Paratrooper: the ceiling.
    Variant(
        name="paratrooper.cap_stays",
        rules=("paratrooper",),
        was="cap = 1 / (rectification * bias_correction) if scheduled else cap",
        line="",
        kind="bug",
        seen="a mutant: 10 throughout, as in RangerLars",
    ),
    Variant(
        name="paratrooper.cap_without_rectification",
        rules=("paratrooper",),
        was="cap = 1 / (rectification * bias_correction) if scheduled else cap",
        line="cap = 1 / bias_correction if scheduled else cap",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="paratrooper.cap_without_bias_correction",
        rules=("paratrooper",),
        was="cap = 1 / (rectification * bias_correction) if scheduled else cap",
        line="cap = 1 / rectification if scheduled else cap",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="paratrooper.cap_ignored",
        rules=("paratrooper",),
        was='scheduled = cap == "rectified"',
        line="scheduled = True",
        kind="bug",
        seen="a mutant: a constant is ignored",
    ),
    Variant(
        name="paratrooper.cap_shut_early",
        rules=("paratrooper",),
        was="cap = 10 if scheduled else cap",
        line="cap = 1 if scheduled else cap",
        kind="bug",
        seen="a mutant: no adaptation before the switch",
    ),
    Variant(
        name="paratrooper.uncapped",
        rules=("paratrooper",),
        was=_CAPPED,
        line=(
            'trust_ratio = clamp(lower, ratio, float("inf"))\n'
            "trust_ratio = unless_zero(trust_ratio, weight_norm, direction_norm)"
        ),
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="paratrooper.lower_ignored",
        rules=("paratrooper",),
        was=_CAPPED,
        line="trust_ratio = unless_zero(clamp(0, ratio, cap), weight_norm, direction_norm)",
        kind="bug",
        seen="a mutant: RangerLars as it was first published has no lower bound",
    ),
    Variant(
        name="paratrooper.bounds_order",
        rules=("paratrooper",),
        was=_CAPPED,
        line=(
            "trust_ratio = clamp(0, clamp(lower, ratio, cap), cap)\n"
            "trust_ratio = unless_zero(trust_ratio, weight_norm, direction_norm)"
        ),
        kind="bug",
        seen="np.clip, torch.clamp: the ceiling wins where it is below the lower bound",
        link="https://numpy.org/doc/stable/reference/generated/numpy.clip.html",
    ),
    Variant(
        name="paratrooper.zero_norm_clamped",
        rules=("paratrooper",),
        was=_CAPPED,
        line="trust_ratio = clamp(lower, ratio, cap)",
        kind="bug",
        seen="a mutant: the 1 of a norm of 0 is clamped too",
    ),
    # The first batch, which chooses how to warm up.
    Variant(
        name="first_batch.without_betas",
        rules=("first_batch",),
        was="h = squares / (elements * ((1 - beta1) / (1 - beta2)) ** 2)",
        line="h = squares / elements",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="first_batch.betas_unsquared",
        rules=("first_batch",),
        was="h = squares / (elements * ((1 - beta1) / (1 - beta2)) ** 2)",
        line="h = squares / (elements * ((1 - beta1) / (1 - beta2)))",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="first_batch.sum",
        rules=("first_batch",),
        was="h = squares / (elements * ((1 - beta1) / (1 - beta2)) ** 2)",
        line="h = squares / ((1 - beta1) / (1 - beta2)) ** 2",
        kind="bug",
        seen="a mutant: a sum over the elements instead of their mean",
    ),
    Variant(
        name="first_batch.first_layer",
        rules=("first_batch",),
        was="squares = reduce(operator.add, [total(g * g) for g in gradients])",
        line="squares = total(gradients[0] * gradients[0])",
        also=(
            (
                "elements = sum(g.shape[-1] for g in gradients)",
                "elements = gradients[0].shape[-1]",
            ),
        ),
        kind="bug",
        seen="a mutant: one layer stands for the model",
    ),
    Variant(
        name="first_batch.threshold_1",
        rules=("first_batch",),
        was="small = certainly(operator.le, h, 0.5)",
        line="small = certainly(operator.le, h, 1)",
        kind="bug",
        seen="a mutant",
    ),
    Variant(
        name="first_batch.opposite",
        rules=("first_batch",),
        was="small = certainly(operator.le, h, 0.5)",
        line="small = ~certainly(operator.le, h, 0.5)",
        kind="bug",
        seen="a mutant: Han's word for no step is the authors' flag for a momentum step",
    ),
    Variant(
        name="first_batch.zeros_left_out",
        rules=("first_batch",),
        was="elements = sum(g.shape[-1] for g in gradients)",
        line="elements = sum(g.shape[-1] for g in gradients if (g != 0).any()) or 1",
        kind="bug",
        seen="a mutant: a layer whose gradient is 0 is taken for a frozen one",
    ),
    # Lookahead.
    Variant(
        name="lookahead.late",
        rules=("lookahead",),
        was="slow = (1 - alpha) * slow + alpha * fast",
        line="slow = fast if t == k else (1 - alpha) * slow + alpha * fast",
        kind="dialect",
        seen="over9000, timm: slow weights are made at the first synchronisation",
        link=f"{_GRANKIN}/ac21bf9/lookahead.py",
    ),
    Variant(
        name="lookahead.early_phase",
        rules=("lookahead",),
        was="if t % k == 0:",
        line="if t % k == 1 % k:",
        also=(
            (
                "slow = (1 - alpha) * slow + alpha * fast",
                "slow = fast if t == 1 else (1 - alpha) * slow + alpha * fast",
            ),
        ),
        kind="dialect",
        seen="alphadl, jettify: synchronised at 1, k + 1, 2 k + 1, ...",
        link="https://github.com/alphadl/lookahead.pytorch/blob/570a089/lookahead.py",
    ),
    Variant(
        name="lookahead.slow_of_first_step",
        rules=("lookahead",),
        was="fast = theta",
        line="fast = theta\nif t == 1:\n    slow = fast",
        kind="bug",
        seen="TensorFlow Addons: slow weights are made after the first step",
        link="https://github.com/tensorflow/addons/issues/2351",
    ),
    Variant(
        name="lookahead.slow_from_zero",
        rules=("lookahead",),
        was="fast = theta",
        line="fast = theta\nif t == 1:\n    slow = 0 * slow",
        kind="bug",
        seen="the authors' TensorFlow code, and Optimizers",
        link="https://github.com/lifeiteng/Optimizers/issues/1",
    ),
    Variant(
        name="lookahead.k_plus_1",
        rules=("lookahead",),
        was="if t % k == 0:",
        line="if t % (k + 1) == 0:",
        kind="bug",
        seen="the authors' TensorFlow code",
        link="https://github.com/michaelrzhang/lookahead/blob/c4fd85f/lookahead_tensorflow.py",
    ),
    Variant(
        name="lookahead.one_step_early",
        rules=("lookahead",),
        was="if t % k == 0:",
        line="if (t + 1) % k == 0:",
        kind="bug",
        seen="a mutant: steps are counted from 0",
    ),
    Variant(
        name="lookahead.one_step_late",
        rules=("lookahead",),
        was="if t % k == 0:",
        line="if t > 1 and t % k == 1 % k:",
        kind="bug",
        seen="a mutant: steps are counted after they are taken",
    ),
    Variant(
        name="lookahead.every_step",
        rules=("lookahead",),
        was="if t % k == 0:",
        line="if True:",
        kind="bug",
        seen="a mutant: k is ignored",
    ),
    Variant(
        name="lookahead.waits",
        rules=_RADAMW,
        was="rectified = rho > threshold",
        line=(
            "rectified = rho > threshold\n"
            'if not rectified and warmup != "momentum":\n'
            "    k = t + 1"
        ),
        kind="bug",
        seen="a mutant: where no step is taken there is no synchronisation either",
    ),
    Variant(
        name="lookahead.never",
        rules=("lookahead",),
        was="if t % k == 0:",
        line="if False:",
        kind="bug",
        seen="ReaLLM-Forge: a return before the synchronisation",
        link="https://github.com/ReaLLMASIC/ReaLLM-Forge/pull/479",
    ),
    Variant(
        name="lookahead.alpha_swapped",
        rules=("lookahead",),
        was="slow = (1 - alpha) * slow + alpha * fast",
        line="slow = alpha * slow + (1 - alpha) * fast",
        kind="bug",
        seen="a mutant: Han writes 1 - alpha for alpha",
    ),
    Variant(
        name="lookahead.alpha_half",
        rules=("lookahead",),
        was="slow = (1 - alpha) * slow + alpha * fast",
        line="slow = 0.5 * slow + 0.5 * fast",
        kind="bug",
        seen="a mutant: alpha is ignored",
    ),
    Variant(
        name="lookahead.fast_goes_on",
        rules=("lookahead",),
        was="theta = slow",
        line="",
        kind="bug",
        seen="QuantML: a method that the step does not call copies them back",
        link=(
            "https://github.com/SritejBommaraju/quantmllibrary/blob/11eb8ec/quantml/optim/"
            "lookahead.py"
        ),
    ),
    Variant(
        name="lookahead.slow_stays",
        rules=("lookahead",),
        was="slow = (1 - alpha) * slow + alpha * fast",
        line="theta = (1 - alpha) * slow + alpha * fast",
        also=(("theta = slow", ""),),
        kind="bug",
        seen="a mutant: the slow weights are never stored",
    ),
)
