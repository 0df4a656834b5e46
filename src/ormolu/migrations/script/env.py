"""What Alembic runs where a project has no env.py of its own."""

from ormolu.migrations._env import run

run()
