"""Tokens of people: JWTs, signed with a secret (HS256) or by an identity provider's private key (RS256)."""

import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.base import Id, Text
from schemas.cases import PersonRole
from streams.errors import UsageError
from streams.gateway.problems import ProblemError
from streams.gateway.rights import Individual
from streams.settings import Settings

#: HS256 needs a secret as long as its hash.
_SHORTEST_SECRET = 32
_LEEWAY_S = 10
#: The year 10000; an end beyond what a float holds is none.
_LATEST_S = 253_402_300_800
_FILE = "jwt-secret"
_PEM = "-----BEGIN"


class _Claims(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    sub: Id
    role: PersonRole
    exp: Annotated[int | float, Field(lt=_LATEST_S)]
    node: Id | None = None
    rep_id: Id | None = None
    name: Text | None = None

    @model_validator(mode="after")
    def _says_whose(self) -> "_Claims":
        if self.role == "manager" and self.node is None:
            msg = "a manager's token needs the claim node"
            raise ValueError(msg)
        if self.role == "rep" and self.rep_id is None:
            msg = "a representative's token needs the claim rep_id"
            raise ValueError(msg)
        return self


class Tokens:
    """Reads tokens; each algorithm has its own key, so that none can be taken for another.

    Args:
        keys: key by algorithm, HS256 or RS256.
        issuer: who must have issued a token.
        audience: whom it must be meant for.
    """

    def __init__(self, keys: Mapping[str, str], issuer: str, audience: str) -> None:
        self._keys = dict(keys)
        self._issuer = issuer
        self._audience = audience

    def read(self, token: str) -> Individual:
        """The person a token speaks of.

        Raises:
            ProblemError: 401, with what is wrong.
        """
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
            if not isinstance(algorithm, str) or algorithm not in self._keys:
                msg = f"the token must be signed with {' or '.join(sorted(self._keys))}"
                raise _RefusedError(msg)
            content = jwt.decode(
                token,
                self._keys[algorithm],
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "aud", "iss", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            msg = "the token has expired: get a new one"
            raise _RefusedError(msg) from None
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            msg = f"the token is not valid ({_why(error)}): get a new one"
            raise _RefusedError(msg) from None
        return _person(content)


def _person(content: Mapping[str, Any]) -> Individual:
    try:
        claims = _Claims.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in found["loc"])
        message = found["msg"].removeprefix("Value error, ")
        msg = f"the token's claims do not fit: {f'{where}: ' if where else ''}{message}"
        raise _RefusedError(msg) from None
    return Individual(claims.sub, claims.role, claims.node, claims.rep_id, claims.name, float(claims.exp))


def _why(error: Exception) -> str:
    """A name for the fault; the library's texts may quote the token."""
    return type(error).__name__.removesuffix("Error")


class _RefusedError(ProblemError):
    """A token that is not taken."""

    def __init__(self, detail: str) -> None:
        super().__init__(401, detail, headers={"WWW-Authenticate": 'Bearer realm="sfe-pulse"'})


def tokens_of(settings: Settings) -> Tokens:
    """What reads tokens under these settings.

    Raises:
        UsageError: neither a secret nor a public key is there, or one is not usable.
    """
    keys: dict[str, str] = {}
    if (secret := secret_of(settings)) is not None:
        keys["HS256"] = secret
    if settings.jwt_public_key:
        keys["RS256"] = _public_key(settings.jwt_public_key)
    if not keys:
        msg = "people cannot be told apart: set PULSE_JWT_SECRET (openssl rand -hex 32) or PULSE_JWT_PUBLIC_KEY"
        raise UsageError(msg)
    return Tokens(keys, settings.jwt_issuer, settings.jwt_audience)


def _public_key(text: str) -> str:
    """The key itself, or the content of the file it names."""
    try:
        pem = text if text.startswith(_PEM) else Path(text).read_text("ascii")
        jwt.get_algorithm_by_name("RS256").prepare_key(pem)
    except (OSError, ValueError, jwt.PyJWTError):
        msg = "PULSE_JWT_PUBLIC_KEY holds no RSA public key: give the PEM text or the path of a file with it"
        raise UsageError(msg) from None
    return pem


def secret_of(settings: Settings) -> str | None:
    """The secret that is set, or else the one `pulse up` left in the data folder; None when there is neither.

    Raises:
        UsageError: it is too short, or the file cannot be read.
    """
    if settings.jwt_secret is not None:
        secret = settings.jwt_secret.get_secret_value()
    else:
        file = settings.data / _FILE
        try:
            secret = file.read_text("ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            msg = f"{file} cannot be read: make it readable, or delete it to get a new secret"
            raise UsageError(msg) from None
    if len(secret.encode()) < _SHORTEST_SECRET:
        msg = f"the secret for tokens is shorter than {_SHORTEST_SECRET} bytes: openssl rand -hex 32 makes a good one"
        raise UsageError(msg)
    return secret


def ensure_secret(settings: Settings) -> str:
    """The secret that is set, or one kept in the data folder, made at the first call; only its owner can read it.

    Raises:
        UsageError: the folder cannot be written.
    """
    if (secret := secret_of(settings)) is not None:
        return secret
    made = secrets.token_urlsafe(48)
    file = settings.data / _FILE
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"{made}\n")
    except FileExistsError:  # another process was faster
        return secret_of(settings) or made
    except OSError as error:
        msg = f"{file} cannot be written ({error.strerror}): make {settings.data} writable, or set PULSE_JWT_SECRET"
        raise UsageError(msg) from None
    return made


def mint(settings: Settings, secret: str, claims: Mapping[str, str], hours: float) -> str:
    """A token for development, signed with the local secret.

    Args:
        settings: issuer and audience.
        secret: of HS256.
        claims: `sub`, `role` and, where the role needs them, `node` or `rep_id`.
        hours: how long it holds.

    Raises:
        UsageError: the claims do not fit the role.
    """
    now = datetime.now(UTC)
    content = {
        **claims,
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(hours=hours),
    }
    try:
        _person({**content, "exp": (now + timedelta(hours=hours)).timestamp()})
    except ProblemError as error:
        raise UsageError(error.detail.removeprefix("the token's claims do not fit: ")) from None
    return jwt.encode(content, secret, algorithm="HS256")
