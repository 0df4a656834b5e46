"""What is said of a text that is no JSON."""

import pytest

from ormolu.errors import RefusedError
from ormolu.resources.work._json import read_json

REASONS = {
    b"": "Expecting value",
    b"{} x": "Extra data",
    b"\xef\xbb\xbf{}": "Begins with a byte order mark",
    b"\xff": "Is not UTF-8",
    b'{"a": [{"b": 1, "b": 1}]}': "Has a key twice",
    b'{"a": -Infinity}': "-Infinity is no JSON",
    b"[" * 100_000: "Is not valid JSON",
    b"9" * 5000: "Is not valid JSON",
    b"[" * 101 + b"]" * 101: "Is nested too deep",
}


@pytest.mark.parametrize("raw", REASONS, ids=REASONS.values())
def test_reason(raw: bytes) -> None:
    """One for each way to be none."""
    with pytest.raises(RefusedError, match=f"^body: {REASONS[raw]}$") as caught:
        read_json(raw, ("body",))
    assert caught.value.code == "malformed_json"


def test_the_deepest() -> None:
    assert read_json(b"[" * 100 + b"]" * 100, ("body",))
