"""Which lines are the program's own, and not a library's."""

from __future__ import annotations

import inspect
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import greenlet

__all__ = ["is_own", "own_place", "place_of"]

_OURS = str(Path(__file__).parents[1])
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


def own_place() -> str | None:
    """Return the innermost line of the program's own that waits for what is being done."""
    return next((place_of(frame) for frame in _frames() if is_own(frame)), None)


def is_own(frame: FrameType) -> bool:
    """Tell whether a frame is the program's own."""
    return not frame.f_code.co_filename.startswith(("<", _OURS, *_INSTALLED))


def place_of(frame: FrameType) -> str:
    """Return the file, the line and the function of a frame."""
    return f"{_relative(frame.f_code.co_filename)}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def _frames() -> Iterator[FrameType]:
    """Yield the frames of this greenlet, and of those that wait for it."""
    frame: FrameType | None = inspect.currentframe()
    current: Any = greenlet.getcurrent()
    while frame is not None or current.parent is not None:
        if frame is None:
            current = current.parent
            frame = current.gr_frame
            continue
        yield frame
        frame = frame.f_back


def _relative(name: str) -> str:
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name
