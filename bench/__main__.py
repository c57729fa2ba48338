"""Choose what to measure, run it, print it, and keep it in docs/benchmarks.md."""

import argparse
import gc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import chart, exposition, ledger, prometheus, service
from bench.report import DOCUMENT, GOAL_USERS, Row, markdown_table, write_region

Subject = Callable[[Sequence[int]], list[Row]]

SUBJECTS: Mapping[str, Subject] = {
    "service": service.run,
    "exposition": exposition.run,
    "ledger": ledger.run,
}
"""Each measures at the given numbers of users; `make bench` runs all."""

_MILLION = 1_000_000
_IMAGE = DOCUMENT.parent / "images" / "benchmarks.svg"
_PANELS = {
    "Scrape, gzip": "scrape, gzip",
    "CPU of a poll, 1 % of the users changed": "poll, 1 % changed, CPU",
    "Memory at its peak": "memory at its peak",
}


def main() -> None:
    """Run what the command line names."""
    arguments = _arguments()
    if arguments.subject == "prometheus":
        _tell(
            "prometheus",
            prometheus.measure_long_run(users=GOAL_USERS, minutes=arguments.minutes),
            arguments,
        )
    elif arguments.subject == "created":
        _tell(
            "created",
            prometheus.measure_created(users=20_000, program=arguments.prometheus),
            arguments,
        )
    elif arguments.subject == "million":
        _tell("million", markdown_table(service.run([_MILLION])), arguments)
    else:
        names = list(SUBJECTS) if arguments.subject == "all" else [arguments.subject]
        sizes = [int(size) for size in arguments.users.split(",")]
        for name in names:
            _measure(name, sizes, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "subject",
        nargs="?",
        default="all",
        choices=["all", *SUBJECTS, "created", "million", "prometheus"],
        help="what to measure; `created`, `million` and `prometheus` take minutes, and are not "
        "part of `all`",
    )
    parser.add_argument("--users", default="1000,10000,100000", help="sizes, by commas")
    parser.add_argument("--minutes", type=float, default=10, help="how long Prometheus scrapes")
    parser.add_argument(
        "--prometheus",
        type=Path,
        help="the Prometheus that `created` runs, 3.5 or later; default: the one on PATH",
    )
    parser.add_argument("--print-only", action="store_true", help="leave docs/ as they are")
    return parser.parse_args()


def _measure(name: str, sizes: Sequence[int], arguments: argparse.Namespace) -> None:
    rows = SUBJECTS[name](sizes)
    _tell(name, markdown_table(rows), arguments)
    if name == "service" and not arguments.print_only:
        panels = [chart.panel(title, what, rows) for title, what in _PANELS.items()]
        _IMAGE.write_text(chart.draw(panels), encoding="utf-8")
    gc.collect()


def _tell(name: str, text: str, arguments: argparse.Namespace) -> None:
    print(f"\n## {name}\n\n{text}", flush=True)
    if not arguments.print_only:
        write_region(name, text)


if __name__ == "__main__":
    main()
