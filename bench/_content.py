"""What is in the tables: user n is called "User n" and has the posts 3n - 2 to 3n."""

from __future__ import annotations

from typing import Any

__all__ = ["POSTS_EACH", "USERS", "created", "user", "user_with_posts", "users"]

USERS = 10_000
POSTS_EACH = 3


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
