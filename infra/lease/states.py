"""The life of a leased server: one table of the transitions that are allowed, and nothing else decides."""

from __future__ import annotations

from enum import StrEnum

from infra.lease.errors import ForbiddenTransition


class State(StrEnum):
    """Where a leased server stands between the order and the vendor's receipt."""

    ORDERED = "ordered"
    DELIVERED = "delivered"
    RACKED = "racked"
    ACCEPTED = "accepted"
    PROVISIONED = "provisioned"
    IN_SERVICE = "in service"
    RETURNING = "returning"
    ERASED = "erased"
    RETURNED = "returned"


TRANSITIONS: dict[State, frozenset[State]] = {
    # from: to                                         what makes it happen
    State.ORDERED: frozenset({State.DELIVERED, State.RETURNED}),  # the vendor delivers, or the order is cancelled
    State.DELIVERED: frozenset({State.RACKED, State.RETURNING}),  # its controller answers, or it is refused unopened
    State.RACKED: frozenset({State.ACCEPTED, State.RETURNING}),  # meets the contract, or falls short of it
    State.ACCEPTED: frozenset({State.PROVISIONED, State.RETURNING}),  # is powered on
    State.PROVISIONED: frozenset({State.IN_SERVICE, State.ACCEPTED, State.RETURNING}),  # joins, or is powered off
    State.IN_SERVICE: frozenset({State.PROVISIONED, State.ACCEPTED, State.RETURNING}),  # is drained, or found off
    State.RETURNING: frozenset({State.ERASED}),  # powered off; its drives are erased and the record is written
    State.ERASED: frozenset({State.RETURNED}),  # released to the vendor
    State.RETURNED: frozenset(),
}


def step(server: str, now: State, to: State) -> State:
    """`to`, when the table allows it from `now`; raises ForbiddenTransition otherwise. Staying is always allowed."""
    if to is not now and to not in TRANSITIONS[now]:
        allowed = ", ".join(sorted(TRANSITIONS[now])) or "nothing: its lease has ended"
        raise ForbiddenTransition(server, f"cannot go from {now} to {to}", f"From {now} it can become: {allowed}.")
    return to
