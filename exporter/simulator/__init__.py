"""A Cloudflare of our own: the risk-scoring API over HTTP, with state, trouble and the truth.

It is the demo, the load generator, the thing to try dashboards and alerts with, and the server
of our tests. It shares no code with `exporter.cloudflare`, so that a misreading of the API
cannot hide in both. Rooms, lowest first:

- `scenario`: what people write in YAML; `world`: all state, pure; `driving`: what happens by
  itself; `api`: the eleven operations, pure; `http`: bytes, faults, and the controls of
  `http.control` below /simulator/; `server`: all of it, running.
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
