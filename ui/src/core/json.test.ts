import { describe, expect, it } from "vitest";
import { indented, parseExactly } from "./json";
import { tableOfJson } from "./tables";

describe("indented", () => {
  it.each([
    { a: { b: [1, 2, {}], c: [] }, "d,:{}[]": 'e "q" \\ \n' },
    [],
    {},
    [[[]], [{}]],
    "text",
    12,
    null,
    [true, false, null, -0.5, "ü 😀"],
  ])("lays %j out as JSON.stringify does", (value) => {
    expect(indented(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2));
    expect(indented(JSON.stringify(value, null, "\t"))).toBe(JSON.stringify(value, null, 2));
  });

  it("keeps every token as it is", () => {
    expect(indented('{"id":12345678901234567890,"x":1.0,"y":1E5,"s":"\\u0041","x":2}')).toBe(
      '{\n  "id": 12345678901234567890,\n  "x": 1.0,\n  "y": 1E5,\n  "s": "\\u0041",\n  "x": 2\n}',
    );
  });
});

describe("a text of megabytes", () => {
  it("is laid out too", () => {
    const value = { long: '\\"x'.repeat(1_000_000), many: Array.from({ length: 200_000 }, (_, at) => at) };
    expect(indented(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2));
  });
});

describe("parseExactly", () => {
  it("gives tables the digits that were written", () => {
    const text = '{"columns":["id","x"],"data":[[12345678901234567890,1.0],[1,{"n":[2.50]}]]}';
    expect(tableOfJson(parseExactly(text))?.rows).toEqual([
      ["12345678901234567890", "1.0"],
      ["1", '{"n":[2.50]}'],
    ]);
  });

  it("refuses what is no JSON", () => {
    expect(() => parseExactly('{"a": NaN}')).toThrow(SyntaxError);
  });
});
