"""Users who trade on paper over real bars under an experiment, from the first decision to the page with the verdict.

EXPERIMENT_USERS and EXPERIMENT_DAYS make it longer (see `make soak`); EXPERIMENT_PAGE names a file for the page.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import skip_or_fail
from tests.fakes.crowd import Client, ask_all
from tests.fakes.served import REQUEST, Served, served

USERS = [f"trader{number}" for number in range(int(os.environ.get("EXPERIMENT_USERS", "40")))]
DAYS = int(os.environ.get("EXPERIMENT_DAYS", "3"))
# A bar of an hour takes half a second, a market day 12 s.
SPEED = 7200
DAY_S = 86_400 / SPEED
TICK_S = 2


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[Served]:
    bars = shared_data / "crypto/BTCUSD_1h_2019-07_2022-02_raw.csv"
    market = {"MARKET_SOURCE": "replay", "REPLAY_FILES": f"BTC={bars}", "MARKET_SPEED": str(SPEED)}
    experiment = {"RL_TRAFFIC_PERCENTAGE": "0.5", "EXPERIMENT_TICK_SECONDS": str(TICK_S)}
    with served(tmp_path_factory.mktemp("replayed"), **market, **experiment) as service:
        yield service


def start(client: Client, user: str) -> None:
    config = {"model_type": "ensemble", "symbols": ["BTC"], "timeframe": "1h", "execution": "paper"}
    answer = client.ask("POST", "/api/v1/agents/start", {"user_id": user, "config": config})
    assert answer.status == 200, answer.body


def trade(client: Client, user: str) -> str:
    answer = client.ask("POST", "/api/v1/predict", REQUEST | {"user_id": user})
    assert answer.status == 200, answer.body
    return str(answer.json()["experiment"]["assigned_arm"])


@pytest.fixture(scope="module")
def arms(replayed: Served) -> dict[str, str]:
    """The arm of every user, after each of them has traded for some market days."""
    ask_all(replayed, USERS, start)
    until_s = time.monotonic() + (DAYS + 0.5) * DAY_S
    found: dict[str, str] = {}
    while time.monotonic() < until_s:
        now = dict(zip(USERS, ask_all(replayed, USERS, trade), strict=True))
        assert not found or now == found
        found = now
    return found


def findings(service: Served, *, looks: int) -> dict[str, Any]:
    """What is found once so many looks are taken."""
    deadline_s = time.monotonic() + 30
    while True:
        answer = service.get("/api/v1/experiments/default/results")
        assert answer.status == 200, answer.body
        found = answer.json()["findings"]
        if found is not None and len(found["primary"]["looks"]) >= looks:
            return dict(found)
        assert time.monotonic() < deadline_s, answer.body
        time.sleep(0.5)


def test_each_arm_is_judged_by_what_its_users_earned(replayed: Served, arms: dict[str, str]) -> None:
    found = findings(replayed, looks=DAYS - 1)
    money = found["money"]
    assert {arm: money[arm]["users"] for arm in money} == {
        arm: sum(given == arm for given in arms.values()) for arm in ("rl", "fallback")
    }
    assert (found["ratio"]["users_rl"], found["ratio"]["mismatch"]) == (money["rl"]["users"], False)
    assert money["rl"]["fees_bps"] > 0.0, "the policy has traded"
    assert found["primary"]["looks"][-1]["users_rl"] == money["rl"]["users"]
    assert found["primary"]["conclusion"] in ("undecided", "cannot_conclude"), "so soon nothing can be concluded"


def test_the_page_says_so_and_can_be_looked_at(replayed: Served, arms: dict[str, str], tmp_path: Path) -> None:
    findings(replayed, looks=DAYS - 1)
    answer = replayed.get("/api/v1/experiments/default/report")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Path(os.environ.get("EXPERIMENT_PAGE", str(tmp_path / "page.html")))
    page.write_bytes(answer.body)
    assert "paper" in page.read_text()
    browser = shutil.which("chromium") or skip_or_fail("there is no chromium")
    picture = tmp_path / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1100,3400", f"--screenshot={picture}"]
    subprocess.run([str(browser), *options, page.as_uri()], check=True, capture_output=True, timeout=60)
    assert picture.stat().st_size > 20_000, "a page with charts is no empty picture"
