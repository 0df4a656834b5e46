"""Many processes at once: one migrates, all come up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.subprocesses import ROOT
from tests.migrations.conftest import Project

PROGRAM = Path(__file__).parent / "programs" / "workers.py"

REVISION = '''
"""{name}"""

import os
import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision, down_revision = "{name}", {down}


def upgrade():
    if "{name}" == "two" and "VICTIM" in os.environ:
        Path("running").touch()
        time.sleep(60 if os.environ["VICTIM"] == "lock" else 0)
    op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("{name}")
'''


# A make target runs more of them.
ROUNDS = int(os.environ.get("ROUNDS", "1"))


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg", "mariadb")
@pytest.mark.timeout(90 + 20 * ROUNDS)
def test_workers_that_start_at_once_come_up(project: Project) -> None:
    """On an empty database, an old one, and after a runner was killed: each revision runs once."""
    for name, down in (("one", None), ("two", "one"), ("three", "two")):
        source = REVISION.format(name=name, down=repr(down)).lstrip()
        Path(f"migrations/versions/{name}.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", PROGRAM, project.url, str(ROUNDS)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
    rounds = re.findall(r"round \[(.*)\]", done.stdout)
    assert rounds == ["0, 0, 0, 0, 0, 0, 0, 0"] * 3 * ROUNDS
    counts = [len(re.findall(f"upgraded {name} ", done.stdout)) for name in ("one", "two", "three")]
    # A runner that was killed at a random moment may have been done and have said nothing, or have
    # said so just before its COMMIT, which then never came.
    killed = ROUNDS // 2
    assert counts[0] == ROUNDS
    assert all(abs(count - 3 * ROUNDS) <= killed for count in counts[1:])
