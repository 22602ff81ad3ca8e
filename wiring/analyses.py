"""The commands that judge: python -m wiring evaluate, report, power, aa, performance. Most of them load numpy.

Also a program of its own, python -m wiring.analyses, for workers: it loads nothing else.
"""

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ab.account import Costs
from ab.plan import Guard
from ab.state import ExperimentState
from adapters.store.choices import choice
from adapters.store.experiments import list_experiments
from adapters.store.outcomes import save_outcomes
from settings import Settings, read_settings
from trading.errors import NotFound, ServiceError
from trading.ports import Market
from wiring.evaluated import Evaluated, choice_of, evaluated_text, kept_evaluation
from wiring.evidence import Evidence, Question, gather
from wiring.experiment_log import state_from
from wiring.markets import look_at_market
from wiring.orphans import end_with
from wiring.stores import OpenStore, find_store
from wiring.unit_days import Terms

# Outcomes written at once.
CHUNK = 2_000
# How much a worker's child stands back for those who answer requests.
NICE = 10


def main() -> int:
    """Run one command for a worker: 0 when it has printed what was asked for."""
    # It lives for seconds: what the collector would find goes with it, and looking takes a fifth of the time.
    gc.disable()
    parser = argparse.ArgumentParser(prog="python -m wiring.analyses")
    add_analyses(parser.add_subparsers(required=True, metavar="COMMAND"))
    parser.add_argument("--parent", type=int, help="the process that this one is not to outlive")
    arguments = parser.parse_args()
    if arguments.parent is not None:
        os.nice(NICE)
        end_with(arguments.parent)
    try:
        return int(arguments.run(arguments))
    except (ServiceError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def add_analyses(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Put the commands among others."""
    evaluate = _command(commands, "evaluate", _evaluate, "judge an experiment, keep its outcomes, print its findings")
    evaluate.add_argument("--latency-p99-ms", type=float, help="what the service measured of the policy's decisions")
    report = _command(commands, "report", _report, "make the page of an experiment")
    report.add_argument("--out", type=Path, help="the file to write; else it is printed")
    _add_latencies(report)
    power = _command(commands, "power", _power, "what an experiment like this can find")
    power.add_argument("--effect-bps", type=float, required=True, help="the effect that is hoped for, bps a day")
    power.add_argument("--deviation-bps", type=float, required=True, help="standard deviation of a user-day, bps")
    power.add_argument("--users-per-arm", type=int, required=True)
    power.add_argument("--tails", choices=("normal", "t3"), default="t3", help="how heavy the tails of a day are")
    _command(commands, "aa", _aa, "how often the test finds a difference on these outcomes where there is none")
    models = commands.add_parser("performance", help="how the models and the arms of the last days did")
    models.add_argument("--days", type=int, default=30, help="how far back, in days of the wall clock")
    _add_latencies(models)
    models.set_defaults(run=_performance)


def _add_latencies(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--latencies", default="[]", help="what the service measured, as JSON")


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text)
    parser.add_argument("key", nargs="?", help="the experiment; else the one in force")
    parser.set_defaults(run=run)
    return parser


def _evaluate(arguments: argparse.Namespace) -> int:
    from wiring.analysis import find

    settings = read_settings()
    with OpenStore(find_store(settings)) as store:
        evidence = _gather(settings, store, arguments.key, latency_p99_ms=arguments.latency_p99_ms)
        for place in range(0, len(evidence.fresh), CHUNK):
            store.write(save_outcomes(evidence.fresh[place : place + CHUNK]))
    state = evidence.question.state
    _tell("The outcomes are kept, and judged ...")
    findings = find(evidence)
    _tell("They are judged.")
    evaluated = Evaluated(version=state.version, run=state.run, seconds=time.process_time(), findings=findings)
    print(evaluated_text(evaluated))
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from wiring.experiment_report import Made, report_page
    from wiring.latencies import latencies_from
    from wiring.performance import find_horizons

    settings, latencies = read_settings(), latencies_from(arguments.latencies)
    market, horizons = look_at_market(settings), find_horizons(settings)
    with OpenStore(find_store(settings)) as store:
        latency_ms = _last_latency_ms(store, find_experiment(store, arguments.key))
        evidence = _gather(settings, store, arguments.key, market=market, latency_p99_ms=latency_ms)
        made = Made(
            settings=settings,
            store=store,
            market=market,
            terms=terms_of(settings),
            horizons=horizons,
            latencies=latencies,
            wall_s=time.time(),
        )
        html = report_page(evidence, made)
    if arguments.out is None:
        sys.stdout.write(html)
    else:
        arguments.out.write_text(html)
        print(arguments.out)
    return 0


def _power(arguments: argparse.Namespace) -> int:
    from ab.statistics.power import Design, power
    from ab.statistics.world import Tails

    design = Design(
        effect_bps=arguments.effect_bps,
        deviation_bps=arguments.deviation_bps,
        users_per_arm=arguments.users_per_arm,
        tails=Tails(arguments.tails),
    )
    with OpenStore(find_store(read_settings())) as store:
        state = find_experiment(store, arguments.key)
    print(json.dumps(asdict(design) | asdict(power(design, state.plan.analysis)), allow_nan=False))
    return 0


def _aa(arguments: argparse.Namespace) -> int:
    from ab.statistics.aa import aa_check
    from wiring.analysis import counted_rows, seed_of, units_and_looks

    settings = read_settings()
    with OpenStore(find_store(settings)) as store:
        evidence = _gather(settings, store, arguments.key)
    state = evidence.question.state
    units, looks = units_and_looks(state, counted_rows(evidence), evidence.question.at_s)
    if not looks:
        print(json.dumps({"looks": 0, "runs": 0, "significant": None, "most": None, "passed": None}))
        return 0
    check = aa_check(units, state.plan.analysis, looks, seed=seed_of(state))
    print(json.dumps({"looks": len(looks), **asdict(check), "passed": check.passed}, allow_nan=False))
    return 0


def _performance(arguments: argparse.Namespace) -> int:
    from wiring.latencies import latencies_from
    from wiring.performance import Asked, find_horizons, performance

    settings, latencies = read_settings(), latencies_from(arguments.latencies)
    market, horizons = look_at_market(settings), find_horizons(settings)
    asked = Asked(days=arguments.days, wall_s=time.time(), latencies=latencies)
    with OpenStore(find_store(settings)) as store:
        figures = performance(store, market, terms_of(settings), horizons, asked)
    print(json.dumps(figures, allow_nan=False))
    return 0


def find_experiment(store: OpenStore, key: str | None) -> ExperimentState:
    """An experiment as it is, the one in force without a key. Raises NotFound, StoreRefused."""
    for kept in store.read(list_experiments()):
        if kept.key == key or (key is None and kept.in_force):
            return state_from(kept.document)
    raise NotFound("experiment")


def terms_of(settings: Settings) -> Terms:
    """By what days are marked under these settings: the costs are those of paper fills."""
    costs = Costs(fee_bps=settings.paper_fee_bps, spread_bps=settings.paper_spread_bps)
    return Terms(costs=costs, dead_band=settings.order_dead_band)


def _gather(
    settings: Settings,
    store: OpenStore,
    key: str | None,
    *,
    market: Market | None = None,
    latency_p99_ms: float | None = None,
) -> Evidence:
    market = market or look_at_market(settings)
    # The time comes first: what is known of an experiment is never from after it.
    at_s = market.now_s()
    question = Question(state=find_experiment(store, key), at_s=at_s, latency_p99_ms=latency_p99_ms)
    evidence = gather(store, market, terms_of(settings), question, wall_s=time.time(), progress=_tell_read)
    _tell("All days are marked.")
    return evidence


def _last_latency_ms(store: OpenStore, state: ExperimentState) -> float | None:
    # Only the service can measure it: what it was at its last evaluation of this run.
    text = store.read(choice(choice_of(state.plan.key)))
    last = kept_evaluation(text)
    if last is None or last.run != state.run:
        return None
    return next((reading.value for reading in last.findings.guards if reading.guard is Guard.LATENCY), None)


def _tell_read(rows: int) -> None:
    _tell(f"{rows:,} exposures or fills are read ...")


def _tell(words: str) -> None:
    # What says nothing for long is taken to hang, and ended.
    print(words, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
