"""Change the same twenty things again and again, all at once and in any order."""

from __future__ import annotations

import asyncio
import os
import random

from tests.lanes.things import served, statuses


async def _main() -> None:
    chances = random.Random(5)
    async with served(os.environ["DATABASE_URL"], pool_timeout=20.0) as shop:
        print("ready", flush=True)
        for number in range(15):
            keys = chances.sample(range(1, 21), 20)
            answers = await asyncio.gather(*(shop.change(key, number=number) for key in keys))
            assert statuses(answers) == [200] * 20
    print("all stored")


if __name__ == "__main__":
    asyncio.run(_main())
