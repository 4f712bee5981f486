import { describe, expect, it } from "vitest";
import type { Run } from "@/queries/types";
import { rowsToCsv, rowsToJson, toRow } from "./columns";

const row = (params: Record<string, string>, metrics: Record<string, number | string> = {}) =>
  toRow({
    info: { run_id: "r1", run_uuid: "r1", run_name: "one" },
    data: {
      params: Object.entries(params).map(([key, value]) => ({ key, value })),
      metrics: Object.entries(metrics).map(([key, value]) => ({ key, value, timestamp: 0 })),
    },
  } as Run);

const cell = (value: string) =>
  rowsToCsv([row({ p: value })], ["p.p"])
    .split("\n")[1]
    ?.slice("r1,".length);

describe("rowsToCsv", () => {
  it.each(["-0.5", "+1", "-1e-05", "-.5", "-3.", "-inf", "-Infinity", "+nan", "0.1"])(
    "leaves the number %s",
    (value) => {
      expect(cell(value)).toBe(value);
    },
  );

  it.each(["=1+1", "+1+1", "-2+3", "-cmd", "@SUM(A1)", "\tx", "-", "-e5"])("quotes %j as text", (value) => {
    expect(cell(value)).toBe(`'${value}`);
  });

  it("has the names that a search has", () => {
    expect(rowsToCsv([], ["name", "m.loss", "id"])).toBe("run_id,name,metrics.loss\n");
  });
});

describe("rowsToJson", () => {
  it("has the names of the CSV file, and numbers that JSON has not as text", () => {
    const made = row({ lr: "-0.5" }, { a: "NaN", b: "Infinity", c: "-Infinity", d: 0.25 });
    expect(JSON.parse(rowsToJson([made], ["name", "m.a", "m.b", "m.c", "m.d", "p.lr", "p.none"]))).toEqual([
      {
        run_id: "r1",
        name: "one",
        "metrics.a": "NaN",
        "metrics.b": "Infinity",
        "metrics.c": "-Infinity",
        "metrics.d": 0.25,
        "params.lr": "-0.5",
        "params.none": null,
      },
    ]);
  });
});
