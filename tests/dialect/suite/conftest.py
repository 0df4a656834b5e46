# mypy: ignore-errors
"""SQLAlchemy's plugin for its own suite, with what it prepares for SQLite."""

import sqlalchemy.dialects.sqlite.provision
from sqlalchemy.testing.plugin.pytestplugin import *
