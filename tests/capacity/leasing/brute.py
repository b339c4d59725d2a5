"""An independent oracle: every way of leasing for a small pool, month by month, by exhaustive search.

A state is, for each model, the sorted months left of its servers. Nothing here is shared with the model under test
but the statement of the problem.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from capacity.leasing import Needs, Offer, Rules

State = tuple[tuple[int, ...], ...]
"""For each model, the sorted months left of its active servers."""


@dataclass(frozen=True)
class Paid:
    """Exact payments of one way of leasing: with tax by year, and before tax by vendor."""

    years: tuple[tuple[int, float], ...]
    vendors: tuple[tuple[str, int], ...]

    @property
    def total(self) -> float:
        return sum(amount for _, amount in self.years)


def covers(needs: Needs, active: dict[tuple[str, str], int], offers: Sequence[Offer], t: int) -> bool:
    """Whether `active` servers by (SKU, vendor) carry the only pool's needs in month t, with k servers spare of the
    largest that `offers` hold."""
    amount, k, least = needs.amount[0, 0, 0, t], int(needs.spare[0, 0]), int(needs.minimum[0, 0, t])
    if sum(active.values()) < least:
        return False
    if not amount.any():
        return True
    capacity = {(o.sku, o.vendor): o.capacity for o in offers}
    for q, name in enumerate(needs.resources):
        largest = max(each[name] for each in capacity.values())
        if sum(n * capacity[model][name] for model, n in active.items()) < amount[q] + k * largest - 1e-9:
            return False
    return True


def cheapest(needs: Needs, offers: Sequence[Offer], rules: Rules, most: int) -> float:
    """Least total with tax over all sets of models that the pool may hold, with at most `most` servers of each."""
    models = sorted({(o.sku, o.vendor) for o in offers})
    sets = [chosen for n in range(1, len(models) + 1) for chosen in itertools.combinations(models, n)]
    return min(
        way.total
        for chosen in sets
        for way in ways(needs, [o for o in offers if (o.sku, o.vendor) in chosen], rules, most, total_only=True)
    )


def ways(needs: Needs, offers: Sequence[Offer], rules: Rules, most: int, total_only: bool = False) -> Iterator[Paid]:
    """All ways to cover the needs in which no model ever holds more than `most` servers; those are cut that pay no
    less in any year and to any vendor than another (with `total_only`: no less in total)."""
    models = sorted({(o.sku, o.vendor) for o in offers})
    terms = {m: [o for o in offers if (o.sku, o.vendor) == m] for m in models}
    front: dict[State, set[tuple[tuple[float, ...], tuple[int, ...]]]] = {
        tuple(() for _ in models): {((0.0,) * 4, (0,) * len(models))}
    }
    first_year = needs.start.year
    for t in range(needs.months):
        after: dict[State, set[tuple[tuple[float, ...], tuple[int, ...]]]] = {}
        for state, costs in front.items():
            for choice in itertools.product(*(_choices(terms[m], most) for m in models)):
                new_state, years, base = [], [0.0] * 4, [0] * len(models)
                active: dict[tuple[str, str], int] = {}
                for n, (m, picked) in enumerate(zip(models, choice, strict=True)):
                    kept = [left for left in state[n] if left > 0]
                    ended = len(state[n]) - len(kept)
                    starts = sum(count for _, count in picked)
                    fresh = max(0, starts - ended)
                    for offer, count in picked:
                        for month in range(t, t + offer.months):
                            day = needs.month(month)
                            rate = 1 + float(rules.vat.at(day).rate)
                            years[day.year - first_year] += count * offer.monthly_rent_idr * rate
                        base[n] += count * offer.monthly_rent_idr * offer.months
                    setup = terms[m][0].setup_idr * fresh
                    base[n] += setup
                    years[needs.month(t).year - first_year] += setup * (1 + float(rules.vat.at(needs.month(t)).rate))
                    held = sorted(kept + [o.months for o, count in picked for _ in range(count)])
                    active[m] = len(held)
                    new_state.append(tuple(held))
                if max(active.values()) > most or not covers(needs, active, offers, t):
                    continue
                key = tuple(tuple(left - 1 for left in held) for held in new_state)
                bucket = after.setdefault(key, set())
                for paid, vendor in costs:
                    bucket.add(
                        (
                            tuple(round(a + b, 2) for a, b in zip(paid, years, strict=True)),
                            tuple(a + b for a, b in zip(vendor, base, strict=True)),
                        )
                    )
        cut = _least_total if total_only else _undominated
        front = {state: cut(costs) for state, costs in after.items()}
    for costs in front.values():
        for paid, vendor in costs:
            yield Paid(
                tuple((first_year + n, amount) for n, amount in enumerate(paid)),
                tuple((m[1], amount) for m, amount in zip(models, vendor, strict=True)),
            )


def _choices(terms: Sequence[Offer], most: int) -> list[list[tuple[Offer, int]]]:
    counts = [range(0, most + 1, offer.lot_size) for offer in terms]
    return [list(zip(terms, chosen, strict=True)) for chosen in itertools.product(*counts) if sum(chosen) <= most]


def _least_total(
    costs: set[tuple[tuple[float, ...], tuple[int, ...]]],
) -> set[tuple[tuple[float, ...], tuple[int, ...]]]:
    return {min(costs, key=lambda cost: sum(cost[0]))}


def _undominated(
    costs: set[tuple[tuple[float, ...], tuple[int, ...]]],
) -> set[tuple[tuple[float, ...], tuple[int, ...]]]:
    """Drop what pays at least as much in every year and to every vendor as another way does."""
    kept: list[tuple[tuple[float, ...], tuple[int, ...]]] = []
    for years, vendors in sorted(costs):
        if not any(
            all(a <= b for a, b in zip(y, years, strict=True)) and all(a <= b for a, b in zip(v, vendors, strict=True))
            for y, v in kept
        ):
            kept.append((years, vendors))
    return set(kept)
