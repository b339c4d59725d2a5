"""What can be downloaded of a solved plan: the report in three formats and two languages, and the plan itself."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re

from capacity.documents import to_yaml
from capacity.leaseplan import LeasePlan
from capacity.progress import Silent
from capacity.report.formats import Format, Printer, make
from capacity.report.language import Language
from capacity.report.sources import Sources
from capacity.report.view import build
from capacity.whatif.changes import Variant
from oss.plan import HEADER

TYPES: dict[Format, str] = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def sources_of(base: Sources, changed: Variant, plan: LeasePlan) -> Sources:
    """What the report of a changed plan rests on. Its hash is that of the lock which `oss plan` would write."""
    lock = to_yaml(plan, HEADER)
    digest = "sha256:" + hashlib.sha256(lock.encode()).hexdigest()
    return dataclasses.replace(base, plan=plan, plan_hash=digest, inputs=changed.inputs)


def report(base: Sources, changed: Variant, plan: LeasePlan, words: Language, form: Format) -> bytes:
    """One format of the report. Raises MachineLacks when the PDF's libraries are missing."""
    with Printer(form == "pdf") as printer:
        return make(build(sources_of(base, changed, plan)), words, (form,), Silent(), printer)[form]


def report_policy(page: bytes) -> str:
    """The policy under which the report's page is shown: its own scripts and styles, and nothing from elsewhere.

    Vega compiles the expressions of its charts, hence `unsafe-eval`; which scripts run at all is said by their hashes.
    """
    scripts = [
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in _SCRIPT.findall(page.decode())
    ]
    allowed = f"script-src {' '.join(scripts)} 'unsafe-eval'; " if scripts else ""
    return (
        f"default-src 'none'; {allowed}style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )
