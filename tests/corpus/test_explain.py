"""Over models as public projects have them, lanes answer most requests; `explain` says which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

# The corpus is imported by those who need it: its 200 classes take longer than all other imports
# of a run for a few tests.
URLS = {"sqlite": "sqlite://", "asyncpg": "postgresql+asyncpg://localhost/corpus"}

# Percent of the classes that an operation is answered by a plan for, at least.
LEAST = {"list": 100, "read": 100, "create": 85, "update": 80, "delete": 75}


@pytest.fixture(autouse=True, scope="module")
def _declared_here() -> Iterator[None]:
    """Resources in no application speak in each: those of the corpus go with its tests."""
    yield
    from tests.corpus.models import resources

    resources.cache_clear()


@pytest.mark.long
def test_the_corpus_is_large() -> None:
    """Some hundreds of classes."""
    from tests.corpus.models import models_of

    assert len(models_of(has_native=True)) >= 200


@pytest.mark.long
@pytest.mark.parametrize("name", URLS)
def test_most_operations_are_plans(name: str) -> None:
    """By the front door, or by a route on a lane."""
    from tests.corpus.models import models_of, resources

    plans: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    native = {mapper.class_ for mapper in models_of(has_native=True)}
    native.difference_update(mapper.class_ for mapper in models_of(has_native=False))
    found = [each for each in resources().values()
             if name != "sqlite" or each.declaration.model not in native]  # fmt: skip
    for each in found:
        for told in each.explain(URLS[name]):
            if told.operation in LEAST and told.way == "session":
                reasons[told.operation, str(told.reason).partition(":")[0]] += 1
            plans[told.operation] += told.way != "session"
    shares = {operation: 100 * plans[operation] / len(found) for operation in LEAST}
    missed = {operation: shares[operation] for operation, least in LEAST.items()
              if shares[operation] < least}  # fmt: skip
    assert not missed, (missed, reasons.most_common())
