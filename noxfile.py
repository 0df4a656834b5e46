"""Thin sessions for other Pythons than the one in .venv; `make` is for everyday work."""

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
