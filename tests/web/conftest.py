"""Whether doors answer."""

import pytest

from ormolu.web._doors import Doors
from tests.web.doors import Passages


@pytest.fixture
def passages(monkeypatch: pytest.MonkeyPatch) -> Passages:
    """What became of the requests that found a door."""
    passages = Passages()
    answer, ask = passages.watch()
    monkeypatch.setattr(Doors, "answer", answer)
    monkeypatch.setattr(Doors, "answer_asking", ask)
    return passages
