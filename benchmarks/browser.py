"""The application in a real browser: headless Chromium, a real server, large experiments.

    python -m benchmarks.browser                      everything: 10,000 and 100,000 runs, charts, live updates
    python -m benchmarks.browser --only charts,live   some parts: table, charts, live, official
    python -m benchmarks.browser --quick              tiny sizes: does it all still run?

Times are taken inside of the page: from the event of the browser (or the start of the navigation) until the frame after the one
that shows the result. Chromium paints in software here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, Request, sync_playwright
from rich.console import Console
from rich.table import Table

from benchmarks import data, searching
from benchmarks.bench import HERE, Caller
from tests.compat.servers import Server, official_server, our_server

BEGIN, END = "<!-- browser: begin -->", "<!-- browser: end -->"
DOCS = HERE.parent / "docs" / "benchmarks.md"
PARTS = ("table", "charts", "live", "official")
EXTRA = 10
"""Metrics and params beyond the ten of the usual sweep: 20 of each."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]

WATCH = """
window.bench = {
  /** Resolves with the time of the frame after the first one in which `isThere` holds. */
  until: (isThere) => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('what was waited for did not come')), 90000);
    const look = () => (isThere() ? requestAnimationFrame(() => setTimeout(() => resolve(performance.now()))) : requestAnimationFrame(look));
    look();
  }),
  isRun: (link) => /runs\\/[0-9a-f]{32}/.test(link.getAttribute('href') ?? ''),
  firstRun: () => [...document.querySelectorAll('a[href*="runs/"]')].find(window.bench.isRun)?.getAttribute('href'),
  /** The runs in the page, in their order. */
  runs: () => [...document.querySelectorAll('[role=table] a[href*="runs/"]')].map((each) => each.getAttribute('href')).join(),
  /** What the charts with this many curves have painted: the points of their windows, and where those begin and end. */
  charts: (curves) => [...document.querySelectorAll('.uplot')].map((each) => (each.dataset.drawn ?? '').split(',').map(Number))
    .filter(([count]) => count === curves).map(([, points, begin, end]) => ({ points, begin, end })),
};
window.bench.rowsAt = window.bench.until(() => window.bench.firstRun());
for (const kind of ['click', 'keydown', 'mouseup'])
  addEventListener(kind, (event) => { window.bench.last = event.timeStamp; }, true);
"""

SCROLL = """
async ({ seconds, speed }) => {
  const box = document.querySelector('[role=table]');
  const head = box.firstElementChild.clientHeight, tall = box.clientHeight;
  let frames = 0, blank = 0, stalled = 0, longest = 0, begin = 0, before = 0, target = box.scrollTop;
  await new Promise((resolve) => {
    const step = (now) => {
      if (!begin) begin = before = now;
      const gap = now - before;
      before = now;
      if (frames > 0) longest = Math.max(longest, gap);
      frames++;
      // rows stand below each other without a break: the visible part has a blank if it begins or ends beyond them
      const tops = [...box.lastElementChild.children].map((row) => Number(/-?[\\d.]+/.exec(row.style.transform)[0]));
      const top = box.scrollTop, bottom = Math.min(top + tall - head, 30 * (Number(box.getAttribute('aria-rowcount')) - 1));
      const isBlank = Math.min(...tops) > top || Math.max(...tops) + 30 < bottom;
      if (isBlank) blank++;
      target = box.scrollTop + (speed * gap) / 1000;
      const most = box.scrollHeight - tall;
      if (target > most + 1) stalled++;
      box.scrollTop = target;
      if (now - begin < seconds * 1000) requestAnimationFrame(step);
      else resolve();
    };
    requestAnimationFrame(step);
  });
  return { frames, blank, stalled, longest, fps: (frames - 1) / ((before - begin) / 1000), rows: Math.round(box.scrollTop / 30) };
}
"""


@dataclass
class Row:
    what: str
    figure: str
    target: str = ""
    is_met: bool | None = None

    @property
    def verdict(self) -> str:
        return {None: "", True: "met", False: "**missed**"}[self.is_met]


@dataclass
class Figures:
    rows: list[Row] = field(default_factory=list)
    samples: dict[str, list[float]] = field(default_factory=dict)

    def time(self, what: str, samples_ms: list[float], most_ms: float | None = None) -> None:
        middle = statistics.median(samples_ms)
        self.samples[what] = samples_ms
        target = "" if most_ms is None else f"≤ {_ms(most_ms)}"
        self.rows.append(Row(what, _ms(middle), target, None if most_ms is None else middle <= most_ms))
        _say(f"{what}: {', '.join(_ms(each) for each in samples_ms)}")

    def add(self, what: str, figure: str, target: str = "", is_met: bool | None = None) -> None:
        self.rows.append(Row(what, figure, target, is_met))
        _say(f"{what}: {figure}")


def _ms(value: float) -> str:
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.0f} ms"


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


@dataclass
class Bench:
    folder: Path
    browser: Browser
    figures: Figures
    sizes: list[int]
    repeats: int
    chart_runs: int
    points: int
    minutes: float
    scroll_s: float

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def page(self, *, height: int = 900, timeout_ms: float = 60_000) -> Iterator[Page]:
        """A page of a browser that has nothing in its cache."""
        context = self.browser.new_context(viewport={"width": 1440, "height": height})
        context.set_default_timeout(timeout_ms)
        context.add_init_script(WATCH)
        try:
            yield context.new_page()
        finally:
            context.close()


# ---------------------------------------------------------------- the table


def measure_table(bench: Bench) -> None:
    for count in bench.sizes:
        with bench.scratch() as folder:
            _say(f"writing {count:,} runs")
            data.fill(f"sqlite:///{folder}/millstream.db", count, extra=EXTRA)
            with our_server(folder) as server:
                _measure_first_rows(bench, server, count)
                with bench.page() as page:
                    _open(page, f"{server.url}/experiments/1")
                    page.wait_for_timeout(1500)
                    _measure_orders(bench, page, count)
                    _measure_filters(bench, page, count)
                with bench.page() as page:
                    _open(page, f"{server.url}/experiments/1")
                    page.wait_for_timeout(1000)
                    _measure_scrolling(bench, page, count)


def _open(page: Page, url: str) -> float:
    page.goto(url, wait_until="commit")
    at: float = page.evaluate("() => window.bench.rowsAt")
    return at


def _measure_first_rows(bench: Bench, server: Server, count: int) -> None:
    samples, script = [], 0
    for _ in range(bench.repeats):
        with bench.page() as page:
            samples.append(_open(page, f"{server.url}/experiments/1"))
            script = _script_bytes(page)
    bench.figures.time(f"{count:,} runs: first usable row, nothing cached", samples, 1000)
    if count == bench.sizes[0]:
        kib = script / 1024
        bench.figures.add("script for the first rows, compressed", f"{kib:.0f} KiB", "≤ 350 KB", script <= 350_000)


def _script_bytes(page: Page) -> int:
    total: int = page.evaluate(
        """performance.getEntriesByType('resource').filter((each) => /\\.js($|\\?)/.test(each.name))
           .reduce((sum, each) => sum + each.encodedBodySize, 0)"""
    )
    return total


def _measure_orders(bench: Bench, page: Page, count: int) -> None:
    heads = page.locator("[role=columnheader] button[title]:not([disabled])")
    names = [str(name) for name in heads.evaluate_all("heads => heads.map((head) => head.title)")]
    wanted = [name for name in ("accuracy", "auc", "epoch_time", "f1", "grad_norm") if name in names][: bench.repeats]
    samples = [_until_changed(page, partial(_click_head, page, name)) for name in wanted]
    bench.figures.time(f"{count:,} runs: order by another metric, to painted", samples, 300)


def _click_head(page: Page, name: str) -> None:
    page.locator(f"[role=columnheader] button[title='{name}']").first.click()


def _measure_filters(bench: Bench, page: Page, count: int) -> None:
    box = page.locator("#filter")
    samples = []
    for number in range(bench.repeats):
        box.fill(f"metrics.accuracy > 0.{5 + number} and params.optimizer = '{('adam', 'sgd')[number % 2]}'")
        samples.append(_until_changed(page, lambda: page.keyboard.press("Enter")))
    bench.figures.time(f"{count:,} runs: filter by metric and param, to painted", samples, 300)


def _until_changed(page: Page, act: Callable[[], object]) -> float:
    """ms from what `act` does to the page until its rows are others."""
    page.evaluate(
        """() => { const before = bench.runs();
                   bench.changed = bench.until(() => { const now = bench.runs(); return now && now !== before; }); }"""
    )
    act()
    spent: float = page.evaluate("async () => (await bench.changed) - bench.last")
    page.wait_for_timeout(400)
    return spent


def _measure_scrolling(bench: Bench, page: Page, count: int) -> None:
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _busy_s(tools)
    found = page.evaluate(SCROLL, {"seconds": bench.scroll_s, "speed": 9000})
    frame_ms = 1000 * (_busy_s(tools) - before) / found["frames"]
    what = f"{count:,} runs: scrolling at 300 rows a second"
    is_met = found["fps"] >= 50 and found["blank"] == 0
    bench.figures.add(
        what,
        f"{found['fps']:.0f} frames/s, {found['blank']} of {found['frames']} frames with blank rows, longest frame {found['longest']:.0f} ms",
        "≥ 50 frames/s, no blank rows",
        is_met,
    )
    bench.figures.add(
        f"{count:,} runs: frames that waited for more rows, of those",
        f"{found['stalled']} ({found['rows']:,} rows passed)",
    )
    bench.figures.add(
        f"{count:,} runs: processor time of the page's main thread, a frame of those", f"{frame_ms:.1f} ms"
    )


def _busy_s(tools: CDPSession) -> float:
    """Processor time that the main thread spent so far; what else the machine does is not in it."""
    metrics = {each["name"]: float(each["value"]) for each in tools.send("Performance.getMetrics")["metrics"]}
    return metrics["TaskDuration"]


# ---------------------------------------------------------------- charts


def measure_charts(bench: Bench) -> None:
    count, keys = bench.chart_runs, 8
    with bench.scratch() as folder:
        _say(f"writing histories: {count} runs x {keys} metrics x {bench.points:,} points")
        data.fill_histories(f"sqlite:///{folder}/millstream.db", count, keys, bench.points, experiment=1)
        with our_server(folder) as server:
            runs = Caller(server.url).call("POST", "runs/search", {"experiment_ids": ["1"], "max_results": 1000})[
                "runs"
            ]
            show = json.dumps([run["info"]["run_id"] for run in runs])
            drawn, rescaled, zooms, requests = [], [], [], []
            for _ in range(bench.repeats):
                with bench.page(height=1500) as page:  # all eight are in view
                    _open(page, f"{server.url}/experiments/1?show={show}")
                    page.wait_for_timeout(1500)
                    asked: list[str] = []
                    page.on("request", partial(_note, asked))
                    drawn.append(_until_drawn(page, count, keys))
                    page.wait_for_timeout(1000)
                    requests.append(sum("metrics/lines" in url for url in asked))
                    first, exact = _until_zoomed(page, count)
                    rescaled.append(first)
                    zooms.append(exact)
    label = f"{count} runs × {keys} charts × {bench.points:,} points"
    bench.figures.time(f"{label}: drawn, from the click on Charts", drawn, 1500)
    bench.figures.time(f"{label}: zoom in all charts, from what is loaded", rescaled, 200)
    bench.figures.time(f"{label}: zoom in all charts, every point of the window", zooms, 200)
    bench.figures.add(f"{label}: requests to draw", f"{statistics.median(requests):.0f}")


def _note(urls: list[str], request: Request) -> None:
    urls.append(request.url)


def _until_drawn(page: Page, count: int, keys: int) -> float:
    page.evaluate(f"() => {{ bench.drawn = bench.until(() => bench.charts({count}).length >= {keys}); }}")
    page.get_by_role("link", name="Charts", exact=True).click()
    spent: float = page.evaluate("(async () => { const began = bench.last; return (await bench.drawn) - began; })()")
    return spent


def _until_zoomed(page: Page, count: int) -> tuple[float, float]:
    """ms from letting the mouse go until the charts show the narrower range of what is loaded, and until each shows the points
    of the exact window."""
    page.evaluate(
        f"""() => {{ const before = bench.charts({count});
            const are = (isNew) => {{ const now = bench.charts({count}); return now.length === before.length && now.every((each, at) => isNew(each, before[at])); }};
            bench.rescaled = bench.until(() => are((now, old) => now.end - now.begin < old.end - old.begin));
            bench.zoomed = bench.until(() => are((now, old) => now.points < old.points)); }}"""
    )
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.4, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.45, y)
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.up()
    first, exact = page.evaluate(
        "(async () => { const began = bench.last; return [(await bench.rescaled) - began, (await bench.zoomed) - began]; })()"
    )
    return first, exact


# ---------------------------------------------------------------- live updates


def measure_live(bench: Bench) -> None:
    """Memory and requests of a page that shows the table, then charts, while runs are being written."""
    with bench.scratch() as folder:
        data.fill(f"sqlite:///{folder}/millstream.db", bench.sizes[0], extra=EXTRA)
        with our_server(folder) as server, bench.page() as page:
            _open(page, f"{server.url}/experiments/1?order=attributes.start_time DESC")
            page.evaluate(SCROLL, {"seconds": 5, "speed": 9000})  # several pages are loaded
            page.evaluate("document.querySelector('[role=table]').scrollTop = 0")
            requests: list[str] = []
            page.on("request", partial(_note, requests))
            stop = threading.Event()
            writer = threading.Thread(target=_train, args=(server.url, stop))
            writer.start()
            try:
                heaps, nodes = _watch_memory(page, bench.minutes)
            finally:
                stop.set()
                writer.join()
            searches = sum("runs/search" in url for url in requests)
    third = max(1, len(heaps) // 3)
    early, late = statistics.median(heaps[:third]), statistics.median(heaps[-third:])
    growth = late - early
    bench.figures.add(
        f"{bench.minutes:g} min of live updates: memory of scripts, after the first third and at the end",
        f"{early:.1f} and {late:.1f} MiB ({nodes[0]:,} and {nodes[-1]:,} nodes)",
        "flat",
        growth <= max(2.0, early * 0.1),
    )
    bench.figures.add(
        f"{bench.minutes:g} min of live updates: searches for runs a minute", f"{searches / bench.minutes:.0f}"
    )


def _train(url: str, stop: threading.Event) -> None:
    """What a training does: a new run now and then, points several times a second."""
    caller, step, run_id = Caller(url), 0, ""
    while not stop.is_set():
        now = int(time.time() * 1000)
        if step % 50 == 0:
            body = {"experiment_id": "1", "run_name": f"live-{step}", "start_time": now}
            run_id = caller.call("POST", "runs/create", body)["run"]["info"]["run_id"]
        points = [{"key": key, "value": 1 / (step + 1), "timestamp": now, "step": step} for key in ("loss", "accuracy")]
        caller.call("POST", "runs/log-batch", {"run_id": run_id, "metrics": points})
        step += 1
        stop.wait(0.2)


def _watch_memory(page: Page, minutes: float) -> tuple[list[float], list[int]]:
    """MiB of live objects and nodes of the document, measured after collecting garbage every few seconds."""
    tools = page.context.new_cdp_session(page)
    heaps, nodes = [], []
    end = time.monotonic() + 60 * minutes
    page.wait_for_timeout(5000)
    while time.monotonic() < end:
        tools.send("HeapProfiler.collectGarbage")
        heaps.append(tools.send("Runtime.getHeapUsage")["usedSize"] / 2**20)
        nodes.append(tools.send("Memory.getDOMCounters")["nodes"])
        page.wait_for_timeout(3000)
    return heaps, nodes


# ---------------------------------------------------------------- the official pages


def measure_official(bench: Bench) -> None:
    """The first row of the official pages with the same 10,000 runs, and their script."""
    count = bench.sizes[0]
    with bench.scratch() as folder:
        with official_server(folder, 1) as server:  # makes the tables
            Caller(server.url).call("POST", "experiments/create", {"name": "sweep"})
        searching.fill_official(folder / "mlflow.db", count, EXTRA)
        with official_server(folder, 1) as server:
            samples, script = [], 0
            for _ in range(bench.repeats):
                with bench.page(timeout_ms=120_000) as page:
                    samples.append(_open(page, f"{server.url}/#/experiments/1/runs"))
                    script = _script_bytes(page)
    bench.figures.time(f"MLflow 3.17, {count:,} runs: first usable row, nothing cached", samples)
    bench.figures.add("MLflow 3.17: script for the first rows, as sent", f"{script / 1024:,.0f} KiB")


# ---------------------------------------------------------------- the command

RUN: dict[str, Callable[[Bench], None]] = {
    "table": measure_table,
    "charts": measure_charts,
    "live": measure_live,
    "official": measure_official,
}


def main() -> None:
    options = _options()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("There is no Chromium: make browser installs it when root.")
    figures, quick = Figures(), options.quick
    with tempfile.TemporaryDirectory(prefix="millstream-ui-bench-") as folder, sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=chromium, args=FLAGS)
        bench = Bench(
            Path(folder),
            browser,
            figures,
            [1000, 3000] if quick else [10_000, 100_000],
            1 if quick else options.repeats,
            10 if quick else 50,
            5000 if quick else 100_000,
            0.2 if quick else options.minutes,
            2 if quick else 10,
        )
        for part in options.only.split(","):
            _say(part)
            RUN[part](bench)
        version = browser.version
        browser.close()
    _show(figures)
    if options.docs:
        _write_docs(
            figures,
            f"{time.strftime('%Y-%m-%d', time.gmtime())}, Chromium {version}, headless, painting in software. {options.note}",
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts by comma: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: a smoke run, its figures mean nothing")
    parser.add_argument("--minutes", type=float, default=1, help="how long live updates are watched (default 1)")
    parser.add_argument("--repeats", type=int, default=5, help="of each time; the middle one counts (default 5)")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--note", default="", help="a sentence for the docs, such as what else the machine did")
    return parser.parse_args()


def _show(figures: Figures) -> None:
    table = Table("what", "figure", "target", "")
    for row in figures.rows:
        table.add_row(row.what, row.figure, row.target, row.verdict.replace("**", ""))
    Console(width=160 if not sys.stdout.isatty() else None).print(table)


def _write_docs(figures: Figures, head: str) -> None:
    lines = ["| what | figure | target |  |", "| --- | --: | --- | --- |"]
    lines += [f"| {row.what} | {row.figure} | {row.target} | {row.verdict} |" for row in figures.rows]
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = f"{before}{BEGIN}\n{head.strip()}\n\n" + "\n".join(lines) + f"\n{END}{after}"
    DOCS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
