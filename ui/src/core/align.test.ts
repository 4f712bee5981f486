import { describe, expect, it } from "vitest";
import { aligned } from "./align";

const curve = (count: number, value: (x: number) => number | null) => {
  const xs = Array.from({ length: count }, (_, x) => x);
  return { xs, ys: xs.map(value) };
};

describe("aligned", () => {
  it("keeps the spike of a single point, whatever the number of points", () => {
    const { ys } = aligned([curve(100_000, (x) => (x === 31_337 ? 1000 : 0))], 300);
    expect(ys[0]?.filter((y) => y === 1000)).toHaveLength(1);
  });

  it("needs four places a column, not one for each point of each curve", () => {
    const curves = Array.from({ length: 50 }, (_, run) => curve(1000, (x) => x + run));
    const { xs, ys } = aligned(curves, 100);
    expect(xs).toHaveLength(400);
    expect(ys).toHaveLength(50);
  });

  it("spans the range of all curves with ascending places", () => {
    const { xs } = aligned([curve(10, (x) => x), { xs: [-5, 20], ys: [1, 2] }], 8);
    expect([xs[0], xs.at(-1)]).toEqual([-5, 20]);
    expect(xs.every((x, at) => at === 0 || x > (xs[at - 1] as number))).toBe(true);
  });

  it("keeps first, extremes and last of a column in the order they were logged", () => {
    const { ys } = aligned([{ xs: [0, 1, 2, 3, 4, 100], ys: [5, 1, 4, 9, 6, 7] }], 2);
    expect(ys[0]?.slice(0, 4)).toEqual([5, 1, 9, 6]);
  });

  it("ends a curve at its last point", () => {
    expect(aligned([curve(1001, (x) => x)], 10).ys[0]?.findLast((y) => y !== undefined)).toBe(1000);
  });

  it("leaves a gap where NaN was logged", () => {
    const { ys } = aligned([{ xs: [0, 50, 100], ys: [1, null, 2] }], 4);
    expect(ys[0]?.filter((y) => y === null)).toHaveLength(1);
  });

  it("has nothing to show for no points", () => {
    expect(aligned([{ xs: [], ys: [] }], 10)).toEqual({ xs: [], ys: [[]] });
  });
});
