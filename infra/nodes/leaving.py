"""Servers that leave the plan: their pods move first, and their clusters forget them once they are gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from capacity.progress import Progress
from infra.kubernetes_provider.cluster import ApiError, Cluster, Unreachable
from infra.nodes.drain import drain
from infra.nodes.nodes import Node, forget, nodes


def empty_leaving(clusters: Sequence[Cluster], planned: Collection[str], progress: Progress) -> int:
    """Move the pods off workers that `planned` does not hold; how many moved.

    Nodes that do not answer cannot end their pods and are passed by, clusters that do not answer are noted. Raises
    StepFailed when pods find no other place.
    """
    moved = 0
    for cluster in clusters:
        try:
            leaving = [node.name for node in nodes(cluster) if node.name not in planned and node.answers]
            moved += drain(cluster, leaving, progress) if leaving else 0
        except (ApiError, Unreachable) as error:
            progress.note(f"pods are not moved off servers that leave: {error}")
    return moved


def forget_left(clusters: Sequence[Cluster], planned: Collection[str], progress: Progress) -> list[str]:
    """Remove from their clusters the nodes whose servers have left; which. A cluster that does not answer is noted."""
    return _forget(clusters, lambda node: node.name not in planned, progress)


def forget_silent(clusters: Sequence[Cluster], progress: Progress) -> list[str]:
    """Remove nodes that do not answer, so that nothing waits for the end of their pods; which."""
    return _forget(clusters, lambda node: not node.answers, progress)


def _forget(clusters: Sequence[Cluster], gone: Callable[[Node], bool], progress: Progress) -> list[str]:
    names = []
    for cluster in clusters:
        try:
            names += forget(cluster, [node.name for node in nodes(cluster) if gone(node)])
        except (ApiError, Unreachable) as error:
            progress.note(f"nodes are not forgotten: {error}")
    return names
