"""Whether what is expected of an experiment is something whose power can be told: each rule names the field."""

from trading.errors import InvalidField

# Less than any account can tell from nothing.
SMALLEST_DEVIATION_BPS, LARGEST_DEVIATION_BPS = 0.01, 1e5
SMALLEST_EFFECT_BPS, LARGEST_EFFECT_BPS = 0.001, 1e4
FEWEST_USERS, MOST_USERS = 2, 10_000_000


def check_expected(*, effect_bps: float, deviation_bps: float, users_per_arm: int) -> None:
    """Raises InvalidField for the first that is out of its range, or no number."""
    if not (effect_bps == 0.0 or SMALLEST_EFFECT_BPS <= abs(effect_bps) <= LARGEST_EFFECT_BPS):
        raise InvalidField("effect_bps", f"must be 0, or {SMALLEST_EFFECT_BPS:g}..{LARGEST_EFFECT_BPS:.0f} either way")
    if not SMALLEST_DEVIATION_BPS <= deviation_bps <= LARGEST_DEVIATION_BPS:
        raise InvalidField("deviation_bps", f"must be in {SMALLEST_DEVIATION_BPS:g}..{LARGEST_DEVIATION_BPS:.0f}")
    if not FEWEST_USERS <= users_per_arm <= MOST_USERS:
        raise InvalidField("users_per_arm", f"must be in {FEWEST_USERS}..{MOST_USERS}")
