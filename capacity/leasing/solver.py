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
    """`bound`: proven lower bound of the objective. `row_dual`: change of the optimum per unit of each row's bound.
    `earlier`: the whole-number solutions that `x` improved on."""

    status: Literal["optimal", "feasible", "infeasible", "nothing found"]
    x: FloatArray
    objective: float
    bound: float
    row_dual: FloatArray
    earlier: tuple[FloatArray, ...] = ()


def solve(
    program: Program, gap: float = 0.0, seconds: float = INFINITY, relax: bool = False, nodes: int | None = None
) -> Solution:
    """Solve with HiGHS (https://highs.dev): simplex for an LP (or with `relax`), branch and cut otherwise, over at most
    `nodes` nodes (a limit that, unlike `seconds`, gives the same answer on every machine).

    Raises StepFailed when HiGHS fails. No start is handed over, since plans found by rounding did not speed up the
    search; callers compare with the plan they know instead.
    """
    integral = bool(program.whole.any()) and not relax
    highs = getattr(highspy, "_Highs")()  # noqa: B009 - the binding without the banner that highspy.Highs prints
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("random_seed", 1)
    if integral:
        highs.setOptionValue("mip_rel_gap", gap)
        highs.setOptionValue("mip_improving_solution_save", True)
        if nodes is not None:
            highs.setOptionValue("mip_max_nodes", nodes)
    else:
        highs.setOptionValue("presolve", "off")  # on covering LPs presolve takes nine times what simplex does
    if np.isfinite(seconds):
        highs.setOptionValue("time_limit", max(0.05, seconds))
    _pass(highs, program, integral)
    if highs.run() == highspy.HighsStatus.kError:
        raise StepFailed("the optimiser HiGHS failed", "Report the plan that leads to this; no plan was written.")
    return _solution(highs, program, integral)


def _pass(highs: Any, program: Program, integral: bool) -> None:
    matrix = program.matrix
    shape = (len(program.cost), len(program.low), matrix.nnz)
    by_row, least, no_offset = int(highspy.MatrixFormat.kRowwise), int(highspy.ObjSense.kMinimize), 0.0
    highs.passModel(
        *shape,
        by_row,
        least,
        no_offset,
        program.cost,
        program.lower,
        program.upper,
        program.low,
        program.high,
        matrix.indptr[:-1].astype(np.int32) if matrix.nnz else np.zeros(len(program.low), dtype=np.int32),
        matrix.indices.astype(np.int32),
        matrix.data,
        (program.whole if integral else np.zeros(len(program.cost))).astype(np.int32),
    )


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
        tuple(np.asarray(known.col_value) for known in highs.getSavedMipSolutions()) if integral else (),
    )
