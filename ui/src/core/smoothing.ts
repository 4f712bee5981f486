/** Smoothing of a curve for reading. The raw line stays visible under it. */

export type Smoothing = "none" | "ema" | "gaussian" | "mean";

/** Smooth values at ascending places; NaN and gaps are left out and stay as they are.
 *
 * @param strength 0 to 1: how much of what came before stays (EMA), or the share of the curve's width that is averaged.
 */
export function smooth(
  kind: Smoothing,
  places: readonly number[],
  values: readonly number[],
  strength: number,
): number[] {
  if (kind === "none" || strength <= 0 || values.length < 3) return [...values];
  return kind === "ema" ? exponential(values, strength) : windowed(kind, places, values, strength);
}

/** Exponential moving average with debiasing, so that the first values are not drawn towards zero. */
function exponential(values: readonly number[], strength: number): number[] {
  const keep = Math.min(strength, 0.999);
  let last = 0;
  let weight = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    last = last * keep + (1 - keep) * value;
    weight = weight * keep + (1 - keep);
    return last / weight;
  });
}

/** Average over a window of places around each point: all alike, or weighted by a bell. */
function windowed(
  kind: "gaussian" | "mean",
  places: readonly number[],
  values: readonly number[],
  strength: number,
): number[] {
  const span = (places.at(-1) ?? 0) - (places[0] ?? 0);
  const half = (span * strength) / 10 || 1;
  const result: number[] = [];
  let low = 0;
  let high = 0;
  for (let at = 0; at < values.length; at++) {
    const here = places[at] as number;
    while ((places[low] as number) < here - half) low++;
    while (high < places.length && (places[high] as number) <= here + half) high++;
    let sum = 0;
    let weights = 0;
    const stride = Math.max(1, Math.floor((high - low) / 200));
    for (let near = low; near < high; near += stride) {
      const value = values[near] as number;
      if (!Number.isFinite(value)) continue;
      const distance = ((places[near] as number) - here) / half;
      const weight = kind === "mean" ? 1 : Math.exp(-4.5 * distance * distance);
      sum += value * weight;
      weights += weight;
    }
    result.push(weights > 0 && Number.isFinite(values[at]) ? sum / weights : (values[at] as number));
  }
  return result;
}
