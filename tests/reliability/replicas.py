"""Load on a database with a replica: who reads what, and what a killed replica does to requests.

`python -m tests.reliability.replicas --backend asyncpg`: 300 writes, each followed at once by a
read with its token, while the replica is half a second behind; then reads while it is killed
and brought back.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import time
from collections.abc import Callable

from tests.reliability._followed import (
    DRIVERS,
    Followed,
    browser_of,
    browser_to,
    followed,
    make_app,
)

_WRITES = 300
_AT_ONCE = 8


async def read_own_writes(found: Followed) -> list[str]:
    """Write and read; return what is wrong."""
    app = make_app(found.database(), found.where)
    places: collections.Counter[int] = collections.Counter()
    stale, done = [], []
    async with browser_of(app) as client, browser_to(app) as other:
        with found.servers.delayed():

            async def write_and_read(number: int) -> None:
                content = str(number)
                path = "/by-hand" if number % 2 else "/notes"
                sent = (
                    {"params": {"content": content}} if number % 2 else {"json": {"text": content}}
                )
                answer = await client.post(path, **sent)  # type: ignore[arg-type]
                token = {"ormolu-position": answer.headers["ormolu-position"]}
                key = answer.json() if number % 2 else answer.json()["id"]
                read = await other.get(f"/notes/{key}", headers=token)
                if read.status_code != 200 or read.json()["text"] != content:
                    stale.append(f"{key}: {read.status_code}")
                done.append(key)

            async def work(first: int) -> None:
                for number in range(first, _WRITES, _AT_ONCE):
                    await write_and_read(number)
                    places[(await other.get("/where")).json()] += 1
                    client.cookies.clear()
                    other.cookies.clear()

            began_at = time.monotonic()
            await asyncio.gather(*map(work, range(_AT_ONCE)))
            seconds = time.monotonic() - began_at
    print(
        f"  {len(done)} writes and reads in {seconds:.1f} s: {len(stale)} stale; "
        f"of {places.total()} untokened reads {places[1]} on the replica"
    )
    wrong = [f"stale: {each}" for each in stale]
    return [*wrong, *(["too few reads on the replica"] if places[1] * 2 < places.total() else [])]


async def lose_the_replica(found: Followed) -> list[str]:
    """Read while the replica is killed and brought back; return what is wrong."""
    app = make_app(found.database(), found.where)
    answers: collections.Counter[str] = collections.Counter()
    async with browser_of(app) as client:
        key = (await client.post("/by-hand", params={"content": "there"})).json()
        found.servers.catch_up()
        is_over = False

        async def read() -> None:
            async with browser_to(app) as own:
                while not is_over:
                    for path in (f"/by-hand/{key}", f"/notes/{key}", "/notes?limit=2", "/where"):
                        answer = await own.get(path)
                        place = f" on {answer.json()}" if path == "/where" else ""
                        answers[f"{answer.status_code}{place}"] += 1

        readers = [asyncio.create_task(read()) for _ in range(_AT_ONCE)]
        await _until(lambda: answers["200 on 1"] > 50)
        await asyncio.to_thread(found.servers.replica.kill)
        seen = answers["200 on 0"]
        await _until(lambda: answers["200 on 0"] > seen + 50)
        await asyncio.to_thread(found.servers.replica.start)
        seen = answers["200 on 1"]
        await _until(lambda: answers["200 on 1"] > seen + 50)
        is_over = True
        await asyncio.gather(*readers)
    print(f"  a replica killed and brought back: {dict(sorted(answers.items()))}")
    return [f"answered {each}" for each in answers if not each.startswith("200")]


async def _until(is_there: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_there():  # noqa: ASYNC110 -- a counter has no event
            await asyncio.sleep(0.01)


def main() -> None:
    """Run it all on one driver."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=DRIVERS, default="asyncpg")
    backend = parser.parse_args().backend
    print(backend)
    with followed(backend) as found:
        wrong = asyncio.run(read_own_writes(found)) + asyncio.run(lose_the_replica(found))
    if wrong:
        raise SystemExit("\n".join(wrong[:10]))


if __name__ == "__main__":
    main()
