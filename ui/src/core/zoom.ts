/** Ranges of an axis, moved and scaled. */

export type Range = [number, number];

/** A range moved by a share of its width. */
export function panned([low, high]: Range, share: number): Range {
  const by = (high - low) * share;
  return [low + by, high + by];
}

/** A range around the same middle, so many times as wide. */
export function scaled([low, high]: Range, times: number): Range {
  const middle = (low + high) / 2;
  const half = ((high - low) / 2) * times;
  return [middle - half, middle + half];
}

/** The zoom after a key, from the range in view; null is no zoom, undefined a key that does nothing here. */
export function zoomByKey(key: string, range: Range): Range | null | undefined {
  switch (key) {
    case "ArrowLeft":
      return panned(range, -0.25);
    case "ArrowRight":
      return panned(range, 0.25);
    case "+":
    case "=":
      return scaled(range, 0.5);
    case "-":
      return scaled(range, 2);
    case "0":
      return null;
    default:
      return undefined;
  }
}
