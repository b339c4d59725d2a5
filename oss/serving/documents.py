"""What can be downloaded of a solved plan: the report in three formats and two languages, and the plan itself."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re

from capacity.documents import to_yaml
from capacity.report.language import Language
from capacity.report.page import render
from capacity.report.pdf import to_pdf
from capacity.report.sources import Sources
from capacity.report.view import build
from capacity.report.workbook import to_xlsx
from capacity.whatif.session import Outcome
from oss.plan import HEADER

FORMATS = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_SCRIPT = re.compile(r"<script(?:\s[^>]*)?>(.*?)</script>", re.DOTALL)


def sources_of(base: Sources, outcome: Outcome) -> Sources:
    """What the report of a changed plan rests on. Its hash is that of the lock which `oss plan` would write."""
    lock = to_yaml(outcome.plan, HEADER)
    digest = "sha256:" + hashlib.sha256(lock.encode()).hexdigest()
    return dataclasses.replace(base, plan=outcome.plan, plan_hash=digest, inputs=outcome.variant.inputs)


def report(base: Sources, outcome: Outcome, words: Language, form: str) -> bytes:
    """One format of the report. Raises MachineLacks when the PDF's libraries are missing."""
    view = build(sources_of(base, outcome))
    if form == "xlsx":
        return to_xlsx(view, words)
    page = render(view, words)
    return to_pdf(page) if form == "pdf" else page.encode()


def report_policy(page: bytes) -> str:
    """The policy under which the report's page is shown: its own scripts and styles, and nothing from elsewhere."""
    scripts = [
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in _SCRIPT.findall(page.decode())
    ]
    allowed = f"script-src {' '.join(scripts)}; " if scripts else ""
    return (
        f"default-src 'none'; {allowed}style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )
