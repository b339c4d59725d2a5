"""One door to HiGHS: a linear or mixed-integer program in sparse arrays, solved, with duals and the proven bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import highspy
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from capacity.faults import StepFailed

FloatArray = npt.NDArray[np.float64]
INFINITY = float("inf")


@dataclass(frozen=True)
class Program:
    """Least `cost @ x` with `low <= matrix @ x <= high`, `lower <= x <= upper`, and `whole` columns integral."""

    cost: FloatArray
    matrix: sp.csr_array
    low: FloatArray
    high: FloatArray
    lower: FloatArray
    upper: FloatArray
    whole: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Solution:
    """`bound`: proven lower bound of the objective. `row_dual`: change of the optimum per unit of each row's bound."""

    status: Literal["optimal", "feasible", "infeasible", "nothing found"]
    x: FloatArray
    objective: float
    bound: float
    row_dual: FloatArray


def solve(
    program: Program, gap: float = 0.0, seconds: float = INFINITY, start: FloatArray | None = None, relax: bool = False
) -> Solution:
    """Solve with HiGHS (https://highs.dev): simplex for an LP (or with `relax`), branch and cut otherwise.

    `start` is a plan to improve on: an integer program never returns a worse one. Raises StepFailed when HiGHS fails.
    """
    integral = bool(program.whole.any()) and not relax
    highs = getattr(highspy, "_Highs")()  # noqa: B009 - the binding without the banner that highspy.Highs prints
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("random_seed", 1)
    if integral:
        highs.setOptionValue("mip_rel_gap", gap)
    if np.isfinite(seconds):
        highs.setOptionValue("time_limit", max(0.05, seconds))
    highs.passModel(_highs_lp(program, integral))
    if start is not None and integral:
        known = highspy.HighsSolution()
        known.col_value = list(start)
        highs.setSolution(known)
    if highs.run() == highspy.HighsStatus.kError:
        raise StepFailed("the optimiser HiGHS failed", "Report the plan that leads to this; no plan was written.")
    return _solution(highs, program, integral)


def _highs_lp(program: Program, integral: bool) -> highspy.HighsLp:
    columns = program.matrix.tocsc()
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(program.cost), len(program.low)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.low, program.high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = columns.indptr
    lp.a_matrix_.index_ = columns.indices
    lp.a_matrix_.value_ = columns.data
    if integral:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(whole)] for whole in program.whole]
    return lp


def _solution(highs: Any, program: Program, integral: bool) -> Solution:
    state = highs.getModelStatus()
    info = highs.getInfo()
    empty = np.zeros(0)
    if state in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        return Solution("infeasible", empty, INFINITY, INFINITY, empty)
    if state == highspy.HighsModelStatus.kModelEmpty:
        return Solution("optimal", np.zeros(len(program.cost)), 0.0, 0.0, np.zeros(len(program.low)))
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    optimal = state == highspy.HighsModelStatus.kOptimal
    bound = info.mip_dual_bound if integral else info.objective_function_value if optimal else -INFINITY
    if not found:
        return Solution("nothing found", empty, INFINITY, bound, empty)
    values = highs.getSolution()
    dual = empty if integral else np.asarray(values.row_dual)
    return Solution(
        "optimal" if optimal else "feasible",
        np.asarray(values.col_value),
        info.objective_function_value,
        bound,
        dual,
    )
