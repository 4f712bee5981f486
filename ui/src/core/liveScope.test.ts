import { describe, expect, it } from "vitest";
import { isStale, mayBringNames } from "./liveScope";

const RUN = "0123456789abcdef0123456789abcdef";

describe("isStale", () => {
  const touched = new Set([RUN, "7"]);

  it("is what shows a run or an experiment that was written", () => {
    expect(isStale(["run", RUN], touched)).toBe(true);
    expect(isStale(["run", "other"], touched)).toBe(false);
    expect(isStale(["experiment", "7"], touched)).toBe(true);
    expect(isStale(["experiment", "8"], touched)).toBe(false);
    expect(isStale(["runs by id", "other", RUN], touched)).toBe(true);
    expect(isStale(["runs by id", "other"], touched)).toBe(false);
    expect(isStale(["lines", { runs: ["other", RUN] }], touched)).toBe(true);
    expect(isStale(["lines", { runs: ["other"] }], touched)).toBe(false);
  });

  it("is every short list, and nothing that has its own way", () => {
    expect(isStale(["experiments", "ACTIVE_ONLY"], touched)).toBe(true);
    expect(isStale(["runs", {}], touched)).toBe(false);
    expect(isStale(["keys", "7"], touched)).toBe(false);
    expect(isStale(["file", "x"], null)).toBe(false);
  });

  it("is everything that changes while nobody knows what was written", () => {
    expect(isStale(["run", "other"], null)).toBe(true);
    expect(isStale(["experiment", "8"], null)).toBe(true);
  });
});

describe("mayBringNames", () => {
  it("is a change of runs, not of models", () => {
    expect(mayBringNames(new Set([RUN]))).toBe(true);
    expect(mayBringNames(new Set(["7"]))).toBe(true);
    expect(mayBringNames(new Set(["churn"]))).toBe(false);
    expect(mayBringNames(new Set())).toBe(false);
    expect(mayBringNames(null)).toBe(true);
  });
});
