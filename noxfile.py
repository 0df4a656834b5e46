"""Thin sessions for other Pythons than the one in .venv; `make` is for everyday work."""

from pathlib import Path

import nox

nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "types", "tests"]


def _sync(session: nox.Session) -> None:
    session.run_install(
        "uv",
        "sync",
        "--locked",
        "--all-extras",
        f"--python={session.virtualenv.location}",
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, layers and spelling."""
    _sync(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, and that every public name has them."""
    _sync(session)
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "ormolu", "--ignoreexternal", env={"PYTHONPATH": "src"})


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """Run the tests, all or those named after `--`."""
    _sync(session)
    session.run("pytest", *session.posargs)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the tests that need no server with the lowest versions that the metadata allows."""
    uv = ("uv", "pip", "install", "--quiet")
    session.run_install(*uv, "--resolution=lowest-direct", "-e", ".")
    frozen = str(session.run("uv", "pip", "freeze", silent=True, log=False))
    folder = Path(session.create_tmp())
    lowest, locked = folder / "lowest.txt", folder / "locked.txt"
    names = {"annotated-types", "fastapi", "pydantic", "pydantic-core", "sqlalchemy", "starlette"}
    kept = [each for each in frozen.splitlines() if each.partition("==")[0] in names]
    lowest.write_text("\n".join(kept))
    # The tests' own tools as locked, past what they ask of these; httpx is for Starlette's client
    # of that time, and that deprecates nothing of ours.
    session.run_install("uv", "export", "--quiet", "--frozen", "--no-hashes", "--all-extras",
                        "--no-default-groups", "--group", "test", "--group", "serve",
                        "--no-emit-project", "-o", f"{locked}")  # fmt: skip
    session.run_install(*uv, "-r", f"{locked}", "httpx", "--override", f"{lowest}")
    arguments = session.posargs or ["--backend", "sqlite"]
    session.run("pytest", "-W", "ignore::DeprecationWarning", *arguments)


@nox.session(python="3.11")
def newest_sqlite(session: nox.Session) -> None:
    """Run the tests of resources on the newest SQLite, that of the wheel pysqlite3."""
    _sync(session)
    for path in session.posargs or sorted(map(str, Path("tests/resources").glob("test_*.py"))):
        session.run("python", "-m", "tests.resources.newest", path, success_codes=[0, 5])
