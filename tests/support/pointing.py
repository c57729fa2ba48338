"""What points a command at a test's simulator."""

from collections.abc import Mapping

from exporter.simulator import Simulator


def pointed_at(simulator: Simulator, *, token: str | None = None) -> Mapping[str, str]:
    """The three variables of the first account, with the first token unless another is named."""
    names = list(simulator.tokens)
    return {
        "CLOUDFLARE_API_TOKEN": simulator.tokens[token or names[0]],
        "CLOUDFLARE_ACCOUNT_ID": next(iter(simulator.account_ids.values())),
        "RISK_EXPORTER_API_URL": simulator.api_url,
    }
