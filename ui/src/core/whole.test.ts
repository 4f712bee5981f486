import { expect, test } from "vitest";
import type { Line } from "@/queries/metrics";
import { wholeLine } from "./whole";

/** A server that sends at most `most` points of a history, the first and the last among them. */
function serverOf(points: readonly (readonly [number, number])[], most: number) {
  let asked = 0;
  const ask = async (start: number | null, end: number | null): Promise<Line | undefined> => {
    asked++;
    const inside = points.filter(([x]) => (start === null || x >= start) && (end === null || x <= end));
    const numbers = inside.filter(([, y]) => !Number.isNaN(y));
    const stride = Math.ceil(numbers.length / most);
    const shown = numbers.filter((_, at) => at % stride === 0 || at === numbers.length - 1);
    const nanPlaces = inside.filter(([, y]) => Number.isNaN(y)).map(([x]) => x);
    const [places, values] = [shown.map(([x]) => x), shown.map(([, y]) => y)];
    const isExact = shown.length === numbers.length;
    if (inside.length === 0) return undefined;
    return { run: "r", key: "m", places, values, nanPlaces, count: inside.length, isExact };
  };
  return { ask, asked: () => asked };
}

const regular = Array.from({ length: 5000 }, (_, x) => [x, x % 7 === 3 ? Number.NaN : x * 2] as const);

test("the points that a thinned line lacks are asked for", async () => {
  const { ask } = serverOf(regular, 100);
  const line = await wholeLine((await ask(null, null)) as Line, null, null, ask);
  expect(line.places).toEqual(regular.filter(([, y]) => !Number.isNaN(y)).map(([x]) => x));
  expect(line.values).toEqual(line.places.map((x) => x * 2));
  expect(line.nanPlaces).toHaveLength(714);
  expect(line.isExact).toBe(true);
});

test("a window stays one", async () => {
  const { ask } = serverOf(regular, 100);
  const line = await wholeLine((await ask(1000, 1999)) as Line, 1000, 1999, ask);
  expect([line.places[0], line.places.at(-1), line.count]).toEqual([1000, 1999, 1000]);
  expect(line.places.length + line.nanPlaces.length).toBe(1000);
});

test("a line that lacks nothing is not asked for again", async () => {
  const { ask, asked } = serverOf(regular, 10_000);
  await wholeLine((await ask(null, null)) as Line, null, null, ask);
  expect(asked()).toBe(1);
});

test("points of one place that no answer tells apart end the search, and are still counted", async () => {
  const { ask } = serverOf([...Array.from({ length: 50 }, () => [7, 1] as const), [9, 2]], 10);
  const line = await wholeLine((await ask(null, null)) as Line, null, null, ask);
  expect(line.places.length).toBeLessThan(line.count);
});
