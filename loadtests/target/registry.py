"""A stand-in for the population registry: answers after a realistic time, and says 429 beyond its quota.

Answer times are log-normal. A NIK with serial 9999 is not found, every other valid one is, so a test knows
what to expect. Quotas are those of one process: deploy one replica with one process.
"""

from __future__ import annotations

import asyncio
import math
import random
import time

from loadtests.target.identity import parse_nik
from loadtests.target.models import NikIn, NikOut
from loadtests.target.settings import Settings
from loadtests.target.web import Call, Operations, Problem

operations = Operations()


def answer_time_s(settings: Settings, draw: random.Random) -> float:
    """One answer time: log-normal with the set median and shape."""
    if not settings.registry_latency_ms:
        return 0.0
    return draw.lognormvariate(math.log(settings.registry_latency_ms / 1e3), settings.registry_latency_sigma)


_draw = random.Random()


@operations.add("registry.nik", "POST", "/registry/nik", body=NikIn, answer=NikOut, problems=(429,))
async def nik(call: Call) -> NikOut:
    """Look a NIK up."""
    settings = call.context.settings
    if (wait := call.context.quota.refusal(time.time())) is not None:
        raise Problem(429, "quota", "Kuota habis.", retry_after_s=wait)
    await asyncio.sleep(answer_time_s(settings, _draw))
    number = call.body(NikIn).nik
    if number.endswith("9999"):
        return NikOut(outcome="not_found")
    known = parse_nik(number)
    return NikOut(outcome="matched", birth_date=known.birth, sex="P" if known.female else "L")
