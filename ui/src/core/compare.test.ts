import { describe, expect, it } from "vitest";
import { compared, comparedAll, comparisonOf, formatApart } from "./compare";

const texts = (...values: (number | string | undefined)[]) => compared("k", values).cells.map((cell) => cell?.text);
const differs = (...values: (number | string | undefined)[]) => compared("k", values).differs;

describe("formatApart", () => {
  it("writes no more digits than are needed", () => {
    expect(formatApart([0.912, 0.95])).toEqual(["0.912", "0.95"]);
    expect(formatApart([0.91234411, 0.91234389, undefined])).toEqual(["0.9123441", "0.9123439", undefined]);
    expect(formatApart([0.1 + 0.2, 0.3])).toEqual(["0.30000000000000004", "0.3"]);
    expect(formatApart([1 / 3, 1 / 3])).toEqual(["0.33333", "0.33333"]);
  });

  it("writes what is no number of digits", () => {
    expect(formatApart([Number.NaN, Number.NaN, Number.POSITIVE_INFINITY])).toEqual(["NaN", "NaN", "∞"]);
  });
});

describe("compared", () => {
  it("tells numbers apart that are alike in five digits", () => {
    expect(differs(0.91234411, 0.91234389)).toBe(true);
    expect(texts(0.91234411, 0.91234389)).toEqual(["0.9123441", "0.9123439"]);
    expect(compared("k", [0.91234411]).cells[0]?.exact).toBe("0.91234411");
  });

  it("takes NaN for NaN, and a missing value for a difference", () => {
    expect(differs(Number.NaN, Number.NaN)).toBe(false);
    expect(differs(1, undefined)).toBe(true);
    expect(differs("1", "1.0")).toBe(true);
    expect(texts("1", undefined)).toEqual(["1", undefined]);
  });

  it("makes a line for each key of any, by name", () => {
    const lines = comparedAll<Record<string, number>>([{ b: 1, a: 1 }, { a: 1 }], (item) => item);
    expect(lines.map((line) => [line.key, line.differs])).toEqual([
      ["a", false],
      ["b", true],
    ]);
  });
});

describe("comparisonOf", () => {
  it("says of how many runs it has the first", () => {
    const ids = Array.from({ length: 201 }, (_, at) => String(at));
    expect(comparisonOf(ids.slice(0, 200))).toEqual({ runs: ids.slice(0, 200) });
    expect(comparisonOf(ids)).toEqual({ runs: ids.slice(0, 200), of: 201 });
  });
});
