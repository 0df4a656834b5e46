"""Whether doors answer."""

import pytest

from ormolu.web._doors import Doors
from tests.web.doors import Passages


@pytest.fixture
def passages(monkeypatch: pytest.MonkeyPatch) -> Passages:
    """What became of the requests that found a door."""
    passages = Passages()
    monkeypatch.setattr(Doors, "serve", passages.watch())
    return passages
