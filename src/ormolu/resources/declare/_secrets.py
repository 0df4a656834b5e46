"""Which columns are secrets by their names, and hidden unless the program says otherwise.

A name is read as words (`tokenHash`, `token_hash`), and the last one says what the value is: a
`token_count` is a number, an `access_token` is a token. It knows names and types, but no mapper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

import sqlalchemy as sa

from ormolu.models import UTCDateTime
from ormolu.query import undecorated

__all__ = ["is_secret", "looks_secret", "may_be_shown"]

_WORD = re.compile(r"[^\W\d_]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PASSWORDS = _set(
    "password passwd passphrase passcode passhash passwordhash pwd pw pwhash pwdhash psk "
    "senha contrasena contraseña motdepasse passwort kennwort wachtwoord parola hasło haslo "
    "heslo lösenord"
)
_SECRETS = _PASSWORDS | _set(
    "apikey cookie credential cvc cvv hotp jwt mfa otp pass pin privatekey salt secret "
    "secretkey ssn token totp"
)
# Ends of words without separators: `useraccesstoken`.
_ENDINGS = (
    "accesskey", "apikey", "authkey", "clientsecret", "encryptionkey", "passcode", "passphrase",
    "passwd", "password", "privatekey", "secretkey", "signingkey", "token",
)  # fmt: skip
_PAIRS = {
    "answer": _set("secret security"),
    "code": _set(
        "access activation auth authentication authorization backup confirmation factor login "
        "mfa onetime otp pass password pin recovery reset secret security sms totp unlock "
        "verification"
    ),
    "key": _set(
        "access activation admin aes api auth bearer cipher crypt crypto decryption encryption "
        "fernet hmac jwt license master mfa openai otp pass priv private recovery rsa secret "
        "session shared sign signature signing ssh stripe symmetric token totp unlock webhook "
        "write"
    ),
    "number": _set("security"),
    "passe": _set("de"),
    "phrase": _set("mnemonic pass recovery secret seed"),
    "seed": _set("mfa otp secret totp wallet"),
}
# After these words they are not secret: the hash of a file, a boarding pass, the pin of a board.
_HARMLESS = {
    "hash": _set(
        "address archive artifact asset attachment audio avatar binary blob block body build "
        "bundle bytecode cache channel checksum chunk cluster column commit component config "
        "configuration container content contract crc current data dataset dedup dedupe "
        "dependency device diff directory document download embedding entry etag event feature "
        "file fingerprint folder frame function genesis geo git graph head html icon image "
        "import index info input integrity item job json latest layer line local log manifest "
        "md media merkle message migration model node object original output package page param "
        "parent patch path payload perceptual photo picture pipeline plan post product project "
        "prompt query question record release remote report request resource response result "
        "revision root route row rule schema script segment sha short snapshot source spec sql "
        "state statement structure style table task template text thumbnail title torrent trace "
        "transaction tree tx unique upload uri url version video workflow"
    ),
    "pass": _set(
        "band boarding bus by day first guest hall high low season second ski third train "
        "travel visitor"
    ),
    "pin": _set("board clock data drop gpio input lapel map output signal"),
    "token": _set(
        "bos cached completion context eos input max min num output pad per prompt reasoning "
        "remaining special stop total unk used"
    ),
}
# Words for the form of a value; the words before them tell whether it is a secret.
_FORMS = _set(
    "base bcrypt blob bytes cipher ciphertext clear confirm confirmation crypt data digest "
    "enc encoded encrypted hash hashed hex hint history json md new old pem plain plaintext "
    "payload raw scrypt sha str string temp text v value"
)
_QUESTIONS = _set(
    "allow allows can enable enabled force has have is must need needs no require requires "
    "should show use uses with"
)
# A whole number of these is a count, and so is that of a plural: the tokens of a prompt.
_COUNTED = _set("cookie mfa pass salt")

_NEVER = (
    sa.Boolean, sa.Date, sa.DateTime, UTCDateTime, sa.Time, sa.Interval, sa.Enum, sa.Numeric,
    sa.Float,
)  # fmt: skip

_LONGEST_WORD = 16
_KEY = re.compile(r"(?:sk|pk|rk|gh[a-z]|xox[a-z]|glpat|whsec)[-_]|AKIA|AIza|eyJ")


def is_secret(name: str, type_: Any) -> bool:
    """Tell whether a column is a secret by its name; dates, enums and decimals never are."""
    plain = undecorated(type_)
    if isinstance(plain, _NEVER):
        return False
    if isinstance(plain, sa.Integer) and _is_count(name):
        return False
    return looks_secret(name)


def looks_secret(name: str) -> bool:
    """Tell whether a name is that of a secret."""
    words = [_singular(word) for word in _words(name)]
    return words[:1] != [] and words[0] not in _QUESTIONS and _is_secret(words)


def _is_count(name: str) -> bool:
    last = _words(name)[-1:]
    return any(word in _COUNTED or word != _singular(word) for word in last)


def _is_secret(words: Sequence[str]) -> bool:
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "hash" and before in _HARMLESS["hash"]:
        # It still is a secret if the words before say so: a token_sha_hash.
        return _is_secret(words[:-1])
    if last == "hash" or last in _SECRETS or last.endswith(_ENDINGS):
        return before not in _HARMLESS.get(last, ())
    if before in _PAIRS.get(last, ()):
        return True
    return last in _FORMS and _is_secret(words[:-1])


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(_HUMPS.sub("_", name))]


def _singular(word: str) -> str:
    if word == "hashes":
        return "hash"
    is_plural = word.endswith("s") and not word.endswith("ss") and len(word) > 3
    return word[:-1] if is_plural else word


def may_be_shown(default: Any) -> bool:
    """Tell whether the default of a column may be shown in the OpenAPI document.

    Short text and empty containers are; a key is long, or has the prefix of a well-known service.
    """
    if isinstance(default, str) and not isinstance(default, Enum):
        is_word = len(default) <= _LONGEST_WORD and _KEY.match(default) is None
        return is_word and not looks_secret(default)
    if isinstance(default, (list, tuple, set, dict)):
        return not default
    return not isinstance(default, (bytes, bytearray))
