"""The API's and portal's side of the integration gateway: ask it to check a NIK."""

from __future__ import annotations

import httpx

from loadtests.target.context import Context
from loadtests.target.models import NikOut
from loadtests.target.web import Problem


async def check_nik(context: Context, nik: str) -> NikOut:
    """What the population registry says. Raises Problem 503 with the time to wait when it is full or away."""
    token = context.sessions.service_token(context.settings.service)
    try:
        answer = await context.upstream.post(
            f"{context.settings.gateway_url}/integration/nik",
            json={"nik": nik},
            headers={"Authorization": f"Bearer {token}"},
        )
    except httpx.HTTPError:
        raise Problem(503, "gateway-away", "Pemeriksaan NIK sedang terganggu, coba lagi.", retry_after_s=5) from None
    if answer.status_code == 200:
        return NikOut.model_validate_json(answer.content)
    if answer.status_code == 429:
        wait = int(answer.headers.get("retry-after", "1"))
        raise Problem(503, "registry-quota", "Kuota pemeriksaan NIK habis, coba lagi nanti.", retry_after_s=wait)
    raise Problem(503, "gateway-away", "Pemeriksaan NIK sedang terganggu, coba lagi.", retry_after_s=5)
