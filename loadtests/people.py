"""Made-up people and businesses for load tests, from seeds: names and addresses by Faker's id_ID, numbers by rule.

Whatever is drawn here is valid where the service checks it (NIK, NIB), and belongs to nobody.
"""

from __future__ import annotations

import calendar
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from loadtests.target.identity import PROVINCES, make_nib
from loadtests.target.kbli import table
from loadtests.target.samples import (
    APPLICANTS,
    OFFICERS_PER_PROVINCE,
    REGISTERED,
    SATGAS,
    applicant,
    officer,
    registered_name,
    satgas,
)

NAME_POOL = 512
DOCUMENT_KIB = 48
# A population registry does not find serial 9999 (loadtests/target/registry.py).
LAST_SERIAL = 9998

__all__ = ["APPLICANTS", "REGISTERED", "Business", "draw_business", "draw_document", "draw_nib", "draw_nik"]


@dataclass(frozen=True, slots=True)
class Business:
    """What an applicant writes into a form."""

    name: str
    province: str
    address: str
    nik: str


@cache
def _pool() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and addresses, drawn once: Faker takes about 0.1 ms for each, which an arrival cannot wait for."""
    from faker import Faker

    fake = Faker("id_ID")
    fake.seed_instance(2018)
    return (
        tuple(fake.company() for _ in range(NAME_POOL)),
        tuple(fake.address().replace("\n", ", ") for _ in range(NAME_POOL)),
    )


def warm() -> None:
    """Draw the pools and read the tables now, so that no arrival has to wait for it."""
    _pool()
    _noise()
    _classes(True)
    _classes(False)


def draw_business(draw: random.Random) -> Business:
    """A business and its owner, in one province."""
    names, addresses = _pool()
    province = draw.choice(PROVINCES)
    name = f"{draw.choice(names)} {draw.randrange(10_000):04d}"
    return Business(name, province, draw.choice(addresses), draw_nik(draw, province))


def draw_nik(draw: random.Random, province: str) -> str:
    """A NIK that keeps all rules, of somebody between 20 and 60 years old."""
    year = draw.randrange(1960, 1999)
    month = draw.randrange(1, 13)
    day = draw.randrange(1, calendar.monthrange(year, month)[1] + 1) + 40 * draw.randrange(2)
    city = draw.randrange(1, 10) if draw.random() < 0.7 else draw.randrange(71, 75)
    serial = draw.randrange(1, LAST_SERIAL + 1)
    return f"{province}{city:02d}{draw.randrange(1, 20):02d}{day:02d}{month:02d}{year % 100:02d}{serial:04d}"


def draw_nib(draw: random.Random) -> tuple[str, str]:
    """NIB and name of one of the registered businesses that the service is seeded with."""
    number = draw.randrange(1, REGISTERED + 1)
    return make_nib(number), registered_name(number)


def draw_kbli(draw: random.Random, low_risk: bool) -> str:
    """A business class that is approved by rule, or one that an officer must see."""
    return draw.choice(_classes(low_risk))


@cache
def _classes(low_risk: bool) -> tuple[str, ...]:
    return tuple(entry.code for entry in table().values() if (entry.risk == "low") == low_risk)


def draw_search(draw: random.Random) -> str:
    """A word that somebody looks for in the table of business classes."""
    return draw.choice(("kopi", "perdagangan eceran", "restoran", "konstruksi", "batik", "62", "angkutan", "industri"))


@cache
def _noise() -> bytes:
    return random.Random(7).randbytes(DOCUMENT_KIB * 1024)


def draw_document(draw: random.Random) -> bytes:
    """A PDF's first bytes and incompressible content, different each time: a scanned document of about 48 KiB."""
    noise = _noise()
    cut = draw.randrange(len(noise))
    return b"%PDF-1.4\n" + draw.randbytes(16) + noise[cut:] + noise[:cut]


def draw_key(draw: random.Random) -> str:
    """An idempotency key or event id: a random UUID, from the run's seed."""
    return str(uuid.UUID(int=draw.getrandbits(128), version=4))


def draw_weighted(draw: random.Random, weights: Mapping[str, float]) -> str:
    """One of the names, each with its weight."""
    return draw.choices(tuple(weights), tuple(weights.values()))[0]


def draw_applicant(draw: random.Random) -> int:
    """Number of one of the test applicants."""
    return draw.randrange(APPLICANTS)


def draw_officer(draw: random.Random) -> str:
    """User name of one of the test officers."""
    return officer(draw.choice(PROVINCES), draw.randrange(OFFICERS_PER_PROVINCE))


def draw_satgas(draw: random.Random) -> str:
    """User name of one of the task force's test members."""
    return satgas(draw.randrange(SATGAS))


def applicant_name(number: int) -> str:
    """User name of a test applicant."""
    return applicant(number)


def registered_of(number: int) -> tuple[int, ...]:
    """Ids of the seeded, registered applications that belong to a test applicant."""
    return tuple(n for n in range(number, REGISTERED + 1, APPLICANTS) if n >= 1)
