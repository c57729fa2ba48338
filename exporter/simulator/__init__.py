"""A simulated Cloudflare: the risk-scoring API over HTTP, with state, faults and the ground truth.

It is the demo, the load generator, a way to try dashboards and alerts, and the server of the
tests. It shares no code with `exporter.cloudflare`, so that a misreading of the API cannot hide
in both. Packages, lowest first:

- `scenario`: the YAML model of what is simulated.
- `world`: all state, and the activity that changes it.
- `api`: the eleven operations as pure functions of a request and the world.
- `http`: requests and responses, faults, and the admin API below /simulator/.
- `server`: a running simulator.
"""

from exporter.simulator.scenario import Fault, FaultKind, Scenario, load_scenario
from exporter.simulator.server import Simulator, run_simulator

__all__ = [
    "Fault",
    "FaultKind",
    "Scenario",
    "Simulator",
    "load_scenario",
    "run_simulator",
]
