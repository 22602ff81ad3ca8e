"""A loopback server that answers as the AdaptiveThreshold service does, or as told to, and keeps every call."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

VALUES = {
    "rsi_threshold": 70.0,
    "confidence_threshold": 0.65,
    "macd_threshold": 0.0,
    "volume_threshold": 1000000000.0,
    "momentum_threshold": 2.0,
}
LIMITED_HTML = "<!doctype html>\n<html lang=en>\n<title>429 Too Many Requests</title>\n<p>60 per 1 minute</p>\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call: `target` is its path with the query, as it came; `signal` that of an evaluation."""

    method: str
    target: str
    user_id: str
    symbol: str
    signal: dict[str, object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer; `text` goes out as it is."""

    status: int = 200
    text: str = ""
    content_type: str = "application/json"


def thresholds(asked: Asked, **changes: object) -> Said:
    """What it says when it works: its defaults with these changes; None leaves a name out."""
    values = {name: value for name, value in (VALUES | changes).items() if value is not None}
    about: dict[str, object] = {"user_id": asked.user_id, "symbol": asked.symbol}
    if asked.signal is None:
        return said(about | {"thresholds": values, "last_adaptation": None})
    return said(about | {"should_trade": True, "confidence_adjustment": 0.0, "threshold_adjustments": values})


def said(data: object) -> Said:
    """An envelope of success."""
    return Said(text=json.dumps({"success": True, "data": data}))


def limited(_: Asked) -> Said:
    """flask-limiter's answer: HTML, and no word of how long."""
    return Said(status=429, text=LIMITED_HTML, content_type="text/html; charset=utf-8")


@dataclass(slots=True)
class ThresholdService:
    """What was asked so far, and how the next call is answered."""

    url: str
    answer: Callable[[Asked], Said] = thresholds
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def threshold_service() -> Iterator[ThresholdService]:
    """Runs until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _ThresholdRoutes)
    service = ThresholdService(url=f"http://127.0.0.1:{server.server_port}")
    server.service = service  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _ThresholdRoutes(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        target = urlsplit(self.path)
        self._answer(unquote(target.path.split("/")[4]), parse_qs(target.query)["symbol"][0], None)

    def do_POST(self) -> None:
        signal = json.loads(self.rfile.read(int(self.headers["content-length"])))["signal"]
        self._answer(unquote(self.path.split("/")[4]), signal["symbol"], signal)

    def _answer(self, user_id: str, symbol: str, signal: dict[str, object] | None) -> None:
        service: ThresholdService = self.server.service  # type: ignore[attr-defined]
        asked = Asked(method=self.command, target=self.path, user_id=user_id, symbol=symbol, signal=signal)
        service.asked.append(asked)
        answer = service.answer(asked)
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.text.encode())))
        self.end_headers()
        self.wfile.write(answer.text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Says nothing."""
