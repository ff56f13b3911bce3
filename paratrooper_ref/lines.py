"""The tagged lines of a step, each with its symbol and its meaning.

The local names of a rule that stand here are its tags.  The table gives each its symbol for
people and for TeX, says what it is, and whether there is one a step, one a layer, or one an
element.  The order is that of `lines` in a step, in the golden files and in every report.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Tag(NamedTuple):
    """A line of an algorithm: its symbol, its extent, what it means."""

    symbol: str
    tex: str
    extent: Literal["step", "layer", "element"]
    meaning: str


TAGS: Final = {
    "g": Tag("g", "g", "element", "gradient, as given"),
    "regularized": Tag("g̃", r"\tilde g", "element", "gradient with L2 decay"),
    "m": Tag("m", "m", "element", "first moment"),
    "v": Tag("v", "v", "element", "second moment"),
    "u": Tag("u", "u", "element", "momentum buffer"),
    "beta1_t": Tag("β1^t", r"\beta_1^t", "step", "power of beta1"),
    "beta2_t": Tag("β2^t", r"\beta_2^t", "step", "power of beta2"),
    "m_hat": Tag("m̂", r"\hat m", "element", "first moment, bias corrected"),
    "v_hat": Tag("v̂", r"\hat v", "element", "second moment, bias corrected"),
    "rho_inf": Tag("ρ∞", r"\rho_\infty", "step", "longest length of the average"),
    "rho": Tag("ρ", r"\rho_t", "step", "length of the average so far"),
    "rectified": Tag("rectified", r"\text{rectified}", "step", "is the variance tractable?"),
    "rectification": Tag("r", "r_t", "step", "rectification"),
    "bias_correction": Tag("b", "b_t", "step", "combined bias correction"),
    "denominator": Tag("s", "s", "element", "root of the second moment, with eps"),
    "direction": Tag("D", "D", "element", "direction, decay included"),
    "weight_norm": Tag("‖θ‖", r"\lVert\theta\rVert", "layer", "norm of the parameters"),
    "direction_norm": Tag("‖D‖", r"\lVert D\rVert", "layer", "norm of the direction"),
    "ratio": Tag("q", "q", "layer", "trust ratio before it is clamped"),
    "cap": Tag("R", "R_t", "step", "ceiling of the trust ratio"),
    "trust_ratio": Tag("T", "T", "layer", "trust ratio"),
    "lr": Tag("α", r"\alpha", "step", "effective learning rate"),
    "update": Tag("Δ", r"\Delta", "element", "what is subtracted"),
    "fast": Tag("θ_fast", r"\theta_{\text{fast}}", "element", "parameters after the step"),
    "slow": Tag("φ", r"\varphi", "element", "slow parameters"),
    "theta": Tag("θ", r"\theta", "element", "parameters"),
}

# One line of the whole model: how large the first gradient is.
MODEL_TAGS: Final = {"h": Tag("h", "h", "step", "size of the first gradient")}

# What rules read besides lines: (symbol, TeX).
SYMBOLS: Final = {
    "t": ("t", "t"),
    "beta1": ("β1", r"\beta_1"),
    "beta2": ("β2", r"\beta_2"),
    "eps": ("ε", r"\varepsilon"),
    "weight_decay": ("λ", r"\lambda"),
    "l2": ("λ2", r"\lambda_2"),
    "momentum": ("μ", r"\mu"),
    "dampening": ("τ", r"\tau"),
    "threshold": ("ρ_min", r"\rho_{\min}"),
    "trust_coefficient": ("c", "c"),
    "norm_lower": ("γ_lo", r"\gamma_{\mathrm{lo}}"),
    "norm_upper": ("γ_hi", r"\gamma_{\mathrm{hi}}"),
    "lower": ("lo", r"\mathrm{lo}"),
    "upper": ("hi", r"\mathrm{hi}"),
    "k": ("k", "k"),
    "alpha": ("a", "a"),
    "phi": ("φ(‖θ‖)", r"\phi(\lVert\theta\rVert)"),
    "elements": ("n", "n"),
    "squares": ("Σg²", r"\textstyle\sum g^2"),
}
