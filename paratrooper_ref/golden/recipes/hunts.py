"""What each witness of the core tier is there to catch.

Patterns of variants' names, by the word that names the witness.  A variant that its optimizer
cannot have, or that says the same as the published line at its hyperparameters, is left out; of
the others every one is a claim, which the making of the corpus checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from paratrooper_ref.golden.bits import to_bfloat16
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.variants import VARIANTS

Hyper = Mapping[str, Any]

HUNTS: Final[dict[str, tuple[str, ...]]] = {
    "plain": (
        "step.uphill", "adam.counts_twice", "adam.corrected_in_place", "adam.m_uncorrected",
        "adam.uncorrected", "adam.v_uncorrected", "sgd.dampening_first",
        "lookahead.slow_from_zero", "lookahead.slow_of_first_step", "lookahead.early_phase",
        "ranger.decay_into_moment",
    ),
    "turning": (
        "*.beta1_ignored", "*.beta2_ignored", "*.betas_swapped", "adam.v_twice",
        "adam.beta?_power_behind", "adamw.beta2_bfloat16", "*.momentum_ignored",
        "lars_2019.moment_sum", "lars.ratio_of_history", "sgd.nesterov_ignored", "radam.rho_*",
        "radam.rectification_ignored", "radam.m_uncorrected", "radam.v_uncorrected",
    ),
    "zero-weights": (
        "step.*", "lars.lr_ignored", "lamb.lr_ignored", "lars.zero_*",
        "adamw.decay_after_step", "sgd.dampening_ignored",
    ),
    "still": (
        "*.weight_decay_ignored", "*.l2_ignored", "adamw.decay_l2", "adamw.decay_corrected",
        "adamw.decay_without_lr", "sgd.decay_constant", "sgd.decay_decoupled",
        "lars.decay_outside_norm", "lars.no_decay_at_rest", "ranger.decay_rescaled",
        "lookahead.every_step",
    ),
    "shapes": (
        "step.uphill", "lars.decay_in_norm", "lars.ratio_one", "lars.zero_weights_stuck",
        "lamb.squared_norms", "lamb.decay_outside_norm", "lamb.decay_outside_ratio",
        "lamb.correction_outside_ratio", "radamw.decay_waits",
    ),
    "frozen": ("step.uphill", "adam.counts_twice"),
    "frozen-first": ("step.uphill", "adam.counts_twice"),
    "around-lamb": ("lookahead.every_step", "lamb.ratio_inverted"),
    "around-radam": ("lookahead.every_step", "radam.rectification_ignored"),
    "rates": ("step.lr_*", "sgd.lr_in_buffer", "lars.lr_*", "lamb.lr_ignored"),
    "layers": ("step.lr_*", "lars.adapt_ignored", "*.skips_without_decay"),
    "late": ("step.uphill", "adam.count_stops"),
    "wide": ("step.uphill", "lamb.lr_ignored", "lars.ratio_one"),
    "tiny": ("*.eps_*",),
    "tiny-inside": ("*.eps_*",),
    "tiny-outside": ("*.eps_*",),
    "switch-momentum": (
        "radam.threshold_*", "radam.never_momentum", "radam.warmup_opposite", "radam.rho_*",
        "radam.rectification_ignored", "ranger.two_thresholds",
    ),
    "switch-none": (
        "radam.threshold_*", "radam.always_momentum", "radam.ascends", "radam.warmup_opposite",
        "radam.rho_*", "radam.rectification_ignored",
    ),
    "never": ("radam.never_momentum", "radamw.decay_waits", "paratrooper.cap_shut_early"),
    "ratios": (
        "lars.[!as]*", "lamb.norm_at_most_10", "lamb.ratio_*", "rangerlars.*",
        "paratrooper.cap_stays", "paratrooper.cap_without_*", "paratrooper.uncapped",
        "paratrooper.lower_ignored",
    ),
    "at-rest": (
        "lars.ratio_one", "lars.zero_weights_stuck", "lamb.direction_norm_unguarded",
        "lars.direction_norm_unguarded", "lars_2019.direction_norm_unguarded",
    ),
    "faint": ("lars.ratio_one", "*.trust_coefficient_ignored"),
    "faint-eps": ("*.eps_ignored",),
    "coasting": ("lars.ratio_at_least_1_at_rest", "lars.trust_coefficient_ignored"),
    "sync": (
        "lookahead.alpha_*", "lookahead.early_phase", "lookahead.every_step",
        "lookahead.fast_goes_on", "lookahead.never", "lookahead.one_step_early",
        "lookahead.slow_stays",
    ),
    "first-sync": ("lookahead.*",),
    "norms": ("lamb.norm_*_ignored", "lamb.norm_at_most_10"),
    "norms-crossed": ("lamb.norm_*",),
    "bounds": ("lamb.lower_ignored", "lamb.upper_ignored", "lamb.ratio_*"),
    "bounds-crossed": (
        "lamb.bounds_order", "lamb.zero_norm_clamped", "lamb.lower_ignored", "lamb.upper_ignored",
    ),
    "lower": ("*.lower_ignored", "paratrooper.zero_norm_clamped"),
    "cap": ("paratrooper.cap_ignored", "paratrooper.uncapped"),
    "low-cap": ("paratrooper.bounds_order", "paratrooper.cap_ignored", "paratrooper.uncapped"),
    "quiet": ("first_batch.[!t]*",),
    "late-choice": ("first_batch.opposite", "radam.always_momentum"),
    "loud": ("first_batch.first_layer", "first_batch.opposite", "first_batch.threshold_1"),
    "open": (
        "paratrooper.cap_stays", "paratrooper.cap_without_*", "paratrooper.cap_shut_early",
        "paratrooper.uncapped", "radam.threshold_*",
    ),
    "shutting": ("paratrooper.cap_stays", "paratrooper.cap_without_*", "paratrooper.uncapped"),
    "shut": ("paratrooper.cap_stays", "paratrooper.uncapped"),
    "below-1": (
        "paratrooper.bounds_order", "paratrooper.lower_ignored", "paratrooper.uncapped",
    ),
    "plateau": ("step.lr_*", "sgd.lr_in_buffer", "lamb.lr_ignored"),
    "no-eps": ("step.uphill", "adam.uncorrected"),
    "large": ("step.uphill", "adam.uncorrected"),
    "small": ("step.uphill", "adam.uncorrected", "adam.v_uncorrected"),
    "no-beta1": ("step.uphill", "adam.betas_swapped"),
    "no-rate": ("adam.v_twice",),
    "each-step": ("lookahead.never", "lookahead.slow_stays"),
    "no-way": ("lookahead.never", "lookahead.fast_goes_on", "lookahead.alpha_*"),
    "full": (
        "step.*", "lamb.lr_ignored", "lars.lr_ignored", "*.beta1_ignored", "*.beta2_ignored",
        "*.momentum_ignored", "adam.v_twice", "adam.uncorrected", "radam.rectification_ignored",
        "radam.v_uncorrected", "lookahead.never", "lookahead.fast_goes_on",
    ),
    "descent": ("sgd.decay_constant", "sgd.*_needs_momentum", "sgd.dampening_first"),
    "loud-frozen": ("first_batch.opposite", "first_batch.threshold_1", "radam.always_momentum"),
    "quiet-still": (
        "first_batch.opposite", "first_batch.zeros_left_out", "radam.never_momentum",
    ),
    "late-choice-momentum": (
        "first_batch.[!ftz]*", "radam.never_momentum", "radam.warmup_opposite",
    ),
    "sync-waiting": (
        "lookahead.alpha_*", "lookahead.every_step", "lookahead.fast_goes_on", "lookahead.never",
        "lookahead.one_step_early", "lookahead.slow_stays", "lookahead.waits",
        "radam.always_momentum", "radam.ascends", "radam.warmup_opposite",
    ),
    "counted-256": (
        "step.uphill", "adam.count_stops", "adam.counts_twice", "radam.count_stops",
        "radam.counts_twice",
    ),
    "counted-2048": (
        "step.uphill", "adam.count_stops", "adam.counts_twice", "radam.count_stops",
        "radam.counts_twice",
    ),
    "own-sync": (
        "lookahead.alpha_*", "lookahead.early_phase", "lookahead.every_step",
        "lookahead.fast_goes_on", "lookahead.k_plus_1", "lookahead.never",
        "lookahead.one_step_early", "lookahead.slow_stays",
    ),
    "no-momentum": (
        "step.uphill", "lars.lr_ignored", "lars.ratio_inverted", "lars.ratio_one",
        "lars.trust_coefficient_ignored",
    ),
}

IDLE: Final[dict[str, Callable[[Hyper], bool]]] = {
    "adamw.beta2_bfloat16": lambda h: float(to_bfloat16(h["beta2"])) == h["beta2"],
    "lars.lr_ignored": lambda h: h["lr"] == 1,
    "lookahead.alpha_*": lambda h: h["alpha"] == 0.5,
    "radam.threshold_4": lambda h: h["threshold"] == 4,
    "radam.threshold_5": lambda h: h["threshold"] == 5,
    "radamw.eps_inside_root_always": lambda h: h["eps_inside_root"],
    "radamw.eps_inside_root_never": lambda h: not h["eps_inside_root"],
    "*.l2_ignored": lambda h: h["l2"] == 0,
    "sgd.*decay*": lambda h: h["weight_decay"] == 0,
    "sgd.dampening*": lambda h: h["dampening"] == 0,
    "sgd.nesterov_ignored": lambda h: not h["nesterov"],
}
"""Where a variant says the same as the published line."""


LATER: Final = frozenset(
    {
        "adam.beta2_bfloat16", "adam.betas_float32", "adam.corrections_multiplied",
        "adam.corrections_of_first_step", "adam.count_ahead", "adam.eps_floor",
        "adam.eps_inside_uncorrected_root", "adam.m_stale", "adam.m_weights_swapped",
        "adam.stored_corrected", "adam.v_corrected_twice", "adam.v_of_beta1",
        "adam.v_weights_swapped", "adamw.betas_float32", "adamw.decay_rate_twice",
        "adamw.decay_twice", "adamw.m_stale", "adamw.m_weights_swapped", "adamw.stored_corrected",
        "adamw.v_of_beta1", "adamw.v_weights_swapped", "first_batch.zeros_left_out",
        "lamb.cybertronai", "lamb.deepspeed", "lamb.direction_norm_unguarded", "lamb.eps_in_ratio",
        "lamb.gradient_clipped_by_layer", "lamb.kozistr", "lamb.norms_absolute",
        "lars.decay_decoupled", "lars.direction_norm_unguarded", "lars.gradient_norm_decides",
        "lars.jettify", "lars.ratio_at_least_1_at_rest", "lars.timm", "lars.update_clipped",
        "lars_2017.ratio_at_most_1", "lars_2019.direction_norm_unguarded",
        "lars_2019.ratio_at_most_1", "lookahead.one_step_late", "lookahead.waits",
        "radam.count_ahead", "radam.count_stops", "radam.counts_twice",
        "radam.rectification_unrooted", "radam.stored_corrected", "radam.uncorrected",
        "radamw.decay_rate_twice", "rangerlars.over9000_float32", "sgd.decay_without_lr",
        "sgd.moment_average", "sgd.momentum_on_gradient", "sgd.u_stale",
    }
)
"""Variants that are younger than the corpus 1.0.0, which no pattern claims: a claim is part of a
case's bytes.  A witness that is younger still may name them in full.  What all cases say of them
is in the kill matrix, where all variants are."""


def hunted(optimizer: Optimizer, what: str) -> tuple[str, ...]:
    """Return the names of the variants that a witness is there to catch."""
    hyper = optimizer.hyper()

    def claimed(name: str) -> bool:
        variant = VARIANTS[name]
        patterns = [p for p in HUNTS[what] if name not in LATER or p == name]
        meant = variant.kind != "form" and any(fnmatchcase(name, p) for p in patterns)
        if not (meant and variant.fits(optimizer)):
            return False
        return not any(fnmatchcase(name, p) and same(hyper) for p, same in IDLE.items())

    return tuple(sorted(name for name in VARIANTS if claimed(name)))
