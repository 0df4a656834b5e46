"""One unit of work: a session and a transaction, from the first statement to its end.

Knows engines, no web framework.
"""

from ormolu.sessions._unit_of_work import UnitOfWork, after_commit

__all__ = ["UnitOfWork", "after_commit"]
