"""What the tests of lanes share."""

from __future__ import annotations

import pytest

from ormolu.lanes import _pinned_lane, _sqlite
from tests.dialect.test_shared_syncs import log

__all__ = ["log"]


@pytest.fixture
def path(database_url: str) -> str:
    return database_url.removeprefix("sqlite:///")


@pytest.fixture(autouse=True)
def _long_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reads that come together be of one turn, however busy the machine is."""
    monkeypatch.setattr(_sqlite, "_TURN", 60.0)


@pytest.fixture(autouse=True)
def _patient_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no read take too long for a lane, however busy the machine is."""
    monkeypatch.setattr(_pinned_lane, "_LONG", 60.0)
