"""Choose subjects and sizes, run, print one Markdown table a subject."""

import argparse
import gc
from collections.abc import Callable, Mapping, Sequence

from bench import exposition, scrape
from bench.report import Row, markdown_table

Subject = Callable[[Sequence[int]], list[Row]]

SUBJECTS: Mapping[str, Subject] = {"exposition": exposition.run, "scrape": scrape.run}
"""Each measures at the given numbers of users."""


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("subjects", nargs="*", choices=[*SUBJECTS, []], help="default: all")
    parser.add_argument("--users", default="1000,10000,100000", help="sizes, by commas")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.users.split(",")]
    for name in arguments.subjects or SUBJECTS:
        print(f"\n## {name}\n")
        print(markdown_table(SUBJECTS[name](sizes)), flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
