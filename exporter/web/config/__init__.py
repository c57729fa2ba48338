"""The web configuration file: TLS and basic auth as Prometheus's exporter-toolkit writes them."""

from exporter.web.config.reading import WebConfig, read_web_config

__all__ = ["WebConfig", "read_web_config"]
