"""The users example beside the guide's program and constant bytes: reads and durable creates.

"Blocking calls" is SQLAlchemy's own work in the event loop's thread: what is left if asyncio cost
nothing. SQLite, uvicorn with one worker, 32 clients. The windows are interleaved, so that ratios
hold on a machine with other work; the spread is that of the windows.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench._servers import ROOT, measure, serve

WINDOWS = 5
SECONDS = 2.0
CLIENTS = 32

GUIDE = "the guide's program"

BODY = b'{"name":"Alice"}'
READ = b"GET /users/1 HTTP/1.1\r\nHost: x\r\n\r\n"
CREATE = (
    b"POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


def main() -> None:
    """Measure and print the table."""
    example = ROOT / "examples" / "users"
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        ports = {
            GUIDE: stack.enter_context(serve("bench.guide:app", folder)),
            "Ormolu on aiosqlite": stack.enter_context(
                serve("main:app", folder, app_dir=example, scheme="sqlite+aiosqlite")
            ),
            "Ormolu, examples/users": stack.enter_context(
                serve("main:app", folder, app_dir=example)
            ),
            "blocking calls": stack.enter_context(serve("bench.floor:app", folder)),
            "constant bytes": stack.enter_context(serve("bench.constant:app", folder)),
        }
        for title, request in (("create", CREATE), ("read", READ)):
            rates = asyncio.run(_measure_all(ports, request))
            print_rates(f"{title}: {CLIENTS} clients, {WINDOWS} windows of {SECONDS} s", rates)


async def _measure_all(ports: dict[str, int], request: bytes) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in ports}
    for port in ports.values():
        await measure(port, CREATE, clients=1, seconds=0.2)
    for _ in range(WINDOWS):
        for name, port in ports.items():
            rates[name].append(await measure(port, request, clients=CLIENTS, seconds=SECONDS))
    return rates


def print_rates(title: str, rates: dict[str, list[float]]) -> None:
    """Print each rate, and its ratio to the first one, window by window."""
    name, *_ = rates
    baseline = rates[name]
    print(f"\n{title}")
    for key, values in rates.items():
        ratios = sorted(value / base for value, base in zip(values, baseline, strict=True))
        print(
            f"  {key:24} {statistics.median(values):8.0f}/s   "
            f"{statistics.median(ratios):5.2f}x {name}  ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
