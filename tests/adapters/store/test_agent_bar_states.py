"""Whatever two workers do in whatever order, crash, come late or have their clock set: each bar has one end."""

from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import create_engine, select

from adapters.store.agent_bars import LEASE_S, Taken, finish, miss, take
from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.sqlite import begin_reading, transact
from adapters.store.tables import METADATA
from adapters.store.trading_tables import agent_bars
from tests.fakes.jobs import START, HandClock
from trading.acting import AgentBar
from trading.errors import IllegalChange

Result = TypeVar("Result")
OWNERS = st.sampled_from(["one", "other"])
IDS = {AgentBar(user_id=f"user{number}", symbol="BTC", bar_close_s=60): f"{number}" for number in range(3)}
SOME = st.lists(st.sampled_from(list(IDS)), min_size=1, max_size=3, unique=True)
DEADLINE = START.after(4 * LEASE_S)


async def states(connection: StoreConnection) -> dict[str, str]:
    return {row.user_id: row.state for row in await connection.execute(select(agent_bars))}


class AgentBars(RuleBasedStateMachine):
    """The store's steps against how each bar was seen to end before."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = create_engine("sqlite://").connect()
        self.clock = HandClock()
        self.boots = 0
        self.holders: list[tuple[str, Taken]] = []
        self.ended: dict[str, str] = {}
        METADATA.create_all(self.connection)
        self.connection.commit()

    def do(self, work: Work[Result]) -> Result:
        return transact(self.connection, begin_reading, work, lambda: None)

    @rule(owner=OWNERS, bars=SOME)
    def takes(self, owner: str, bars: list[AgentBar]) -> None:
        takings = self.do(take({bar: IDS[bar] for bar in bars}, owner, self.clock))
        assert not {each.bar for each in takings.taken} & takings.held
        assert not {each.bar.user_id for each in takings.taken} & self.ended.keys()
        assert {bar.user_id for bar in bars} <= {
            *(each.bar.user_id for each in takings.taken),
            *(bar.user_id for bar in takings.held),
            *self.ended,
        }
        self.holders += [(owner, each) for each in takings.taken]

    @precondition(lambda self: self.holders)
    @rule(which=st.integers(0, 100))
    def decides(self, which: int) -> None:
        _, taken = self.holders[which % len(self.holders)]
        try:
            self.do(finish(taken, deadline=DEADLINE, now=self.clock))
        except IllegalChange:
            return
        assert DEADLINE.left_s(self.clock()) > 0
        assert taken.bar.user_id not in self.ended
        last = max(each.epoch for _, each in self.holders if each.bar == taken.bar)
        assert taken.epoch == last
        self.ended[taken.bar.user_id] = "done"

    @rule(owner=OWNERS, bars=SOME)
    def misses(self, owner: str, bars: list[AgentBar]) -> None:
        before = self.do(states)
        missed = self.do(miss({bar: IDS[bar] for bar in bars}, owner, self.clock))
        changed = {user: state for user, state in self.do(states).items() if before.get(user) != state}
        assert set(changed.values()) <= {"missed"}
        assert len(changed) == missed
        assert not changed.keys() & self.ended.keys()
        self.ended |= changed

    @rule(seconds=st.sampled_from([0.1, 1.0, LEASE_S]))
    def waits(self, seconds: float) -> None:
        self.clock.go(seconds)

    @rule(seconds=st.sampled_from([-3600.0, 3600.0]))
    def wall_clock_is_set(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule(after_s=st.sampled_from([1.0, 2 * LEASE_S]))
    def machine_restarts(self, after_s: float) -> None:
        self.boots += 1
        self.clock.reboot(f"boot {self.boots}", after_s)

    @invariant()
    def what_has_ended_stays_as_it_ended(self) -> None:
        found = self.do(states)
        assert {user: state for user, state in found.items() if state != "taken"} == self.ended

    def teardown(self) -> None:
        self.connection.close()
        self.connection.engine.dispose()


TestAgentBars = AgentBars.TestCase
TestAgentBars.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
