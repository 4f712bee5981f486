/** Colours of runs: twelve steps that colour-blind readers can tell apart, stable by run id. */
import type { Row } from "./columns";

export const PALETTE = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#8c6d00",
  "#56b4e9",
  "#6a3d9a",
  "#b15928",
  "#1b7837",
  "#e7298a",
  "#4d4d4d",
  "#e69f00",
] as const;

/** A hash of the text, 32 bits (FNV-1a). */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    value ^= text.charCodeAt(at);
    value = Math.imul(value, 0x01000193);
  }
  return value >>> 0;
}

export const COLOR_TAG = "millstream.color";

const chosenColor = (row: Row): string | undefined => {
  const chosen = row.tags[COLOR_TAG];
  return chosen && /^#[0-9a-f]{6}$/i.test(chosen) ? chosen.toLowerCase() : undefined;
};
const step = (row: Row, further: number): string => PALETTE[(hash(row.id) + further) % PALETTE.length] ?? PALETTE[0];

/** The colour of a run by itself: what its user chose, else one of the palette by its id. */
export const runColor = (row: Row): string => chosenColor(row) ?? step(row, 0);

/** The colours of runs that are drawn together, by their ids.
 *
 * Each has its `runColor`; where an earlier run has it already, the next step that is free, as far as the palette reaches. The
 * earlier is the one that was started first, so that a new run does not change the colours of those before it.
 */
export function runColors(rows: readonly Row[]): ReadonlyMap<string, string> {
  const taken = new Set(rows.map(chosenColor));
  const colors = new Map<string, string>();
  const start = (row: Row) => row.run.info.start_time ?? 0;
  for (const row of [...rows].sort((a, b) => start(a) - start(b) || (a.id < b.id ? -1 : 1))) {
    const free = PALETTE.map((_, further) => step(row, further)).find((color) => !taken.has(color));
    const color = chosenColor(row) ?? free ?? runColor(row);
    taken.add(color);
    colors.set(row.id, color);
  }
  return colors;
}

/** A run as charts draw it. */
export interface Shown {
  id: string;
  label: string;
  color: string;
  start: number;
  /** Runs of one group share a band where means are drawn. */
  group: string;
}

/** Runs that are drawn together. */
export function shownOf(rows: readonly Row[], groupOf: (row: Row) => string = () => ""): Shown[] {
  const colors = runColors(rows);
  return rows.map((row) => ({
    id: row.id,
    label: row.name,
    color: colors.get(row.id) ?? runColor(row),
    start: row.run.info.start_time ?? 0,
    group: groupOf(row),
  }));
}
