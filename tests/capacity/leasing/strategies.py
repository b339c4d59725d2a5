"""Small random lease problems for properties."""

from __future__ import annotations

import datetime as dt

import numpy as np
from hypothesis import strategies as st

from capacity.leasing import Needs, Offer

ROLE, SITE = "worker", "primary"


def one_pool(amounts: list[list[float]], spare: int, minimum: int, start: dt.date = dt.date(2018, 11, 1)) -> Needs:
    """One role at one site: `amounts[t]` units of each resource in month t."""
    table = np.array(amounts, dtype=float)
    resources = ("cores", "memory_gib")[: table.shape[1]]
    return Needs(
        start,
        (SITE,),
        (ROLE,),
        resources,
        table[None, None, None],
        np.array([[spare]]),
        np.full((1, 1, len(table)), minimum),
    )


@st.composite
def problems(
    draw: st.DrawFn, models: int = 1, months: int = 5, largest: int = 3, lots: bool = False
) -> tuple[Needs, tuple[Offer, ...]]:
    """One pool, `models` models of two terms each, needs of up to `largest` of the smallest model a month."""
    offers = []
    vendors = ["a", "b"]
    for m in range(models):
        cores = draw(st.sampled_from([2, 3, 4])) if m else 2
        rent = draw(st.integers(5, 20)) * 100_000 * cores
        setup = draw(st.integers(0, 20)) * 100_000
        lot = draw(st.sampled_from([1, 2])) if lots else 1
        discount = draw(st.sampled_from([0.5, 0.7, 0.9, 1.0]))
        for months_of_term, factor in ((1, 1.0), (3, discount)):
            offers.append(
                Offer(
                    f"s{m}",
                    vendors[m % 2],
                    months_of_term,
                    int(rent * factor),
                    setup,
                    {"cores": float(cores)},
                    frozenset({ROLE}),
                    lot_size=lot,
                )
            )
    amounts = draw(st.lists(st.integers(0, 2 * largest), min_size=months, max_size=months))
    spare = draw(st.sampled_from([0, 1]))
    return one_pool([[float(a)] for a in amounts], spare, draw(st.sampled_from([0, 1]))), tuple(offers)
