"""Whatever two workers do in whatever order, crash, come late or have their clock set: each job ends once."""

from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import create_engine

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.jobs import Ended, accept_one, cancel, finish, renew, sweep, take
from adapters.store.sqlite import begin_reading, transact
from adapters.store.tables import METADATA
from tests.fakes.jobs import HandClock, done, job, note, noted, read
from trading.errors import QueueFull
from trading.jobs import LEASE_S, MOVES, JobStatus, Taken

Result = TypeVar("Result")
OWNERS = st.sampled_from(["one", "other"])
FULL = 6


class Jobs(RuleBasedStateMachine):
    """The store's steps against what was seen of each job before."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = create_engine("sqlite://").connect()
        self.clock = HandClock()
        self.boots = 0
        self.seen: dict[str, tuple[JobStatus, str | None]] = {}
        self.held: dict[str, list[Taken]] = {"one": [], "other": []}
        self.lost: list[Taken] = []
        self.done: set[str] = set()
        METADATA.create_all(self.connection)
        self.connection.commit()

    def do(self, work: Work[Result]) -> Result:
        return transact(self.connection, begin_reading, work, lambda: None)

    @rule(priority=st.integers(1, 3), timeout_s=st.sampled_from([0.5, 2.0, 30.0]))
    def accepts(self, priority: int, timeout_s: float) -> None:
        made = job(self.clock(), priority=priority, timeout_s=timeout_s)
        waiting = sum(status is JobStatus.PENDING for status, _ in self.seen.values())
        try:
            self.do(accept_one(made, max_waiting=FULL))
        except QueueFull:
            assert waiting == FULL
        else:
            assert waiting < FULL
            self.seen[made.id] = (JobStatus.PENDING, None)

    @rule(owner=OWNERS, most=st.integers(1, 3))
    def takes(self, owner: str, most: int) -> None:
        taken = self.do(take(owner, most, self.clock))
        assert all(each.deadline.left_s(self.clock()) > 0 for each in taken)
        self.held[owner] += taken

    @precondition(lambda self: self.held["one"] or self.held["other"] or self.lost)
    @rule(which=st.integers(0, 100), status=st.sampled_from([JobStatus.DONE, JobStatus.FAILED, JobStatus.EXPIRED]))
    def finishes(self, which: int, status: JobStatus) -> None:
        every = [*self.held["one"], *self.held["other"], *self.lost]
        taken = every[which % len(every)]
        end = (
            done(taken) if status is JobStatus.DONE else Ended(id=taken.id, epoch=taken.epoch, status=status, answer="")
        )
        journal = note if status is JobStatus.DONE else nothing
        if self.do(finish([end], self.clock, journal)).ended and status is JobStatus.DONE:
            self.done.add(taken.id)

    @rule(owner=OWNERS)
    def renews(self, owner: str) -> None:
        self.do(renew({taken.id: taken.epoch for taken in self.held[owner]}, self.clock))

    @rule(owner=OWNERS)
    def crashes(self, owner: str) -> None:
        self.lost += self.held[owner]
        self.held[owner] = []

    @precondition(lambda self: self.seen)
    @rule(which=st.integers(0, 100))
    def cancels(self, which: int) -> None:
        self.do(cancel(list(self.seen)[which % len(self.seen)], self.clock))

    @rule()
    def sweeps(self) -> None:
        self.do(sweep(self.clock))

    @rule(seconds=st.sampled_from([0.1, 0.6, LEASE_S, 10.0]))
    def goes(self, seconds: float) -> None:
        self.clock.go(seconds)

    @rule(seconds=st.sampled_from([-3600.0, 3600.0]))
    def is_set(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule()
    def reboots(self) -> None:
        self.boots += 1
        self.clock.reboot(f"boot {self.boots}", after_s=20.0)
        for owner in self.held:
            self.crashes(owner)

    @invariant()
    def each_moves_as_it_may_and_ends_once(self) -> None:
        for job_id, (before, answer) in self.seen.items():
            stored = self.do(read(job_id))
            if before.final:
                assert (stored.status, stored.answer) == (before, answer)
            assert stored.status is before or stored.status in reachable(before)
            assert stored.status.final == (stored.answer is not None)
            self.seen[job_id] = (stored.status, stored.answer)

    @invariant()
    def exactly_the_done_ones_are_journalled(self) -> None:
        assert self.do(noted) == sorted(self.done)
        assert self.done == {job_id for job_id, (status, _) in self.seen.items() if status is JobStatus.DONE}

    def teardown(self) -> None:
        self.clock.go(30 * 86_400.0)
        self.do(sweep(self.clock))
        self.each_moves_as_it_may_and_ends_once()
        assert all(status.final for status, _ in self.seen.values())
        self.connection.close()
        self.connection.engine.dispose()


async def nothing(_: StoreConnection, __: frozenset[str]) -> None:
    """Not a decision: nothing to journal."""


def reachable(status: JobStatus) -> set[JobStatus]:
    """Every status that may follow, in any number of moves."""
    found: set[JobStatus] = set()
    new = set(MOVES[status])
    while new:
        found |= new
        new = {later for each in new for later in MOVES[each]} - found
    return found


TestJobs = Jobs.TestCase
TestJobs.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
