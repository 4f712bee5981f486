"""Runs the sections, prints the table, writes JSON and Markdown.

python -m benchmarks                            everything, both sides
python -m benchmarks --only search,histories    some sections
python -m benchmarks --quick                    tiny sizes: does it all still run?
python -m benchmarks --no-official              ours alone
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    artifact_transfers,
    autolog,
    environments,
    histories,
    ingest,
    logging_calls,
    projects,
    searching,
    serving,
    startup,
)
from benchmarks.bench import HERE, Bench
from benchmarks.measures import HEAD, SECTIONS, markdown

RUN: dict[str, Callable[[Bench], None]] = {
    "startup": startup.run,
    "logging": logging_calls.run,
    "ingest": ingest.run,
    "search": searching.run,
    "histories": histories.run,
    "artifacts": artifact_transfers.run,
    "autolog": autolog.run,
    "serving": serving.run,
    "environments": environments.run,
    "projects": projects.run,
}
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
DOCS = HERE.parent / "docs" / "benchmarks.md"


def main() -> None:
    options = _options()
    only = options.only.split(",") if options.only else list(SECTIONS)
    failed = []
    began = time.time()
    with tempfile.TemporaryDirectory(prefix="millstream-bench-", dir=options.folder) as folder:
        bench = Bench(Path(folder), options.quick, not options.no_official, not options.no_default, options.largest)
        for section in only:
            bench.say(section)
            try:
                RUN[section](bench)
            except Exception:
                traceback.print_exc()
                failed.append(section)
    _show(bench)
    document = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began)),
        "minutes": round((time.time() - began) / 60, 1),
        "command": "python -m benchmarks " + " ".join(sys.argv[1:]),
        "machine": _machine(),
        "failed": failed,
        "results": bench.results.as_json(),
    }
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text = (
        f"{document['date']}, {document['machine']}, `{str(document['command']).strip()}`, {document['minutes']} minutes.\n\n"
        + markdown(bench.results.rows())
    )
    if options.markdown:
        Path(options.markdown).write_text(text, encoding="utf-8")
    if options.docs:
        before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        DOCS.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"sections by comma: {', '.join(SECTIONS)}")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, no repeats: a smoke run, its figures mean nothing"
    )
    parser.add_argument("--no-official", action="store_true", help="measure Millstream alone")
    parser.add_argument(
        "--no-default", action="store_true", help="of the official server only its lean form (--workers 1)"
    )
    parser.add_argument("--largest", type=int, default=1_000_000, help="most runs to search among (default 1000000)")
    parser.add_argument("--folder", help="where stores and files are put while measuring (default: the temp folder)")
    parser.add_argument("--json", help="write all samples to this file")
    parser.add_argument("--markdown", help="write the table to this file")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/benchmarks.md")
    return parser.parse_args()


def _show(bench: Bench) -> None:
    table = Table(*HEAD)
    for row in bench.results.rows():
        table.add_row(*(cell.replace("**", "") for cell in row))
    Console(width=160 if not sys.stdout.isatty() else None).print(table)


def _machine() -> str:
    with open("/proc/meminfo", encoding="ascii") as lines:
        memory = int(lines.readline().split()[1]) / 2**20
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
