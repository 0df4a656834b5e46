"""Finds callbacks that block the event loop, without mistaking a busy machine for one.

A late heartbeat says nothing on a machine with more work than cores. So time counts only if the
loop's thread computed (its own processor time), or if it slept in a system call. Waiting for a
processor or for the interpreter's lock does not count.
"""

from __future__ import annotations

import asyncio
import gc
import platform
import sys
import threading
import time
from asyncio import events
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

__all__ = ["IS_SUPPORTED", "assert_no_loop_block", "watching"]

_SAMPLE_SECONDS = 0.005
_FUTEX = {"x86_64": "202", "aarch64": "98"}.get(platform.machine())

# Where a Python thread waits for a lock that is not the interpreter's.
_LOCKS = ("/threading.py", "/queue.py", "/concurrent/futures/_base.py")

IS_SUPPORTED = _FUTEX is not None and Path("/proc/self/schedstat").exists()


class Watch:
    """Watches the callbacks of the loop on the thread that makes it.

    Attributes:
        blocked: What held the loop for longer than the limit.
    """

    def __init__(self, limit: float) -> None:
        self.blocked: list[str] = []
        self._limit = limit
        self._thread_id = threading.get_ident()
        self._folder = Path(f"/proc/self/task/{threading.get_native_id()}")
        self._callback = 0
        self._is_running = False
        self._is_over = threading.Event()

    def run(self, original: Callable[[Any], None], handle: asyncio.Handle) -> None:
        """Run a callback, and measure the processor time it takes."""
        if threading.get_ident() != self._thread_id:
            original(handle)
            return
        self._callback += 1
        started = time.thread_time()
        self._is_running = True
        original(handle)
        self._is_running = False
        used = time.thread_time() - started
        if used > self._limit:
            self.blocked.append(f"computed {used:.3f} s in {handle}")

    def sample(self) -> None:
        """Look where the loop's thread is, again and again, from a thread of its own."""
        callback, since, count = 0, 0.0, 0
        while not self._is_over.wait(_SAMPLE_SECONDS):
            now = time.monotonic() - self._seconds_in_queue()
            if not (self._is_running and self._is_asleep()):
                count = 0
            elif count and callback == self._callback:
                count += 1
                if count > 3 and now - since > self._limit:
                    self.blocked.append(f"slept {now - since:.3f} s in {self._place()}")
                    count = 0
            else:
                callback, since, count = self._callback, now, 1

    def end(self) -> None:
        """Stop sampling."""
        self._is_over.set()

    def _is_asleep(self) -> bool:
        call = (self._folder / "syscall").read_text().split()[0]
        # The interpreter's lock is a futex; other locks are only waited for in a few files.
        is_waiting = call not in {"running", "-1", _FUTEX}
        return is_waiting or (call == _FUTEX and any(name in self._place() for name in _LOCKS))

    def _seconds_in_queue(self) -> float:
        """Return for how long the thread was ready and no processor was free."""
        return int((self._folder / "schedstat").read_text().split()[1]) / 1e9

    def _place(self) -> str:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 -- its name
        return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "?"


@asynccontextmanager
async def watching(limit: float) -> AsyncIterator[Watch]:
    """Watch the running loop inside the block; collect no garbage there, which is no callback's."""
    watch = Watch(limit)
    kind: Any = events.Handle
    # Debug mode measures callbacks, too, but cannot tell a busy machine from a long one.
    original = kind._run  # noqa: SLF001 -- there is no other place
    kind._run = lambda handle: watch.run(original, handle)  # noqa: SLF001 -- as above
    thread = threading.Thread(target=watch.sample, name="ormolu-testing-watch")
    was_enabled = gc.isenabled()
    gc.disable()
    if IS_SUPPORTED:
        thread.start()
    try:
        # The block begins and ends with a callback of its own.
        await asyncio.sleep(0)
        yield watch
        await asyncio.sleep(0)
    finally:
        watch.end()
        if IS_SUPPORTED:
            thread.join()
        if was_enabled:
            gc.enable()
        kind._run = original  # noqa: SLF001 -- as above


@asynccontextmanager
async def assert_no_loop_block(limit: float = 0.05) -> AsyncIterator[None]:
    """Fail if a callback holds up the running event loop within the block.

    Where Linux says what a thread does, both computing and waiting in a system call count, and a
    busy machine does not; elsewhere only computing.

    Args:
        limit: Seconds that a callback may take.

    Raises:
        AssertionError: One took longer; the message says which, and where.
    """
    async with watching(limit) as watch:
        yield
    if watch.blocked:
        listed = "\n  ".join(watch.blocked)
        message = f"The event loop was held up:\n  {listed}"
        raise AssertionError(message)
