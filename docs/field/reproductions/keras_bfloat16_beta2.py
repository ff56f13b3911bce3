"""Twenty steps of Adam on a weight of 1 with a gradient of 1, by dtype."""

import keras

for dtype in ("float32", "bfloat16"):
    x = keras.Variable([1.0], dtype=dtype)
    adam = keras.optimizers.Adam(0.1)
    for _ in range(20):
        adam.apply([keras.ops.ones(1, dtype)], [x])
    print(f"{dtype}: {float(x[0]):.3f}")
