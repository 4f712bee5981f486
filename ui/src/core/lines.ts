/** From the server's windows to what a chart draws. */
import type { Line } from "@/queries/metrics";
import { type Smoothing, smooth } from "./smoothing";

export type XAxis = "step" | "time" | "relative";

/** How curves are drawn. */
export interface Look {
  x: XAxis;
  logX: boolean;
  logY: boolean;
  clip: boolean;
  /** Draw the mean of all curves and the band between the least and the greatest. */
  band: boolean;
}

export interface Curve {
  id: string;
  label: string;
  color: string;
  group: string;
  /** Ascending. */
  xs: number[];
  /** null is a gap: NaN or infinity was logged there. */
  ys: (number | null)[];
  /** What was logged: as `ys`, with NaN or an infinity in its gaps. */
  logged: readonly number[];
  smoothed: (number | null)[] | null;
  isExact: boolean;
  count: number;
}

/** A curve of one series, which the server sorted by the axis: NaN as gaps, smoothed if asked for. */
export function toCurve(
  line: Line,
  options: {
    x: XAxis;
    origin?: number;
    smoothing: Smoothing;
    strength: number;
    label: string;
    color: string;
    group?: string;
  },
): Curve {
  const origin = options.x === "relative" ? (options.origin ?? 0) : 0;
  const placed = (place: number) => (options.x === "step" ? place : (place - origin) / 1000);
  let xs = line.places.map(placed);
  let logged = line.values;
  if (line.nanPlaces.length > 0) {
    const points = xs.map((x, at) => ({ x, y: logged[at] as number }));
    for (const place of line.nanPlaces) points.push({ x: placed(place), y: Number.NaN });
    points.sort((a, b) => a.x - b.x);
    xs = points.map((point) => point.x);
    logged = points.map((point) => point.y);
  }
  const ys = logged.every(Number.isFinite) ? logged : logged.map((y) => (Number.isFinite(y) ? y : null));
  const smoothed =
    options.smoothing === "none" || options.strength === 0
      ? null
      : smooth(
          options.smoothing,
          xs,
          ys.map((y) => y ?? Number.NaN),
          options.strength,
        ).map((y) => (Number.isNaN(y) ? null : y));
  return {
    id: line.run,
    label: options.label,
    color: options.color,
    group: options.group ?? "",
    xs,
    ys,
    logged,
    smoothed,
    isExact: line.isExact,
    count: line.count,
  };
}

/** The places of points with a gap, or nothing, on both sides: no line leads to them, so they are drawn as dots. */
export function lonely(ys: ArrayLike<number | null | undefined>): number[] {
  const found: number[] = [];
  let before = -1; // the last point
  let length = 0; // how many there are since the last gap
  for (let at = 0; at <= ys.length; at++) {
    const y = at < ys.length ? ys[at] : null;
    if (y === undefined) continue;
    if (y !== null) {
      before = at;
      length++;
      continue;
    }
    if (length === 1) found.push(before);
    length = 0;
  }
  return found;
}

/** Curves of each group, in order of their first ones. */
export function groupsOf(curves: readonly Curve[]): Curve[][] {
  const groups = new Map<string, Curve[]>();
  for (const curve of curves) groups.set(curve.group, [...(groups.get(curve.group) ?? []), curve]);
  return [...groups.values()];
}

/** What the colours of a chart mean. */
export function legendOf(curves: readonly Curve[], look: Look): { label: string; color: string }[] {
  if (!look.band || curves.length < 2) return curves.map(({ label, color }) => ({ label, color }));
  return groupsOf(curves).map((inside) => ({
    label: `${inside[0]?.group || "mean"} (${inside.length} ${inside.length === 1 ? "run" : "runs"})`,
    color: inside[0]?.color ?? "#888888",
  }));
}

export interface Band {
  xs: number[];
  /** null where no curve is. */
  mean: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
}

/** Mean and band of many curves, on the places of all of them; between its points a curve is interpolated. */
export function meanAndBand(curves: readonly Curve[]): Band {
  const places = [...new Set(curves.flatMap((curve) => curve.xs))].sort((a, b) => a - b);
  const stride = Math.max(1, Math.floor(places.length / 2000));
  const xs = places.filter((_, at) => at % stride === 0 || at === places.length - 1);
  const cursors = curves.map(() => 0);
  const mean: Band["mean"] = [];
  const low: Band["low"] = [];
  const high: Band["high"] = [];
  for (const x of xs) {
    const found: number[] = [];
    curves.forEach((curve, index) => {
      const ys = curve.smoothed ?? curve.ys;
      let at = cursors[index] as number;
      while (at + 1 < curve.xs.length && (curve.xs[at + 1] as number) <= x) at++;
      cursors[index] = at;
      const left = curve.xs[at];
      if (left === undefined || left > x) return;
      const right = curve.xs[at + 1];
      const from = ys[at];
      const to = ys[at + 1];
      if (from === null || from === undefined) return;
      if (left === x) found.push(from);
      else if (right !== undefined && to !== null && to !== undefined)
        found.push(from + ((to - from) * (x - left)) / (right - left));
    });
    mean.push(found.length ? found.reduce((sum, y) => sum + y, 0) / found.length : null);
    low.push(found.length ? Math.min(...found) : null);
    high.push(found.length ? Math.max(...found) : null);
  }
  return { xs, mean, low, high };
}

/** The range that holds all but the most extreme 1 % on each side; null if there is nothing to clip. */
export function withoutOutliers(curves: readonly Curve[]): [number, number] | null {
  const values = curves
    .flatMap((curve) => curve.ys.filter((y): y is number => y !== null && Number.isFinite(y)))
    .sort((a, b) => a - b);
  if (values.length < 20) return null;
  const low = values[Math.floor(values.length * 0.01)] as number;
  const high = values[Math.ceil(values.length * 0.99) - 1] as number;
  const pad = (high - low) * 0.08 || Math.abs(high) * 0.08 || 1;
  return [low - pad, high + pad];
}

/** How many of the points there are these curves have, and of how many. */
export function shareOf(curves: readonly Curve[]): { drawn: number; all: number } {
  const sum = (of: (curve: Curve) => number) => curves.reduce((total, curve) => total + of(curve), 0);
  return { drawn: sum((curve) => curve.xs.length), all: sum((curve) => curve.count) };
}

/** Rows of a CSV file: one line a point, NaN and infinities as they were logged. */
export function toCsv(curves: readonly Curve[], x: string, key: string): string {
  const quote = (text: string) =>
    /[",\n]/.test(text) || /^[=+\-@\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const rows = curves.flatMap((curve) =>
    curve.xs.map((place, at) => [quote(curve.id), quote(curve.label), place, curve.logged[at]].join(",")),
  );
  return [`run_id,run,${quote(x)},${quote(key)}`, ...rows, ""].join("\n");
}
