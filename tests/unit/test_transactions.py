"""The policy of a unit of work."""

import pytest

from ormolu.transactions import Access, access_of_method, is_committed


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "QUERY", "TRACE"])
def test_safe_method_reads(method: str) -> None:
    """A safe method only reads."""
    assert access_of_method(method) is Access.READ


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
def test_other_method_writes(method: str) -> None:
    """Every other method may write."""
    assert access_of_method(method) is Access.WRITE


@pytest.mark.parametrize(("status", "expected"), [(200, True), (399, True), (400, False)])
def test_status_decides(status: int, *, expected: bool) -> None:
    """A status below 400 commits."""
    assert is_committed(status) is expected
