"""The environment pays for what was decided before the price moved, and shows nothing that comes later."""

import math
from dataclasses import replace

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rl_models.features.stream import FeatureStream
from rl_models.normaliser import Normaliser
from rl_models.signal_generator import SignalGenerator
from rl_models.training.costs import TradingCosts, follow
from rl_models.training.environment import REWARD_SCALE, Rules, Stretch, TradingEnvironment
from rl_models.training.history import Series, build_history, fit_normalisation
from rl_models.training.study import SCHEMA
from tests.fakes.bars import random_bars
from tests.fakes.market import EPOCH_S, HOUR_S

COSTS = TradingCosts()
RULES = Rules(costs=COSTS, episode_bars=50)
RETURNS = np.random.default_rng(4).normal(0.0, 0.02, 200)
STRETCH = Stretch(
    observations=np.tile(np.arange(201, dtype=np.float32)[:, None] / 100, (1, 3)),
    bar_returns=RETURNS,
    position_columns=(2,),
)
FROM_FLAT = {"stretch": 0, "start": 10, "position": 0.0}


def test_it_keeps_the_rules_of_gymnasium() -> None:
    check_env(TradingEnvironment([STRETCH], RULES), skip_render_check=True)


def test_the_rewards_of_an_episode_are_the_log_return_of_the_account() -> None:
    environment = TradingEnvironment([STRETCH], RULES)
    environment.reset(options=dict(FROM_FLAT))
    actions = np.random.default_rng(1).integers(0, 3, 50)
    rewards = [environment.step(action)[1] for action in actions]
    account = follow(np.array(RULES.levels)[actions], RETURNS[10:60], COSTS)
    assert sum(rewards) / REWARD_SCALE == pytest.approx(math.log(account.equity[-1]), rel=1e-9)


def test_a_position_earns_the_bar_after_the_decision_and_not_the_one_before() -> None:
    returns = np.zeros(200)
    returns[10] = 0.1
    jump = replace(STRETCH, bar_returns=returns)
    in_time, late = TradingEnvironment([jump], RULES), TradingEnvironment([jump], RULES)
    in_time.reset(options=dict(FROM_FLAT))
    late.reset(options=dict(FROM_FLAT))
    buy, wait = np.int64(2), np.int64(0)
    assert in_time.step(buy)[1] > 0.0
    assert late.step(wait)[1] == 0.0
    assert late.step(buy)[1] < 0.0


def test_returns_that_come_later_change_neither_observation_nor_reward() -> None:
    changed = RETURNS.copy()
    changed[30:] = 0.5
    one, other = (TradingEnvironment([replace(STRETCH, bar_returns=each)], RULES) for each in (RETURNS, changed))
    one.reset(options=dict(FROM_FLAT))
    other.reset(options=dict(FROM_FLAT))
    for action in np.random.default_rng(2).integers(0, 3, 20):
        (seen, reward, *_), (other_seen, other_reward, *_) = one.step(action), other.step(action)
        assert seen.tolist() == other_seen.tolist()
        assert reward == other_reward


def test_the_observation_shows_the_exposure_as_it_drifted() -> None:
    environment = TradingEnvironment([STRETCH], RULES)
    first, _ = environment.reset(options=dict(FROM_FLAT))
    second, *_ = environment.step(np.int64(1))
    assert first.tolist() == pytest.approx([0.1, 0.1, 0.0])
    drifted = 0.5 * (1.0 + RETURNS[10]) / (1.0 + 0.5 * RETURNS[10])
    assert second.tolist() == pytest.approx([0.11, 0.11, drifted], rel=1e-6)


def test_an_episode_is_truncated_after_its_length_and_never_terminated() -> None:
    environment = TradingEnvironment([STRETCH], RULES)
    environment.reset(seed=3)
    ends = [environment.step(np.int64(0))[2:4] for _ in range(50)]
    assert ends == [(False, False)] * 49 + [(False, True)]


def test_the_same_seed_starts_the_same_episodes() -> None:
    environments = [TradingEnvironment([STRETCH, STRETCH], RULES) for _ in range(2)]
    starts = [[environment.reset(seed=11)[0].tolist() for _ in range(3)] for environment in environments]
    assert starts[0] == starts[1]


def test_the_environment_shows_what_the_stream_serves_to_a_network() -> None:
    bars = random_bars(500)
    past = build_history(Series(symbol="BTC", timeframe_s=HOUR_S, bars=bars), SCHEMA, 200)
    end_s = EPOCH_S + 500 * HOUR_S
    normalisation = fit_normalisation(past.rows(0, end_s), SCHEMA)
    environment = TradingEnvironment(past.stretches(0, end_s, normalisation), replace(RULES, episode_bars=1_000))
    seen, _ = environment.reset(options={"stretch": 0, "start": 0, "position": 0.5})
    stream, generator, position = FeatureStream(SCHEMA, HOUR_S, 200), SignalGenerator(HOUR_S), 0.5
    for place, bar in enumerate(bars[:-1]):
        stream.push(bar)
        reading = generator.update(bar)
        if stream.ready:
            raw = stream.observe(reading, position)[None, :]
            np.testing.assert_allclose(seen, Normaliser(normalisation).apply(raw)[0], atol=1e-6)
            seen, *_ = environment.step(np.int64(1))
            bar_return = bars[place + 1].close / bar.close - 1.0
            position = 0.5 * (1.0 + bar_return) / (1.0 + 0.5 * bar_return)
