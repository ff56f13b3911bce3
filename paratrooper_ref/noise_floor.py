r"""The noisy quadratic model, solved: mean and covariance of every iterate, without a draw.

In a mode of curvature a, x measured from its minimizer, the gradient of a step is a x + w, with
fresh noise w of mean 0 and variance q.  SGD, momentum, Lookahead and weight averages are linear
in the state s = (θ, u, φ, average), which has at most four numbers a mode.  So a step is
s ← F s + b w, and whatever the noise's distribution::

    E s  ← F E s
    C    ← F C F' + q b b'            C the covariance of s

    expected loss above the minimum = Σ a (E[x]² + V[x]) / 2 over the modes

F and b are written nowhere: the optimizer's own rules are run on linear forms, which are rows of
coefficients of (s, w), in place of numbers.  Steps compose, k of them are a cycle of Lookahead,
and cycles are squared, so a million steps cost some twenty products.

Steady states in closed form, with r = 1 − γ a and γ the learning rate::

    SGD        V = γ q / (a (2 − γ a)),  from V = r² V + γ² q
    momentum   V = γ' q (1 + μ) / (a (1 − μ) (2 (1 + μ) − γ' a)),  γ' = γ (1 − τ)
    Lookahead  V = α γ² q (1 + r² + ... + r^(2k−2)) / ((1 − r^k) (2 (1 − α) + α (1 + r^k)))
    EMA        V = V_SGD (1 − d) (1 + r d) / ((1 + d) (1 − r d)),  d the decay
    tail       V = V_SGD ((1 + r) / (1 − r) − 2 r (1 − r^m) / (m (1 − r)²)) / m,  m iterates

Each function below that gives one of them derives it.

Source   Zhang, Lucas, Hinton and Ba, arXiv:1907.08610, section 3, for the model and Lookahead's
         variance; the others, the ratio without powers of α, and the limit for odd k are derived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import parameters
from paratrooper_ref.optimizers.lookahead import lookahead
from paratrooper_ref.optimizers.sgd import sgd
from paratrooper_ref.optimizers.state import Array

if TYPE_CHECKING:
    from problems import Problem


# ------------------------------------------------------------------------------- what is solved


@dataclass(frozen=True, kw_only=True, eq=False)
class Modes:
    """The modes of a noisy quadratic: all that its expected losses depend on.

    Parameters
    ----------
    curvature : array, shape (n,)
        The eigenvalues a of the Hessian, > 0.
    noise : array, shape (n,), or float
        The variance q of the gradient's noise in each mode, >= 0.
    gap : array, shape (n,), or float
        Where runs begin, measured from the minimizer.

    Examples
    --------
    >>> import problems
    >>> modes = Modes.of(problems.noisy_quadratic(n=4))
    >>> print(modes.curvature.round(3), modes.noise.round(3), modes.gap)
    [1.    0.5   0.333 0.25 ] [1.    0.5   0.333 0.25 ] [1. 1. 1. 1.]
    """

    curvature: Any
    noise: Any
    gap: Any = 1.0

    def __post_init__(self) -> None:
        a = np.array(self.curvature, dtype=np.float64)
        if a.ndim != 1 or not a.size or not np.all((a > 0) & np.isfinite(a)):
            msg = f"Modes needs finite curvatures > 0, of shape (n,), got curvature={a}"
            raise ValueError(msg)
        object.__setattr__(self, "curvature", a)
        for name, least in (("noise", 0.0), ("gap", -np.inf)):
            given = np.array(getattr(self, name), dtype=np.float64)
            good = given.shape in ((), a.shape) and np.all(np.isfinite(given) & (given >= least))
            if not good:
                msg = f"Modes needs one finite {name} a mode{', >= 0' * (least == 0)}, got {given}"
                raise ValueError(msg)
            object.__setattr__(self, name, np.broadcast_to(given, a.shape).copy())

    @classmethod
    def of(cls, problem: Problem) -> Modes:
        """Return the modes of a `problems.noisy_quadratic`, from its start.

        Its centre has the variances noise² / a, so its gradient has a² of that.

        Raises
        ------
        ValueError
            If the problem is another.
        """
        if problem.spec.get("problem") != "noisy_quadratic":
            msg = (
                f"Modes.of needs a problem made by problems.noisy_quadratic, got {problem.name}; "
                "of another quadratic, Modes(curvature=..., noise=..., gap=...)"
            )
            raise ValueError(msg)
        start, minimizer = problem.starts[0], problem.minimizers[0]
        a = np.diag(problem.hessian(start))
        noise = float(problem.spec["arguments"]["noise"])
        return cls(curvature=a, noise=a * noise**2, gap=start["x"] - minimizer["x"])


@dataclass(frozen=True, kw_only=True)
class EMA:
    """An exponential moving average of the weights, which begins at θ_0.

    Parameters
    ----------
    decay : float
        The share d that is kept at each step, in [0, 1).
    """

    decay: float

    def __post_init__(self) -> None:
        decay: object = self.decay
        if not isinstance(decay, Real) or not 0 <= self.decay < 1:
            msg = f"EMA needs a decay in [0, 1), got decay={self.decay!r}"
            raise ValueError(msg)

    def joined(self, average: Array, theta: Array) -> Array:
        """Return the average after a step that led to θ."""
        return self.decay * average + (1 - self.decay) * theta


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The plain average of the last iterates.

    Parameters
    ----------
    last : int
        How many, >= 1 and at most the number of steps.
    """

    last: int

    def __post_init__(self) -> None:
        _whole("Tail", "last", self.last, 1)

    def joined(self, average: Array, theta: Array) -> Array:
        """Return the average after a step that led to θ, one of the last."""
        return average + theta / self.last


Average: TypeAlias = EMA | Tail | None


# ------------------------------------------------------------------------- the linear recursion


@dataclass(frozen=True, kw_only=True, eq=False)
class Recursion:
    """One or more steps, s ← F s + noise, where the noise is independent of s.

    Parameters
    ----------
    transition : array, shape (..., modes, d, d)
        The matrix F.
    noise : array, shape (..., modes, d, d)
        The covariance of the noise.
    """

    transition: Array
    noise: Array

    def then(self, later: Recursion) -> Recursion:
        """Return these steps followed by later ones."""
        return Recursion(
            transition=later.transition @ self.transition, noise=later.carried(self.noise)
        )

    def times(self, count: int) -> Recursion:
        """Return these steps ``count`` >= 1 times over, by squaring."""
        if count == 1:
            return self
        half = self.times(count // 2)
        twice = half.then(half)
        return twice.then(self) if count % 2 else twice

    def carried(self, covariance: Array) -> Array:
        """Return the covariance F C F' + noise after these steps."""
        moved: Array = self.transition @ covariance @ self.transition.swapaxes(-1, -2)
        return moved + self.noise

    @property
    def stable(self) -> Array:
        """Whether a mode forgets where it began: all |eigenvalues of F| < 1."""
        radius = np.abs(np.linalg.eigvals(self.transition)).max(axis=-1)
        return np.asarray(radius < 1)

    def fixed_point(self) -> Array:
        """Return the covariance C = F C F' + noise, inf in modes that have none.

        The linear system (I − F ⊗ F) vec C = vec noise.
        """
        *lead, d, _ = self.transition.shape
        stable = self.stable[..., None, None]
        f = np.where(stable, self.transition, 0.0)
        pairs = f[..., :, None, :, None] * f[..., None, :, None, :]
        kron = pairs.reshape(*lead, d * d, d * d)
        flat = np.broadcast_to(self.noise, f.shape).reshape(*lead, d * d, 1)
        solved = np.linalg.solve(np.eye(d * d) - kron, flat).reshape(f.shape)
        return np.where(stable, solved, np.inf)


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Mean and covariance of the state, by mode.

    Parameters
    ----------
    names : tuple of str
        What the state holds: theta, the optimizer's slots, and the average if there is one.
    curvature : array, shape (modes,)
    mean : array, shape (..., modes, d)
        Measured from the minimizer.
    covariance : array, shape (..., modes, d, d)
    """

    names: tuple[str, ...]
    curvature: Array
    mean: Array
    covariance: Array

    def of(self, name: str | None = None) -> tuple[Array, Array]:
        """Return mean and variance, of shape (..., modes), of a member of the state.

        By default of the average if there is one, or else of θ.

        Raises
        ------
        ValueError
            If the state has no such member.
        """
        name = name or ("average" if "average" in self.names else "theta")
        if name not in self.names:
            msg = f"Moments.of needs one of {', '.join(self.names)}, got name={name!r}"
            raise ValueError(msg)
        i = self.names.index(name)
        return self.mean[..., i], self.covariance[..., i, i]

    def excess(self, name: str | None = None) -> Any:
        """Return the expected loss above the minimum, of shape (...)."""
        mean, variance = self.of(name)
        return (self.curvature * (mean**2 + variance)).sum(axis=-1) / 2

    def spread(self, name: str | None = None) -> Any:
        """Return the standard deviation of that loss over runs, if the noise is Gaussian.

        Then V[x²] = 2 V² + 4 E² V.
        """
        mean, variance = self.of(name)
        squares = 2 * variance**2 + 4 * mean**2 * variance
        return np.sqrt((self.curvature**2 * squares).sum(axis=-1)) / 2


def after(
    optimizer: Optimizer, modes: Modes, steps: int, *, average: Average = None, lr: Any = None
) -> Moments:
    """Return mean and covariance after some steps.

    Parameters
    ----------
    optimizer : Optimizer
        SGD or Lookahead(SGD), without weight decay.
    modes : Modes
    steps : int
        >= 0.
    average : EMA, Tail or None
        What is made of the weights on the side.
    lr : float or array, optional
        In place of the optimizer's own rate, >= 0; the axes of an array lead the result's.

    Returns
    -------
    Moments
        Of "theta", the slots, and the "average".  Between synchronisations "theta" are the fast
        weights.  Infinite where a double overflows.

    Raises
    ------
    TypeError, ValueError
        If the optimizer is not linear, or a number is out of its range.

    Examples
    --------
    >>> import problems
    >>> import paratrooper_ref as pr
    >>> modes = Modes.of(problems.noisy_quadratic(n=100))
    >>> sgd = pr.SGD(lr=0.5)
    >>> print(round(after(sgd, modes, 1000).excess(), 4))
    0.7117
    >>> print(round(after(pr.Lookahead(inner=sgd, k=5), modes, 1000).excess(), 4))
    0.3069
    >>> print(round(after(sgd, modes, 1000, average=EMA(decay=0.99)).excess(), 4))
    0.1373
    """
    steps = _whole("after", "steps", steps, 0)
    if isinstance(average, Tail) and average.last > steps:
        msg = f"after needs Tail(last) within its steps, got last={average.last}, steps={steps}"
        raise ValueError(msg)
    method = _Method("after", optimizer, modes, average, lr)
    begins = {"theta", "slow"} | ({"average"} if isinstance(average, EMA) else set())
    mean = modes.gap[:, None] * [name in begins for name in method.names]
    with np.errstate(all="ignore"):  # what overflows is infinite
        whole = method.steps(1, steps)
        mean = (whole.transition @ mean[..., None])[..., 0]
        noise = np.broadcast_to(whole.noise, (*mean.shape, mean.shape[-1]))
    return method.moments(mean, noise)


def steady(
    optimizer: Optimizer, modes: Modes, *, average: Average = None, lr: Any = None, phase: int = 0
) -> Moments:
    """Return mean and covariance in the steady state: what the recursion tends to.

    Parameters
    ----------
    optimizer, modes, average, lr
        As for `after`.
    phase : int
        Steps since the last synchronisation of Lookahead, in [0, k).

    Returns
    -------
    Moments
        The means are 0.  Infinite in a mode that does not settle.

    Raises
    ------
    TypeError, ValueError
        If the optimizer is not linear, or a number is out of its range.

    Examples
    --------
    The fast weights grow noisier from one synchronisation to the next.

    >>> import paratrooper_ref as pr
    >>> mode = Modes(curvature=[1.0], noise=1.0)
    >>> look = pr.Lookahead(inner=pr.SGD(lr=0.5), k=5)
    >>> print([round(2 * float(steady(look, mode, phase=j).excess()), 4) for j in range(5)])
    [0.1134, 0.2784, 0.3196, 0.3299, 0.3325]
    """
    method = _Method("steady", optimizer, modes, average, lr)
    k = method.period
    if not 0 <= _whole("steady", "phase", phase, 0) < k:
        msg = f"steady needs a phase in [0, {k}), got phase={phase}"
        raise ValueError(msg)
    window = average.last if isinstance(average, Tail) else 0
    begin = k + (phase - window) % k  # after the first step, which may be unlike the others
    with np.errstate(all="ignore"):
        covariance = method.steps(begin + 1, begin + k, joins=not window).fixed_point()
        if window:
            covariance = method.steps(begin + 1, begin + window).carried(covariance)
    return method.moments(np.zeros(covariance.shape[:-1]), covariance)


class _Method:
    """An optimizer and an average, as the steps of a linear recursion."""

    def __init__(
        self, who: str, optimizer: Optimizer, modes: Modes, average: Average, lr: Any
    ) -> None:
        stages = optimizer.stages() if hasattr(optimizer, "stages") else (None,)
        if not {*stages} <= {sgd, lookahead}:
            msg = f"{who} needs SGD or Lookahead(SGD), whose steps are linear, got {optimizer!r}"
            raise TypeError(msg)
        given: object = average
        if not isinstance(given, EMA | Tail | None):
            msg = f"{who} needs an average EMA(decay=...), Tail(last=...) or None, got {average!r}"
            raise TypeError(msg)
        hyper = optimizer.hyper("x")  # the one layer of the noisy quadratic
        if hyper["weight_decay"]:
            msg = (
                f"{who} needs weight_decay=0 (decay pulls to 0, not to the minimizer), "
                f"got {optimizer!r}"
            )
            raise ValueError(msg)
        if lr is not None:
            rates = np.asarray(lr, dtype=np.float64)
            if not np.all(np.isfinite(rates) & (rates >= 0)):
                msg = f"{who} needs finite rates >= 0, got lr={lr!r}"
                raise ValueError(msg)
            hyper["lr"] = rates[..., None, None]
        self.optimizer, self.modes, self.average, self.hyper = optimizer, modes, average, hyper
        self.period = int(hyper.get("k", 1))
        self.names = ("theta", *optimizer.slots(), *(["average"] if average else []))

    def step(self, t: int, joins: bool) -> Recursion:
        """Return step t: the rules, run on the rows of an identity matrix."""
        *rows, w = np.eye(len(self.names) + 1)
        state: dict[str, Any] = dict(zip(self.names, rows, strict=True))
        g = self.modes.curvature[:, None] * state["theta"] + w
        names = self.hyper | state | {"t": t, "g": g}
        for rule in self.optimizer.stages():
            names |= rule(**{name: names[name] for name in parameters(rule)})
        if self.average:  # before its window a tail is 0
            names["average"] = (
                self.average.joined(names["average"], names["theta"]) if joins else 0 * w
            )
        forms = np.stack(np.broadcast_arrays(*(names[name] for name in self.names)), axis=-2)
        f, b = forms[..., :-1], forms[..., -1]
        q = self.modes.noise[:, None, None]
        return Recursion(transition=f, noise=q * b[..., :, None] * b[..., None, :])

    def steps(self, first: int, last: int, joins: bool = True) -> Recursion:
        """Return the steps from first to last; those that repeat a whole cycle are squared."""
        if isinstance(self.average, Tail) and joins and last - first >= self.average.last:
            before = last - self.average.last
            return self.steps(first, before, joins=False).then(self.steps(before + 1, last))
        k, t = self.period, first
        d = len(self.names)
        done = Recursion(transition=np.eye(d), noise=np.zeros((d, d)))
        while t <= last:
            cycles = (last - t + 1) // k if t > 1 else 0
            if cycles > 1:
                done = done.then(self.steps(t, t + k - 1, joins).times(cycles))
                t += cycles * k
            else:
                done = done.then(self.step(t, joins))
                t += 1
        return done

    def moments(self, mean: Array, covariance: Array) -> Moments:
        """Return them, inf where the arithmetic has overflowed."""
        return Moments(
            names=self.names,
            curvature=self.modes.curvature,
            mean=np.where(np.isnan(mean), np.inf, mean),
            covariance=np.where(np.isnan(covariance), np.inf, covariance),
        )


def _whole(who: str, name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        msg = f"{who} needs an integer {name} >= {least}, got {name}={value!r}"
        raise ValueError(msg)
    return int(value)


# ---------------------------------------------------------------- expected loss against its floor


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One method at many rates: what it reaches in the end, and where it is after some steps.

    Parameters
    ----------
    rates : array, shape (rates,)
    floors : array, shape (rates,)
        The expected loss above the minimum in the steady state, inf where there is none.
    losses : array, shape (rates,)
        The same after the steps.
    """

    rates: Array
    floors: Array
    losses: Array


def curve(
    optimizer: Optimizer,
    modes: Modes,
    rates: Sequence[float] | Array,
    steps: int,
    *,
    average: Average = None,
) -> Curve:
    """Return expected losses after some steps and in the steady state, over learning rates.

    Parameters
    ----------
    optimizer, modes, steps, average
        As for `after`.  With Lookahead the steady state is that of the same phase of its cycle.
    rates : array, shape (rates,)

    Returns
    -------
    Curve
    """
    rates = np.asarray(rates, dtype=np.float64)
    phase = steps % _Method("curve", optimizer, modes, average, rates).period
    reached = after(optimizer, modes, steps, average=average, lr=rates)
    settled = steady(optimizer, modes, average=average, lr=rates, phase=phase)
    return Curve(rates=rates, floors=settled.excess(), losses=reached.excess())


def envelope(curves: Sequence[Curve], floors: Array) -> Array:
    """Return the lowest loss of some curves at each floor, NaN where none of them passes.

    Between its rates a curve is a straight line in the logarithms of both.
    """
    lowest = np.full(len(floors), np.nan)
    for each in curves:
        used = np.isfinite(each.floors) & np.isfinite(each.losses) & (each.floors > 0)
        x, y = np.log(each.floors[used]), np.log(each.losses[used])
        order = np.argsort(x)
        if order.size:
            at = np.interp(np.log(floors), x[order], y[order], left=np.nan, right=np.nan)
            lowest = np.fmin(lowest, np.exp(at))
    return lowest


# ---------------------------------------------------------------------------------- closed forms


def sgd_variance(curvature: Any, noise: Any, lr: Any) -> Any:
    """Return the steady variance of SGD, γ q / (a (2 − γ a)).

    x ← r x − γ w has V = r² V + γ² q, and 1 − r² = γ a (2 − γ a).  For 0 < γ a < 2.

    Examples
    --------
    >>> print(sgd_variance(curvature=1, noise=1, lr=0.5))
    0.3333333333333333
    """
    return lr * noise / (curvature * (2 - lr * curvature))


def momentum_variance(
    curvature: Any, noise: Any, lr: Any, momentum: Any, dampening: Any = 0.0
) -> Any:
    """Return the steady variance of SGD with momentum.

    u' = μ u + a x + w and x' = x − γ u'.  Let U = E[u²].  From E[x'²] = E[x²] follows
    E[x u'] = γ U / 2, hence E[x u] = E[x' u'] = −γ U / 2, and E[x u'] = μ E[x u] + a V gives
    a V = γ U (1 + μ) / 2.  Put both into U = μ² U + 2 μ a E[x u] + a² V + q and solve:
    U = 2 q / ((1 − μ) (2 (1 + μ) − γ a)).  Dampening scales u, so it is a smaller rate
    γ (1 − τ).  For 0 < γ (1 − τ) a < 2 (1 + μ).

    Examples
    --------
    >>> print(momentum_variance(curvature=1, noise=1, lr=0.5, momentum=0.5))
    0.6
    """
    lr = lr * (1 - dampening)
    slack = 2 * (1 + momentum) - lr * curvature
    return lr * noise * (1 + momentum) / (curvature * (1 - momentum) * slack)


def lookahead_variance(curvature: Any, noise: Any, lr: Any, *, k: int, alpha: Any) -> Any:
    """Return the steady variance of Lookahead(SGD) at a synchronisation.

    A cycle is φ ← λ φ + α n with λ = 1 − α + α r^k, and n the noise of k fast steps, of
    variance γ² q S, S = 1 + r² + ... + r^(2k−2).  So V = α² γ² q S / (1 − λ²), and
    1 − λ² = α (1 − r^k) (2 (1 − α) + α (1 + r^k)).  For rates below `largest_rate`.

    Examples
    --------
    >>> print(round(lookahead_variance(1, 1, 0.5, k=5, alpha=0.5), 6))
    0.113402
    """
    r = 1 - lr * curvature
    noises = sum(r ** (2 * i) for i in range(k))
    slack = (1 - r**k) * (2 * (1 - alpha) + alpha * (1 + r**k))
    return alpha * lr**2 * noise * noises / slack


def lookahead_ratio(r: Any, *, k: int, alpha: Any) -> Any:
    """Return how Lookahead scales SGD's steady variance, α (1 + r^k) / (α (1 + r^k) + 2 (1 − α)).

    From `lookahead_variance` with S = (1 − r^(2k)) / (1 − r²).  It is α / (2 − α) where r^k
    has died out and α where r is near 1, at a rate or a curvature near 0.

    Examples
    --------
    >>> print(lookahead_ratio(0.0, k=5, alpha=0.5), lookahead_ratio(1.0, k=5, alpha=0.5))
    0.3333333333333333 0.5
    """
    kept = alpha * (1 + r**k)
    return kept / (kept + 2 * (1 - alpha))


def ema_variance(curvature: Any, noise: Any, lr: Any, decay: Any) -> Any:
    """Return the steady variance of an exponential moving average of SGD's weights.

    m' = d m + (1 − d) x'.  K = E[m x] obeys K = d r K + (1 − d) V, and the variance M of m
    M = d² M + 2 d (1 − d) r K + (1 − d)² V.  Solve both.  For 0 < γ a < 2.

    Examples
    --------
    >>> print(round(ema_variance(1, 1, 0.5, decay=0.5), 6))
    0.185185
    """
    r = 1 - lr * curvature
    shrunk = (1 - decay) * (1 + r * decay) / ((1 + decay) * (1 - r * decay))
    return sgd_variance(curvature, noise, lr) * shrunk


def tail_variance(curvature: Any, noise: Any, lr: Any, last: int) -> Any:
    """Return the steady variance of the plain average of SGD's last m iterates.

    Iterates j apart have the covariance V r^j, so it is V / m² times the sum over all pairs,
    m + 2 Σ (m − j) r^j for j from 1 to m − 1 = m (1 + r) / (1 − r) − 2 r (1 − r^m) / (1 − r)².

    Examples
    --------
    >>> print(tail_variance(1, 1, 0.5, last=1))
    0.3333333333333333
    """
    r = 1 - lr * curvature
    pairs = last * (1 + r) / (1 - r) - 2 * r * (1 - r**last) / (1 - r) ** 2
    return sgd_variance(curvature, noise, lr) * pairs / last**2


def largest_rate(curvature: Any, *, k: int = 1, alpha: Any = 1.0) -> Any:
    """Return the rate below which Lookahead(SGD) settles, and SGD for k = α = 1.

    It settles where |1 − α + α r^k| < 1, that is −(2 − α) / α < r^k < 1.  For even k that is
    |r| < 1 and γ < 2 / a, as for SGD.  For odd k r may fall below −1, as far as
    γ < (1 + ((2 − α) / α)^(1/k)) / a: the fast weights grow, the slow step outweighs it.

    Parameters
    ----------
    curvature : float or array
        The largest a.
    k : int
        >= 1.
    alpha : float or array
        In (0, 1].

    Examples
    --------
    >>> print([round(largest_rate(1.0, k=k, alpha=0.5), 4) for k in (5, 6, 7)])
    [2.2457, 2.0, 2.1699]
    """
    if not np.all((np.asarray(alpha) > 0) & (np.asarray(alpha) <= 1)):
        msg = f"largest_rate needs alpha in (0, 1], got alpha={alpha!r}"
        raise ValueError(msg)
    if _whole("largest_rate", "k", k, 1) % 2 == 0:
        return 2 / curvature
    return (1 + ((2 - alpha) / alpha) ** (1 / k)) / curvature
