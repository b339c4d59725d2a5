"""What each class of visitors does. A journey's order is here; how often it calls what, is in the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from capacity.faults import BadInput, Fault
from loadtests.journeys import callbacks, mobile, officer, portal, priority, satgas
from loadtests.profiles import LoadTest
from loadtests.visitor import Visitor


@dataclass(frozen=True, slots=True)
class Journey:
    """A journey's code, and what it needs of the plan.

    `needs` maps an endpoint to one that must come before it; `sessions` maps an endpoint that signs in to the
    kind of test account that stands ready, signed in, where the plan lets a visitor come without signing in.
    """

    run: Callable[[Visitor], None]
    endpoints: frozenset[str]
    needs: Mapping[str, str] = field(default_factory=dict)
    sessions: str = ""


JOURNEYS: dict[str, Journey] = {
    "portal": Journey(portal.run, portal.ENDPOINTS, portal.NEEDS, sessions="portal"),
    "mobile": Journey(mobile.run, mobile.ENDPOINTS, mobile.NEEDS, sessions="applicant"),
    "local_government": Journey(officer.run, officer.ENDPOINTS, officer.NEEDS, sessions="officer"),
    "callbacks": Journey(callbacks.run, callbacks.ENDPOINTS),
    "satgas": Journey(satgas.run, satgas.ENDPOINTS, sessions="satgas"),
    "priority": Journey(priority.run, priority.ENDPOINTS, priority.NEEDS, sessions="applicant"),
}


def check(test: LoadTest) -> None:
    """See that every class has a journey that can do what the plan says. Raises BadInput with all faults."""
    faults: list[Fault] = []
    for load in test.classes:
        path = f"classes.{load.id}"
        journey = JOURNEYS.get(load.id)
        if journey is None:
            remedy = f"Write it in loadtests/journeys, or use one of {', '.join(JOURNEYS)}."
            faults.append(Fault(test.plan, path, "", "this class has no journey", remedy))
            continue
        for endpoint, mean in load.visits.items():
            where = f"{path}.journey[{endpoint}]"
            if endpoint not in journey.endpoints:
                remedy = f"Its journey calls {', '.join(sorted(journey.endpoints))}."
                faults.append(Fault(test.plan, where, "", "this class's journey never calls it", remedy))
            before = journey.needs.get(endpoint)
            if before is not None and min(mean, 1.0) > load.visits.get(before, 0.0):
                have = f"{load.visits.get(before, 0.0):g}"
                remedy = f"Raise the count of {before} to at least {min(mean, 1.0):g}."
                problem = f"needs {before} before it, which has {have}"
                faults.append(Fault(test.plan, where, f"{mean:g}", problem, remedy))
    if faults:
        raise BadInput(faults)
