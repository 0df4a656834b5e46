"""Fixtures of the reliability tests."""

from tests.reliability._faults import injector

__all__ = ["injector"]
