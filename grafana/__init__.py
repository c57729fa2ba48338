"""The Grafana dashboards as code: `python -m grafana` writes `grafana/dashboards/*.json`.

Every metric comes from the exporter's catalogue, so that a board cannot ask for one that is not
there. Panels are drawn by types every Grafana from 11 on has built in.
"""
