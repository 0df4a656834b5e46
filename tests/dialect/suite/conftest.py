# mypy: ignore-errors
"""SQLAlchemy's plugin for its own suite, with what it prepares for SQLite."""

import signal

import sqlalchemy.dialects.sqlite.provision
from sqlalchemy.testing.plugin.pytestplugin import *

# The suite begins a run of the event loop for each of 15,000 calls. Each would put asyncio's own
# handler in the place of Python's, which takes longer than most of the calls.
signal.signal(signal.SIGINT, signal.SIG_DFL)
