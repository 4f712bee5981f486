import { describe, expect, test } from "vitest";
import { doubles } from "./doubles";

describe("doubles", () => {
  test("are read as they were written", () => {
    // struct.pack("<4d", 0.1, -3, 2**53, -0.0) in Python
    expect(doubles("mpmZmZmZuT8AAAAAAAAIwAAAAAAAAEBDAAAAAAAAAIA=")).toEqual([0.1, -3, 2 ** 53, -0]);
  });

  test("may be none", () => {
    expect(doubles("")).toEqual([]);
  });
});
