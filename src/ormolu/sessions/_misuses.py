"""What is said to who uses a session too late, twice at once, or closes it too early."""

__all__ = ["CLOSED", "CONCURRENT", "LOST", "OTHER_LOOP"]

CLOSED = (
    "The unit of work of this session has ended: its answer was being sent. In a background task, "
    "a stream or a WebSocket write `async with db.unit_of_work() as session: ...`. What a `yield` "
    'dependency does with it after its `yield` needs Depends(..., scope="function"), and need not '
    "commit: the unit of work does."
)

CONCURRENT = (
    "Two tasks use one session at once. Await one after the other, or give each task a session of "
    "its own: `async with db.unit_of_work() as session: ...`"
)

OTHER_LOOP = (
    "This session belongs to another event loop, in which alone its connection works. In a thread "
    "write `anyio.from_thread.run(session.flush)`, or give the loop a session of its own: "
    "`async with db.unit_of_work() as session: ...`"
)

LOST = (
    "The session was closed before its changes were committed, so they are not stored. Leave "
    "`session.close()` and `async with session` out, since its unit of work commits and closes it; "
    "or write `await session.commit()` before, or `await session.rollback()` if nothing is to be "
    "stored."
)
