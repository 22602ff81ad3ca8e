"""When a circuit breaker opens, whom it lets through meanwhile, and how it closes again."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trading.breaker import Breaker, BreakerRules, BreakerState, BreakerStatus, Pass

RULES = BreakerRules(window_calls=20, minimum_calls=10, failure_rate=0.5, slow_rate=0.5, slow_s=1.0, open_s=5.0)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Tried:
    """A breaker with its clock, and calls of a given length and end."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.breaker = Breaker("trading_service", "order", RULES, self.clock)

    def start(self) -> Pass:
        leave = self.breaker.admit()
        assert leave is not None
        return leave

    def call(self, *, failed: bool, took_s: float = 0.0) -> None:
        with self.start() as leave:
            self.clock.now_s += took_s
            leave.failed() if failed else leave.succeeded()

    def open(self) -> None:
        for _ in range(RULES.minimum_calls):
            self.call(failed=True)
        assert self.status is BreakerStatus.OPEN

    @property
    def status(self) -> BreakerStatus:
        return self.state.status

    @property
    def state(self) -> BreakerState:
        return self.breaker.state()


@pytest.fixture
def tried() -> Tried:
    return Tried()


def test_it_stays_closed_below_the_minimum_of_calls(tried: Tried) -> None:
    for _ in range(RULES.minimum_calls - 1):
        tried.call(failed=True)
    assert tried.status is BreakerStatus.CLOSED


def test_it_opens_with_ten_failures_after_any_number_of_good_calls(tried: Tried) -> None:
    for _ in range(100):
        tried.call(failed=False)
    for _ in range(9):
        tried.call(failed=True)
    assert tried.status is BreakerStatus.CLOSED
    tried.call(failed=True)
    assert tried.status is BreakerStatus.OPEN


def test_fewer_failures_than_the_rate_do_not_open_it(tried: Tried) -> None:
    for index in range(200):
        tried.call(failed=index % 5 == 0)
    assert tried.status is BreakerStatus.CLOSED
    assert tried.state.failure_rate == pytest.approx(0.2)


def test_calls_that_end_well_but_slowly_open_it(tried: Tried) -> None:
    for _ in range(RULES.minimum_calls):
        tried.call(failed=False, took_s=1.0)
    assert tried.status is BreakerStatus.OPEN


def test_calls_that_hang_open_it_before_they_end(tried: Tried) -> None:
    for _ in range(50):
        tried.call(failed=False)
    for _ in range(10):
        tried.start()
    tried.clock.now_s += 0.99
    assert tried.status is BreakerStatus.CLOSED
    tried.clock.now_s += 0.01
    assert tried.breaker.admit() is None
    assert tried.status is BreakerStatus.OPEN


def test_what_was_in_flight_as_it_opened_counts_for_nothing_more(tried: Tried) -> None:
    hanging = [tried.start() for _ in range(12)]
    tried.clock.now_s += 1.0
    assert tried.status is BreakerStatus.OPEN
    opened_at_s = tried.state.opened_at_s
    tried.clock.now_s += 2.0
    for leave in hanging:
        leave.failed()
    assert tried.state.opened_at_s == opened_at_s
    assert tried.state.opened == 1
    tried.clock.now_s += 3.0
    tried.call(failed=False)
    assert tried.status is BreakerStatus.CLOSED


def test_refused_calls_are_counted_and_do_not_prolong_it(tried: Tried) -> None:
    tried.open()
    for _ in range(49):
        tried.clock.now_s += 0.1
        assert tried.breaker.admit() is None
    assert tried.state.refused == 49
    tried.clock.now_s += 0.1001
    assert tried.breaker.admit() is not None


def test_it_says_how_long_until_the_next_probe(tried: Tried) -> None:
    tried.open()
    tried.clock.now_s += 2.0
    assert tried.state.retry_in_s == pytest.approx(3.0)
    tried.clock.now_s += 3.0
    assert tried.state.retry_in_s is None


def test_half_open_lets_one_call_through_at_a_time(tried: Tried) -> None:
    tried.open()
    tried.clock.now_s += 5.0
    assert tried.status is BreakerStatus.HALF_OPEN
    tried.start()
    assert [tried.breaker.admit() for _ in range(20)] == [None] * 20


def test_a_good_probe_closes_it_and_forgets_what_was(tried: Tried) -> None:
    tried.open()
    tried.clock.now_s += 5.0
    tried.call(failed=False)
    assert tried.status is BreakerStatus.CLOSED
    assert (tried.state.calls, tried.state.failure_rate, tried.state.opened_at_s) == (0, None, None)


def test_a_failed_probe_opens_it_again_for_as_long(tried: Tried) -> None:
    tried.open()
    tried.clock.now_s += 7.0
    tried.call(failed=True)
    tried.clock.now_s += 4.9
    assert tried.breaker.admit() is None
    tried.clock.now_s += 0.1001
    assert tried.breaker.admit() is not None


def test_a_probe_that_is_given_up_leaves_its_place_to_the_next(tried: Tried) -> None:
    tried.open()
    tried.clock.now_s += 5.0
    with tried.start():
        assert tried.breaker.admit() is None
    tried.call(failed=False)
    assert tried.status is BreakerStatus.CLOSED


def test_a_probe_that_hangs_or_is_lost_is_a_failed_one(tried: Tried) -> None:
    tried.open()
    tried.clock.now_s += 5.0
    lost = tried.start()
    tried.clock.now_s += 1.0
    assert tried.status is BreakerStatus.OPEN
    tried.clock.now_s += 5.0
    probe = tried.start()
    lost.succeeded()
    assert tried.status is BreakerStatus.HALF_OPEN
    probe.succeeded()
    assert tried.status is BreakerStatus.CLOSED


def test_calls_given_up_in_time_count_for_nothing(tried: Tried) -> None:
    for _ in range(100):
        with tried.start():
            tried.clock.now_s += 0.5
    assert tried.state.calls == 0


def test_calls_given_up_because_they_were_slow_count_as_slow(tried: Tried) -> None:
    for _ in range(RULES.minimum_calls):
        with tried.start():
            tried.clock.now_s += 1.5
    assert tried.status is BreakerStatus.OPEN


def test_an_error_inside_a_call_passes_through(tried: Tried) -> None:
    with pytest.raises(KeyError), tried.start():
        raise KeyError
    assert tried.state.calls == 0


def test_only_the_first_word_of_a_call_counts(tried: Tried) -> None:
    with tried.start() as leave:
        leave.succeeded()
        leave.failed()
    assert (tried.state.calls, tried.state.failure_rate) == (1, 0.0)


def test_held_open_it_stays_open_until_it_is_released(tried: Tried) -> None:
    inside = tried.start()
    tried.breaker.hold_open()
    tried.clock.now_s += 3600.0
    inside.succeeded()
    assert tried.breaker.admit() is None
    assert tried.status is BreakerStatus.HELD_OPEN
    tried.breaker.release()
    tried.call(failed=False)
    assert tried.status is BreakerStatus.CLOSED


def test_releasing_what_is_not_held_changes_nothing(tried: Tried) -> None:
    tried.open()
    before = tried.state
    tried.breaker.release()
    assert tried.state == before


class AnyCalls(RuleBasedStateMachine):
    """Calls of any length and end, in any order, with any holds."""

    @initialize()
    def begin(self) -> None:
        self.tried = Tried()
        self.flying: list[Pass] = []
        self.probe: tuple[Pass, float] | None = None

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.4, 0.999, 1.0, 2.5, 5.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.tried.clock.now_s += seconds

    @rule()
    def start(self) -> None:
        before = self.tried.state
        leave = self.tried.breaker.admit()
        now_s = self.tried.clock.now_s
        if leave is None:
            after = self.tried.state
            assert before.status is not BreakerStatus.CLOSED
            assert (after.opened_at_s, after.retry_in_s, after.opened) == (
                before.opened_at_s,
                before.retry_in_s,
                before.opened,
            )
            return
        assert before.status in (BreakerStatus.CLOSED, BreakerStatus.HALF_OPEN)
        if before.status is BreakerStatus.HALF_OPEN:
            assert self.probe is None or now_s - self.probe[1] >= RULES.slow_s, "two probes at once"
            self.probe = leave, now_s
        self.flying.append(leave)

    @precondition(lambda self: self.flying)
    @rule(which=st.integers(min_value=0), how=st.sampled_from(["well", "badly", "given up"]))
    def end(self, which: int, how: str) -> None:
        leave = self.flying.pop(which % len(self.flying))
        with leave:
            if how != "given up":
                leave.succeeded() if how == "well" else leave.failed()
        if self.probe is not None and self.probe[0] is leave:
            self.probe = None

    @rule()
    def hold(self) -> None:
        self.tried.breaker.hold_open()
        self.probe = None
        assert self.tried.breaker.admit() is None

    @rule()
    def release(self) -> None:
        self.tried.breaker.release()
        assert self.tried.status is not BreakerStatus.HELD_OPEN

    @rule()
    def heal(self) -> None:
        """From any state it closes with the first good call after the longest it may be open."""
        self.tried.breaker.release()
        for leave in self.flying:
            leave.succeeded()
        self.flying, self.probe = [], None
        self.tried.clock.now_s += RULES.open_s
        if self.tried.status is not BreakerStatus.CLOSED:
            assert self.tried.status is BreakerStatus.HALF_OPEN
            self.tried.call(failed=False)
            assert self.tried.status is BreakerStatus.CLOSED

    @invariant()
    def closed_only_while_the_rates_are_low(self) -> None:
        state = self.tried.state
        assert state.calls <= RULES.window_calls
        if state.status is BreakerStatus.CLOSED and state.calls >= RULES.minimum_calls:
            assert state.failure_rate is not None
            assert state.failure_rate < RULES.failure_rate
            assert state.slow_rate is not None
            assert state.slow_rate < RULES.slow_rate
        if state.retry_in_s is not None:
            assert 0.0 < state.retry_in_s <= RULES.open_s + 1e-9


TestAnyCalls = AnyCalls.TestCase
TestAnyCalls.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
