r"""The noisy quadratic model, solved: mean and covariance of every iterate, without a draw.

    modes = Modes.of(problems.noisy_quadratic(n=100))
    after(pr.SGD(lr=0.5), modes, 1000).excess()
    steady(pr.Lookahead(inner=pr.SGD(lr=0.5)), modes).excess()

In a mode of curvature a, x measured from its minimizer, the gradient of a step is a x + w, with
fresh noise w of mean 0 and variance q.  The expected loss above the minimum is the sum of
a (E[x]² + V[x]) / 2 over the modes.

A file for each idea, which stands on those before it::

    modes         what is solved: curvatures, noises, where runs begin
    averages      what is made of the weights on the side
    recursion     a linear recursion of means and covariances, and where it settles
    moments       mean and covariance of a state, and the expected loss they come to
    method        an optimizer's own rules as such a recursion
    solution      the moments after some steps, and in the steady state
    curves        expected losses against the floor, over learning rates
    closed_forms  steady variances as formulas
    limits        the largest rate at which Lookahead settles

Source   Zhang, Lucas, Hinton and Ba, arXiv:1907.08610, section 3, for the model and Lookahead's
         variance; the others, the ratio without powers of α, and the limit for odd k are derived.
"""

from paratrooper_ref.noise_floor.averages import EMA, Average, Tail
from paratrooper_ref.noise_floor.closed_forms import (
    ema_variance,
    lookahead_ratio,
    lookahead_variance,
    momentum_variance,
    sgd_variance,
    tail_variance,
)
from paratrooper_ref.noise_floor.curves import Curve, curve, envelope
from paratrooper_ref.noise_floor.limits import largest_rate
from paratrooper_ref.noise_floor.modes import Modes
from paratrooper_ref.noise_floor.moments import Moments
from paratrooper_ref.noise_floor.recursion import Recursion
from paratrooper_ref.noise_floor.solution import after, steady

__all__ = [
    "EMA",
    "Average",
    "Curve",
    "Modes",
    "Moments",
    "Recursion",
    "Tail",
    "after",
    "curve",
    "ema_variance",
    "envelope",
    "largest_rate",
    "lookahead_ratio",
    "lookahead_variance",
    "momentum_variance",
    "sgd_variance",
    "steady",
    "tail_variance",
]
