"""Walk the whole loop on this machine and end with a verdict: plan, build, load, compare.

Real at every step: leased servers behind Redfish controllers, Pulumi, Ansible over ssh, Kubernetes, PostgreSQL, HTTP
load. Only the size differs from the nation's; the lease plan says by how much. Ends with a page, build/rehearsal.html.
No gate is asked here: a rehearsal makes the evidence that the phase's gate asks for in production (docs/gates.md).

Each step looks before it acts. After Ctrl-C or a kill, run it again: it continues. `oss down local` removes all of it.

  oss rehearse                    phase 1; the rack is taken away at the end
  oss rehearse --phase 2 --keep   leave everything running, and say how to look at it

Exit codes: 0 go, 1 no-go, 2 bad input, 3 infeasible plan, 4 the machine lacks something, 5 a step failed,
130 interrupted.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from capacity.documents import REPOSITORY, load, shown, write_text
from capacity.evidence import Evidence
from capacity.faults import BadInput, Exit, OssError, StepFailed
from capacity.inputs import load_inputs
from capacity.leaseplan import LeasePlan, load_lease_plan, lock_path
from capacity.planner import make_plan
from capacity.progress import Progress
from capacity.report.rehearsal.page import BuiltServer, StepTime, render
from capacity.validation.verdict import Verdict
from infra.engine.rollout import Rollout, check_environment_name
from infra.outputs import FleetOutputs
from infra.paths import cache_dir, state_dir
from infra.pki.fleet import services_ca
from oss import loadtest, validate
from oss.console import err, out
from oss.plan import HEADER
from oss.steps import Step, Steps

PAGE = REPOSITORY / "build" / "rehearsal.html"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss rehearse`."""
    parser.add_argument("--phase", type=int, choices=(1, 2, 3), default=1, help="the phase to rehearse (default 1)")
    parser.add_argument("--keep", action="store_true", help="leave everything running, and say how to look at it")
    parser.add_argument("--environment", default="local", metavar="ENV", help="name of the rack (default local)")
    parser.add_argument("--profile", default="rehearsal", help="load profile of the plan (default rehearsal)")
    parser.add_argument(
        "--page", type=Path, default=PAGE, help="where the page is written (default build/rehearsal.html)"
    )


def run(args: argparse.Namespace) -> int:
    """Do every step, show the verdict, and give its exit code."""
    rehearsal = Rehearsal(check_environment_name(args.environment), args.phase, args.profile)
    steps = Steps(cache_dir() / f"rehearse-{args.environment}.json")
    try:
        steps.run(rehearsal.steps())
    except OssError:
        err.print(
            f"what stands is kept: run it again to continue, or `oss down {args.environment}` to remove it",
            markup=False,
        )
        raise
    rehearsal.write_page(args.page, steps)
    if not args.keep:
        rehearsal.take_down(steps)
        rehearsal.write_page(args.page, steps)
    verdict, evidence = rehearsal.judged()
    validate.show(verdict, evidence)
    out.print(f"the page: {shown(args.page)}", markup=False)
    if args.keep:
        out.print(ways_to_look(args.environment, rehearsal.fleet()), markup=False, soft_wrap=True)
    return Exit.GO if verdict.go else Exit.NO_GO


@dataclass
class Rehearsal:
    """The steps of one rehearsal, and what they hand to each other."""

    environment: str
    phase: int
    profile: str
    rollout: Rollout = field(init=False)
    evidence_file: Path | None = None
    verdict: Verdict | None = None
    outputs: FleetOutputs | None = None

    def __post_init__(self) -> None:
        self.rollout = Rollout(self.environment)
        if not self.rollout.is_rack:
            raise StepFailed(
                f"{self.environment} is no rack on this machine",
                "A rehearsal needs one; leave --environment out for local.",
            )

    def steps(self) -> list[Step]:
        """All steps in order, with the seconds that each usually takes."""
        return [*self.bring_up(), Step("load test", self.load, 80), Step("verdict", self.judge, 2)]

    def bring_up(self) -> list[Step]:
        """Those after which everything stands and can be loaded."""
        built = [Step(s.name, s.do, s.usual_s) for s in self.rollout.steps()]
        return [Step("plan", self.plan, 5), Step("phase", self.move, 2), *built]

    def plan(self, progress: Progress) -> str:
        """Use the lease plan when it is that of its inputs; else compute it."""
        path = self._plan_file()
        lock = lock_path(path)
        try:
            load_inputs(path)
            load_lease_plan(lock)
        except BadInput as stale:
            if any(fault.file != shown(lock) for fault in stale.faults):
                raise
            write_lock(lock, make_plan(load_inputs(path), None, progress))
            return f"computed: {shown(lock)}"
        return f"{shown(lock)} matches its inputs"

    def move(self, progress: Progress) -> str:
        """Tell the stacks which phase."""
        self.rollout.choose(self.phase, progress)
        return f"phase {self.phase}"

    def load(self, progress: Progress) -> str:
        """Offer the profile's load to what was built."""
        self.evidence_file = loadtest.measure(self.environment, self.profile, self.phase, progress)
        evidence = load(Evidence, self.evidence_file)
        return f"{evidence.verdict}: {shown(self.evidence_file)}"

    def judge(self, progress: Progress) -> str:
        """Predicted against measured, and the rules."""
        self.verdict, _, _ = validate.judge(self._plan_file(), self.phase, self.evidence_file)
        self.outputs = self.rollout.outputs(progress)
        return "go" if self.verdict.go else "no-go"

    def judged(self) -> tuple[Verdict, Evidence]:
        """The verdict and what it rests on, once all steps are done."""
        assert self.verdict is not None
        assert self.evidence_file is not None
        return self.verdict, load(Evidence, self.evidence_file)

    def fleet(self) -> FleetOutputs:
        """The fleet's outputs, once all steps are done."""
        assert self.outputs is not None
        return self.outputs

    def take_down(self, steps: Steps) -> None:
        """Remove the rack with all that runs in it."""
        steps.run([Step(s.name, s.do, s.usual_s) for s in self.rollout.down() if s.name != "toolchain"])

    def write_page(self, page: Path, steps: Steps) -> None:
        """Write the page with the steps that are done so far."""
        verdict, evidence = self.judged()
        servers = [
            BuiltServer(s.name, s.role, s.sku, str(s.address), f"ssh -p {s.ssh_port} {s.ssh_host}")
            for s in self.fleet().servers
        ]
        times = [StepTime(d.name, d.seconds, d.result) for d in steps.done]
        write_text(page, render(load_lease_plan(lock_path(self._plan_file())), verdict, evidence, servers, times))

    def _plan_file(self) -> Path:
        return REPOSITORY / self.rollout.settings.plan


def write_lock(lock: Path, plan: LeasePlan) -> None:
    """Write a lease plan as `oss plan` does."""
    from capacity.documents import to_yaml

    write_text(lock, to_yaml(plan, HEADER))


def ways_to_look(environment: str, outputs: FleetOutputs) -> str:
    """How to look at what was left running."""
    state = state_dir(environment)
    lines = [f'\nleft running. First: eval "$(oss env {environment})"']
    seen = outputs.endpoints
    lines += [
        f"  {name:<11} {url}"
        for name, url in (("portal", seen.portal), ("api", seen.api), ("kubernetes", seen.kubernetes))
    ]
    lines += [
        f"  certificate {services_ca(environment)} (trust it to open the portal)",
        "  cluster     kubectl get pods -A -o wide",
        f"  servers     ssh -F {state}/ssh/config {outputs.servers[0].name}",
        f"  Locust      locust -f loadtests/locustfile.py --host {seen.portal}, then its web page",
        f"  stop        oss down {environment}",
    ]
    return "\n".join(lines)
