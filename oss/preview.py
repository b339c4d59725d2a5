"""Show what `oss up` would change in every layer, and what that costs. Nothing is touched, no server is asked.

Ends with the servers that change, the remarks of the policies, the gate of the phase, and the rupiah difference by
lease line. A policy that refuses or a closed gate makes the exit code 1: `oss up` would refuse as well.

  oss preview local
  oss preview production
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from capacity.faults import Exit
from infra.engine.cost import cost_difference, rupiah, total
from infra.engine.preview import LayerPreview
from infra.engine.rollout import Rollout, check_environment_name, said
from infra.engine.show import PolicyNote
from infra.engine.workspace import LAYERS
from oss.console import out, progress, table


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss preview`."""
    parser.add_argument("environment", metavar="ENV", help="local, production, or another rack's name")
    parser.add_argument("--only", choices=LAYERS, help="one layer alone")


def run(args: argparse.Namespace) -> int:
    """Preview and show.

    Exit codes: 0 done, 1 a policy or the gate would refuse it, 2 bad input (a stale lease plan, a wrong setting),
    5 the engine failed.
    """
    rollout = Rollout(check_environment_name(args.environment))
    with progress("preview") as shown:
        previews = rollout.preview([args.only] if args.only else LAYERS, shown)
    show(previews, rollout)
    return Exit.NO_GO if any(preview.refused for preview in previews) else Exit.GO


def show(previews: Sequence[LayerPreview], rollout: Rollout) -> None:
    """Tables on standard output."""
    settings = rollout.settings
    out.print(f"{rollout.environment}: phase {settings.phase} at {settings.scale} scale", style="bold", markup=False)
    table("Layers", ("layer", "would be"), [(p.layer, said(p.counts)) for p in previews])
    servers = [(name, change) for p in previews for name, change in p.servers.items()]
    if servers:
        table("Servers", ("server", "change"), sorted(servers))
    _policies([note for p in previews for note in p.policies])
    for preview in previews:
        if preview.gate:
            out.print(f"Gate: {preview.gate}", markup=False, soft_wrap=True)
    if rollout.is_rack:
        out.print("Gate: not asked of a rack, which makes the evidence (docs/gates.md)", markup=False)
    for preview in previews:
        if preview.layer == "fleet":
            _cost(preview, rollout.is_rack)


def _policies(notes: Sequence[PolicyNote]) -> None:
    if not notes:
        return
    words = {"mandatory": "REFUSED", "advisory": "warning"}
    table("Policies", ("policy", "", "what"), [(n.policy, words.get(n.level, n.level), n.problem) for n in notes])
    for remedy, policies in _remedies(notes).items():
        out.print(f"  remedy for {', '.join(policies)}: {remedy}", markup=False, soft_wrap=True)


def _remedies(notes: Sequence[PolicyNote]) -> dict[str, list[str]]:
    """Remedy → the policies that name it, each once."""
    found: dict[str, list[str]] = {}
    for note in notes:
        if note.policy not in found.setdefault(note.remedy, []):
            found[note.remedy].append(note.policy)
    return found


def _cost(preview: LayerPreview, rack: bool) -> None:
    rows = cost_difference(preview.before, preview.after)
    if not rows:
        out.print("Cost: no difference", markup=False)
        return
    per_month, over_term = total(rows)
    listed: list[tuple[str, ...]] = [
        (r.line, r.vendor, f"{r.before} → {r.after}", str(r.months), rupiah(r.per_month_idr), rupiah(r.over_term_idr))
        for r in rows
    ]
    listed.append(("all lines", "", "", "", rupiah(per_month), rupiah(over_term)))
    title = "Cost difference, before VAT"
    if any(row.estimate for row in rows):
        title += "; indicative: prices without a quotation"
    if rack:
        title += " (of the leased servers that this rack stands for; the rack itself costs nothing)"
    table(title, ("lease line", "vendor", "servers", "months", "a month", "over the term"), listed, right=(3, 4, 5))
