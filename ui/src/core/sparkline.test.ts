import { expect, test } from "vitest";
import { sparkline } from "./sparkline";

test("the line fills its box, the greatest value at the top", () => {
  expect(sparkline([0, 5, 10], [1, 3, 2], 40, 10)).toBe("M0 10L20 0L40 5");
});

test("what is not finite is left out", () => {
  expect(sparkline([0, 1, 2], [1, Number.NaN, 2], 40, 10)).toBe("M0 10L40 0");
});

test("a constant is a line in the middle", () => {
  expect(sparkline([0, 1], [7, 7], 40, 10)).toBe("M0 5L40 5");
});

test.each([
  [[], []],
  [[3], [1]],
  [
    [3, 3],
    [1, 2],
  ],
])("places %o are no line", (xs, ys) => {
  expect(sparkline(xs, ys, 40, 10)).toBe("");
});
