"""What is hidden because of its name, what is not, and what the program is told of it."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import ConfigurationError, Database, Model, resource
from ormolu.models import UTCDateTime
from ormolu.resources.declare._secrets import is_secret, may_be_shown
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio

SECRET = """
    pwd pass passwd passphrase passHash api_key apiKey APIKey private_key signing_key otp totp mfa
    pin pinCode cvv ssn recovery_code recovery_codes backup_codes access_token accessTokenV2
    refreshToken tokenHash token_1 token_sha256 hash hash_value salt secret client_secret
    password password2 PASSWORD hashed_password password_hash password_digest passwordHistory
    encrypted_password password_hint reset_password_token api_keys api_key_hash kennwort_hash
    recovery_code_hash accesstoken userpassword credentials jwt cookie senha mot_de_passe
    aws_secret_access_key rememberMeToken privKey secret_key_base webhookSigningSecret cardCVV
    sms_code authkey twoFactorRecoveryCodes oauth_token_secret totp_key pass_key user_pwd
    social_security_number security_answer seed_phrase verification_code private_key_pem
"""
OPEN = """
    token_count input_tokens maxTokens token_url token_type token_id token_limit content_hash
    fileHash md5_hash sha256_hash content_sha256_hash commit_hash md5 checksum hashtag hash_rounds
    secretary tokenizer secret_santa secret_name password_max_length passwordPolicy
    password_changed_at has_password must_change_password is_secret key public_key sort_key
    token_symbol ssn_last4 credential_id pincode pinned_at hash_tags unique_hash template_hash
    cache_key storage_key country_code status_code boarding_pass gpio_pin passenger compass
    passport_number session_id iban opinion keyword access_key_id api_key_prefix cost_per_token
"""


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Login(Base):
    __tablename__ = "logins"
    token: Mapped[str] = mapped_column(String(40), primary_key=True)


class Pin(Base):
    """On a board."""

    __tablename__ = "pins"
    pin: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("tokens.id"))
    login_token: Mapped[str | None] = mapped_column(ForeignKey("logins.token"))
    text: Mapped[str] = mapped_column("api_key", String(20), default="none")


class Token(Base):
    __tablename__ = "tokens"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    access_token: Mapped[str] = mapped_column(String(40))
    otp: Mapped[int]


class Setting(Base):
    __tablename__ = "settings"
    id: Mapped[int] = mapped_column(primary_key=True)
    mode: Mapped[str] = mapped_column(String(40), default="plain", doc="How", comment="NOTE-1")
    route: Mapped[str] = mapped_column(String(40), default="sk-live-4242", comment="NOTE-2")
    secret: Mapped[str] = mapped_column(String(40), default="short")
    size: Mapped[int] = mapped_column(default=4711)


@pytest.mark.parametrize("name", SECRET.split())
def test_the_end_of_a_name_says_what_is_secret(name: str) -> None:
    """In any spelling, with numbers, and whatever a secret is stored as."""
    assert is_secret(name, sa.String())
    assert is_secret(name, sa.Text())


@pytest.mark.parametrize("name", OPEN.split())
def test_what_is_only_about_secrets_is_none(name: str) -> None:
    """Whole words: a measure, a date, an address of one, the hash of something public."""
    assert not is_secret(name, sa.String())


@pytest.mark.parametrize(
    ("name", "type_", "is_hidden"),
    [
        ("pin", sa.Integer(), True), ("otp", sa.BigInteger(), True),
        ("tokens", sa.Integer(), False),
        ("salt", sa.Float(), False), ("salt", sa.Integer(), False), ("mfa", sa.Boolean(), False),
        ("password", sa.DateTime(), False), ("password", UTCDateTime(), False),
        ("token", sa.Enum("a", "b"), False), ("tokens", sa.JSON(), True),
        ("secret", sa.LargeBinary(), True), ("cost_per_token", sa.Numeric(9, 6), False),
    ],
)  # fmt: skip
def test_the_type_has_a_say(name: str, type_: Any, *, is_hidden: bool) -> None:
    """A moment, a choice, a yes and a measure are no secrets; a number may be."""
    assert is_secret(name, type_) is is_hidden


def test_numbers_of_rows_are_no_secrets() -> None:
    """A key, or what refers to one; but a text may be the token. The column's own name counts."""
    assert set(resource(Pin).exposure.declaration.readable) == {"pin", "token"}


def test_what_is_refused_for_its_name_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """And which line to write."""
    with pytest.raises(ConfigurationError) as caught:
        resource(Token)
    line = "writable={'access_token', 'otp'}"
    assert f"access_token and otp are hidden because of their names: write {line}" in str(
        caught.value
    )
    with pytest.raises(ConfigurationError, match=r"because of its name.*read_only={'token'}"):
        resource(Login)
    with caplog.at_level(logging.WARNING, "ormolu"):
        resource(Token, path="/read", operations={"list"})
    assert "hidden by their names: access_token, otp. Write read_only={'access_token', 'otp'}" in (
        caplog.text
    )
    caplog.clear()
    resource(Token, path="/known", operations={"list"}, hidden={"otp"}, read_only={"access_token"})
    assert caplog.text == ""


@pytest.mark.backends("sqlite")
async def test_the_document_holds_no_secret_of_the_model(database_url: str) -> None:
    """No comment, which is the database's, and no default that may be a key."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Setting, writable={"secret"}))
    async with client_of(app) as client:
        text = (await client.get("/openapi.json")).text
        made = await client.post("/settings", json={})
    assert "NOTE" not in text
    assert "sk-live" not in text
    assert "short" not in text
    assert '"default":"plain"' in text
    assert '"default":4711' in text
    assert made.json()["route"] == "sk-live-4242"


@pytest.mark.parametrize(
    ("default", "is_shown"),
    [
        ("draft", True), ("Europe/Berlin", True), ("", True), (7, True), (False, True), ([], True),
        ("48b1aed550144ed780f46c2bce209bb3", False), ("AKIA1234", False), ("ghp_ab", False),
        ("password", False),
        (b"ab", False), ({"key": "x"}, False),
    ],
)  # fmt: skip
def test_defaults_that_may_be_keys(default: Any, *, is_shown: bool) -> None:
    """Long texts and what begins like a key; numbers and short words are shown."""
    assert may_be_shown(default) is is_shown
