"""What the service is seeded with, by number: the contract with the load generator, which computes user names, NIBs and
application ids instead of being given lists.

Registered business n (from 1) has application id n, NIB `make_nib(n)` and belongs to applicant n modulo APPLICANTS.
"""

from __future__ import annotations

APPLICANTS = 2000
OFFICERS_PER_PROVINCE = 10
SATGAS = 600
REGISTERED = 5000
BACKLOG_PER_PROVINCE = 300
PROJECTS = 50
SECTORS = ("energi", "jalan tol", "pelabuhan", "bandar udara", "kawasan industri", "bendungan", "telekomunikasi")


def applicant(number: int) -> str:
    """User name of the n-th applicant, n from 0."""
    return f"pemohon{number:05d}"


def officer(province: str, number: int) -> str:
    """User name of the n-th officer of a province (Kemendagri code), n from 0."""
    return f"petugas{province}{number:02d}"


def satgas(number: int) -> str:
    """User name of the n-th member of the task force, n from 0."""
    return f"satgas{number:05d}"


def registered_name(number: int) -> str:
    """Name of the n-th registered business, n from 1."""
    return f"CV Contoh Usaha {number:05d}"
