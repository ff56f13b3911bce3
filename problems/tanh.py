r"""Nets of tanh layers, with or without skip connections: not convex, and honestly so.

    h_0 = x,  h_l = s h_{l-1} + t_l,  t_l = tanh(W_l h_{l-1} + b_l),  o = V h_L + c,
    loss = |o - y|^2 / (2 n), s = 1 with skips and 0 without.
    Backwards, e = (o - y)/n,  dV = e h_L',  dc = e 1,  delta_L = V' e,
    z_l = delta_l (1 - t_l^2),  dW_l = z_l h_{l-1}',  db_l = z_l 1,
    delta_{l-1} = s delta_l + W_l' z_l: the one s is the whole difference.

The targets are x_1 x_2 and (x_1^2 - x_2^2)/2, both of mean square 1, plus noise.

Minimum  unknown.
Start    Gaussian weights of variance 1/width, zero biases.
Teaches  skips make slices of the loss less non-convex, and deep nets trainable.
Source   ours; for skips He, Zhang, Ren and Sun, arXiv:1512.03385.
"""

import math

import numpy as np

from problems import _random
from problems._arithmetic import Array, Floats, contract, lift, matmul, tanh, total, transposed
from problems._checks import flag, integer, number
from problems._checks import seed as one_seed
from problems._factory import factory
from problems._params import Params
from problems._problem import Problem


@factory
def tanh_net(
    depth: int = 2,
    width: int = 4,
    skip: bool = False,
    samples: int = 48,
    noise: float = 0.1,
    seed: int = 0,
) -> Problem:
    """Return a net with layers ``W1, b1, ..., WL, bL``, then ``V`` and ``c``.

    Parameters
    ----------
    depth, width : int
        Tanh layers, and units in each of them and in the input, at least 2.
    skip : bool
        Whether each layer is added to its input.
    samples : int
        Gaussian inputs.
    noise : float
        Standard deviation of the noise on the targets.
    seed : int
        Of the data and the start.

    Examples
    --------
    >>> list(tanh_net(depth=1).layers.items())
    [('W1', (4, 4)), ('b1', (4,)), ('V', (2, 4)), ('c', (2,))]
    """
    who = "tanh_net"
    depth, width = integer(who, "depth", depth, 1, 1_000), integer(who, "width", width, 2, 200)
    samples = integer(who, "samples", samples, 1)
    skip, noise = flag(who, "skip", skip), number(who, "noise", noise, low=0)
    seed = one_seed(who, seed)
    normals = _random.normals(seed, 0, _random.DATA, samples * (width + 2))
    inputs = normals[: samples * width].reshape(samples, width)
    first, second = inputs[:, 0], inputs[:, 1]
    clean = np.stack([first * second, (first * first - second * second) / 2], axis=1)
    targets = clean + noise * normals[samples * width :].reshape(samples, 2)
    hidden = [(f"W{i}", f"b{i}") for i in range(1, depth + 1)]

    def forward(p: Params, x: Floats) -> tuple[list[Array], list[Array], Array]:
        """Return h_0 to h_L, t_1 to t_L and o, with one column for each sample."""
        h, t = [transposed(lift(x, p["V"]))], []
        for w, b in hidden:
            t.append(tanh(matmul(p[w], h[-1]) + p[b][..., None]))
            h.append(h[-1] + t[-1] if skip else t[-1])
        return h, t, matmul(p["V"], h[-1]) + p["c"][..., None]

    def value(p: Params) -> Array:
        e = forward(p, inputs)[-1] - transposed(lift(targets, p["V"]))
        flat = e.reshape(len(e), -1)
        return contract(flat, flat) / lift(2 * samples, flat)

    def slope_on(p: Params, x: Floats, y: Floats) -> Params:
        h, t, o = forward(p, x)
        e = (o - transposed(lift(y, o))) / lift(y.shape[-2], o)
        slopes = {"V": matmul(e, transposed(h[-1])), "c": total(e)[..., 0]}
        delta = matmul(transposed(p["V"]), e)
        for i in reversed(range(depth)):
            w, b = hidden[i]
            z = delta * (1 - t[i] * t[i])
            slopes[w], slopes[b] = matmul(z, transposed(h[i])), total(z)[..., 0]
            back = matmul(transposed(p[w]), z)
            delta = delta + back if skip else back
        return slopes

    layers: dict[str, tuple[int, ...]] = {}
    for w, b in hidden:
        layers |= {w: (width, width), b: (width,)}
    layers |= {"V": (2, width), "c": (2,)}
    start, used = {}, 0
    draws = _random.normals(seed, 0, _random.START, depth * width * width + 2 * width)
    for name, shape in layers.items():
        start[name] = np.zeros(shape)
        if len(shape) == 2:
            size = math.prod(shape)
            start[name] = draws[used : used + size].reshape(shape) / math.sqrt(width)
            used += size
    return Problem(
        layers=layers,
        value=value,
        slope=lambda p: slope_on(p, inputs, targets),
        samples=samples,
        sample_slope=lambda p, rows: slope_on(p, inputs[rows], targets[rows]),
        starts=(start,),
        source="ours; for skips He, Zhang, Ren and Sun, arXiv:1512.03385",
        teaches="a loss that is not convex, and what skips do about it",
        transcendental=True,
    )
