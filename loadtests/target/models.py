"""What goes in and out of the JSON services. The OpenAPI document is made from these."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from loadtests.target.identity import PROVINCES, is_nib, parse_nik
from loadtests.target.kbli import table
from loadtests.target.states import Outcome, State


def _nik(text: str) -> str:
    return parse_nik(text).text


def _province(text: str) -> str:
    if text not in PROVINCES:
        raise ValueError("kode provinsi tidak dikenal")
    return text


def _kbli(text: str) -> str:
    if text not in table():
        raise ValueError("kode KBLI tidak ada dalam tabel")
    return text


def _nib(text: str) -> str:
    if not is_nib(text):
        raise ValueError("NIB harus 13 angka dengan angka periksa yang benar")
    return text


NikText = Annotated[str, Field(pattern=r"^\d{16}$", examples=["3171012508820001"]), AfterValidator(_nik)]
NibText = Annotated[str, Field(pattern=r"^\d{13}$"), AfterValidator(_nib)]
Province = Annotated[str, Field(pattern=r"^\d{2}$", description="Kemendagri code"), AfterValidator(_province)]
Kbli = Annotated[str, Field(pattern=r"^\d{5}$"), AfterValidator(_kbli)]
Name = Annotated[str, Field(min_length=3, max_length=120)]


class Input(BaseModel):
    """Base of what callers send: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SignIn(Input):
    username: str = Field(min_length=3, max_length=64)
    password: str = Field(min_length=1, max_length=200)


class Session(BaseModel):
    token: str
    role: Literal["applicant", "officer", "satgas"]
    province: str
    name: str
    expires_in_s: int


class Draft(Input):
    business_name: Name
    province: Province


class NikIn(Input):
    nik: NikText


class NikOut(BaseModel):
    outcome: Literal["matched", "not_found"]
    birth_date: str | None = None
    sex: Literal["L", "P"] | None = None


class Submit(Input):
    kbli: Kbli
    statement: Literal[True] = Field(description="the applicant declares that the data are true")


class Application(BaseModel):
    id: int
    business_name: str
    province: str
    state: State
    priority: bool
    kbli: str | None = None
    nib: str | None = None
    documents: int | None = Field(default=None, description="how many; told by the status only")


class KbliEntry(BaseModel):
    code: str
    title: str
    risk: Literal["low", "medium", "high"]


class KbliList(BaseModel):
    items: list[KbliEntry]


class Document(BaseModel):
    id: int
    name: str
    size: int
    sha256: str


class Nib(BaseModel):
    nib: NibText
    application_id: int
    business_name: str
    issued_at: dt.datetime


class NibEntry(BaseModel):
    nib: str
    business_name: str
    province: str
    kbli: str


class NibList(BaseModel):
    items: list[NibEntry]


class QueueEntry(BaseModel):
    id: int
    business_name: str
    kbli: str
    priority: bool
    submitted_at: dt.datetime


class Queue(BaseModel):
    items: list[QueueEntry]


class Decision(Input):
    outcome: Outcome
    reason: str = Field(min_length=3, max_length=2000)


class PriorityProject(Input):
    business_name: Name
    province: Province
    nik: NikText
    kbli: Kbli
    investment_idr: int = Field(ge=100_000_000_000, description="priority projects start at 100 billion rupiah here")


class Callback(Input):
    event_id: str = Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")
    nib: NibText
    permit: str = Field(min_length=3, max_length=120)
    status: Literal["fulfilled", "rejected"]


class CallbackTaken(BaseModel):
    event_id: str
    duplicate: bool


class Project(BaseModel):
    id: int
    name: str
    sector: str
    province: str
    value_idr: int
    status: str
    messages: int


class Board(BaseModel):
    projects: list[Project]


class Message(BaseModel):
    id: int
    project_id: int
    author: str
    body: str
    sent_at: dt.datetime


class Messages(BaseModel):
    items: list[Message]


class NewMessage(Input):
    project_id: int = Field(ge=1)
    body: str = Field(min_length=1, max_length=4000)
