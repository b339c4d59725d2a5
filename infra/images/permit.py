"""The image of the permit service."""

from __future__ import annotations

from capacity.progress import Progress
from infra.images import python
from infra.images.archive import ImageArchive

PORT = 8000
IMAGE = python.PythonImage(
    name="permit",
    entrypoint=("-m", "loadtests.target"),
    dependencies=(
        "asyncpg",
        "httptools",
        "httpx",
        "itsdangerous",
        "jinja2",
        "prometheus-client",
        "pydantic",
        "python-multipart",
        "starlette",
        "uvicorn",
        "uvloop",
    ),
    sources=("loadtests/__init__.py", "loadtests/target"),
    environment={"OSS_HOST": "0.0.0.0", "OSS_PORT": str(PORT)},  # noqa: S104 - inside the pod's own network namespace
    ports=(PORT,),
)


def build(progress: Progress | None = None) -> ImageArchive:
    """Its archive in the cache, built on first use. Raises as `infra.images.python.build`."""
    return python.build(IMAGE, progress)
