"""The clusters that a kubeconfig leads to, one a context."""

from __future__ import annotations

import json
from pathlib import Path

from infra.kubernetes_provider.cluster import Cluster
from infra.kubernetes_provider.settings import Settings


def reached(kubeconfig: Path) -> list[Cluster]:
    """A client for each context; none where there is no file yet. Nothing is asked of the clusters."""
    if not kubeconfig.exists():
        return []
    config = json.loads(kubeconfig.read_text(encoding="utf-8"))
    return [Cluster(Settings(config, context["name"])) for context in config["contexts"]]
