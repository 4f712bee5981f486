/** Many curves over one common row of places, as a chart needs them, without a place for every point of every curve. */

interface Points {
  xs: readonly number[];
  ys: readonly (number | null)[];
}

/** Slots of a column: its first, least, greatest and last point have one each. */
const SLOTS = 4;

export interface Aligned {
  xs: number[];
  /** For each curve a value for every place; undefined is no point, null a gap. */
  ys: (number | null | undefined)[][];
}

/** Cut the range of all curves into columns, one a pixel, and keep of each curve the first, least, greatest and last point of
 * each column, in their order. They are moved by less than a column; no value is changed, so every spike is there.
 */
export function aligned(curves: readonly Points[], columns: number): Aligned {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { xs } of curves) {
    if (xs.length === 0) continue;
    low = Math.min(low, xs[0] as number);
    high = Math.max(high, xs[xs.length - 1] as number);
  }
  if (low > high) return { xs: [], ys: curves.map(() => []) };
  const wide = (high - low) / columns || 1;
  const xs = Array.from({ length: columns * SLOTS }, (_, slot) => low + (slot / SLOTS) * wide);
  xs[xs.length - 1] = high;
  return { xs, ys: curves.map((curve) => slotsOf(curve, low, wide, columns)) };
}

function slotsOf({ xs, ys }: Points, low: number, wide: number, columns: number): (number | null | undefined)[] {
  const slots = new Array<number | null | undefined>(columns * SLOTS).fill(undefined);
  const columnOf = (at: number) => Math.min(columns - 1, Math.floor(((xs[at] as number) - low) / wide));
  const length = xs.length;
  let begin = 0;
  let column = length > 0 ? columnOf(0) : 0;
  while (begin < length) {
    let end = begin;
    let next = column;
    let least = -1;
    let greatest = -1;
    let hasGap = false;
    while (next === column) {
      const y = ys[end];
      if (y === null || y === undefined) hasGap = true;
      else {
        if (least < 0 || y < (ys[least] as number)) least = end;
        if (greatest < 0 || y > (ys[greatest] as number)) greatest = end;
      }
      end++;
      next = end < length ? columnOf(end) : -1;
    }
    // first, both extremes and last ascend; what is the same point, or a gap, is not written twice
    const first = column * SLOTS;
    let kept = 0;
    let before = -1;
    const keep = (at: number) => {
      const y = ys[at];
      if (at <= before || y === null || y === undefined) return;
      slots[first + kept] = y;
      before = at;
      kept++;
    };
    keep(begin);
    keep(Math.min(least, greatest));
    keep(Math.max(least, greatest));
    keep(end - 1);
    if (kept === 1 && before === length - 1) {
      slots[first + SLOTS - 1] = slots[first]; // the last point of all is where the range ends
      slots[first] = undefined;
    }
    if (hasGap && kept < SLOTS) slots[first + kept] = null;
    begin = end;
    column = next;
  }
  return slots;
}
