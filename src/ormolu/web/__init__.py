"""Where FastAPI begins: the gate, the session dependency, problem answers, health.

Knows sessions and engines; no resource.
"""

from ormolu.web._attach import attach
from ormolu.web._dependency import SessionDep, session_of

__all__ = ["SessionDep", "attach", "session_of"]
