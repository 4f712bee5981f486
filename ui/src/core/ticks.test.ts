import { describe, expect, test } from "vitest";
import { evenTicks, logTicks, tickLabels, timeLabels, timeTicks } from "./ticks";

describe("marks of an axis", () => {
  test("are round numbers inside the range", () => {
    expect(evenTicks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(evenTicks(-3, 22, 5)).toEqual([0, 5, 10, 15, 20]);
    expect(evenTicks(31_300, 31_400, 4)).toEqual([31_300, 31_350, 31_400]);
  });

  test("are there for every size of number", () => {
    expect(evenTicks(1e-10, 5e-10, 4)).toEqual([1e-10, 2e-10, 3e-10, 4e-10, 5e-10]);
    expect(evenTicks(1.7e305, 2.1e305, 4)).toHaveLength(5);
    expect(logTicks(1e305, 1e306, 8).length).toBeGreaterThan(2);
    expect(logTicks(1e-10, 1e10, 5)).toEqual([1e-10, 1e-5, 1, 1e5, 1e10]);
  });

  test("end where numbers cannot be told apart, or there is no range", () => {
    expect(evenTicks(1e300, 1e300, 4)).toEqual([]);
    expect(evenTicks(2 ** 53, 2 ** 53 + 2, 100).length).toBeLessThan(200);
    expect(logTicks(-1, 5, 4)).toEqual([]);
  });

  test("of a logarithmic axis stand between powers of ten where there is room", () => {
    expect(logTicks(1, 100, 8)).toEqual([1, 2, 5, 10, 20, 50, 100]);
    expect(logTicks(0.2, 0.3, 5).length).toBeGreaterThan(2);
  });

  test("have as many digits as tell them apart", () => {
    expect(tickLabels([0, 0.5, 1])).toEqual(["0", "0.5", "1"]);
    expect(tickLabels([31_320, 31_330])).toEqual(["31.32k", "31.33k"]);
    expect(tickLabels([1000, 1000.0002])).toEqual(["1000", "1000.0002"]);
    expect(tickLabels([1e-10, 2.5e-10])).toEqual(["1e-10", "2.5e-10"]);
    expect(tickLabels([1.9e305, 2e305])).toEqual(["1.9e305", "2e305"]);
  });
});

describe("times on an axis", () => {
  const noon = Date.UTC(2026, 10, 26, 12) / 1000;

  test("are written in the chosen zone, with the date where it changes", () => {
    expect(timeLabels([noon, noon + 21_600, noon + 43_200], 21_600, "UTC")).toEqual([
      "12:00\n2026-11-26",
      "18:00",
      "00:00\n2026-11-27",
    ]);
    expect(timeLabels([noon], 60, "Asia/Tokyo")).toEqual(["21:00\n2026-11-26"]);
  });

  test("stand where the clock of the zone is round", () => {
    expect(timeTicks(noon, noon + 86_400, 4, "UTC")).toEqual([0, 6, 12, 18, 24].map((hour) => noon + hour * 3600));
    expect(timeTicks(noon, noon + 7200, 2, "Asia/Kolkata")[0]).toBe(noon + 1800);
  });

  test("are as exact as their distance", () => {
    expect(timeLabels([noon + 0.25], 0.25, "UTC")).toEqual(["12:00:00.250\n2026-11-26"]);
    expect(timeLabels([noon + 5], 5, "UTC")).toEqual(["12:00:05\n2026-11-26"]);
    expect(timeLabels([noon], 86_400, "UTC")).toEqual(["11-26\n2026"]);
    expect(timeLabels([noon], 30 * 86_400, "UTC")).toEqual(["2026-11"]);
    expect(timeLabels([noon], 365 * 86_400, "UTC")).toEqual(["2026"]);
  });
});
