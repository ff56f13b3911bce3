"""The package against code that nobody here wrote: torch.optim and optax."""
