"""Two kinds of load on one URL of this machine: as fast as it answers (wrk), and at a fixed rate (open loop)."""

import asyncio
import json
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass

PATH = "/api/v1/predict"
BODY = json.dumps(
    {
        "user_id": "user123",
        "symbol": "BTC",
        "signal_data": {"confidence": 0.85, "rsi": 65.0, "change_percent": 3.5, "volume": 1.5e9, "action": "BUY"},
    }
).encode()
CONNECTIONS = 16
OPEN_CONNECTIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoop:
    """Latencies in milliseconds at a fixed rate (requests a second), counted from the moment each was due."""

    rate: float
    p50_ms: float
    p99_ms: float
    answered: int
    failed: int


def capacity(port: int, body: bytes, *, seconds: int) -> float:
    """Requests a second that wrk gets answered with 2xx. Raises RuntimeError when some are not."""
    script = f'wrk.method="POST"\nwrk.body=[[{body.decode()}]]\nwrk.headers["Content-Type"]="application/json"\n'
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", file.name, f"http://127.0.0.1:{port}{PATH}"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise RuntimeError(f"port {port}: not every answer was good\n{printed}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    assert found is not None, printed
    return float(found[1])


async def open_loop(port: int, body: bytes, *, rate: float, seconds: float) -> OpenLoop:
    """Send `rate` requests a second whether or not earlier ones were answered, over at most 64 connections."""
    lines = (f"POST {PATH} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json")
    request = "\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode() + body
    due: asyncio.Queue[float | None] = asyncio.Queue()
    took_ms: list[float] = []
    failures: list[str] = []
    clients = [asyncio.create_task(_client(port, request, due, took_ms, failures)) for _ in range(OPEN_CONNECTIONS)]
    started_s = time.perf_counter()
    for number in range(int(rate * seconds)):
        at_s = started_s + number / rate
        if (wait_s := at_s - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        due.put_nowait(at_s)
    for _ in clients:
        due.put_nowait(None)
    await asyncio.wait_for(asyncio.gather(*clients), timeout=30.0)
    took_ms.sort()
    return OpenLoop(
        rate=rate,
        p50_ms=took_ms[len(took_ms) // 2],
        p99_ms=took_ms[int(len(took_ms) * 0.99)],
        answered=len(took_ms),
        failed=len(failures),
    )


async def _client(
    port: int, request: bytes, due: asyncio.Queue[float | None], took_ms: list[float], failures: list[str]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (at_s := await due.get()) is not None:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        if head.startswith(b"HTTP/1.1 200"):
            took_ms.append((time.perf_counter() - at_s) * 1000.0)
        else:
            failures.append(head.split(b"\r\n", 1)[0].decode())
    writer.close()
