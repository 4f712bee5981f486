import { describe, expect, test } from "vitest";
import { rowsToCsv, toRow } from "./columns";
import { completions } from "./complete";
import { diffLines } from "./diff";
import { rank } from "./fuzzy";
import { commitUrl } from "./git";
import { linesOf, spreadOf } from "./grouping";
import { imageSeries } from "./images";
import { fromHash } from "./oldLinks";
import { correlation, correlations, importance, interpolate } from "./statistics";
import { toSvg } from "./svg";
import { parseCsv, tableOfJson } from "./tables";
import { countIn, toTree } from "./tree";
import { parseViews, searchOfView, withView } from "./views";

const run = (id: string, params: Record<string, string> = {}, tags: Record<string, string> = {}) =>
  toRow({
    info: { run_id: id, run_name: id, status: "FINISHED", start_time: 0, end_time: 1000 },
    data: {
      metrics: [{ key: "acc", value: 0.5, timestamp: 1, step: 0 }],
      params: Object.entries(params).map(([key, value]) => ({ key, value })),
      tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
    },
  });

describe("tables of files", () => {
  test("quotes, doubled quotes and line breaks inside of quotes", () => {
    const table = parseCsv('a,b\n"x, ""y""","1\n2"\r\n3,4\n', ",", true);
    expect(table.columns).toEqual(["a", "b"]);
    expect(table.rows).toEqual([
      ['x, "y"', "1\n2"],
      ["3", "4"],
    ]);
  });

  test("a file that was cut loses its last line, which may be half of one", () => {
    expect(parseCsv("a\n1\n2", ",", false)).toEqual({ columns: ["a"], rows: [["1"]], isCut: true });
  });

  test("only JSON with columns and data is a table", () => {
    expect(tableOfJson({ columns: ["a"], data: [[1], [{ b: 2 }]] })?.rows).toEqual([["1"], ['{"b":2}']]);
    expect(tableOfJson({ columns: ["a"] })).toBeNull();
    expect(tableOfJson([1])).toBeNull();
  });

  test("cells that a spreadsheet would run become text", () => {
    expect(rowsToCsv([run("r", { p: "=1+1" })], ["name", "m.acc", "p.p"])).toBe(
      "run_id,name,metrics.acc,params.p\nr,r,0.5,'=1+1\n",
    );
  });
});

describe("runs as lines", () => {
  const rows = [
    run("child", {}, { "mlflow.parentRunId": "parent" }),
    run("parent"),
    run("orphan", {}, { "mlflow.parentRunId": "elsewhere" }),
  ];

  test("children stand below their parent from the start, others at the top", () => {
    const lines = linesOf(rows, "parent", new Set());
    expect(lines.map((line) => (line.kind === "run" ? [line.row.id, line.depth] : []))).toEqual([
      ["parent", 0],
      ["child", 1],
      ["orphan", 0],
    ]);
    expect(linesOf(rows, "parent", new Set(["parent"]))).toHaveLength(2);
  });

  test("runs that are each other's parents are all shown, and never walked for ever", () => {
    const loop = [run("a", {}, { "mlflow.parentRunId": "b" }), run("b", {}, { "mlflow.parentRunId": "a" })];
    expect(linesOf(loop, "parent", new Set())).toHaveLength(2);
  });

  test("groups by the value of a param are closed until opened", () => {
    const grouped = [run("1", { model: "mlp" }), run("2", { model: "cnn" }), run("3", { model: "mlp" })];
    expect(
      linesOf(grouped, "p.model", new Set()).map((line) =>
        line.kind === "group" ? [line.label, line.rows.length] : [],
      ),
    ).toEqual([
      ["mlp", 2],
      ["cnn", 1],
    ]);
    expect(linesOf(grouped, "p.model", new Set(["group mlp"]))).toHaveLength(4);
  });

  test("a group tells the least, mean and greatest of a metric", () => {
    expect(spreadOf(rows, "acc")).toEqual({ least: 0.5, mean: 0.5, greatest: 0.5 });
    expect(spreadOf(rows, "other")).toBeNull();
  });
});

describe("names", () => {
  test("slashes make folders; a folder with one folder in it is joined", () => {
    const tree = toTree(["vision/resnet/a", "vision/resnet/b", "plain"], (name) => name);
    expect(tree.folders.map((folder) => folder.label)).toEqual(["vision/resnet"]);
    expect(tree.items).toEqual(["plain"]);
    expect(countIn(tree)).toBe(3);
  });

  test("a run whose name is blank is called by the start of its id", () => {
    const run = { info: { run_id: "0123456789abcdef", run_name: " " } } as Parameters<typeof toRow>[0];
    expect(toRow(run).name).toBe("01234567");
  });

  test("letters in order find a name, the closest first", () => {
    expect(rank(["resnet sweep", "rnn", "other"], "rn", (name) => name)).toEqual(["rnn", "resnet sweep"]);
  });

  test.each([
    ["#/experiments/1/runs/ab", "/runs/ab"],
    ["#/experiments/1", "/experiments/1"],
    ["#/models/m/versions/2", "/models/m/2"],
    ["#/", "/"],
    ["#elsewhere", null],
  ])("MLflow's address %s is %s here", (theirs, ours) => expect(fromHash(theirs)).toBe(ours));

  test("only https repositories become links", () => {
    expect(commitUrl("git@example.org:a/b.git", "0123456789abcdef")).toBe(
      "https://example.org/a/b/commit/0123456789abcdef",
    );
    expect(commitUrl("javascript:alert(1)", "0123456789abcdef")).toBeNull();
    expect(commitUrl("https://example.org/a/b", "not a commit")).toBeNull();
  });

  test("images are sorted by step, older names too", () => {
    const found = imageSeries([
      { path: "images/a#b%step%10%timestamp%5%gabc.png" },
      { path: "images/a#b%step%2%timestamp%4%gdef.png" },
      { path: "images/a#b%step%2%timestamp%4%gdef%compressed.webp" },
      { path: "images/c+step+0+timestamp+1+uuid.png" },
      { path: "images/other.png" },
    ]);
    expect(found.get("a/b")?.map((image) => image.step)).toEqual([2, 10]);
    expect([...found.keys()]).toEqual(["a/b", "c"]);
  });
});

describe("filters", () => {
  const keys = { metrics: ["val/acc", "loss"], params: ["lr"], tags: ["team"] };
  const offered = (text: string) => completions(text, text.length, keys).map((each) => each.insert);

  test("names are completed with and without their group, odd ones in backquotes", () => {
    expect(offered("metrics.v")).toEqual(["metrics.`val/acc`"]);
    expect(offered("lo")).toEqual(["metrics.loss"]);
    expect(offered("metrics.loss < 1 and params.l")).toEqual(["params.lr"]);
  });

  test("nothing is offered inside of a text or for nothing", () => {
    expect(offered("params.lr = 'lo")).toEqual([]);
    expect(offered("")).toEqual([]);
  });
});

describe("views", () => {
  test("anything that is no view is left out", () => {
    expect(parseViews("nonsense")).toEqual([]);
    expect(parseViews('[{"name": 1}, {"name": "a", "search": {}, "isDefault": true}]')).toHaveLength(1);
  });

  test("there is one default, and a name is there once", () => {
    const views = withView([{ name: "a", search: {}, isDefault: true }], { name: "b", search: {}, isDefault: true });
    expect(views.map((view) => view.isDefault)).toEqual([false, true]);
    expect(withView(views, { name: "a", search: { x: 1 }, isDefault: false })).toHaveLength(2);
  });

  test("a view keeps the look, not what is selected or zoomed", () => {
    expect(searchOfView({ filter: "a", zoom: [1, 2], hide: ["r"] })).toEqual({ filter: "a" });
  });
});

describe("statistics", () => {
  test("correlation of a line is one, of a constant nothing", () => {
    expect(correlation([1, 2, 3, 4], [2, 4, 6, 8])).toBeCloseTo(1);
    expect(correlation([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1);
    expect(correlation([1, 1, 1], [1, 2, 3])).toBeNull();
  });

  test("each column is correlated with each other one, and one without spread is left out", () => {
    const { names, r } = correlations([
      { name: "lr", values: [1, 2, 3, 4] },
      { name: "constant", values: [5, 5, 5, 5] },
      { name: "loss", values: [8, 6, 4, 2] },
      { name: "seldom", values: [Number.NaN, Number.NaN, 1, 2] },
    ]);
    expect(names).toEqual(["lr", "loss"]);
    expect(r[0]?.[1]).toBeCloseTo(-1);
    expect(r[1]?.[0]).toBeCloseTo(-1);
    expect(r[0]?.[0]).toBeCloseTo(1);
  });

  test("a param that decides the metric explains nearly all of it, a random one nearly nothing", () => {
    const metric = Array.from({ length: 40 }, (_, at) => (at % 2) * 10 + ((at * 7) % 5) / 100);
    expect(
      importance(
        metric.map((_, at) => String(at % 2)),
        metric,
      ),
    ).toBeGreaterThan(0.99);
    expect(
      importance(
        metric.map((_, at) => String((at >> 1) % 3)),
        metric,
      ),
    ).toBeLessThan(0.1);
    expect(
      importance(
        metric.map((_, at) => `id-${at}`),
        metric,
      ),
    ).toBeNull();
  });

  test("the surface passes near its points", () => {
    const { z } = interpolate(
      [
        [0, 0, 1],
        [1, 1, 5],
        [0, 1, 3],
      ],
      11,
    );
    expect(z[0]?.[0]).toBeCloseTo(1, 2);
    expect(z[10]?.[10]).toBeCloseTo(5, 2);
  });
});

describe("texts and pictures", () => {
  test("the difference of two texts keeps what is the same", () => {
    expect(diffLines("a\nb\nc", "a\nx\nc").map((line) => `${line.kind} ${line.text}`)).toEqual([
      "same a",
      "gone b",
      "new x",
      "same c",
    ]);
  });

  test("names in a picture are text", () => {
    const curve = {
      id: "r",
      label: "<script>",
      color: "#000000",
      group: "",
      xs: [0, 1],
      ys: [0, null],
      logged: [0, Number.NaN],
      smoothed: null,
      isExact: true,
      count: 2,
    };
    expect(toSvg([curve], "a & b")).not.toMatch(/<script>| & /);
  });
});
