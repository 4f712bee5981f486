/** The panels of charts: in which order they stand and how large they are, as far as somebody changed it. */
import { moved } from "./lists";

/** The keys with those that were placed first, in their order; all others follow as they are. */
export function placed(keys: readonly string[], places: readonly string[]): string[] {
  const there = new Set(keys);
  const first = places.filter((key) => there.has(key));
  const chosen = new Set(first);
  return [...first, ...keys.filter((key) => !chosen.has(key))];
}

/** The places after `key` was put where `to` stands among `keys`, which are one section's in their own order.
 *
 * Kept is no more than is needed: the keys up to the last one that does not stand where it would by itself.
 */
export function placedAt(keys: readonly string[], places: readonly string[], key: string, to: string): string[] {
  const now = placed(keys, places);
  const next = moved(now, key, now.indexOf(to));
  const others = places.filter((each) => !keys.includes(each));
  let kept = next.length;
  while (kept > 0 && placed(keys, next.slice(0, kept - 1)).every((each, at) => each === next[at])) kept--;
  return [...others, ...next.slice(0, kept)];
}

/** Columns of the grid, and pixels. */
export interface Size {
  span: number;
  height: number;
}

export const DEFAULT_SIZE: Size = { span: 1, height: 220 };
const HEIGHTS = { least: 140, most: 720, step: 20 };
const MOST_COLUMNS = 6;

/** The nearest size that a panel may have. */
export function sizeNear({ span, height }: Size, columns = MOST_COLUMNS): Size {
  const near = (value: number, least: number, most: number) => Math.max(least, Math.min(most, Math.round(value)));
  const steps = near(height / HEIGHTS.step, HEIGHTS.least / HEIGHTS.step, HEIGHTS.most / HEIGHTS.step);
  return { span: near(span, 1, columns), height: steps * HEIGHTS.step };
}

/** The size that the address has for a panel, `{"loss": [2, 400]}`. */
export function sizeIn(sizes: unknown, key: string): Size {
  const found: unknown =
    typeof sizes === "object" && sizes !== null ? (sizes as Record<string, unknown>)[key] : undefined;
  if (!Array.isArray(found)) return DEFAULT_SIZE;
  const [span, height] = found.map(Number);
  return Number.isFinite(span) && Number.isFinite(height)
    ? sizeNear({ span: span as number, height: height as number })
    : DEFAULT_SIZE;
}

/** What the address says after a panel got a size. The default takes no room there. */
export function withSize(sizes: unknown, key: string, size: Size): Record<string, [number, number]> | undefined {
  const next = { ...(sizes as Record<string, [number, number]> | undefined) };
  delete next[key];
  if (size.span !== DEFAULT_SIZE.span || size.height !== DEFAULT_SIZE.height) next[key] = [size.span, size.height];
  return Object.keys(next).length > 0 ? next : undefined;
}
