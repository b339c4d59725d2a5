"""Kubeconfig files: where a cluster's API is, how its certificate is verified, and who asks."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

from infra.pki.certificates import Pair


@dataclass(frozen=True, slots=True)
class Access:
    """One cluster as one user reaches it. `name` is the name of the context."""

    name: str
    server: str
    authority: bytes
    user: Pair


def kubeconfig(accesses: Sequence[Access]) -> str:
    """A kubeconfig with one context an access, the first one current. It carries private keys: mode 0600.

    Written as JSON, which is YAML that no quoting rule can break.
    """
    clusters = [
        {"name": a.name, "cluster": {"server": a.server, "certificate-authority-data": _base64(a.authority)}}
        for a in accesses
    ]
    users = [
        {
            "name": a.name,
            "user": {
                "client-certificate-data": _base64(a.user.certificate),
                "client-key-data": _base64(a.user.key),
            },
        }
        for a in accesses
    ]
    contexts = [{"name": a.name, "context": {"cluster": a.name, "user": a.name}} for a in accesses]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters,
        "users": users,
        "contexts": contexts,
        "current-context": accesses[0].name,
    }
    return json.dumps(document, indent=2) + "\n"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
