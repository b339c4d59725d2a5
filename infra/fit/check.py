"""The course of a fit check: every cluster whole, then each loss, then how many servers more would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from capacity.leaseplan import Deployment, LeasedServer, LeasePlan
from capacity.progress import Progress
from infra.fit import reading
from infra.fit.cases import Group, Loss, Site, bystanders, fit_sites, groups
from infra.fit.cluster import Counted, Pods, Trial
from infra.fit.reading import Shortage, Unplaced
from infra.toolchain.loopback import LoopbackCluster

MOST_ADDED = 4
"""Counts of further servers that are tried before the search gives up."""

Kind = Literal["whole", "server", "site"]


@dataclass(frozen=True, slots=True)
class Case:
    """One question and its answer. `added` servers of `sku` more make everything fit (None: not found).

    `stands` is False where nothing is left that could place pods.
    """

    kind: Kind
    cluster: str
    what: str
    pods: int
    displaced: int = 0
    unplaced: tuple[Unplaced, ...] = ()
    shortage: Shortage | None = None
    sku: str = ""
    added: int | None = None
    note: str = ""
    stands: bool = True

    @property
    def fits(self) -> bool:
        """Whether every pod has a node."""
        return self.stands and not self.unplaced


@dataclass(frozen=True, slots=True)
class Fit:
    """The answers for one phase at one scale."""

    phase: int
    scale: str
    cases: tuple[Case, ...]

    @property
    def fits(self) -> bool:
        """Whether every pod has a node in every case."""
        return all(case.fits for case in self.cases)


def check(running: LoopbackCluster, plan: LeasePlan, phase: int, deployment: Deployment, progress: Progress) -> Fit:
    """Try a phase in a control plane that pretends its nodes. Raises StepFailed when the control plane fails."""
    sites = fit_sites(plan, deployment)
    cases: list[Case] = []
    for site in sites:
        cases += _Course(running, plan, phase, deployment, site, progress).cases()
    for group, words in bystanders(plan, deployment):
        cases.append(Case("server", group.site, f"one {group.role} server lost", 0, note=words))
    cases += _sites_lost(plan, sites, cases)
    return Fit(phase, deployment.scale, tuple(cases))


class _Course:
    """The cases of one cluster that pods take part in."""

    def __init__(
        self,
        running: LoopbackCluster,
        plan: LeasePlan,
        phase: int,
        deployment: Deployment,
        site: Site,
        progress: Progress,
    ) -> None:
        self._trial = Trial(running, plan, site, deployment.scale)
        self._plan, self._phase, self._site, self._progress = plan, phase, site, progress

    def cases(self) -> list[Case]:
        """Whole, one server of each group lost, each further site of the cluster lost."""
        self._trial.prepare()
        pods = self._trial.place(self._counted("whole"))
        out = [self._case("whole", "whole", pods, 0, Loss("", ()))]
        alike = groups(self._site.workers)
        for number, group in enumerate(alike):
            if number or not out[0].fits:
                pods = self._trial.place(self._counted("whole"))
            one = reading.fullest(group.servers, reading.carried(pods))
            out.append(self._lose("server", _one_of(group, len(alike)), pods, (one,)))
        for name in self._site.sites[1:]:
            pods = self._trial.place(self._counted("whole"))
            lost = tuple(s.name for s in self._site.workers if s.site == name)
            out.append(self._lose("site", f"site {name} lost", pods, lost))
        self._trial.clear(self._counted("clearing"))
        return out

    def _lose(self, kind: Kind, what: str, pods: Pods, servers: tuple[str, ...]) -> Case:
        displaced = sum(pod["spec"].get("nodeName") in servers for pod in pods)
        pods = self._trial.lose(servers, self._counted(what))
        return self._case(kind, what, pods, displaced, Loss(what, servers))

    def _case(self, kind: Kind, what: str, pods: Pods, displaced: int, loss: Loss) -> Case:
        left_over = reading.unplaced(pods)
        standing = {name: size for name, size in self._trial.sizes.items() if name not in loss.servers}
        short = reading.shortage(left_over, reading.carried(pods), standing)
        sku = self._usual_sku(loss)
        return Case(
            kind=kind,
            cluster=self._site.name,
            what=what,
            pods=len(pods),
            displaced=displaced,
            unplaced=left_over,
            shortage=short,
            sku=sku,
            added=self._servers_that_do(short, sku, loss) if short else None,
        )

    def _usual_sku(self, loss: Loss) -> str:
        """The SKU of what was lost, else that of most workers."""
        lost = [s.sku for s in self._site.workers if s.name in loss.servers]
        skus = lost or [s.sku for s in self._site.workers]
        return max(dict.fromkeys(skus), key=skus.count, default="")

    def _servers_that_do(self, short: Shortage, sku: str, loss: Loss) -> int | None:
        """How many more servers of the SKU let everything fit, by trying: placed anew with them, then the same loss."""
        model = next((s for s in self._site.workers if s.sku == sku), None)
        if model is None:
            return None
        guess = reading.first_guess(short, self._trial.sizes[model.name])
        for count in range(guess, guess + MOST_ADDED):
            counted = self._counted(f"{loss.label or 'whole'} with {count} more {sku}")
            more = [_further(model, self._site, number) for number in range(1, count + 1)]
            pods = self._trial.place(counted, more)
            if loss.servers and not reading.unplaced(pods):
                pods = self._trial.lose(self._alike(loss, more, pods), counted)
            if not reading.unplaced(pods):
                return count
        return None

    def _alike(self, loss: Loss, more: Sequence[LeasedServer], pods: Pods) -> tuple[str, ...]:
        """The same loss where `more` stand too: of one server the fullest of its kind, of a site all there."""
        standing = (*self._site.workers, *more)
        if len(loss.servers) > 1:
            there = {s.site for s in standing if s.name in loss.servers}
            return tuple(s.name for s in standing if s.site in there)
        kind = next(g for g in groups(standing) if loss.servers[0] in g.servers)
        return (reading.fullest(kind.servers, reading.carried(pods)),)

    def _counted(self, what: str) -> Counted:
        head = f"phase {self._phase}, {self._site.name}, {what}: pods placed"
        return lambda done, total: self._progress.update(head, done, total)


def _one_of(group: Group, kinds: int) -> str:
    return f"one {group.role} server lost" + (f" ({group.sku})" if kinds > 1 else "")


def _further(model: LeasedServer, site: Site, number: int) -> LeasedServer:
    index = max(s.index for s in site.workers if s.site == model.site) + number
    return model.model_copy(update={"name": f"{model.site}-{model.role}-{index:02d}", "index": index})


def _sites_lost(plan: LeasePlan, sites: Sequence[Site], known: Sequence[Case]) -> list[Case]:
    """What the loss of a site with a cluster of its own means to the others, whose servers are not touched by it."""
    out = []
    whole = {case.cluster: case for case in known if case.kind == "whole"}
    share = {site.id: site.share for site in plan.sites}
    for lost in sites:
        others = [site for site in sites if site.name != lost.name]
        what = f"site {lost.name} lost"
        if not others:
            widowed = any(worker.site != lost.name for worker in lost.workers)
            note = "no other site has control servers" if widowed else "the phase has no other site"
            out.append(Case("site", lost.name, what, lost.replicas, note=note, stands=not widowed))
        for other in others:
            case = whole[other.name]
            note = f"a cluster of its own, planned for {share[other.name]:.0%} of the peak alone"
            out.append(
                Case("site", other.name, what, case.pods, 0, case.unplaced, case.shortage, case.sku, case.added, note)
            )
    return out
