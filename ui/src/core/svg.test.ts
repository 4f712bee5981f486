import { describe, expect, test } from "vitest";
import type { Curve, Look } from "./lines";
import { toSvg } from "./svg";

const look: Look = { x: "step", logX: false, logY: false, clip: false, band: false };

function curve(ys: (number | null)[], changes: Partial<Curve> = {}): Curve {
  const logged = ys.map((y) => y ?? Number.NaN);
  const xs = ys.map((_, at) => at);
  const rest = { id: "r", label: "run", color: "#d55e00", group: "", smoothed: null, isExact: true };
  return { ...rest, xs, ys, logged, count: ys.length, ...changes };
}

const words = (svg: string) => [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map((found) => found[1]);
/** Heights of the points of the first path in the plot. */
const heights = (svg: string) => {
  const path = /<path d="([^"]*)" fill="none"/.exec(svg)?.[1] ?? "";
  return path
    .split(/[ML]/)
    .slice(1)
    .map((point) => Number(point.split(" ")[1]));
};

describe("a chart as a file", () => {
  test("has the axes that the chart has", () => {
    const svg = toSvg([curve([1, 10, 100, 1000])], "m", { look: { ...look, logY: true } });
    expect(words(svg)).toEqual(expect.arrayContaining(["1", "10", "100", "1k"]));
    const [a = 0, b = 0, c = 0] = heights(svg);
    expect(a - b).toBeCloseTo(b - c, 1);
  });

  test("leaves out what a logarithmic axis has no place for", () => {
    expect(heights(toSvg([curve([-1, 0, 1, 10])], "m", { look: { ...look, logY: true } }))).toHaveLength(2);
  });

  test("has the range in view, and of y what lies in it", () => {
    const ys = [1e6, 1, 2, 3, 1e6];
    const found = words(toSvg([curve(ys)], "m", { look, zoom: [1, 3] }));
    expect(found).toContain("2");
    expect(found.filter((word) => /[kM]$/.test(word ?? ""))).toEqual([]);
  });

  test("has a mean in its band for each group, as the chart does", () => {
    const curves = [curve([1, 2], { group: "a" }), curve([3, 4], { group: "a" }), curve([5, 5], { group: "b" })];
    const svg = toSvg(curves, "m", { look: { ...look, band: true } });
    expect(svg.match(/fill-opacity="0.15"/g)).toHaveLength(2);
    expect(words(svg)).toEqual(expect.arrayContaining(["a (2 runs)", "b (1 run)"]));
  });

  test("has the raw line under the smoothed one", () => {
    expect(toSvg([curve([1, 9, 1], { smoothed: [3, 4, 3] })], "m").match(/stroke-opacity="0.25"/g)).toHaveLength(1);
  });

  test("draws a point that no line leads to as a dot", () => {
    expect(toSvg([curve([1, null, 2, null, 3, 4])], "m").match(/<circle/g)).toHaveLength(2);
  });

  test("writes times in the chosen zone", () => {
    const noon = Date.UTC(2026, 10, 26, 12) / 1000;
    const timed = curve([1, 2, 3], { xs: [noon, noon + 3600, noon + 7200] });
    const svg = toSvg([timed], "m", { look: { ...look, x: "time" }, timeZone: "Asia/Tokyo" });
    expect(words(svg)).toEqual(expect.arrayContaining(["21:00", "2026-11-26", "23:00"]));
  });
});
