"""What is said to who uses a session too late, or twice at once."""

__all__ = ["CLOSED", "CONCURRENT"]

CLOSED = (
    "The unit of work of this session has ended: its answer was being sent. In a background task, "
    "a stream or a WebSocket write `async with db.unit_of_work() as session: ...`"
)

CONCURRENT = (
    "Two tasks use one session at once. Await one after the other, or give each task a session of "
    "its own: `async with db.unit_of_work() as session: ...`"
)
