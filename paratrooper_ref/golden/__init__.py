"""The golden corpus: trajectories whose every digit is proved."""
