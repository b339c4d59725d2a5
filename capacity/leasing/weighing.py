"""Costs by scenario weighed: the measures of risk, and the programs that choose plans by them.

Formulas (L18)–(L20) of docs/model/leasing.md. Every measure is the worst of a set of scenario weights; the duals of the
choice among known plans are such weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp

from capacity.leasing.chance import Chance, ChancePlan
from capacity.leasing.problem import FloatArray
from capacity.leasing.solver import INFINITY, Program, solve

SMALL = 30_000
"""Columns beyond which all pools and models in one program would not be solved in the time there is."""


@dataclass(frozen=True)
class Risk:
    """`shortage_idr`: SKU → rupiah for each server short in each month. `measure`: whose weights count. `level` of
    CVaR: 0.9 looks at the worst tenth."""

    shortage_idr: Mapping[str, float]
    measure: Literal["expected", "cvar", "regret"] = "expected"
    level: float = 0.9


def measured(cost: FloatArray, probability: FloatArray, risk: Risk) -> float:
    """The measure's value of costs by scenario: formulas (L18)–(L20)."""
    if risk.measure == "regret":
        return float(cost.max())
    return float(worst_weights(cost, probability, risk) @ cost)


def worst_weights(cost: FloatArray, probability: FloatArray, risk: Risk) -> FloatArray:
    if risk.measure == "expected":
        return probability
    most = probability / (1 - risk.level)
    weights = np.zeros(len(cost))
    left = 1.0
    for s in np.argsort(-cost, kind="stable"):
        weights[s] = min(most[s], left)
        left -= weights[s]
    return weights


def excess_terms(probability: FloatArray, risk: Risk) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cost and bounds of eta and of each scenario's excess in `cost_s - base_s <= eta + excess_s`.

    Expected cost: eta is 0, the excess is free and costs its probability. CVaR: both, the excess at probability /
    (1 - level). Least regret: eta alone.
    """
    scenarios = len(probability)
    if risk.measure == "expected":
        low, high = np.full(scenarios, -INFINITY), np.full(scenarios, INFINITY)
        return np.append(0.0, probability), np.append(0.0, low), np.append(0.0, high)
    most = INFINITY if risk.measure == "cvar" else 0.0
    price = probability / (1 - risk.level) if risk.measure == "cvar" else np.zeros(scenarios)
    low, high = np.append(-INFINITY, np.zeros(scenarios)), np.append(INFINITY, np.full(scenarios, most))
    return np.append(1.0, price), low, high


def weigh(
    known: list[list[ChancePlan]], probability: FloatArray, risk: Risk, base: FloatArray, whole: bool
) -> tuple[list[ChancePlan], FloatArray]:
    """Choose plans, one a pool, of least measure; with `whole` False also the scenario weights that the duals give."""
    keys = [(n, k) for n, plans in enumerate(known) for k in range(len(plans))]
    scenarios, pools_ = len(probability), len(known)
    cost = np.array([known[n][k].short + known[n][k].lease for n, k in keys]).T.reshape(scenarios, len(keys))
    one = sp.csr_array((np.ones(len(keys)), ([n for n, _ in keys], range(len(keys)))), shape=(pools_, len(keys)))
    eta = sp.csr_array(-np.ones((scenarios, 1)))
    matrix = sp.vstack(
        [
            sp.hstack([one, sp.csr_array((pools_, 1 + scenarios))], format="csr"),
            sp.hstack([sp.csr_array(cost), eta, -sp.eye_array(scenarios, format="csr")], format="csr"),
        ],
        format="csr",
    )
    tail_cost, tail_low, tail_high = excess_terms(probability, risk)
    program = Program(
        np.concatenate([np.zeros(len(keys)), tail_cost]),
        matrix,
        np.concatenate([np.ones(pools_), np.full(scenarios, -INFINITY)]),
        np.concatenate([np.ones(pools_), base]),
        np.concatenate([np.zeros(len(keys)), tail_low]),
        np.concatenate([np.ones(len(keys)), tail_high]),
        np.concatenate([np.full(len(keys), whole), np.zeros(1 + scenarios, dtype=bool)]),
    )
    found = solve(program, gap=1e-6, seconds=10.0)
    chosen = [known[n][k] for (n, k), x in zip(keys, found.x[: len(keys)], strict=True) if x > 0.5]
    weights = np.maximum(0.0, -found.row_dual[pools_:]) if len(found.row_dual) else probability
    total = float(weights.sum())
    return chosen, weights / total if total > 0 else probability


def weigh_at_once(
    chances: list[Chance], probability: FloatArray, risk: Risk, base: FloatArray, gap: float, seconds: float
) -> tuple[list[ChancePlan], float]:
    """All pools and models in one integer program, a binary for the model a pool takes: plans and a proven bound.
    Nothing when it would be too large to try."""
    blocks = [(n, m, chance.rows(m)) for n, chance in enumerate(chances) for m in chance.asked]
    widths = [len(r.mine) + len(r.size) + 1 for _, _, r in blocks]
    if sum(widths) > SMALL or seconds <= 0:
        return [], -INFINITY
    parts, lows, scenario_rows, costs, uppers, wholes = [], [], [], [], [], []
    for (n, _, r), width in zip(blocks, widths, strict=True):
        months, k, z = len(r.minimum), len(r.mine), len(r.size)
        parts.append(
            np.block(
                [
                    [r.held, r.filled, np.zeros((months, 1))],
                    [r.held, np.zeros((months, z)), -r.minimum[:, None]],
                    [np.zeros((z, k)), -np.eye(z), r.size[:, None]],
                ]
            )
        )
        lows.append(np.zeros(2 * months + z))
        price = chances[n].columns.price[r.mine]
        scenario_rows.append(np.hstack([np.tile(price, (len(base), 1)), -r.saves, r.empty[:, None]]))
        costs.append(np.zeros(width))
        uppers.append(np.concatenate([np.full(k, INFINITY), r.size, [1.0]]))
        wholes.append(np.concatenate([np.ones(k, bool), np.zeros(z, bool), [True]]))
    tail_cost, tail_low, tail_high = excess_terms(probability, risk)
    ends = np.cumsum(widths)
    one = np.zeros((len(chances), ends[-1]))
    one[[n for n, _, _ in blocks], ends - 1] = 1.0
    rows = sum(len(low) for low in lows)
    scenarios = len(base)
    matrix = sp.vstack(
        [
            sp.hstack([sp.block_diag(parts, format="csr"), sp.csr_array((rows, 1 + scenarios))], format="csr"),
            sp.hstack([sp.csr_array(one), sp.csr_array((len(chances), 1 + scenarios))], format="csr"),
            sp.hstack(
                [
                    sp.csr_array(np.hstack(scenario_rows)),
                    sp.csr_array(-np.ones((scenarios, 1))),
                    -sp.eye_array(scenarios, format="csr"),
                ],
                format="csr",
            ),
        ],
        format="csr",
    )
    program = Program(
        np.concatenate([*costs, tail_cost]),
        matrix,
        np.concatenate([*lows, np.ones(len(chances)), np.full(scenarios, -INFINITY)]),
        np.concatenate([np.full(rows, INFINITY), np.ones(len(chances)), base]),
        np.concatenate([np.zeros(ends[-1]), tail_low]),
        np.concatenate([*uppers, tail_high]),
        np.concatenate([*wholes, np.zeros(1 + scenarios, bool)]),
    )
    found = solve(program, gap=gap, seconds=seconds)
    if not len(found.x):
        return [], found.bound
    plans: list[ChancePlan] = []
    for (n, m, r), end, width in zip(blocks, ends, widths, strict=True):
        if found.x[end - 1] > 0.5:
            lots = np.rint(found.x[end - width : end - width + len(r.mine)]).astype(np.int64)
            plans.append(chances[n].plan(m, r.mine, lots))
    return plans, found.bound
