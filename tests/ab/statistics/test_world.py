"""The simulated world has the tails, the ramp and the arms that it says."""

import numpy as np
import pytest

from ab.statistics.world import Tails, World, noise, trade

WORLD = World(
    users=4_000,
    days=10,
    effect_bps=0.0,
    deviation_bps=30.0,
    market_bps=0.0,
    risk=2.0,
    tails=Tails.NORMAL,
    ramp=((0, 0.2), (4, 0.5)),
)


def test_users_enter_as_the_ramp_grows_and_those_it_never_reached_are_not_there() -> None:
    units = trade(WORLD, np.random.default_rng(1))
    assert set(units.entered.tolist()) == {0, 4}
    assert (units.entered == 0).sum() == pytest.approx(800, abs=4 * np.sqrt(640))
    assert len(units.users) == pytest.approx(2_000, abs=4 * np.sqrt(1_000))
    assert units.missing == 0
    assert np.isnan(units.profit[units.entered == 4, :4]).all()


def test_the_riskier_arm_has_the_same_mean_and_more_spread() -> None:
    units = trade(WORLD, np.random.default_rng(2))
    treated, control = (units.profit[arm][:, 4:] for arm in (units.treated, ~units.treated))
    assert control.std() == pytest.approx(30.0, rel=0.05)
    assert treated.std() == pytest.approx(60.0, rel=0.05)
    assert treated.mean() - control.mean() == pytest.approx(0.0, abs=4 * 67.0 / np.sqrt(6_000))


@pytest.mark.parametrize(("tails", "kurtosis"), [(Tails.NORMAL, 3.0), (Tails.T3, 20.0)])
def test_noise_has_variance_one_and_the_tails_it_is_asked_for(tails: Tails, kurtosis: float) -> None:
    values = noise((400_000,), tails, np.random.default_rng(3))
    assert values.mean() == pytest.approx(0.0, abs=0.01)
    assert values.var() == pytest.approx(1.0, rel=0.05)
    assert (values**4).mean() / values.var() ** 2 >= 0.95 * kurtosis
