import pytest

from rl_models.semantics import (
    MASKS,
    ActionSemantics,
    ContinuousExposure,
    DiscreteExposure,
    Verbs,
    action_from_json,
    action_to_json,
    check_action,
    no_repeat,
)
from trading.errors import BundleRefused

LEVELS = DiscreteExposure(levels=(0.0, 0.5, 1.0))
VERBS = Verbs(verbs=("HOLD", "BUY", "SELL"), buy_exposure=1.0, sell_exposure=0.0)
CONTINUOUS = ContinuousExposure(low=-1.0, high=1.0, output_low=0.0, output_high=2.0)


@pytest.mark.parametrize("action", [LEVELS, VERBS, CONTINUOUS])
def test_a_meaning_written_as_json_is_read_as_the_same_meaning(action: ActionSemantics) -> None:
    assert action_from_json(action_to_json(action), "here") == action


def test_verbs_mean_two_exposures_and_hold_keeps_the_position() -> None:
    assert [VERBS.target(place, 0.3) for place in range(3)] == [0.3, 1.0, 0.0]
    assert [VERBS.keeps(place) for place in range(3)] == [True, False, False]
    assert not any(LEVELS.keeps(place) for place in range(3))


@pytest.mark.parametrize(
    ("output", "target"), [(0.0, -1.0), (1.0, 0.0), (1.5, 0.5), (2.0, 1.0), (9.0, 1.0), (-9.0, -1.0)]
)
def test_a_continuous_output_is_mapped_linearly_and_clipped(output: float, target: float) -> None:
    assert CONTINUOUS.target(output) == pytest.approx(target)


def test_no_repeat_forbids_the_exposure_held_already() -> None:
    mask = MASKS["no_repeat"]
    assert mask is not None
    assert mask(0.5, LEVELS) == [True, False, True]
    assert mask(0.5, DiscreteExposure(levels=(1.0, 0.0, 0.5))) == [True, True, False]


@pytest.mark.parametrize(
    ("exposure", "masked"),
    [(0.50025, 0.5), (0.3, 0.5), (0.74, 0.5), (0.25, None), (1.2, 1.0), (1.3, None), (-0.1, 0.0)],
)
def test_the_level_held_is_the_nearest_within_half_the_distance_to_the_next(
    exposure: float, masked: float | None
) -> None:
    assert no_repeat(exposure, LEVELS) == [level != masked for level in LEVELS.levels]


def test_a_drifted_exposure_masks_the_verb_that_led_to_it() -> None:
    half = Verbs(verbs=("SELL", "HOLD", "BUY"), buy_exposure=0.5, sell_exposure=0.0)
    assert no_repeat(0.52, half) == [True, True, False]


def test_no_repeat_always_allows_hold() -> None:
    mask = MASKS["no_repeat"]
    assert mask is not None
    assert mask(1.0, VERBS) == [True, False, True]
    assert mask(0.0, VERBS) == [True, True, False]


@pytest.mark.parametrize(
    "action",
    [
        DiscreteExposure(levels=(0.0,)),
        DiscreteExposure(levels=(0.0, 1.0, 0.0)),
        Verbs(verbs=("BUY", "BUY"), buy_exposure=1.0, sell_exposure=0.0),
        Verbs(verbs=("BUY", "DANCE"), buy_exposure=1.0, sell_exposure=0.0),
        Verbs(verbs=("BUY", "SELL"), buy_exposure=0.0, sell_exposure=1.0),
        ContinuousExposure(low=0.0, high=0.0, output_low=-1.0, output_high=1.0),
        ContinuousExposure(low=0.0, high=1.0, output_low=1.0, output_high=1.0),
    ],
)
def test_a_meaning_that_is_ambiguous_or_empty_is_refused(action: ActionSemantics) -> None:
    with pytest.raises(BundleRefused, match="here"):
        check_action(action, "here")


@pytest.mark.parametrize(
    "value", [{"kind": "levels"}, {"kind": "discrete_exposure"}, {**action_to_json(VERBS), "x": 1}, []]
)
def test_json_of_another_form_is_refused(value: object) -> None:
    with pytest.raises(BundleRefused):
        action_from_json(value, "here")
