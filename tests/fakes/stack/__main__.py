"""Which fake service runs as this process? `python -m tests.fakes.stack --service trading --version v2 --port 3000`."""

import argparse
import asyncio
import json
import signal
from collections.abc import Sequence

from tests.fakes.stack.listener import HOST
from tests.fakes.stack.remote import Control
from tests.fakes.stack.running import SERVICES, Host
from tests.fakes.waiting import run


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.stack", description=__doc__)
    parser.add_argument("--service", choices=sorted(SERVICES), required=True)
    parser.add_argument("--version", default=None, help="v1, v1m or v2; nothing for threshold")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--control-port", type=int, default=0, help="where /_control/... is; 0 picks a free one")
    parser.add_argument("--terms", type=json.loads, default={}, help="JSON, as POST /_control/terms takes it")
    asked = parser.parse_args(given)
    asked.version = asked.version or ("" if asked.service == "threshold" else "v1m")
    if asked.version not in SERVICES[asked.service]:
        parser.error(f"{asked.service} has no version {asked.version}")
    return asked


async def serve(asked: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; the first line of the output says where, as JSON."""
    host = Host(asked.service, asked.version, port=asked.port, control_port=asked.control_port)
    await host.start()
    if asked.terms:
        await asyncio.to_thread(Control(f"http://{HOST}:{host.control.port}").set, **asked.terms)
    ended = asyncio.Event()
    for end in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(end, ended.set)
    where = {"service": asked.service, "port": host.listener.port, "control_port": host.control.port}
    print(json.dumps(where), flush=True)
    await ended.wait()
    await host.stop()


if __name__ == "__main__":
    run(serve(arguments()))
