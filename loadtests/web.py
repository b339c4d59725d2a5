"""What is added to Locust's web page: metrics for Prometheus, and evidence of finished runs, as files and pages."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from capacity.documents import load
from capacity.evidence import Evidence
from loadtests.engine import Coordinator
from loadtests.exporter import serve

KINDS = {".json": "application/json", ".csv": "text/csv", ".html": "text/html; charset=utf-8", ".xml": "text/xml"}
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")

Answer = tuple[Any, int, dict[str, str]]


def publish(coordinator: Coordinator, metrics_port: int, web_ui: Any, evidence: Path) -> None:
    """Serve metrics on a loopback port (0: not), and on the web page, where there is one, metrics and evidence.

    Raises StepFailed when the port is taken.
    """
    registry = serve(coordinator, metrics_port)
    if web_ui is None:
        return
    app = web_ui.app

    @app.route("/metrics")  # type: ignore[untyped-decorator]
    def metrics() -> Answer:
        return generate_latest(registry), 200, {"Content-Type": CONTENT_TYPE_LATEST}

    @app.route("/evidence/")  # type: ignore[untyped-decorator]
    @web_ui.auth_required_if_enabled  # type: ignore[untyped-decorator]
    def runs() -> Answer:
        return listing(evidence), 200, {"Content-Type": KINDS[".html"]}

    @app.route("/evidence/<name>")  # type: ignore[untyped-decorator]
    @web_ui.auth_required_if_enabled  # type: ignore[untyped-decorator]
    def run(name: str) -> Answer:
        path = evidence / name
        kind = KINDS.get(path.suffix)
        if kind is None or not _NAME.match(name) or not path.is_file():
            return "no such run", 404, {"Content-Type": "text/plain"}
        return path.read_bytes(), 200, {"Content-Type": kind}


def listing(folder: Path) -> str:
    """A small page of all runs in the folder, the newest first."""
    rows = []
    for path in sorted(folder.glob("*.json"), reverse=True):
        run = load(Evidence, path)
        links = " ".join(
            f'<a href="{escape(path.stem + end)}">{end[1:]}</a>' for end in (".html", ".json", ".timeline.csv")
        )
        rows.append(f"<tr><td>{escape(run.run)}</td><td>{run.verdict}</td><td>{links}</td></tr>")
    table = f"<table>{''.join(rows)}</table>" if rows else "<p>No run has ended yet.</p>"
    return f'<!doctype html><html lang="en"><title>Runs</title><h1>Runs</h1>{table}</html>'
