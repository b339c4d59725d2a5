"""Small values that several sections share."""

from __future__ import annotations

from collections.abc import Iterable

from capacity.leaseplan import Binding, LeasePlan, PhasePlan, StaffLine, SupportingLine
from capacity.report.plan_texts import figures
from capacity.report.values import Both, Listing, Number, Quoted, Raw, Rupiah, Say, Value


def say(key: str, **values: Value) -> Say:
    """A text of the catalogue."""
    return Say(key, values)


def count(number: float) -> Number:
    """A whole number."""
    return Number(number)


def site(plan: LeasePlan, identity: str) -> Value:
    """A site's name in both languages."""
    found = next((s for s in plan.sites if s.id == identity), None)
    return Both(found.name_id, found.name_en) if found else Raw(identity)


def sized(plan: LeasePlan, subject: str) -> Value:
    """What a `Binding.subject` stands for: servers of a role, replicas of a service, a site's need, an agency."""
    head, _, rest = subject.partition(".")
    match head:
        case "servers":
            where, role = rest.split(".")
            return say("sized.servers", role=say(f"role.{role}"), site=site(plan, where))
        case "services":
            service, _, where = rest.partition("@")
            return say("sized.replicas", service=Raw(service), site=site(plan, where))
        case "sites":
            where, need = rest.split(".")
            return say("sized.need", need=say(f"sized.{need}"), site=site(plan, where))
        case "upstream" | "connections":
            return say(f"sized.{head}", name=Raw(rest))
        case _:
            return Raw(subject)


def phase_name(phase: PhasePlan) -> Value:
    """`Tahap N`."""
    return say("word.phase_n", n=count(phase.id))


def money(plan: LeasePlan, amount: int) -> Value:
    """An amount that rests on the plan's prices: marked as indicative while any of them lacks a quotation."""
    return say("word.indicative_amount", amount=Rupiah(amount)) if plan.cost.indicative else Rupiah(amount)


def listing(items: Iterable[Value], separator: str = ", ") -> Listing:
    """Values one after the other."""
    return Listing(tuple(items), separator)


def assumption_name(identity: str) -> Value:
    """What an assumption is about; its id where the catalogue has no name for it."""
    head, _, last = identity.rpartition(".")
    if last.isdigit():
        return Say(f"assumption.{head.replace('.', '_')}", {"year": Raw(last)}, Raw(identity))
    return Say(f"assumption.{identity.replace('.', '_')}", otherwise=Raw(identity))


def detail(line: Binding | StaffLine | SupportingLine) -> Value:
    """Why a line has its size. The plan writes figures the English way in both languages."""
    if line.detail_id == line.detail_en:
        return Quoted(line.detail_en)
    return Both(figures(line.detail_id), line.detail_en)
