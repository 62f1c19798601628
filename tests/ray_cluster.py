"""A Ray cluster of two machines on this one, which lives as long as its stdin is open.

It prints its address. For each line of stdin it loses one machine and starts another in its place.
"""

import sys
import time
from types import SimpleNamespace

from ray._private import node
from ray.cluster_utils import Cluster

SETTINGS = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
# No process that starts machines of a cloud, and none that copies logs to a run.
HEAD_SETTINGS = {**SETTINGS, "no_monitor": True, "include_log_monitor": False}


def main() -> None:
    # Ray gives a machine 30 seconds to start. A busy one may take longer, so this clock stands still.
    setattr(node, "time", SimpleNamespace(**{**vars(time), "monotonic": lambda: 0.0}))  # noqa: B010
    cluster = Cluster(initialize_head=True, head_node_args=HEAD_SETTINGS)
    try:
        machine = cluster.add_node(**SETTINGS)
        print(cluster.address, flush=True)
        for _ in sys.stdin:
            cluster.remove_node(machine, allow_graceful=False)
            machine = cluster.add_node(**SETTINGS)
            print("another", flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
