import { describe, expect, test } from "vitest";
import { toRow } from "./columns";
import { COLOR_TAG, hash, PALETTE, runColor, runColors, shownOf } from "./palette";

const run = (id: string, start = 0, color?: string) =>
  toRow({
    info: { run_id: id, run_name: id, status: "FINISHED", start_time: start },
    data: { tags: color === undefined ? [] : [{ key: COLOR_TAG, value: color }] },
  });
/** Runs whose ids lead to one and the same step. */
const alike = Array.from({ length: 1000 }, (_, at) => `run-${at}`).filter((id) => hash(id) % PALETTE.length === 3);
const [first, second, third] = alike as [string, string, string];

describe("the colour of a run", () => {
  test("is the same every time, and what its user chose if that is a colour", () => {
    expect(runColor(run("abc"))).toBe(runColor(run("abc")));
    expect(runColor(run("abc", 0, "#123456"))).toBe("#123456");
    expect(runColor(run("abc", 0, "red; background: url(x)"))).toBe(runColor(run("abc")));
    expect(hash("a")).not.toBe(hash("b"));
  });
});

describe("the colours of runs that are drawn together", () => {
  test("differ as far as the palette reaches, however alike the ids", () => {
    const rows = alike.slice(0, PALETTE.length).map((id) => run(id));
    expect(new Set(runColors(rows).values())).toEqual(new Set(PALETTE));
  });

  test("beyond the palette are those of the ids again", () => {
    const rows = alike.slice(0, PALETTE.length + 1).map((id, at) => run(id, at));
    expect(runColors(rows).get(rows.at(-1)?.id ?? "")).toBe(PALETTE[3]);
  });

  test("stay when a newer run comes, wherever it is listed", () => {
    const before = runColors([run(first, 1), run(second, 2)]);
    const after = runColors([run(third, 3), run(second, 2), run(first, 1)]);
    expect(before.get(first)).toBe(PALETTE[3]);
    expect([after.get(first), after.get(second)]).toEqual([before.get(first), before.get(second)]);
    expect(new Set(after.values()).size).toBe(3);
  });

  test("that were chosen are kept, and not given to others", () => {
    const colors = runColors([run(first, 1), run("other", 2, PALETTE[3]), run("another", 3, PALETTE[3])]);
    expect([colors.get("other"), colors.get("another")]).toEqual([PALETTE[3], PALETTE[3]]);
    expect(colors.get(first)).toBe(PALETTE[4]);
  });

  test("are those that the charts get, in the order of the runs", () => {
    expect(shownOf([run(second, 2), run(first, 1)], (row) => `group of ${row.name}`)).toEqual([
      { id: second, label: second, color: PALETTE[4], start: 2, group: `group of ${second}` },
      { id: first, label: first, color: PALETTE[3], start: 1, group: `group of ${first}` },
    ]);
  });
});
