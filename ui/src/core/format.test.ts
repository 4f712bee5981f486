import { describe, expect, test } from "vitest";
import { formatAgo, formatBytes, formatDuration, formatNumber, formatShort, formatTime } from "./format";

describe("numbers", () => {
  test.each([
    [0, "0"],
    [12418, "12,418"],
    [-3, "−3"],
    [0.93214, "0.93214"],
    [0.1 + 0.2, "0.3"],
    [1e-7, "1.0000e-7"],
    [1234567.5, "1.2346e6"],
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "∞"],
    [null, "–"],
  ])("%s is written %s", (value, text) => expect(formatNumber(value)).toBe(text));

  test.each([
    [999, "999"],
    [12_418, "12.4k"],
    [3_000_000, "3M"],
    [-2500, "−2.5k"],
    [1e-10, "1e-10"],
    [2.5e-10, "2.5e-10"],
    [1.9e305, "1.9e305"],
  ])("%s is short %s", (value, text) => expect(formatShort(value)).toBe(text));

  test("bytes have binary units", () => {
    expect(formatBytes(12)).toBe("12 bytes");
    expect(formatBytes(4096)).toBe("4.0 KiB");
    expect(formatBytes(undefined)).toBe("–");
  });
});

describe("times", () => {
  test.each([
    [850, "850 ms"],
    [4100, "4.1 s"],
    [192_000, "3 m 12 s"],
    [3_600_000, "1 h"],
    [90_061_000, "1 d 1 h"],
    [-1, "–"],
  ])("%s ms last %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

  test("ages are relative, moments exact in the chosen zone", () => {
    expect(formatAgo(0, 3_000)).toBe("just now");
    expect(formatAgo(0, 61_000)).toBe("1 minute ago");
    expect(formatAgo(0, 7_200_000)).toBe("2 hours ago");
    expect(formatTime(Date.UTC(2026, 10, 26, 12, 5, 9), "UTC")).toBe("2026-11-26 12:05:09 UTC");
  });
});
