"""What users earned under an experiment that reads the ledger is what their ledger says, to the last cent."""

import csv
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from adapters.store.engine import locate
from adapters.store.outcomes import Outcome, read_outcomes
from tests.fakes.crowd import Client, ask_all
from tests.fakes.served import REQUEST, Served, served
from wiring.stores import OpenStore

KEY = "by-the-ledger"
USERS = [f"trader{number}" for number in range(16)]
# A bar of an hour takes a quarter of a second, a market day 6 s.
SPEED = 14_400
MARKET_DAY_S = 86_400
DAY_S = MARKET_DAY_S / SPEED
TICK_S = 1


@pytest.fixture
def closes(shared_data: Path) -> Path:
    return shared_data / "crypto/BTCUSD_1h_2019-07_2022-02_raw.csv"


@pytest.fixture
def service(tmp_path: Path, closes: Path) -> Iterator[Served]:
    market = {"MARKET_SOURCE": "replay", "REPLAY_FILES": f"BTC={closes}", "MARKET_SPEED": str(SPEED)}
    with served(tmp_path, **market, EXPERIMENT_TICK_SECONDS=str(TICK_S)) as service:
        yield service


def begin(service: Served) -> None:
    plan = {"key": KEY, "stages": [{"share": 0.5}], "analysis": {"source": "ledger"}, "guardrails": []}
    for path, body in (("", plan), (f"/{KEY}/start", {"version": 1})):
        answer = service.post(f"/api/v1/experiments{path}", body)
        assert answer.status in (200, 201), answer.body
    # What a worker that has not heard of it yet let a user buy would be held at the entry, and its cost left out.
    heard, deadline_s = 0, time.monotonic() + 20
    while heard < 20:
        assert time.monotonic() < deadline_s, service.log.read_text()[-3000:]
        told = service.post("/api/v1/predict", REQUEST | {"user_id": "nobody"}).json()["experiment"]["key"]
        heard = heard + 1 if told == KEY else 0


def start(client: Client, user: str) -> None:
    config = {"model_type": "ensemble", "symbols": ["BTC"], "timeframe": "1h", "execution": "paper"}
    answer = client.ask("POST", "/api/v1/agents/start", {"user_id": user, "config": config})
    assert answer.status == 200, answer.body


def trade(client: Client, user: str) -> None:
    answer = client.ask("POST", "/api/v1/predict", REQUEST | {"user_id": user})
    assert answer.status == 200, answer.body


def sell_all(client: Client, user: str) -> None:
    body = {"user_id": user, "action": "stop", "close_positions": True}
    answer = client.ask("POST", "/api/v1/agents/control", body)
    assert answer.status == 200, answer.body


def outcomes(service: Served) -> Mapping[str, Sequence[Outcome]]:
    """The users' days as they were marked last."""
    found = defaultdict(list)
    with OpenStore(locate(None, service.data_dir)) as store:
        for one in store.read(read_outcomes(KEY, 1)):
            found[one.user_id].append(one)
    return {user: found[user] for user in USERS}


def known_days(service: Served, *, days: int) -> Mapping[str, Sequence[Outcome]]:
    """Each user's days, once as many of every one's are known."""
    deadline_s = time.monotonic() + 60
    while True:
        known = {user: [one for one in mine if one.state == "known"] for user, mine in outcomes(service).items()}
        if min(map(len, known.values())) >= days:
            return known
        assert time.monotonic() < deadline_s, (outcomes(service), service.log.read_text()[-3000:])
        time.sleep(0.5)


def close_of(closes: Path, day: str) -> float:
    """What the last bar of a day closed at."""
    with closes.open() as rows:
        return next(float(row["close"]) for row in csv.DictReader(rows) if row["date"] == f"{day} 23:00:00")


def test_the_days_of_paper_traders_add_up_to_their_ledgers(service: Served, closes: Path) -> None:
    begin(service)
    ask_all(service, USERS, start)
    until_s = time.monotonic() + 1.5 * DAY_S
    while time.monotonic() < until_s:
        ask_all(service, USERS, trade)
    ask_all(service, USERS[::2], sell_all)

    known = known_days(service, days=3)

    still_open = 0
    for user, days in known.items():
        said = service.get(f"/api/v1/agents/{user}/positions").json()
        ledger = sum(float(profit["net"]) for profit in said["profits"])
        close = close_of(closes, days[-1].day)
        ledger += sum(float(one["quantity"]) * (close - float(one["average_cost"])) for one in said["positions"])
        still_open += bool(said["positions"])
        earned = sum((one.net_bps or 0.0) / 10_000 * (one.capital_usd or 0.0) for one in days)
        assert earned == pytest.approx(ledger, abs=1e-6), user
        fees = sum((one.fees_bps or 0.0) / 10_000 * (one.capital_usd or 0.0) for one in days)
        assert fees == pytest.approx(sum(float(profit["fees"]) for profit in said["profits"]), abs=1e-6), user
        assert user in USERS[1::2] or not said["positions"]
    assert still_open > 0, "an open position is marked, too"
    page = service.get(f"/api/v1/experiments/{KEY}/report")
    assert (page.status, b"what the fills of the users" in page.body) == (200, True)
    assert service.get(f"/api/v1/experiments/{KEY}/aa").status == 200
