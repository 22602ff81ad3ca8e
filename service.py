"""The door: the BentoML service. Runners declared, one short API method per endpoint.

Reads the settings at import, unlike every other module: `bentoml serve` takes address, port and workers from here only.
"""

import sys
import time
from typing import Any, Unpack

import bentoml
from pydantic import BaseModel

from routes import reports
from routes.door import ASGIApp, Door, request_id_var
from routes.room import Endpoint, Room
from schemas import MarketSourceView, PredictParams, PredictRequest, PredictResponse, to_response, to_signal
from settings import Placement, read_settings
from trading.errors import InvalidField, InvalidSetting, OperatorNeeded
from wiring import status
from wiring.logs import configure_logs
from wiring.models import follow_models
from wiring.preflight import preflight
from wiring.runners import answer_policy, answer_rule, open_rule
from wiring.worker import RunnerCalls, Worker

try:
    SETTINGS = read_settings()
except InvalidSetting as error:
    sys.exit(f"cannot start:\n{error}")

configure_logs(SETTINGS)
ROOM = Room(max_concurrent=SETTINGS.max_concurrent_requests)
# What BentoML answers: its probes, and the schema its client asks for. Its index page is not among them (it loads from
# other hosts), nor are its metrics (they are under every path that was ever asked for).
PASSED_ON = frozenset({*reports.PATHS, "/livez", "/readyz", "/healthz", "/schema.json", "/docs.json"})
# Access logs are off: they write line breaks of the path as they come, and for a runner a line per decision.
QUIET: dict[str, Any] = {"logging": {"access": {"enabled": False}}, "metrics": {"enabled": False}}

# BentoML's client closes its session after 100 calls or 300 s, also under the calls that are still waiting for their
# answer: here it keeps the session.
RUNNER: dict[str, Any] = {**QUIET, "workers": 1, "runner_connection": {"max_requests": 2**62, "max_age": 1e12}}

# The body of each API method, by the method's name: the door validates it and calls the method.
BODIES: dict[str, type[BaseModel]] = {"predict": PredictRequest}
# How far ahead of our clock a caller's clock may be.
CLOCK_SKEW_S = 5.0

# A base of our own choice, on no distribution that BentoML knows, keeps it from adding compilers and git to the image:
# everything in the lock installs from wheels.
IMAGE = bentoml.images.Image(base_image="python:3.11-slim", distro="", python_version="3.11")


class DoorService(bentoml.Service[Any]):
    """A BentoML service whose application stands behind our door."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The application uvicorn runs."""
        ours = frozenset(_methods_by_route(self))
        return Door(super().to_asgi(is_main), ROOM, ours=ours, passed_on=PASSED_ON)


def _methods_by_route(service: Any) -> dict[str, str]:
    return {method.route: name for name, method in service.apis.items()}


@bentoml.service(name="rl_policy", **RUNNER)
class RLPolicy:
    """Runner of the RL policy: observations in, advice out. In each worker, or one process behind `bentoml.depends`."""

    def __init__(self) -> None:
        self.models = follow_models(SETTINGS, answers_here=True)

    @bentoml.api
    def advise(self, digest: str, observations: dict[str, list[float]], exposure: float) -> dict[str, Any]:
        """Advice of the bundle with this digest: raw float64[n_features] by schema digest, position as exposure."""
        self.models.refresh()
        return answer_policy(self.models, digest, observations, exposure)


@bentoml.service(name="fallback_model", **RUNNER)
class FallbackModel:
    """Runner of the rule that answers for everybody without, or instead of, the policy."""

    def __init__(self) -> None:
        self.rule = open_rule(SETTINGS)

    @bentoml.api
    async def advise(self, reading: dict[str, Any], exposure: float) -> dict[str, Any]:
        """Advice of the rule on one reading, position as exposure."""
        return await answer_rule(self.rule, reading, exposure)


def _class_of(runner: Any) -> Any:
    # bentoml.service makes a Service of the class; this is the class itself.
    return runner.inner


class Runners:
    """The runners as this worker reaches them: the same classes, in here or behind `bentoml.depends`.

    A declared `depends` always starts its process, so it is declared only in `process` placement.
    """

    if SETTINGS.placement is Placement.PROCESS:
        rl_policy = bentoml.depends(RLPolicy)
        fallback_model = bentoml.depends(FallbackModel)


@bentoml.service(
    name="rl_service",
    service_class=DoorService,
    image=IMAGE,
    workers=SETTINGS.workers,
    http={"host": SETTINGS.host, "port": SETTINGS.port},
    **QUIET,
)
@bentoml.asgi_app(reports.build_app(ROOM))
class RLService(Runners):
    """Signals in, decisions out."""

    def __init__(self) -> None:
        self.worker = self._open_worker()
        self.market: MarketSourceView = {"source": self.worker.market.source, "speed": self.worker.market.speed}

    @bentoml.on_deployment
    @staticmethod
    def check_once() -> None:
        """Refuse to start, once and before any worker, with what cannot work."""
        try:
            preflight(SETTINGS)
        except OperatorNeeded as error:
            sys.exit(f"cannot start: {error}")

    @bentoml.on_startup
    async def open_room(self) -> None:
        """Warm up, then let requests in."""
        await self.worker.start()
        ROOM.open(
            endpoints={
                path: Endpoint(model=BODIES[name], answer=getattr(self, name))
                for path, name in _methods_by_route(RLService).items()
            },
            reports=status.reports(self.worker),
            not_ready=self.worker.not_ready,
            observer=self.worker.metrics,
        )

    @bentoml.on_shutdown
    async def close_room(self) -> None:
        """Let nobody in and end the loops."""
        ROOM.close()
        await self.worker.stop()

    @bentoml.api(route="/api/v1/predict", input_spec=PredictRequest)
    async def predict(self, **params: Unpack[PredictParams]) -> PredictResponse:
        """A decision on one signal."""
        started_s = time.perf_counter()
        signal = to_signal(params)
        latest_s = time.time() + CLOCK_SKEW_S
        if signal.sent_at_s is not None and signal.sent_at_s > latest_s:
            raise InvalidField("timestamp", "in the future")
        if signal.quote is not None and signal.quote.at_s is not None and signal.quote.at_s > latest_s:
            raise InvalidField("market_data.timestamp", "in the future")
        decision = await self.worker.desk.decide(
            signal,
            request_id=request_id_var.get(),
            budget_s=params["timeout_seconds"] or SETTINGS.prediction_timeout_seconds,
        )
        return to_response(decision, self.market, elapsed_s=time.perf_counter() - started_s)

    def _open_worker(self) -> Worker:
        if SETTINGS.placement is Placement.INLINE:
            return Worker(SETTINGS, _class_of(RLPolicy)().models, _class_of(FallbackModel)().rule)

        async def ask_policy(digest: str, observations: dict[str, list[float]], exposure: float) -> object:
            return await self.rl_policy.to_async.advise(digest=digest, observations=observations, exposure=exposure)

        async def ask_rule(reading: dict[str, Any], exposure: float) -> object:
            return await self.fallback_model.to_async.advise(reading=reading, exposure=exposure)

        models = follow_models(SETTINGS, answers_here=False)
        return Worker(SETTINGS, models, open_rule(SETTINGS), RunnerCalls(policy=ask_policy, rule=ask_rule))
