"""Where RAdam with beta2 = 0.9999 begins to rectify, in float32: it should be at t = 6."""

import jax.numpy as jnp
import optax

x, radam = jnp.ones(1), optax.radam(0.1, b2=0.9999)
state = radam.init(x)
for t in range(1, 8):
    update, state = radam.update(jnp.ones(1), state)
    print(f"t = {t}: moves by {update[0]:+.5f}")
