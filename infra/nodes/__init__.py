"""Workers as nodes of their clusters: emptied before their servers leave, forgotten afterwards.

reach    the clusters that an environment's kubeconfig leads to
nodes    which nodes there are and whether they answer; forgetting some
drain    pods move off nodes in order, as disruption budgets allow
leaving  both for the servers that a plan holds no longer
settled  waiting until every replica is available again
"""

from infra.nodes.leaving import empty_leaving, forget_left, forget_silent
from infra.nodes.reach import reached
from infra.nodes.settled import await_replicas

__all__ = ["await_replicas", "empty_leaving", "forget_left", "forget_silent", "reached"]
