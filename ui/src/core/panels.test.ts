import { describe, expect, test } from "vitest";
import { layoutOf, movedTo } from "./layout";
import { DEFAULT_SIZE, placed, placedAt, sizeIn, sizeNear, withSize } from "./panels";

const KEYS = ["a", "b", "c", "d"];

describe("order of panels", () => {
  test("what was placed stands first, what is not there any more is left out", () => {
    expect(placed(KEYS, ["c", "gone", "a"])).toEqual(["c", "a", "b", "d"]);
  });

  test("only as much is kept as is needed", () => {
    expect(placedAt(KEYS, [], "c", "a")).toEqual(["c"]);
    expect(placedAt(KEYS, [], "a", "c")).toEqual(["b", "c"]);
    expect(placedAt(KEYS, ["c"], "c", "b")).toEqual([]);
  });

  test("the order that is kept is the one that was asked for", () => {
    for (const key of KEYS)
      for (const to of KEYS) {
        const asked = placed(KEYS, placedAt(KEYS, ["d", "b"], key, to));
        expect(asked.indexOf(key)).toBe(placed(KEYS, ["d", "b"]).indexOf(to));
      }
  });

  test("places of other sections stay", () => {
    expect(placedAt(KEYS, ["val/x"], "b", "a")).toEqual(["val/x", "b"]);
  });
});

describe("sizes of panels", () => {
  test("the nearest one that is allowed", () => {
    expect(sizeNear({ span: 0.2, height: 333 })).toEqual({ span: 1, height: 340 });
    expect(sizeNear({ span: 9, height: 9999 }, 3)).toEqual({ span: 3, height: 720 });
  });

  test.each([[undefined], ["text"], [{ a: "no" }], [{ a: [1] }], [{ a: ["x", 200] }]])(
    "the address %o leaves the default",
    (sizes) => expect(sizeIn(sizes, "a")).toEqual(DEFAULT_SIZE),
  );

  test("a size is kept, the default is not", () => {
    const sizes = withSize({ b: [2, 300] }, "a", { span: 2, height: 400 });
    expect(sizeIn(sizes, "a")).toEqual({ span: 2, height: 400 });
    expect(withSize({ a: [2, 300] }, "a", DEFAULT_SIZE)).toBeUndefined();
  });
});

describe("columns of the table", () => {
  test("pinned ones stand behind the name, in the order in which they were pinned", () => {
    expect(layoutOf(["name", "a", "b", "c"], ["c", "b", "gone"])).toEqual({
      columns: ["name", "c", "b", "a"],
      pinned: 3,
    });
  });

  test("a column that is moved among pinned ones is pinned, and the other way round", () => {
    const layout = { columns: ["name", "p", "a", "b"], pinned: 2 };
    expect(movedTo(layout, "b", "p")).toEqual({ columns: ["name", "b", "p", "a"], pinned: 3 });
    expect(movedTo(layout, "p", "b")).toEqual({ columns: ["name", "a", "b", "p"], pinned: 1 });
    expect(movedTo(layout, "a", "b")).toEqual({ columns: ["name", "p", "b", "a"], pinned: 2 });
  });

  test("the name stays first", () => {
    const layout = { columns: ["name", "a", "b"], pinned: 1 };
    expect(movedTo(layout, "name", "b")).toEqual(layout);
    expect(movedTo(layout, "b", "name").columns).toEqual(["name", "b", "a"]);
    expect(movedTo(layout, "elsewhere", "a")).toEqual(layout);
  });
});
