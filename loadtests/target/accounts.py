"""Signing in: look the account up, check the password off the loop, issue a session."""

from __future__ import annotations

from loadtests.target.context import Context
from loadtests.target.metrics import add_cpu
from loadtests.target.security import Account, verify_password_in_thread
from loadtests.target.web import Problem


async def sign_in(context: Context, username: str, password: str, endpoint: str) -> Account:
    """The account. Raises Problem 401, the same for a wrong name and a wrong password."""
    row = await context.database.row(
        "SELECT id, role, province, name, password_hash FROM account WHERE username = $1", username
    )
    right, cpu_s = await verify_password_in_thread(password, row["password_hash"] if row else None)
    add_cpu(endpoint, cpu_s)
    if not right:
        raise Problem(401, "wrong-credentials", "Nama pengguna atau kata sandi salah.")
    return Account(row["id"], row["role"], row["province"], row["name"])
