"""Pictures of every page, in both themes, on a desktop and on a phone: what tests cannot judge is looked at here.

    python -m tests.ui.screenshots                # build/screenshots/<page>-<theme>-<width>.png
    python -m tests.ui.screenshots --only run     # those whose names begin so; several with commas
    python -m tests.ui.screenshots --docs         # the pictures of README and docs/ui.md, into docs/images/

The pages show what the tests show (`world.py`), the sweep of `examples/demo.py`, trained for this, and names and numbers that
are hard to lay out.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import millstream
from millstream.entities import Metric, Param
from tests.ui.world import CHROMIUM, FLAGS, NOW, World, fill, served

ROOT = Path(__file__).parents[2]
WIDTHS = {1440: 900, 400: 800}
THEMES = ("light", "dark")
MOST_BYTES = 150_000


@dataclass
class Shot:
    """A picture: an address, and what is done there before it is taken."""

    address: str
    act: Callable[[Page], None] = lambda page: None


def _button(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=name).first.click()


def _keys(*keys: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for key in keys:
            page.keyboard.press(key)

    return act


def _scroll_right(page: Page) -> None:
    page.get_by_role("table", name="Runs").evaluate("table => { table.scrollLeft = 500; }")
    page.wait_for_timeout(300)


def _filter(text: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.locator("#filter").fill(text)

    return act


def _hover_chart(page: Page) -> None:
    page.locator("figure").first.hover()


def _select(page: Page) -> None:
    _keys("j", "x", "j", "x", "j")(page)


SHOTS = {
    "experiments": Shot("/"),
    "experiments-new": Shot("/", _button("New experiment")),
    "experiments-delete": Shot("/", _button("Move digits/sweep to the trash")),
    "palette": Shot("/", _keys("Control+k")),
    "shortcuts": Shot("/experiments/{sweep}", _keys("?")),
    "table": Shot("/experiments/{sweep}"),
    "table-many": Shot("/experiments/{experiment}"),
    "table-selected": Shot("/experiments/{experiment}", _select),
    "table-filter": Shot("/experiments/{sweep}", _filter("params.mod")),
    "table-wrong": Shot("/experiments/{sweep}?filter=metrics.loss <"),
    "table-none": Shot('/experiments/{sweep}?filter=params.model = "tree"'),
    "table-columns": Shot("/experiments/{sweep}", _button("Columns")),
    "table-views": Shot("/experiments/{sweep}", _button("Views")),
    "table-group": Shot("/experiments/{sweep}?group=p.model"),
    "table-pinned": Shot('/experiments/{many}?pin=["status"]', _scroll_right),
    "table-tree": Shot("/experiments/{sweep}?group=parent"),
    "table-odd": Shot("/experiments/{odd}"),
    "table-empty": Shot("/experiments/{empty}"),
    "table-single": Shot("/experiments/{single}"),
    "charts": Shot("/experiments/{sweep}?tab=charts", _hover_chart),
    "charts-odd": Shot("/experiments/{odd}?tab=charts"),
    "charts-single": Shot("/experiments/{single}?tab=charts"),
    "charts-many": Shot("/experiments/{many}?tab=charts"),
    "charts-arranged": Shot(
        '/experiments/{sweep}?tab=charts&panels=["val/loss"]&sizes={"train/loss":[2,320],"val/loss":[2,200]}'
    ),
    "plots": Shot("/experiments/{sweep}?tab=plots"),
    "plots-correlation": Shot('/experiments/{sweep}?tab=plots&plot="correlation"'),
    "notes": Shot("/experiments/{hostile}?tab=notes"),
    "runs": Shot("/runs"),
    "run": Shot("/runs/{best}"),
    "run-many": Shot("/runs/{many_run}"),
    "run-odd": Shot("/runs/{odd_run}"),
    "run-rename": Shot("/runs/{best}", _keys("e")),
    "run-charts": Shot("/runs/{best}?tab=charts"),
    "run-system": Shot("/runs/{best}?tab=system"),
    "run-notes": Shot("/runs/{best}?tab=notes"),
    "artifacts": Shot("/runs/{best}?tab=artifacts"),
    "artifacts-image": Shot("/runs/{best}?tab=artifacts&path=confusion.png"),
    "artifacts-table": Shot("/runs/{run}?tab=artifacts&path=table.csv"),
    "artifacts-code": Shot("/runs/{run}?tab=artifacts&path=train.py"),
    "artifacts-model": Shot("/runs/{run}?tab=artifacts&path=model/MLmodel"),
    "compare": Shot('/compare?runs=["{best}","{second}"]'),
    "compare-charts": Shot('/compare?runs=["{best}","{second}"]&tab=charts'),
    "compare-artifacts": Shot('/compare?runs=["{run}","{other}"]&tab=artifacts&path=train.py'),
    "models": Shot("/models"),
    "models-register": Shot("/models", _button("New model")),
    "model": Shot("/models/digits"),
    "model-many": Shot("/models/churn"),
    "version": Shot("/models/digits/1"),
    "trash": Shot("/trash"),
    "trash-purge": Shot("/trash", _button("Delete for good")),
    "settings": Shot("/settings"),
    "missing": Shot("/runs/00000000000000000000000000000000"),
    "nowhere": Shot("/models/nobody"),
}
DOCS = {
    "experiment": Shot("/experiments/{sweep}?group=parent", lambda page: page.wait_for_timeout(300)),
    "charts": Shot("/experiments/{sweep}?tab=charts", _hover_chart),
    "run": Shot("/runs/{best}"),
    "model": Shot("/models/digits"),
}

LONG = "a run whose name somebody wrote as a whole sentence about what was tried and why it did not work, " * 2
ODD_NAMES = (
    LONG.strip(), "x" * 200, "تجربة طويلة لنموذج الرؤية مع بيانات جديدة", "🚀🔥 emoji 👩‍🔬🏳️‍🌈 run", "日本語の実験名前", "e\u0301" * 40, " ",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true", help="write the pictures of the documentation")
    parser.add_argument("--only", default="", help="the first letters of the pictures' names, several with commas")
    options = parser.parse_args()
    if CHROMIUM is None:
        parser.error("There is no Chromium: make browser installs it.")
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as world, sync_playwright() as tool:
        fill(world, Path(name))
        places = show(world, Path(name))
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        if options.docs:
            for file, picture in taken(browser, world, places, DOCS, {1440: 820}, ("light",), options.only):
                (ROOT / "docs" / "images" / f"{file.split('-')[0]}.png").write_bytes(packed(picture))
        else:
            target = ROOT / "build" / "screenshots"
            target.mkdir(parents=True, exist_ok=True)
            for file, picture in taken(browser, world, places, SHOTS, WIDTHS, THEMES, options.only):
                (target / f"{file}.png").write_bytes(picture)
        browser.close()


def taken(
    browser: Browser,
    world: World,
    places: dict[str, str],
    shots: dict[str, Shot],
    widths: dict[int, int],
    themes: tuple[str, ...],
    only: str,
) -> Iterator[tuple[str, bytes]]:
    """Every picture with its name, `<page>-<theme>-<width>`; a page that cannot be made ready is named and left out."""
    for width, theme in product(widths, themes):
        context = browser.new_context(
            viewport={"width": width, "height": widths[width]},
            base_url=world.url,
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(8000)
        for name, shot in shots.items():
            if not name.startswith(tuple(only.split(","))):
                continue
            page = context.new_page()
            try:
                page.goto(place(shot.address, places))
                page.locator("main h1, main h2, main table, main [role=table], main [role=alert]").first.wait_for(
                    state="attached"
                )
                page.wait_for_timeout(700)
                shot.act(page)
                page.wait_for_timeout(500)
                yield f"{name}-{theme}-{width}", page.screenshot()
            except Exception as error:
                print(f"{name}-{theme}-{width}: {str(error).splitlines()[0]}")
            page.close()
        context.close()


def place(address: str, places: dict[str, str]) -> str:
    for key, value in places.items():
        address = address.replace("{" + key + "}", value)
    return address


def packed(picture: bytes) -> bytes:
    """The picture in 256 colours or as many fewer as make it small enough for a page of documentation."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for colors in (256, 128, 64, 32):
        target = io.BytesIO()
        image.quantize(colors, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            target, "PNG", optimize=True
        )
        if target.tell() <= MOST_BYTES:
            break
    return target.getvalue()


# ---------------------------------------------------------------- what they show


def show(world: World, folder: Path) -> dict[str, str]:
    """Fill the server with what the pictures show beyond the tests' world; gives the ids that their addresses name."""
    os.environ["MILLSTREAM_JOURNAL_DIR"] = str(folder / "journal")
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # small matrices, beside a server and a browser
        os.environ.setdefault(threads, "1")
    from examples import demo

    millstream.set_tracking_uri(world.url)
    demo.promote(demo.log_best_model(demo.sweep(epochs=40)))
    client = world.client
    sweep = client.get_experiment_by_name(demo.EXPERIMENT)
    best, second = client.search_runs(
        [sweep.experiment_id], "params.model = 'mlp'", order_by=["metrics.`val/accuracy` DESC"], max_results=2
    )
    note = "**Best of the sweep.** Learns faster with a higher rate; `alpha` makes no difference.\n\n- 64 hidden units\n- 40 epochs"
    client.set_tag(best.info.run_id, "mlflow.note.content", note)
    client.set_tag(best.info.run_id, "mlflow.source.name", "examples/demo.py")  # no path of this machine in a picture
    system(client, best.info.run_id, best.info.start_time)
    client.update_registered_model(demo.REGISTERED, "Reads **handwritten digits** of 8 by 8 pixels.")
    client.set_registered_model_tag(demo.REGISTERED, "task", "classification")
    odd, odd_run = odd_names(client)
    many, many_run = many_metrics(client)
    client.delete_experiment(client.create_experiment("checks/deleted"))
    for number in range(3):
        client.delete_run(client.create_run(world.experiment, NOW + number, run_name=f"deleted-{number}").info.run_id)
    single = client.create_experiment("checks/one run")
    run = client.create_run(single, NOW, run_name="alone").info.run_id
    client.log_batch(run, [Metric("accuracy", 0.91, NOW, 0)], [Param("lr", "0.1")])
    return {
        "experiment": world.experiment, "hostile": world.hostile, "run": world.runs[0], "other": world.runs[1],
        "sweep": sweep.experiment_id, "best": best.info.run_id, "second": second.info.run_id,
        "odd": odd, "odd_run": odd_run, "many_run": many_run, "many": many,
        "empty": client.create_experiment("checks/empty"), "single": single,
    }  # fmt: skip


def system(client: Any, run_id: str, start: int) -> None:
    noise = random.Random(0)
    points = [
        Metric(f"system/{key}", level + noise.uniform(-spread, spread), start + step * 1000, step)
        for step in range(60)
        for key, level, spread in (
            ("cpu_utilization_percentage", 85.0, 12.0),
            ("system_memory_usage_megabytes", 2100.0 + step * 3, 15.0),
            ("disk_usage_megabytes", 18_400.0, 1.0),
        )
    ]
    client.log_batch(run_id, points)


def odd_names(client: Any) -> tuple[str, str]:
    """Long names, names of other scripts, values of all sizes: ids of the experiment and of its longest run."""
    experiment = client.create_experiment(f"odd/{LONG[:180].strip()}")
    runs = []
    for number, name in enumerate(ODD_NAMES):
        run_id = client.create_run(experiment, NOW + number * 1000, run_name=name).info.run_id
        runs.append(run_id)
        points = [
            Metric(key, value, NOW + step, step)
            for step in range(12)
            for key, value in (
                ("huge", 3e12 * (step + number + 1)),
                ("tiny", 4.2e-9 / (step + 1)),
                ("broken", math.nan if step % 4 == 3 else math.inf if step == 9 else float(step)),
                ("a_metric_with_quite_a_long_name/that_goes_on_and_on/of_the_validation_set", step * 0.1),
            )
        ]
        client.log_batch(
            run_id,
            points,
            [Param("note", LONG.strip()), Param("نموذج", "كبير"), Param("path", "/data/" + "deep/" * 30)],
        )
        client.set_tag(run_id, "mlflow.note.content", LONG)
        if number != 2:
            client.set_terminated(run_id, ("FINISHED", "FAILED", "KILLED")[number % 3])
    return experiment, runs[0]


def many_metrics(client: Any) -> tuple[str, str]:
    experiment = client.create_experiment("checks/500 metrics")
    noise = random.Random(1)
    run_id = ""
    for number in range(3):
        run_id = client.create_run(experiment, NOW + number, run_name=f"wide-{number}").info.run_id
        for layer in range(100):
            level = noise.uniform(0.5, 2)
            points = [
                Metric(
                    f"layer{layer:02}/{key}",
                    level * math.exp(-step / 9) + noise.uniform(0, 0.1),
                    NOW + step * 1000,
                    step,
                )
                for key in ("grad_norm", "weight_norm", "sparsity", "entropy", "update_ratio")
                for step in range(20)
            ]
            client.log_batch(run_id, points)
        client.set_terminated(run_id, "FINISHED", NOW + 754_000)
    return experiment, run_id


if __name__ == "__main__":
    main()
