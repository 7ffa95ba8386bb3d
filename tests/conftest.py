"""What every kind of test shares: the examples that Hypothesis draws are the same in every run.

No run needs luck or a fast machine. `--hypothesis-profile=exploring` looks for new examples.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile(
    "exploring", settings.get_profile("repeatable"), derandomize=False, max_examples=1000
)
settings.load_profile("repeatable")
