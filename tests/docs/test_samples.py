"""The samples and tables in README and docs are true."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from sqlalchemy import ARRAY, JSON, Enum, Integer, LargeBinary, String

import ormolu
from ormolu import errors
from ormolu.engines import EngineOptions
from ormolu.query import Field, operators_of
from ormolu.resources.work._lists import PARAMETERS
from ormolu.sqlite._pragmas import Pragmas, url_options
from ormolu.web._problems import STATUSES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SAMPLES = [
    pytest.param(sample, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, sample in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]
# For the samples that are applications, to show that they can be served.
SERVE = """
from fastapi.testclient import TestClient
with TestClient(app) as client:
    assert client.get('/readyz').status_code == 200
    assert client.get('/openapi.json').status_code == 200
"""
ERRORS = (ROOT / "docs" / "errors.md").read_text()
RESOURCES = (ROOT / "docs" / "resources.md").read_text()


class Runner:
    """Runs programs with warnings as errors, in children of one process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.docs.runner"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, source: str, folder: Path) -> None:
        """Run a program in an empty folder, and fail with what it says if it fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        program = folder.with_suffix(".py")
        program.write_text(source)
        print(json.dumps([str(program), str(folder)]), file=self._process.stdin, flush=True)
        code = self._process.stdout.readline().strip()
        assert code == "0", (folder / "said").read_text()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """What runs all samples."""
    runner = Runner()
    yield runner
    runner.close()


@pytest.mark.long
@pytest.mark.parametrize("sample", SAMPLES)
def test_sample_runs(sample: str, runner: Runner, tmp_path: Path) -> None:
    """Each Python sample runs as it stands, with warnings as errors; an application serves, too."""
    runner.run(sample + SERVE if "app = FastAPI()" in sample else sample, tmp_path)


def test_sample_that_fails_is_found(runner: Runner, tmp_path: Path) -> None:
    """An error, and a warning, that a program ends with fail its test with its words."""
    for source in ("1 / 0", "import warnings; warnings.warn('odd')", "raise SystemExit('odd')"):
        with pytest.raises(AssertionError, match=r"ZeroDivisionError|odd"):
            runner.run(source, tmp_path)


def test_every_problem_code_is_documented_with_its_status() -> None:
    """The table in docs/errors.md is the table in the code."""
    table = {code: int(status) for code, status in re.findall(r"\| `(\w+)` \| (\d+) \|", ERRORS)}
    assert table == STATUSES


def test_every_error_class_is_documented() -> None:
    """Each exception has a section by its code that names the class."""
    for name in errors.__all__:
        code = getattr(errors, name).error_code
        section = re.search(rf"### {code}\n(.*?)(?=\n###|\Z)", ERRORS, re.DOTALL)
        assert section, code
        assert f"`{name}`" in section[1]


def test_every_public_name_is_documented() -> None:
    """Each name of the face stands in README or docs."""
    text = "".join(page.read_text() for page in PAGES)
    assert [name for name in ormolu.__all__ if f"{name}" not in text] == []


def test_every_parameter_of_a_list_is_documented() -> None:
    """The table in docs/resources.md has those of the code, and no others."""
    table = RESOURCES.partition("| parameter of a list |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    assert {name for cell in cells for name in re.findall("`([a-z]+)`", cell)} == set(PARAMETERS)


def test_every_operator_is_documented() -> None:
    """The sentence in docs/resources.md names what any type has, and nothing else."""
    types = (String(), Integer(), JSON(), Enum("a"), ARRAY(Integer), LargeBinary())
    known = {name for each in types for name in operators_of(Field("x", each))}
    sentence = RESOURCES.partition("\nOperators: ")[2].partition("\n")[0]
    told = {name for names in re.findall("`([^`]*)`", sentence) for name in names.split()}
    assert told - {"lte", "gte"} == known


def test_every_option_is_documented_with_its_default() -> None:
    """The table in docs/database.md has the options of the code, and their defaults."""
    text = (ROOT / "docs" / "database.md").read_text()
    table = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", text, re.MULTILINE))
    options = EngineOptions()
    for name in {each.name for each in fields(EngineOptions)} - {"connect_args", "engine_options"}:
        assert ast.literal_eval(table[name]) == getattr(options, name)
    assert set(table) >= {"metadata", "schema", "connect_args", "engine_options"}


def test_every_linked_page_exists() -> None:
    """No link between our own pages is broken."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.long
def test_figures_of_the_readme_are_the_benchmark_s() -> None:
    """What README says of speed stands in the pages of benchmarks, which runs of them wrote."""
    pages = [ROOT / "docs" / name for name in ("benchmarks.md", "benchmarks-users.md")]
    measured = {
        (section.splitlines()[0], name): figures.split()
        for page in pages
        for section in page.read_text().split("\n## ")
        for name, figures in re.findall(
            r"^\| (\S.*?) +\|((?: +[\d.]+ \|){5})$", section, re.MULTILINE
        )
    }
    readme = (ROOT / "README.md").read_text()
    said = re.findall(r"^\| (.+), (SQLite|PostgreSQL) \|((?: [\d.]+ \|){5})$", readme, re.MULTILINE)
    assert len(said) == 9
    for name, backend, figures in said:
        program = next(each for each in measured if each[0].endswith(backend) and name in each[1])
        assert measured[program] == figures.split(), (name, backend)


@pytest.mark.long
def test_architecture_names_every_module() -> None:
    """The picture of the rooms has every module of the package."""
    picture = (ROOT / "docs" / "architecture.md").read_text()
    for module in (ROOT / "src" / "ormolu").rglob("*.py"):
        if module.name != "__init__.py":
            assert module.stem in picture, module


@pytest.mark.long
def test_every_sqlite_option_is_documented_with_its_default() -> None:
    """The table in docs/sqlite.md has the options of the driver, and their defaults."""
    text = (ROOT / "docs" / "sqlite.md").read_text()
    table = dict(re.findall(r"^\| `(\w+)` \| `?([^`|]+?)`? \|", text, re.MULTILINE))
    words = {"True": "on", "None": "none"}
    values = {field.name: str(field.default) for field in fields(Pragmas)}
    defaults = {name: words.get(value, value) for name, value in values.items()}
    assert table == defaults
    others = url_options() - defaults.keys() - {"autocommit", "check_same_thread"}
    assert [name for name in others if f"`{name}`" not in text] == []
