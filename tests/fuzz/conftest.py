"""How many cases the fuzz tests make up: a few in CI; 20,000 jobs, 1,000 files and 400 commands by

pytest tests/fuzz --hypothesis-profile many --timeout 0
"""

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]

# The same ones each time, so that CI judges the change and not the dice.
settings.register_profile(
    "few", max_examples=100, derandomize=True, deadline=None, suppress_health_check=_SLOW
)
settings.register_profile("many", max_examples=10_000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile("few")
