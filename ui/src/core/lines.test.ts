import { describe, expect, test } from "vitest";
import { numberOf } from "@/queries/types";
import { type Curve, lonely, meanAndBand, shareOf, toCsv, toCurve, withoutOutliers } from "./lines";
import { nearestIndex } from "./nearest";
import { smooth } from "./smoothing";

const line = {
  run: "r1",
  key: "loss",
  places: [0, 1, 2, 4],
  values: [4, 3, 2, 1],
  nanPlaces: [3],
  count: 5,
  isExact: true,
};
const options = { x: "step" as const, smoothing: "none" as const, strength: 0, label: "first", color: "#000000" };

function curve(xs: number[], ys: (number | null)[]): Curve {
  const logged = ys.map((y) => y ?? Number.NaN);
  const count = xs.length;
  return { id: "r", label: "r", color: "#000000", group: "", xs, ys, logged, smoothed: null, isExact: true, count };
}

describe("curves", () => {
  test("a NaN is a gap at its step", () => {
    const made = toCurve(line, options);
    expect(made.xs).toEqual([0, 1, 2, 3, 4]);
    expect(made.ys).toEqual([4, 3, 2, null, 1]);
  });

  test.each(["time", "relative"] as const)("a NaN is a gap on the axis of %s too", (x) => {
    const timed = { ...line, places: [1000, 2000, 3000, 5000], nanPlaces: [4000] };
    const made = toCurve(timed, { ...options, x, origin: 1000 });
    expect(made.xs).toEqual(x === "time" ? [1, 2, 3, 4, 5] : [0, 1, 2, 3, 4]);
    expect(made.ys).toEqual([4, 3, 2, null, 1]);
  });

  test("infinity is a gap too: it would flatten every other value", () => {
    const made = toCurve({ ...line, values: [4, Number.POSITIVE_INFINITY, 2, 1], nanPlaces: [] }, options);
    expect(made.ys).toEqual([4, null, 2, 1]);
  });

  test("the greatest double, by which the wire says infinity, is read as infinity", () => {
    expect(numberOf(-1.7976931348623157e308)).toBe(Number.NEGATIVE_INFINITY);
    expect(numberOf("12.5")).toBe(12.5);
  });

  test("relative time counts seconds from the run's start", () => {
    const timed = { ...line, places: [1000, 2000, 3000, 5000], nanPlaces: [] };
    expect(toCurve(timed, { ...options, x: "relative", origin: 1000 }).xs).toEqual([0, 1, 2, 4]);
  });

  test("the band holds every curve, and the mean lies inside", () => {
    const { xs, mean, low, high } = meanAndBand([curve([0, 2], [0, 2]), curve([0, 1, 2], [4, 4, 4])]);
    expect(xs).toEqual([0, 1, 2]);
    expect(low).toEqual([0, 1, 2]);
    expect(high).toEqual([4, 4, 4]);
    expect(mean).toEqual([2, 2.5, 3]);
  });

  test("where no curve is, mean and band have a gap", () => {
    const { mean, low, high } = meanAndBand([curve([0, 1, 2, 3], [1, null, 2, 3]), curve([2, 3], [4, 5])]);
    expect(mean).toEqual([1, null, 3, 4]);
    expect(low).toEqual([1, null, 2, 3]);
    expect(high).toEqual([1, null, 4, 5]);
  });

  test("a point is lonely between gaps and ends, not where no other curve's place is drawn through", () => {
    expect(lonely([1])).toEqual([0]);
    expect(lonely([1, null, 2, null, 3, 4])).toEqual([0, 2]);
    expect(lonely([undefined, 1, undefined, null, 2, undefined, 3])).toEqual([1]);
    expect(lonely([null, null])).toEqual([]);
  });

  test("clipping leaves a spike out and keeps the rest", () => {
    const ys = Array.from({ length: 1000 }, (_, at) => at / 1000);
    ys[500] = 1e9;
    const range = withoutOutliers([
      curve(
        ys.map((_, at) => at),
        ys,
      ),
    ]);
    expect(range?.[1]).toBeLessThan(2);
    expect(range?.[0]).toBeLessThan(0.02);
  });

  test("a file of points quotes what a spreadsheet would run", () => {
    const csv = toCsv([{ ...curve([1], [2]), label: "=cmd()" }], "step", "loss");
    expect(csv).toBe('run_id,run,step,loss\nr,"=cmd()",1,2\n');
  });

  test("a file of points has infinities and NaN as they were logged", () => {
    const values = [4, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1];
    const csv = toCsv([toCurve({ ...line, values }, options)], "step", "loss");
    expect(csv.split("\n").slice(1, -1)).toEqual([
      "r1,first,0,4",
      "r1,first,1,Infinity",
      "r1,first,2,-Infinity",
      "r1,first,3,NaN",
      "r1,first,4,1",
    ]);
  });

  test("curves know how many of their points they have", () => {
    expect(shareOf([{ ...curve([1, 2], [1, 2]), count: 90 }, curve([1], [1])])).toEqual({ drawn: 3, all: 91 });
  });
});

describe("smoothing", () => {
  const places = Array.from({ length: 101 }, (_, at) => at);

  test("no kind draws a constant away from itself", () => {
    for (const kind of ["ema", "gaussian", "mean"] as const)
      for (const value of smooth(
        kind,
        places,
        places.map(() => 5),
        0.8,
      ))
        expect(value).toBeCloseTo(5, 9);
  });

  test("each kind lowers a single spike", () => {
    const values = places.map((at) => (at === 50 ? 100 : 0));
    for (const kind of ["ema", "gaussian", "mean"] as const) {
      const found = smooth(kind, places, values, 0.8);
      expect(found[50]).toBeLessThan(60);
      expect(found[50]).toBeGreaterThan(0);
    }
  });

  test("a gap stays a gap", () => {
    const found = smooth("ema", [0, 1, 2], [1, Number.NaN, 1], 0.5);
    expect(found[1]).toBeNaN();
    expect(found[2]).toBeCloseTo(1);
  });
});

describe("the nearest point", () => {
  test.each([
    [0, 0],
    [1.4, 1],
    [1.6, 2],
    [9.9, 4],
    [50, -1],
  ])("of %s is number %s", (x, at) => expect(nearestIndex([0, 1, 2, 5, 10], x)).toBe(at));
});
