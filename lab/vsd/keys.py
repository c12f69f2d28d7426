"""Who asks: users and their passwords, and the keys that they are given for a time."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable

import attrs

from lab.vsd.directory import Directory, Thing
from lab.vsd.refusals import Refusal
from lab.vsd.seed import PROVIDER, PROVIDER_ORGANIZATION


class NotAuthenticated(Refusal):
    """Nobody is known by what the request says."""

    def __init__(self, description: str, status: int = 401) -> None:
        super().__init__("Authentication failed", description, code=None, status=status)


@attrs.frozen
class Credentials:
    """What a request says of who asks; ``secret`` is a password or a key."""

    organization: str
    user: str
    secret: str = attrs.field(repr=False)

    @classmethod
    def read(cls, organization: str, authorization: str) -> Credentials:
        """Read the headers of a request.

        Raises:
            NotAuthenticated: They are missing, or cannot be read.
        """
        scheme, _, encoded = authorization.partition(" ")
        if scheme.upper() not in ("XREST", "BASIC"):
            raise NotAuthenticated("The header Authorization: XREST base64(user:secret) is missing")
        if not organization:
            raise NotAuthenticated("The header X-Nuage-Organization is missing")
        try:
            user, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise NotAuthenticated("The header Authorization is not base64(user:secret)") from None
        return cls(organization, user, secret)


@attrs.frozen
class Key:
    """A key, with the seconds since the epoch when it ends."""

    text: str = attrs.field(repr=False)
    ends: float


class Keys:
    """Knows the keys.

    Args:
        directory: Has the users.
        now: Tells the time, in seconds since the epoch.
        config: The object with the system's configuration, ``APIKeyValidity`` and ``APIKeyRenewalInterval``.
        expired_status: What a key that has ended is refused with, 401 or 419.
        new_key: Returns the text of a new key.
    """

    def __init__(
        self,
        directory: Directory,
        now: Callable[[], float],
        config: Thing,
        expired_status: int,
        new_key: Callable[[], str],
    ) -> None:
        self._directory = directory
        self._now = now
        self._config = config
        self._expired_status = expired_status
        self._new_key = new_key
        self._keys: dict[str, list[Key]] = {}

    def log_in(self, credentials: Credentials) -> tuple[Thing, Key]:
        """Return a user who gave the password, or a key, and a key.

        One that lasts longer than the renewal interval is given again.

        Raises:
            NotAuthenticated: Neither password nor key is right.
        """
        user = self._user(credentials)
        now = self._now()
        if not hmac.compare_digest(credentials.secret.encode(), str(user["password"]).encode()):
            self._check(user, credentials.secret)
        keys = self._keys[user.id] = [key for key in self._keys.get(user.id, ()) if key.ends > now - _REMEMBERED]
        if not keys or keys[-1].ends - self._config["APIKeyRenewalInterval"] <= now:
            keys.append(Key(self._new_key(), now + self._config["APIKeyValidity"]))
        return user, keys[-1]

    def authenticate(self, credentials: Credentials) -> Thing:
        """Return the user whose key was given.

        Raises:
            NotAuthenticated: It is not one of the user's, or has ended.
        """
        user = self._user(credentials)
        self._check(user, credentials.secret)
        return user

    def expire(self) -> None:
        """End all keys now."""
        now = self._now()
        self._keys = {user: [attrs.evolve(key, ends=now) for key in keys] for user, keys in self._keys.items()}

    def _check(self, user: Thing, secret: str) -> None:
        key = next((key for key in self._keys.get(user.id, ()) if key.text == secret), None)
        if key is None:
            raise NotAuthenticated("Neither password nor key is right")
        if key.ends <= self._now():
            raise NotAuthenticated("The key has expired; ask for /me with the password", self._expired_status)

    def _user(self, credentials: Credentials) -> Thing:
        user = find_user(self._directory, credentials.organization, credentials.user)
        if user is None or user["disabled"] or user["disablePasswordAuth"]:
            raise NotAuthenticated("There is no such user in this organization, or it may not log in")
        return user


def find_user(directory: Directory, organization: str, name: str) -> Thing | None:
    """Return the user of an organization; the provider's is called "csp"."""
    called = PROVIDER if organization.lower() == PROVIDER_ORGANIZATION else organization
    enterprise = directory.named(directory.root, "enterprises", called)
    return None if enterprise is None else directory.named(enterprise, "users", name, "userName")


#: Seconds for which it is known of an ended key that it was one.
_REMEMBERED = 3600.0
