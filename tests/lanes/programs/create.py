"""Create three hundred things, thirty at once."""

from __future__ import annotations

import asyncio
import os

from tests.lanes.things import served, statuses


async def _main() -> None:
    async with served(os.environ["DATABASE_URL"], pool_timeout=20.0) as shop:
        print("ready", flush=True)
        for round_ in range(10):
            calls = [shop.create(f"{os.getpid()} {round_} {number}") for number in range(30)]
            assert set(statuses(await asyncio.gather(*calls))) == {201}
        assert "POST /things" not in shop.passed_on
    print("all stored")


if __name__ == "__main__":
    asyncio.run(_main())
