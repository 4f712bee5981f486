/** Values of several runs next to each other. */
import { formatNumber } from "./format";

export type Value = string | number;

export interface Cell {
  text: string;
  /** The value in full. */
  exact: string;
}

/** One line of a comparison: a value for each run, undefined where a run has none. */
export interface Compared {
  key: string;
  cells: (Cell | undefined)[];
  differs: boolean;
}

const MOST_DIGITS = 16;

/** A number in full: no other double is written so. */
const formatWhole = (value: number): string =>
  Number.isFinite(value) ? String(value).replace(/^-/, "−") : formatNumber(value);

/** Numbers with as many digits as are needed to tell them apart, at least 5. */
export function formatApart(values: readonly (number | undefined)[]): (string | undefined)[] {
  const distinct = new Set(values.filter((value) => value !== undefined));
  const written = (digits: number) => new Set([...distinct].map((value) => formatNumber(value, digits)));
  let digits = 5;
  while (digits <= MOST_DIGITS && written(digits).size < distinct.size) digits++;
  const format = (value: number) => (digits <= MOST_DIGITS ? formatNumber(value, digits) : formatWhole(value));
  return values.map((value) => (value === undefined ? undefined : format(value)));
}

/** The line of a key. Values are compared as they are, not as they are written; NaN equals NaN. */
export function compared(key: string, values: readonly (Value | undefined)[]): Compared {
  const numbers = formatApart(values.map((value) => (typeof value === "number" ? value : undefined)));
  return {
    key,
    cells: values.map((value, at) =>
      value === undefined ? undefined : { text: numbers[at] ?? String(value), exact: String(value) },
    ),
    differs: new Set(values).size > 1,
  };
}

/** A line for each key that any of the items has, by name. */
export function comparedAll<T>(items: readonly T[], of: (item: T) => Record<string, Value>): Compared[] {
  const all = items.map(of);
  const keys = [...new Set(all.flatMap((values) => Object.keys(values)))].sort();
  return keys.map((key) =>
    compared(
      key,
      all.map((values) => (Object.hasOwn(values, key) ? values[key] : undefined)),
    ),
  );
}

/** Runs that stand side by side. */
export const MOST_COMPARED = 200;

/** What the address of a comparison says: the runs, and of how many they are the first if there are too many. */
export const comparisonOf = (ids: readonly string[]): { runs: string[]; of?: number } => ({
  runs: ids.slice(0, MOST_COMPARED),
  ...(ids.length > MOST_COMPARED && { of: ids.length }),
});
