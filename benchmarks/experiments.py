"""`make bench-experiments`: how long it takes to judge an experiment, and with how much memory.

The results of 1,000 users over 30 and over 365 looks, and an evaluation of a million exposures in an SQLite file, as a
worker's child does it: read, marked, judged. The market is the simulated one; the exposures are made up. What is
measured with its memory runs in a process of its own, whose peak nothing else has raised. Linux only.
"""

import gc
import multiprocessing
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from ab.account import Costs
from ab.defaults import default_plan
from ab.state import ExperimentState, Phase, Step
from ab.statistics.primary import judge
from ab.statistics.units import LookTime
from ab.statistics.world import Tails, World, trade
from adapters.market_clock import WALL_CLOCK
from adapters.simulated_market import SimulatedMarket, Simulation
from adapters.store.engine import Location, locate
from adapters.store.schema import prepare
from trading.vocabulary import Arm
from wiring.analysis import find
from wiring.evidence import Question, gather
from wiring.stores import OpenStore
from wiring.unit_days import Terms

USERS, LOOKS, MANY_LOOKS, EXPOSURES = 1000, 30, 365, 1_000_000
HOUR_S, DAY_S = 3600, 86_400
MEGABYTE = 1024.0
INSERT = """
    INSERT INTO exposures (experiment, run, user_id, symbol, bar_close, decision_id, decided_at, market_at,
        assigned_arm, served_arm, reason, propensity, stage, price, position_exposure, target_exposure, executes)
    VALUES ('bench', 1, ?, 'BTC', ?, ?, ?, ?, ?, ?, 'hash', 0.5, 'ramp', ?, 0.0, ?, 1)"""


def main() -> int:
    """Print the times, and the memory."""
    print(f"judge, {USERS:,} users x {LOOKS} looks: {best(judged(LOOKS)):.2f} s")
    alone(judged_once, MANY_LOOKS)
    with tempfile.TemporaryDirectory() as folder:
        location = locate(None, Path(folder))
        prepare(location)
        hours = EXPOSURES // USERS
        began_s = int(time.time() // DAY_S) * DAY_S - (hours // 24 + 1) * DAY_S
        fill(location, bench_market(), began_s, hours)
        alone(evaluated, location, began_s)
    return 0


def alone(run: Callable[..., None], *arguments: object) -> None:
    """Run it in a process of its own. RuntimeError where that fails."""
    process = multiprocessing.get_context("spawn").Process(target=run, args=arguments)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{run.__name__} ended with {process.exitcode}")


def bench_market() -> SimulatedMarket:
    """The market on whose bars everything was decided."""
    return SimulatedMarket(Simulation(seed=7, symbols=("BTC",), timeframe_s=HOUR_S), WALL_CLOCK)


def best(run: Iterator[float]) -> float:
    """The shortest of three runs, seconds."""
    return min(next(run) for _ in range(3))


def judged_once(looks: int) -> None:
    """One judgement, with its memory."""
    before_mb = memory_mb()
    seconds = next(judged(looks))
    print(f"judge, {USERS:,} users x {looks} looks: {seconds:.2f} s, {memory_mb() - before_mb:.0f} MB more than before")


def judged(number: int) -> Iterator[float]:
    """Seconds of one judgement of so many looks after the other."""
    chance = np.random.default_rng(1)
    ramp = ((0, 0.1), (10, 0.5), (20, 1.0))
    world = World(
        users=USERS,
        days=number,
        effect_bps=2.0,
        deviation_bps=100.0,
        market_bps=50.0,
        risk=1.5,
        tails=Tails.T3,
        ramp=ramp,
    )
    units = trade(world, chance)
    looks = tuple(LookTime(at_s=float(day * DAY_S), days=day) for day in range(1, number + 1))
    analysis = replace(default_plan("bench", "bench", 0.5).analysis, looks=number)
    while True:
        since_s = time.perf_counter()
        judge(units, analysis, looks, seed="bench")
        yield time.perf_counter() - since_s


def fill(location: Location, market: SimulatedMarket, began_s: int, hours: int) -> None:
    """A million exposures: every user decides on every hour's bar."""
    bars = market.closed_bars("BTC", after_s=began_s - 2 * HOUR_S, limit=hours)[:hours]
    targets = np.random.default_rng(2).random((USERS, len(bars))) > 0.5
    assert location.file is not None
    with closing(sqlite3.connect(location.file)) as connection, connection:
        for user in range(USERS):
            arm = "rl" if user % 2 else "fallback"
            closes = [(bar.open_time_s + HOUR_S, bar.close) for bar in bars]
            connection.executemany(
                INSERT,
                [
                    (f"user{user:04}", at, f"{user}-{at}", at + 1.0, at + 1.0, arm, arm, close, float(target))
                    for (at, close), target in zip(closes, targets[user], strict=True)
                ],
            )


def evaluated(location: Location, began_s: int) -> None:
    """One evaluation, with its parts; without the collector, as in a worker's child."""
    gc.disable()
    plan = default_plan("bench", "bench", 0.5)
    step = Step(stage=0, share=0.5, since_s=float(began_s))
    state = ExperimentState(
        plan=plan,
        version=2,
        run=1,
        phase=Phase.RUNNING,
        enabled=True,
        stage=0,
        share=0.5,
        approved=False,
        overrides=(),
        steps=(step,),
        changed_at_s=0.0,
        reason=None,
    )
    terms = Terms(costs=Costs(fee_bps=10.0, spread_bps=2.0), dead_band=0.02)
    market = bench_market()
    before_mb, since_s = memory_mb(), time.perf_counter()
    with OpenStore(location) as store:
        question = Question(state=state, at_s=time.time())
        evidence = gather(store, market, terms, question, wall_s=time.time(), progress=tell)
    gathered_s, gathered_mb = time.perf_counter() - since_s, memory_mb() - before_mb
    since_s = time.perf_counter()
    findings = find(evidence)
    found_s = time.perf_counter() - since_s
    money = findings.money[Arm.RL]
    found_mb = memory_mb() - before_mb
    print(f"gather, {EXPOSURES:,} exposures: {gathered_s:.1f} s, {gathered_mb:.0f} MB more than before")
    judgement = f"find, {len(evidence.days):,} user-days, {len(findings.primary.looks)} looks: {found_s:.2f} s"
    print(f"{judgement}, {found_mb:.0f} MB more than before it was gathered")
    print(f"the policy's arm: {money.users} users, {money.user_days:,} user-days, {money.missing} missing")


def memory_mb() -> float:
    """The most memory this process has had, megabytes."""
    # Not ru_maxrss, into which the process that started this one is counted.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / MEGABYTE


def tell(exposures: int) -> None:
    """Show progress."""
    print(f"\r{exposures:,} exposures ...", end="" if exposures < EXPOSURES else "\n", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
