"""The door: the BentoML service. Runners declared, one short API method per endpoint.

Longer than other files: BentoML takes endpoints as methods of one class only. What they do is in wiring.

Reads the settings at import, unlike every other module: `bentoml serve` takes address, port and workers from here only.
"""

import asyncio
import atexit
import sys
from types import MethodType
from typing import Any, Unpack

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from pydantic import BaseModel

from routes.asgi import ASGIApp
from routes.door import Door, request_id_var
from routes.errors import explain
from routes.framing import bound_websockets
from routes.pages import build_pages
from routes.room import Endpoint, Room
from routes.shares import RouteClass
from routes.sockets import Sockets
from schemas.agents import (
    AgentControlled,
    AgentControlParams,
    AgentControlRequest,
    AgentStarted,
    AgentStartParams,
    AgentStartRequest,
)
from schemas.breakers import BreakerParams, BreakerRequest, BreakersHeld
from schemas.decisions import PredictResponse
from schemas.engine_signal import EngineSignal, EngineSignalParams, EngineSignalRequest
from schemas.experiments import AbTestStatus, ConfigureParams, ConfigureRequest
from schemas.feedback import FeedbackParams, FeedbackRequest, FeedbackView
from schemas.predictions import AcceptedView, AsyncPredictRequest, PredictParams, PredictRequest
from schemas.trading_switch import TradingParams, TradingRequest, TradingSwitched
from settings import Placement, read_settings
from trading.errors import InvalidSetting, OperatorNeeded
from trading.vocabulary import Halt
from wiring import parts, status
from wiring.drain import drain_on_signal
from wiring.guard import start_guard
from wiring.logs import configure_logs
from wiring.metric_folder import hold, metric_folder
from wiring.observation import DoorCounts
from wiring.on_demand import open_on_demand
from wiring.orphans import join_supervisor
from wiring.reads import Reads
from wiring.runners import RunnerCalls, answer_policy, answer_rule, open_rule
from wiring.signs import impaired
from wiring.worker import Worker

try:
    SETTINGS = read_settings()
except InvalidSetting as error:
    sys.exit(f"cannot start:\n{error}")

configure_logs(SETTINGS)
# The supervisor makes it. BentoML's own choice is one for all, which whoever starts empties, be it refused.
METRICS = metric_folder()
BentoMLContainer.prometheus_multiproc_dir.set(str(METRICS))
ROOM = Room(max_concurrent=SETTINGS.max_concurrent_requests)
# What BentoML answers: its probes, and the schema its client asks for. Its index page is not among them (it loads from
# other hosts), nor are its metrics (they are under every path that was ever asked for).
PASSED_ON = frozenset({"/livez", "/readyz", "/healthz", "/schema.json", "/docs.json"})
# Access logs are off: they write line breaks of the path as they come, and for a runner a line per decision.
QUIET: dict[str, Any] = {"logging": {"access": {"enabled": False}}, "metrics": {"enabled": False}}

# BentoML's client closes its session after 100 calls or 300 s, also under the calls that are still waiting for their
# answer: here it keeps the session.
RUNNER: dict[str, Any] = {**QUIET, "workers": 1, "runner_connection": {"max_requests": 2**62, "max_age": 1e12}}

# Each API method by its name: the body that the door validates before it calls the method, the class whose places it
# may take, and its status.
METHODS: dict[str, tuple[type[BaseModel], RouteClass, int]] = {
    "predict": (PredictRequest, RouteClass.PREDICT, 200),
    "predict_async": (AsyncPredictRequest, RouteClass.ASYNC, 202),
    "agents_start": (AgentStartRequest, RouteClass.CONTROL, 200),
    "agents_control": (AgentControlRequest, RouteClass.CONTROL, 200),
    "trading_halt": (TradingRequest, RouteClass.CONTROL, 200),
    "trading_reduce": (TradingRequest, RouteClass.CONTROL, 200),
    "trading_release": (TradingRequest, RouteClass.CONTROL, 200),
    "breaker_hold": (BreakerRequest, RouteClass.CONTROL, 200),
    "breaker_release": (BreakerRequest, RouteClass.CONTROL, 200),
    "ab_test_configure": (ConfigureRequest, RouteClass.CONTROL, 200),
    "feedback": (FeedbackRequest, RouteClass.CONTROL, 200),
    "engine_signal": (EngineSignalRequest, RouteClass.PREDICT, 200),
}

# A base of our own choice, on no distribution that BentoML knows, keeps it from adding compilers and git to the image:
# everything in the lock installs from wheels.
IMAGE = bentoml.images.Image(base_image="python:3.11-slim", distro="", python_version="3.11")


class DoorService(bentoml.Service[Any]):
    """A BentoML service whose application stands behind our door."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The application uvicorn runs."""
        bound_websockets()
        ours = frozenset(_methods_by_route(self))
        return Door(super().to_asgi(is_main), ROOM, ours=ours, passed_on=PASSED_ON)


def _methods_by_route(service: Any) -> dict[str, str]:
    return {method.route: name for name, method in service.apis.items()}


@bentoml.service(name="rl_policy", **RUNNER)
class RLPolicy:
    """Runner of the RL policy: observations in, advice out. In each worker, or one process behind `bentoml.depends`."""

    def __init__(self) -> None:
        self.models = open_on_demand(SETTINGS)

    @bentoml.on_startup
    async def join(self) -> None:
        """Beat, and end with the supervisor; only where this is a process of its own."""
        self.pulse = asyncio.create_task(join_supervisor(SETTINGS.data_dir).keep_beating(), name="pulse")

    @bentoml.api
    def advise(self, digest: str, observations: dict[str, list[float]], exposure: float) -> dict[str, Any]:
        """Advice of the bundle with this digest: raw float64[n_features] by schema digest, position as exposure."""
        return answer_policy(self.models, digest, observations, exposure)


@bentoml.service(name="fallback_model", **RUNNER)
class FallbackModel:
    """Runner of the rule that answers for everybody without, or instead of, the policy."""

    def __init__(self) -> None:
        self.rule = open_rule(SETTINGS)

    @bentoml.on_startup
    async def join(self) -> None:
        """Beat, and end with the supervisor; only where this is a process of its own."""
        self.pulse = asyncio.create_task(join_supervisor(SETTINGS.data_dir).keep_beating(), name="pulse")

    @bentoml.api
    async def advise(self, reading: dict[str, Any], exposure: float, thresholds: dict[str, Any]) -> dict[str, Any]:
        """Advice of the rule on one reading compared with thresholds, position as exposure."""
        return await answer_rule(self.rule, reading, exposure, thresholds)


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
class RLService(Runners):
    """Signals in, decisions out."""

    def __init__(self) -> None:
        self.sockets: Sockets | None = None
        self.worker = self._make_worker()
        self.parts = self.worker.parts

    @bentoml.on_deployment
    @staticmethod
    def check_once() -> None:
        """Refuse to start, once and before any worker, with what cannot work."""
        from wiring.preflight import preflight  # brings what makes tables, which no worker needs

        try:
            hold(METRICS)
            atexit.register(preflight(SETTINGS).release)  # until then nobody else may serve this DATA_DIR
            # Last: the guard lives in the event loop that BentoML is about to run.
            start_guard(SETTINGS.data_dir, grace_s=SETTINGS.shutdown_grace_seconds)
        except OperatorNeeded as error:
            sys.exit(f"cannot start: {error}")

    @bentoml.on_startup
    async def open_room(self) -> None:
        """Warm up, then let requests in."""
        self.pulse = asyncio.create_task(join_supervisor(SETTINGS.data_dir).keep_beating(), name="pulse")
        drain_on_signal(self._drain, grace_s=SETTINGS.shutdown_grace_seconds)
        if not await self.worker.start():
            return
        endpoints = {path: self._endpoint(name) for path, name in _methods_by_route(RLService).items()}
        self.sockets = Sockets(ROOM, self._endpoint("predict"), self.parts.bus, max_sockets=SETTINGS.max_sockets)
        ROOM.open(
            endpoints=endpoints,
            reports=status.reports(self.worker),
            not_ready=self.worker.not_ready,
            impaired=lambda: impaired(self.parts),
            observer=self.parts.metrics,
            pages=build_pages(ROOM, Reads(self.parts)),
            sockets=self.sockets,
        )

    @bentoml.on_shutdown
    async def close_room(self) -> None:
        """Let nobody in, and bring what was accepted to where it stays."""
        ROOM.close()
        await self.worker.stop()

    @bentoml.api(route="/api/v1/predict", input_spec=PredictRequest)
    async def predict(self, **params: Unpack[PredictParams]) -> PredictResponse:
        """A decision on one signal."""
        key = params["idempotency_key"]
        if key is None:
            return await self.parts.predictions.answer(params, request_id=request_id_var.get())
        return await self.parts.predictions.answer_once(params, key, self.parts.once)  # type: ignore[return-value] # as JSON

    @bentoml.api(route="/api/v1/predict/async", input_spec=AsyncPredictRequest)
    async def predict_async(self, **params: Unpack[PredictParams]) -> AcceptedView:
        """Accept a signal; its decision comes later."""
        return await self.parts.predictions.accept(params, self.parts.queue, self.parts.once)  # type: ignore[return-value] # as JSON

    @bentoml.api(route="/api/v1/agents/start", input_spec=AgentStartRequest)
    async def agents_start(self, **params: Unpack[AgentStartParams]) -> AgentStarted:
        """Start, or resume, the agent of a user."""
        return await self.parts.commands.start(params)  # type: ignore[return-value] # as JSON

    @bentoml.api(route="/api/v1/agents/control", input_spec=AgentControlRequest)
    async def agents_control(self, **params: Unpack[AgentControlParams]) -> AgentControlled:
        """Pause, resume or stop the agent of a user."""
        return await self.parts.commands.control(params)  # type: ignore[return-value] # as JSON

    @bentoml.api(route="/api/v1/trading/halt", input_spec=TradingRequest)
    async def trading_halt(self, **params: Unpack[TradingParams]) -> TradingSwitched:
        """Let no order begin to leave, of anybody, until it is released."""
        return await self.parts.floor.switch.set(Halt.HALTED, reason=params["reason"])  # type: ignore[return-value] # as JSON

    @bentoml.api(route="/api/v1/trading/reduce", input_spec=TradingRequest)
    async def trading_reduce(self, **params: Unpack[TradingParams]) -> TradingSwitched:
        """Let only orders leave that bring a position nearer to flat."""
        return await self.parts.floor.switch.set(Halt.REDUCING, reason=params["reason"])  # type: ignore[return-value] # as JSON

    @bentoml.api(route="/api/v1/trading/release", input_spec=TradingRequest)
    async def trading_release(self, **params: Unpack[TradingParams]) -> TradingSwitched:
        """Let all orders leave again."""
        return await self.parts.floor.switch.set(Halt.OPEN, reason=params["reason"])  # type: ignore[return-value] # as JSON

    @bentoml.api(route="/api/v1/breakers/hold", input_spec=BreakerRequest)
    async def breaker_hold(self, **params: Unpack[BreakerParams]) -> BreakersHeld:
        """Let no call of a class through to a service until it is released."""
        return await self.parts.holds.set(params["service"], params["route"], hold=True)  # type: ignore[return-value] # as JSON

    @bentoml.api(route="/api/v1/breakers/release", input_spec=BreakerRequest)
    async def breaker_release(self, **params: Unpack[BreakerParams]) -> BreakersHeld:
        """Let calls through again, one at first."""
        return await self.parts.holds.set(params["service"], params["route"], hold=False)  # type: ignore[return-value] # as JSON

    @bentoml.api(route="/api/v1/ab-test/configure", input_spec=ConfigureRequest)
    async def ab_test_configure(self, **params: Unpack[ConfigureParams]) -> AbTestStatus:
        """Set the default experiment on or off, or the share of users who meet the policy."""
        return await self.parts.trials.experiments.configure(params)

    @bentoml.api(route="/api/v1/feedback", input_spec=FeedbackRequest)
    async def feedback(self, **params: Unpack[FeedbackParams]) -> FeedbackView:
        """Keep what a decision earned."""
        return await self.parts.trials.feedback.report(params)

    @bentoml.api(route="/api/signal", input_spec=EngineSignalRequest)
    async def engine_signal(self, **params: Unpack[EngineSignalParams]) -> EngineSignal:
        """What the TradingEngine asks of a symbol: the policy's view, of no user and without an order."""
        return await self.parts.engine.answer(params)

    def _endpoint(self, name: str) -> Endpoint:
        model, kind, code = METHODS[name]
        # The door has validated every field: what BentoML puts around the method would only look for missing ones.
        answer = MethodType(getattr(type(self), name).func, self)
        return Endpoint(model=model, answer=answer, kind=kind, status=code)

    def _drain(self) -> bool:
        ROOM.drain()
        if self.sockets is not None:
            self.sockets.drain()
        return self.worker.drain()

    def _counts(self) -> DoorCounts:
        return DoorCounts(sockets=0 if self.sockets is None else self.sockets.count, refused=ROOM.places.refused)

    def _make_worker(self) -> Worker:
        door = parts.Door(explain=explain, counts=self._counts)
        if SETTINGS.placement is Placement.INLINE:
            return Worker(SETTINGS, _class_of(FallbackModel)().rule, door)

        async def ask_policy(digest: str, observations: dict[str, list[float]], exposure: float) -> object:
            return await self.rl_policy.to_async.advise(digest=digest, observations=observations, exposure=exposure)

        async def ask_rule(reading: dict[str, Any], exposure: float, thresholds: dict[str, Any]) -> object:
            advise = self.fallback_model.to_async.advise
            return await advise(reading=reading, exposure=exposure, thresholds=thresholds)

        return Worker(SETTINGS, open_rule(SETTINGS), door, RunnerCalls(policy=ask_policy, rule=ask_rule))
