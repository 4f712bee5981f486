/** Colours of runs: twelve steps that colour-blind readers can tell apart, stable by run id. */

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

/** The colour of a run: what its user chose, else one of the palette by its id. */
export function runColor(runId: string, chosen?: string): string {
  if (chosen && /^#[0-9a-f]{6}$/i.test(chosen)) return chosen;
  return PALETTE[hash(runId) % PALETTE.length] ?? PALETTE[0];
}
