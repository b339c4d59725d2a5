"""Do the phase's pods fit on the leased servers? Asked of the real scheduler, whole and after each loss.

cases      which clusters there are, which losses are worth trying (pure)
manifests  nodes from servers and SKUs, pods from the component that the stack deploys
reading    what the scheduler says of a pod it cannot place, and what is missing (pure)
cluster    the trial cluster: nodes, replicas, losses, and waiting until the scheduler is through
check      the course: every cluster whole, then every loss, then how many servers would do
"""

from infra.fit.cases import Loss, Site, fit_sites, groups
from infra.fit.check import Case, Fit, check
from infra.fit.reading import Reason, Shortage, Unplaced

__all__ = ["Case", "Fit", "Loss", "Reason", "Shortage", "Site", "Unplaced", "check", "fit_sites", "groups"]
