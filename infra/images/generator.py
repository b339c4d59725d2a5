"""The image of the load generator: Locust with the load tests' engine, master and worker alike."""

from __future__ import annotations

from capacity.progress import Progress
from infra.images import python
from infra.images.archive import ImageArchive

# Of the capacity model only the contracts that the load tests read; the lease plan itself is mounted.
CONTRACTS = ("__init__", "documents", "evidence", "faults", "leaseplan", "networkplan")
IMAGE = python.PythonImage(
    name="generator",
    entrypoint=("-m", "locust", "-f", "loadtests/locustfile.py"),
    dependencies=("faker", "hdrhistogram", "jinja2", "locust", "numpy", "prometheus-client", "pydantic", "pyyaml"),
    debian_packages=("libstdc++6",),
    sources=(*(f"capacity/{name}.py" for name in CONTRACTS), "loadtests"),
    environment={"HOME": "/tmp"},  # noqa: S108 - a volume of the pod's own
)


def build(progress: Progress | None = None) -> ImageArchive:
    """Its archive in the cache, built on first use. Raises as `infra.images.python.build`."""
    return python.build(IMAGE, progress)
