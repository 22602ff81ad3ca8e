"""The rules of a bar, and which way round its volumes are."""

import math
from dataclasses import replace

import pytest

from adapters.bar_checks import VolumeOrder, broken_rule, volume_order
from trading.vocabulary import Bar

BAR = Bar(open_time_s=0, open=100.0, high=110.0, low=90.0, close=105.0, volume_base=2.0, volume_quote=200.0)


def test_a_sound_bar_breaks_no_rule() -> None:
    assert broken_rule(BAR) is None


@pytest.mark.parametrize(
    ("bar", "rule"),
    [
        (replace(BAR, high=math.nan), "not finite"),
        (replace(BAR, volume_quote=math.inf), "not finite"),
        (replace(BAR, low=0.0), "not positive: 0.0"),
        (replace(BAR, open=-1.0), "not positive: -1.0"),
        (replace(BAR, volume_base=-0.5), "volume is negative: -0.5"),
        (replace(BAR, high=80.0), r"high 80.0 is below low 90.0"),
        (replace(BAR, open=111.0), "open 111.0 is outside"),
        (replace(BAR, close=89.0), "close 89.0 is outside"),
    ],
)
def test_a_broken_rule_is_named_with_its_numbers(bar: Bar, rule: str) -> None:
    assert rule in str(broken_rule(bar))


@pytest.mark.parametrize(
    ("price", "base", "quote", "order"),
    [
        (100.0, 2.0, 200.0, VolumeOrder.AS_NAMED),
        (100.0, 200.0, 2.0, VolumeOrder.SWAPPED),
        (0.01, 200.0, 2.0, VolumeOrder.AS_NAMED),
        (0.01, 2.0, 200.0, VolumeOrder.SWAPPED),
        (1.0, 2.0, 2.02, VolumeOrder.EITHER),
        (100.0, 2.0, 2.0, VolumeOrder.NEITHER),
        (100.0, 0.0, 2.0, VolumeOrder.NEITHER),
        (100.0, 2.0, 0.0, VolumeOrder.NEITHER),
        (100.0, 0.0, 0.0, VolumeOrder.NO_TRADES),
    ],
)
def test_volumes_are_judged_by_the_price_they_imply(
    price: float, base: float, quote: float, order: VolumeOrder
) -> None:
    bar = replace(BAR, open=price, high=price, low=price, close=price, volume_base=base, volume_quote=quote)
    assert volume_order(bar) is order


def test_an_average_price_anywhere_in_the_range_fits() -> None:
    assert volume_order(replace(BAR, volume_quote=2 * 91.0)) is VolumeOrder.AS_NAMED
    assert volume_order(replace(BAR, volume_quote=2 * 109.0)) is VolumeOrder.AS_NAMED
    assert volume_order(replace(BAR, volume_quote=2 * 130.0)) is VolumeOrder.NEITHER
