"""Transactions whose steps are interleaved at random agree with a serial order."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import create_async_engine

from tests.dialect._histories import KEYS, Program, replay

STEPS = st.tuples(
    st.sampled_from(("read", "read", "write", "write", "savepoint", "rollback to", "release")),
    st.sampled_from(KEYS),
)
PROGRAMS = st.builds(
    Program,
    begin=st.sampled_from(("auto", "auto", "immediate", "read only")),
    steps=st.lists(STEPS, min_size=1, max_size=6).map(tuple),
    commits=st.sampled_from((True, True, False)),
)


@pytest.mark.long
@pytest.mark.timeout(180)
def test_interleavings_are_serialisable(path: Path) -> None:
    """1,000 interleavings of two and three transactions, savepoints included."""
    engine = create_async_engine(f"sqlite+ormolu:///{path}?busy_timeout=0.001&durability=process")

    @settings(
        max_examples=1000, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(PROGRAMS, min_size=2, max_size=3), st.lists(st.integers(0, 5), max_size=24))
    def check(programs: list[Program], schedule: list[int]) -> None:
        runner.run(replay(engine, programs, schedule))
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")

    other = sqlite3.connect(path, isolation_level=None, timeout=0)
    other.execute("CREATE TABLE kv (key TEXT PRIMARY KEY, value INTEGER)")
    other.executemany("INSERT INTO kv VALUES (?, 0)", [(key,) for key in KEYS])
    with asyncio.Runner() as runner:
        check()
        runner.run(engine.dispose())
    other.close()
