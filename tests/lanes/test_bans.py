"""Statements that took too long are left to sessions for a while, and forgotten after it."""

from __future__ import annotations

import time

import pytest

from ormolu.lanes._bans import Bans


def test_those_whose_time_is_over_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may make as many slow statements as it likes, each of another text."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    bans = Bans()
    for number in range(5000):
        now[0] += 0.01
        bans.add(f"SELECT {number}")
    assert bans.has("SELECT 4999")
    assert not bans.has("SELECT 0")
    assert len(bans._until) < 1000
    for _ in range(10):
        bans.add("SELECT 4999")
    now[0] += 63.0
    assert bans.has("SELECT 4999")
