"""`make bench-against TREE=...`: this tree beside another one of the same project, an earlier commit for instance.

Both serve at once on one core, and the load goes to one for a moment, then to the other: what else the machine does
meets both alike. The ratios of neighbouring moments are what is printed, their median last.
"""

import argparse
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

from benchmarks.load import BODY, capacity
from benchmarks.policy import settings
from benchmarks.servers import ROOT, SERVERS, pin_load, running

SERVICE = next(server for server in SERVERS if server.name == "this service")
WARM_S = 3


def main() -> None:
    """Measure both trees in turn and print by how much this one is faster, or slower."""
    arguments = _arguments()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")
    pin_load()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        ports = []
        for tree in (ROOT, arguments.tree.resolve()):
            folder = Path(name) / str(len(ports))
            folder.mkdir()
            port, _ = stack.enter_context(running(SERVICE, settings(folder), root=tree))
            capacity(port, BODY, seconds=WARM_S)
            ports.append(port)
        ratios = []
        for number in range(arguments.pairs):
            # Who comes first alternates too.
            order = ports if number % 2 else ports[::-1]
            rates = {port: capacity(port, BODY, seconds=arguments.seconds) for port in order}
            ours, theirs = (rates[port] for port in ports)
            ratios.append(ours / theirs)
            print(f"{ours:7.0f} req/s here, {theirs:7.0f} there: {ratios[-1]:.2f}", file=sys.stderr)
    low, _, high = quantiles(ratios, n=4)
    print(f"here / there: median {median(ratios):.2f}, half of {len(ratios)} pairs within {low:.2f} .. {high:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=__doc__)
    parser.add_argument("tree", type=Path, help="the other tree: git worktree add ../before COMMIT")
    parser.add_argument("--pairs", type=int, default=15, help="how often each is measured (at least 2)")
    parser.add_argument("--seconds", type=int, default=3, help="length of each measurement")
    return parser.parse_args()


if __name__ == "__main__":
    main()
