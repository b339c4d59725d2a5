"""Passwords, sessions and signatures of the permit service.

Passwords: PBKDF2-HMAC-SHA256 (RFC 8018), salted, 100 000 iterations: what widely used web frameworks took in
2018, about 30 ms of CPU. OpenSSL releases the interpreter lock for it, so it runs in a thread and the loop stays free.
Sessions are signed, timed tokens: any service can check one without asking the database.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from itsdangerous import BadSignature, URLSafeTimedSerializer

ITERATIONS = 100_000
SESSION_S = 8 * 3600
CALLBACK_SKEW_S = 300
# More threads than processors would only make every sign-in slow at once.
_hashing = ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2), thread_name_prefix="hash")


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in, as the session token says."""

    id: int
    role: str
    province: str
    name: str


def hash_password(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """`pbkdf2_sha256$iterations$salt$digest`, salt and digest in base64."""
    salt = os.urandom(16) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    return f"pbkdf2_sha256${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def verify_password(password: str, stored: str) -> bool:
    """Whether `password` gives the stored hash; compares in constant time."""
    _, iterations, salt, digest = stored.split("$")
    found = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    return hmac.compare_digest(found, base64.b64decode(digest))


@cache
def _nobody() -> str:
    """An unknown user costs as much as a known one, so that the answer's time does not tell them apart."""
    return hash_password("", salt=b"no such account!")


async def verify_password_in_thread(password: str, stored: str | None) -> tuple[bool, float]:
    """As `verify_password`, off the event loop; also the CPU seconds it took. `None` (no such user) never passes."""

    def work() -> tuple[bool, float]:
        started = time.thread_time()
        right = verify_password(password, stored or _nobody())
        return right and stored is not None, time.thread_time() - started

    return await asyncio.get_running_loop().run_in_executor(_hashing, work)


class Sessions:
    """Issues and checks session tokens, service tokens and form tokens, all under one key with separate salts."""

    def __init__(self, key: str) -> None:
        self._people = URLSafeTimedSerializer(key, salt="session")
        self._services = URLSafeTimedSerializer(key, salt="service")
        self._forms = URLSafeTimedSerializer(key, salt="form")
        self._service_token = ("", 0.0)

    def issue(self, account: Account) -> str:
        """A token that carries the account for eight hours."""
        return _text(self._people.dumps([account.id, account.role, account.province, account.name]))

    def account(self, token: str) -> Account | None:
        """The account in a token, or None when it is forged or too old."""
        try:
            return Account(*self._people.loads(token, max_age=SESSION_S))
        except (BadSignature, TypeError):
            return None

    def service_token(self, service: str) -> str:
        """What one service shows another; made anew every minute, valid for five."""
        token, made = self._service_token
        if time.monotonic() - made > 60 or not token:
            token = _text(self._services.dumps(service))
            self._service_token = (token, time.monotonic())
        return token

    def is_service(self, token: str) -> bool:
        """Whether a service of ours made this token in the last five minutes."""
        try:
            self._services.loads(token, max_age=300)
        except BadSignature:
            return False
        return True

    def form_token(self, account: Account) -> str:
        """Goes into a form and comes back with it, so that no other site can send the form (CSRF)."""
        return _text(self._forms.dumps(account.id))

    def is_form_token(self, token: str, account: Account) -> bool:
        """Whether the form was given to this account in the last hour."""
        try:
            return bool(self._forms.loads(token, max_age=3600) == account.id)
        except BadSignature:
            return False


def sign_callback(key: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 over `<timestamp>.<body>`, in hexadecimal: what an agency puts into `X-OSS-Signature`."""
    return hmac.digest(key.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256).hex()


def is_callback(key: str, timestamp: str, body: bytes, signature: str, now: float | None = None) -> bool:
    """Whether the signature is right and not older or newer than five minutes, so that none can be replayed later."""
    if not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs((time.time() if now is None else now) - int(timestamp)) > CALLBACK_SKEW_S:
        return False
    return hmac.compare_digest(sign_callback(key, int(timestamp), body), signature)


def _text(token: str | bytes) -> str:
    return token if isinstance(token, str) else token.decode()
