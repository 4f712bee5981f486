/** How params and metrics hang together over runs. */

/** Pearson's correlation of the pairs in which both are finite; null for fewer than three of them, or without spread. */
export function correlation(a: readonly number[], b: readonly number[]): number | null {
  const pairs = a
    .map((x, at) => [x, b[at] as number] as const)
    .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  const count = pairs.length;
  if (count < 3) return null;
  const meanX = pairs.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = pairs.reduce((sum, [, y]) => sum + y, 0) / count;
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (const [x, y] of pairs) {
    xy += (x - meanX) * (y - meanY);
    xx += (x - meanX) ** 2;
    yy += (y - meanY) ** 2;
  }
  return xx === 0 || yy === 0 ? null : xy / Math.sqrt(xx * yy);
}

export interface Correlations {
  names: string[];
  /** `r[a][b]`: of the columns `a` and `b`; null where there is none. */
  r: (number | null)[][];
}

/** The correlation of each of some columns with each other one; columns that correlate with none are left out. */
export function correlations(columns: readonly { name: string; values: readonly number[] }[]): Correlations {
  const r = columns.map((a) => columns.map((b) => correlation(a.values, b.values)));
  const kept = columns.map((_, at) => at).filter((at) => r[at]?.some((value, other) => other !== at && value !== null));
  return {
    names: kept.map((at) => columns[at]?.name ?? ""),
    r: kept.map((a) => kept.map((b) => r[a]?.[b] ?? null)),
  };
}

const BINS = 6;

/** The share of a metric's variance that is between the values of one param (numbers in bins of equal count): eta squared.
 *
 * Adjusted for the number of groups, so that a param with a value of its own in each run does not explain everything.
 * @returns 0 to 1; null for fewer than four runs, or a metric or param without spread.
 */
export function importance(params: readonly (string | undefined)[], metric: readonly number[]): number | null {
  const pairs = params
    .map((param, at) => ({ param, y: metric[at] as number }))
    .filter((pair): pair is { param: string; y: number } => pair.param !== undefined && Number.isFinite(pair.y));
  if (pairs.length < 4) return null;
  const groups = new Map<string, number[]>();
  for (const [group, y] of grouped(pairs)) groups.set(group, [...(groups.get(group) ?? []), y]);
  if (groups.size < 2 || groups.size >= pairs.length) return null;
  const mean = pairs.reduce((sum, pair) => sum + pair.y, 0) / pairs.length;
  const all = pairs.reduce((sum, pair) => sum + (pair.y - mean) ** 2, 0);
  if (all === 0) return null;
  let within = 0;
  for (const ys of groups.values()) {
    const inside = ys.reduce((sum, y) => sum + y, 0) / ys.length;
    within += ys.reduce((sum, y) => sum + (y - inside) ** 2, 0);
  }
  const adjusted = 1 - within / (pairs.length - groups.size) / (all / (pairs.length - 1));
  return Math.max(0, adjusted);
}

function grouped(pairs: readonly { param: string; y: number }[]): [string, number][] {
  const values = new Set(pairs.map((pair) => pair.param));
  const areNumbers = [...values].every((value) => value !== "" && Number.isFinite(Number(value)));
  if (!areNumbers || values.size <= BINS) return pairs.map((pair) => [pair.param, pair.y]);
  const sorted = [...pairs].sort((a, b) => Number(a.param) - Number(b.param));
  const bins = new Map<string, string>();
  sorted.forEach((pair, at) => {
    if (!bins.has(pair.param)) bins.set(pair.param, String(Math.floor((at * BINS) / sorted.length)));
  });
  return pairs.map((pair) => [bins.get(pair.param) as string, pair.y]);
}

/** Values on a regular grid from scattered points: each cell the mean of all points, weighted by the inverse square distance. */
export function interpolate(
  points: readonly (readonly [number, number, number])[],
  size: number,
): { x: number[]; y: number[]; z: number[][] } {
  const xs = points.map((point) => point[0]);
  const ys = points.map((point) => point[1]);
  const line = (values: readonly number[]) => {
    const low = Math.min(...values);
    const high = Math.max(...values);
    return Array.from({ length: size }, (_, at) => low + ((high - low) * at) / (size - 1));
  };
  const x = line(xs);
  const y = line(ys);
  const spanX = (x.at(-1) as number) - (x[0] as number) || 1;
  const spanY = (y.at(-1) as number) - (y[0] as number) || 1;
  const z = y.map((cellY) =>
    x.map((cellX) => {
      let sum = 0;
      let weights = 0;
      for (const [px, py, value] of points) {
        const weight = 1 / (((px - cellX) / spanX) ** 2 + ((py - cellY) / spanY) ** 2 + 1e-6);
        sum += weight * value;
        weights += weight;
      }
      return sum / weights;
    }),
  );
  return { x, y, z };
}
