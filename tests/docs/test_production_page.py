"""What the page on production says of connections and metrics is so in the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ormolu.engines import EngineOptions
from ormolu.engines._metrics import _NUMBERS
from ormolu.web._health import PROBES

PAGE = (Path(__file__).parents[2] / "docs" / "production.md").read_text()
ROWS = re.findall(r"^\| (.+?)" + r" \| (\d+)" * 6 + r" \|$", PAGE, re.M)


@pytest.mark.parametrize("row", ROWS)
def test_arithmetic(row: tuple[str, ...]) -> None:
    """Each line follows from the formula; those of the defaults have the defaults."""
    name, *figures = row
    most, reserved, size, overflow, each, processes = map(int, figures)
    options = EngineOptions(pool_size=size, max_overflow=overflow)
    if "defaults" in name:
        assert options == EngineOptions()
    assert each == 2 * (options.pool_size + options.max_overflow)
    assert processes == (most - reserved) // each


def test_there_are_lines() -> None:
    """The table is found."""
    assert len(ROWS) == 4


def test_every_metric_is_there() -> None:
    """The table has the metrics of the code."""
    told = set(re.findall(r"^\| `((?:db|ormolu)\.[\w.]+)` \|", PAGE, re.M))
    one_by_one = {
        "db.client.connection.wait_time", "db.client.connection.create_time",
        "db.client.operation.duration", "ormolu.requests.refused",
    }  # fmt: skip
    assert told == {name for _, name, *_ in _NUMBERS} | one_by_one


def test_probes_are_those_of_the_code() -> None:
    """Paths in the sample for Kubernetes, and of the image, are answered."""
    asked = set(re.findall(r"path: (/\w+)", PAGE)) | set(re.findall(r":8000(/\w+)", PAGE))
    assert asked == set(PROBES)


def test_commands_of_the_image_are_lists() -> None:
    """So SIGTERM reaches the server, and no shell."""
    dockerfile = PAGE.partition("```dockerfile\n")[2].partition("```")[0]
    commands = re.findall(r"CMD (\[.*\])$", dockerfile, re.M)
    assert [json.loads(each)[0] for each in commands] == ["python", "uvicorn"]
