/** Looking things up in sorted lists. */

/** The index of the place nearest to `x`, by halving; -1 for no places or an `x` outside of them. */
export function nearestIndex(places: readonly number[], x: number): number {
  const first = places[0];
  const last = places.at(-1);
  if (first === undefined || last === undefined) return -1;
  const slack = (last - first) * 0.02;
  if (x < first - slack || x > last + slack) return -1;
  let low = 0;
  let high = places.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((places[middle] as number) < x) low = middle;
    else high = middle;
  }
  return Math.abs((places[low] as number) - x) <= Math.abs((places[high] as number) - x) ? low : high;
}
