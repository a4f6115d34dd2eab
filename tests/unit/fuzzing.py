"""How long properties are tried: `pytest --hypothesis-profile=long` tries fifty times as many examples."""

from hypothesis import HealthCheck, settings


def fuzz(examples: int) -> settings:
    """Settings of a test that tries so many examples, the same ones every time unless the profile says otherwise.

    An example that takes half a minute hangs.
    """
    profile = settings()
    long = profile.max_examples > 100
    return settings(
        profile,
        max_examples=examples * profile.max_examples // 100,
        derandomize=not long,
        deadline=30_000,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
