"""What the README says is so."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers import SERVERS
from routes.analysis_pages import ANALYSIS_PAGES
from routes.experiment_pages import EXPERIMENT_PAGES
from routes.model_pages import MODEL_PAGES
from routes.pages import PAGES
from routes.sockets import PREFIX
from schemas.decisions import PredictResponse
from schemas.predictions import PredictRequest
from tests.fakes.served import ROOT, Served, served

README = (ROOT / "README.md").read_text()


def first_request() -> dict[str, Any]:
    found = re.search(r"-d '\n(\{.*?\})'\n", README, re.DOTALL)
    assert found is not None
    request: dict[str, Any] = json.loads(found[1])
    return request


def first_answer() -> dict[str, Any]:
    found = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert found is not None
    answer: dict[str, Any] = json.loads(found[1])
    return answer


def test_the_first_request_is_valid() -> None:
    PredictRequest.model_validate_json(json.dumps(first_request()))


def test_the_first_answer_has_the_fields_of_an_answer() -> None:
    assert list(first_answer()) == list(PredictResponse.__annotations__)


def test_the_first_request_is_answered_by_a_policy_on_the_simulated_market(service: Served) -> None:
    answer = service.post("/api/v1/predict", first_request()).json()
    said = first_answer()
    for name in ("user_id", "symbol", "model_used", "model_version", "fallback_used", "experiment", "market"):
        assert answer[name] == said[name], name
    assert set(answer["advice"]) == set(said["advice"])


def test_the_first_request_is_answered_on_real_bars_too(shared_data: Path, tmp_path: Path) -> None:
    bars = shared_data / "crypto/BTCUSD_1h_2019-07_2022-02_raw.csv"
    with served(tmp_path, MARKET_SOURCE="replay", REPLAY_FILES=f"BTC={bars}", MARKET_SPEED="3600") as service:
        answer = service.post("/api/v1/predict", first_request()).json()
        assert answer["model_used"] == "ensemble-btc-1h"
        assert answer["market"] == {"source": "replay", "speed": 3600.0}
        assert answer["data_as_of"].startswith("2019-07-")
        assert answer["data_as_of"].endswith(":00:00.000Z")
        assert "11261 rows have base and quote volume swapped" in service.log.read_text()


def test_every_route_is_listed_and_every_listed_route_is_there(service: Served) -> None:
    table = README[README.index("## Routes") : README.index("## Settings")]
    listed = set(re.findall(r"`(/(?:api/v1/[a-z/{}_-]+|api/signal|metrics|ws/[a-z/{}_]+))(?:\?[a-z=]+)?`", table))
    methods = {route["route"] for route in service.get("/schema.json").json()["routes"]}
    pages = {page.path for page in (*PAGES, *EXPERIMENT_PAGES, *ANALYSIS_PAGES, *MODEL_PAGES)}
    assert listed == methods | pages | {PREFIX + "{user_id}"}
    for path in sorted(pages):
        answer = service.get(re.sub(r"{.*}", "x", path))
        # Anything but a route that is not there.
        assert answer.status == 200 or answer.json()["error"]["code"] != "not_found", path


@pytest.mark.parametrize("verb", ["serve", "test", "check", "bench", "train", "bento", "doctor"])
def test_every_verb_is_in_the_makefile(verb: str) -> None:
    assert re.search(rf"^{verb}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_linked_page_is_there() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_import_command_is_one_the_importer_takes() -> None:
    import_policy = pytest.importorskip("rl_models.training.import_policy", reason="needs the train extra")
    found = re.search(r"python -m rl_models import (.+)", README)
    assert found is not None
    parser = argparse.ArgumentParser()
    import_policy.add_import_arguments(parser)
    assert parser.parse_args(found[1].split()).name == "my-ppo"


def test_the_table_of_speed_has_the_servers_that_are_compared() -> None:
    rows = re.findall(r"^\| ([^|]+) \| \d+ \|", README, re.MULTILINE)
    assert rows == [server.name for server in SERVERS]
