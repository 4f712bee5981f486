import { expect, test } from "vitest";
import { panned, scaled, zoomByKey } from "./zoom";

test("a range is moved by a share of its width", () => {
  expect(panned([10, 20], 0.5)).toEqual([15, 25]);
  expect(panned([10, 20], -1)).toEqual([0, 10]);
});

test("a range is scaled around its middle", () => {
  expect(scaled([10, 20], 0.5)).toEqual([12.5, 17.5]);
  expect(scaled(scaled([10, 20], 2), 0.5)).toEqual([10, 20]);
});

test.each([
  ["ArrowLeft", [9, 13]],
  ["ArrowRight", [11, 15]],
  ["+", [11, 13]],
  ["-", [8, 16]],
  ["0", null],
  ["x", undefined],
] as const)("the key %s makes 10 to 14 %o", (key, zoom) => expect(zoomByKey(key, [10, 14])).toEqual(zoom));
