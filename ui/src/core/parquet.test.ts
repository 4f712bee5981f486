import { parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import { toRow } from "./columns";
import { rowsToParquet } from "./parquet";

const run = (id: string, metric: number | string | undefined, lr: string | undefined) =>
  toRow({
    info: { run_id: id, run_name: `name of ${id}`, status: "FINISHED", start_time: 0, end_time: 1500 },
    data: {
      metrics: metric === undefined ? [] : [{ key: "loss", value: metric as number, timestamp: 1, step: 0 }],
      params: lr === undefined ? [] : [{ key: "lr", value: lr }],
      tags: [],
    },
  });

test("a file of runs has their values in full, numbers as numbers, and null for what a run does not have", async () => {
  const rows = [run("a", 1 / 3, "0.1"), run("b", "NaN", undefined), run("c", undefined, "ä")];
  const file = rowsToParquet(rows, ["name", "duration", "m.loss", "p.lr"]);
  expect(await parquetReadObjects({ file })).toEqual([
    { run_id: "a", name: "name of a", duration: 1500, "metrics.loss": 1 / 3, "params.lr": "0.1" },
    { run_id: "b", name: "name of b", duration: 1500, "metrics.loss": Number.NaN, "params.lr": null },
    { run_id: "c", name: "name of c", duration: 1500, "metrics.loss": null, "params.lr": "ä" },
  ]);
});

test("a file of no run at all has its columns", async () => {
  expect(await parquetReadObjects({ file: rowsToParquet([], ["m.loss"]) })).toEqual([]);
});
