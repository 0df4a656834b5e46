"""What is in the tables: user n is called "User n" and has the posts 3n - 2 to 3n."""

from __future__ import annotations

from typing import Any

from bench._tables import Table

__all__ = [
    "POSTS_EACH",
    "TABLES",
    "USERS",
    "created",
    "user",
    "user_with_posts",
    "users",
    "users_table",
]

USERS = 10_000
POSTS_EACH = 3


def users_table(rows: int) -> Table:
    """Return the table of so many users."""
    return Table("users", {"id": "n", "name": "'User ' || n"}, rows)


_POST = {
    "id": "n",
    "title": "'Post ' || n",
    "user_id": f"(n + {POSTS_EACH - 1}) / {POSTS_EACH}",
}
TABLES = (users_table(USERS), Table("posts", _POST, USERS * POSTS_EACH))


def user(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"User {number}"}


def users(count: int) -> list[dict[str, Any]]:
    return [user(number) for number in range(1, count + 1)]


def created(name: int) -> dict[str, Any]:
    """Return a new row as a load of creates makes them."""
    return {"id": 10_001, "name": f"User {name}"}


def user_with_posts(number: int) -> dict[str, Any]:
    last = POSTS_EACH * number
    posts = [
        {"id": post, "title": f"Post {post}", "user_id": number}
        for post in range(last - POSTS_EACH + 1, last + 1)
    ]
    return {**user(number), "posts": posts}
