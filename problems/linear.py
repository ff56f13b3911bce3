r"""Deep linear nets, plain or with skip connections.

    A_0 = X,  A_l = M_l A_{l-1},  loss = |A_L - Y|^2 / (2 n),  Y = B X.
    Backwards, E_L = (A_L - Y)/n,  dM_l = E_l A_{l-1}',  E_{l-1} = M_l' E_l.

    skip="none"   M_l = W_l
    skip="layer"  M_l = I + W_l: the plain landscape, translated, and nothing else
    skip="block"  M_b = I + W_{2b} W_{2b-1}: dW_{2b} = dM_b W_{2b-1}', dW_{2b-1} = W_{2b}' dM_b

Without data the input is white: X = I, n = 1, loss = |M_L ... M_1 - B|^2 / 2.  B is symmetric,
with eigenvalues from 0.4 to 2.5, evenly in their logarithms.

Minimum  0 at every factorisation of B; declared is the one with equal factors.
Start    Gaussian; zero for skip="layer".
Teaches  plateaus and saddles that grow with depth: at W = 0 the plain net has zero gradient,
         and for three layers or more zero Hessian; skips per layer start at the identity, where
         the gradient does not vanish; blocks of two still start at a saddle.
Source   Saxe, McClelland and Ganguli, arXiv:1312.6120; Hardt and Ma, arXiv:1611.04231.
"""

import math

import numpy as np

from problems import _random
from problems._arithmetic import Array, Floats, contract, lift, matmul, transposed
from problems._checks import choice, integer
from problems._checks import seed as one_seed
from problems._construct import rotation, spectrum, symmetric, twelve_digits
from problems._factory import factory
from problems._params import Params
from problems._problem import CriticalPoint, Problem


@factory
def linear_net(
    depth: int = 3, width: int = 3, skip: str = "none", samples: int | None = None, seed: int = 0
) -> Problem:
    """Return a net of ``depth`` square layers ``W1``, ``W2``, ... of shape (width, width).

    Parameters
    ----------
    depth : int
        Even for ``skip="block"``.
    width : int
        Of every layer.
    skip : {"none", "layer", "block"}
        What a skip connection spans.
    samples : int or None
        The number of Gaussian inputs, None for white ones.
    seed : int
        Of the target, the inputs and the start.

    Examples
    --------
    >>> p, q = linear_net(), linear_net(skip="layer")
    >>> w = q.starts[0]
    >>> bool(p.loss({k: v + np.eye(3) for k, v in w.items()}) == q.loss(w))
    True
    """
    who = "linear_net"
    depth, width = integer(who, "depth", depth, 1, 1_000), integer(who, "width", width, 1, 200)
    skip = choice(who, "skip", skip, ("none", "layer", "block"))
    if skip == "block" and depth % 2:
        msg = f"{who} needs an even depth for skip='block', got depth={depth}"
        raise ValueError(msg)
    seed = one_seed(who, seed)
    if samples is not None:
        samples = integer(who, "samples", samples, 1)
    names = [f"W{i}" for i in range(1, depth + 1)]
    n, identity = samples or 1, np.eye(width)

    factors = depth // 2 if skip == "block" else depth
    roots = [twelve_digits(s ** (1 / factors)) for s in spectrum(0.4, 2.5, width)]
    factor = symmetric(roots, rotation(width, seed))
    # Rows are samples.
    inputs: Floats = identity
    if samples is not None:
        inputs = _random.normals(seed, 0, _random.DATA, n * width).reshape(n, width)
    targets: Floats = inputs.T
    for _ in range(factors):
        targets = matmul(factor, targets)
    targets = targets.T

    def matrices(p: Params) -> list[Array]:
        w = [p[name] for name in names]
        if skip == "none":
            return w
        one = lift(identity, w[0])
        if skip == "layer":
            return [one + each for each in w]
        return [one + matmul(w[i + 1], w[i]) for i in range(0, depth, 2)]

    def forward(m: list[Array], x: Floats) -> list[Array]:
        """Return A_0, ..., A_L, with one column for each sample."""
        activations = [transposed(lift(x, m[0]))]
        for each in m:
            activations.append(matmul(each, activations[-1]))
        return activations

    def value(p: Params) -> Array:
        e = forward(matrices(p), inputs)[-1] - transposed(lift(targets, p["W1"]))
        flat = e.reshape(len(e), -1)
        return contract(flat, flat) / lift(2 * n, flat)

    def slope_on(p: Params, x: Floats, y: Floats) -> Params:
        m = matrices(p)
        activations = forward(m, x)
        e = activations[-1] - transposed(lift(y, p["W1"]))
        e = e / lift(1 if samples is None else y.shape[-2], e)
        slopes = []
        for each, before in zip(reversed(m), reversed(activations[:-1]), strict=True):
            slopes.append(matmul(e, transposed(before)))
            e = matmul(transposed(each), e)
        slopes.reverse()
        if skip == "block":
            pairs = [(p[names[2 * i]], p[names[2 * i + 1]], dm) for i, dm in enumerate(slopes)]
            slopes = [
                half
                for first, second, dm in pairs
                for half in (matmul(transposed(second), dm), matmul(dm, transposed(first)))
            ]
        return dict(zip(names, slopes, strict=True))

    def all_layers(array: Floats) -> dict[str, Floats]:
        return dict.fromkeys(names, array)

    minimizer = {
        "none": all_layers(factor),
        "layer": all_layers(factor - identity),
        "block": {name: identity if i % 2 else factor - identity for i, name in enumerate(names)},
    }[skip]
    normals = _random.normals(seed, 0, _random.START, depth * width * width)
    gaussian = normals.reshape(depth, width, width) / math.sqrt(width)
    start = {name: gaussian[i] * (1.0 if skip == "none" else 0.1) for i, name in enumerate(names)}
    zero = all_layers(np.zeros((width, width)))
    saddles = []
    if skip != "layer" and depth > 1:
        at_zero = float(value({name: w[None] for name, w in zero.items()})[0])
        saddles = [CriticalPoint(params=zero, value=at_zero, kind="saddle")]
    return Problem(
        layers=dict.fromkeys(names, (width, width)),
        value=value,
        slope=lambda p: slope_on(p, inputs, targets),
        samples=samples,
        sample_slope=None
        if samples is None
        else lambda p, rows: slope_on(p, inputs[rows], targets[rows]),
        starts=(zero, start) if skip == "layer" else (start,),
        minimizers=(minimizer,),
        minimum=0.0,
        critical_points=tuple(saddles),
        source="Saxe, McClelland and Ganguli, arXiv:1312.6120; Hardt and Ma, arXiv:1611.04231",
        teaches="plateaus and saddles that grow with depth, and what skips do about them",
    )
