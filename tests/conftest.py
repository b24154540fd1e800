"""For all tests: machines are shared and noisy, so no property is judged by the clock."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "strowger", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("strowger")
