"""What all tests share: derandomised hypothesis."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "derandomized",
    derandomize=True,
    deadline=None,  # machines are shared and noisy
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("derandomized")
