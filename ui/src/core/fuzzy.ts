/** Ranking by a few letters. */

/** How well `text` fits; null if the letters do not occur in order. Contiguous and early is better; smaller is better. */
export function score(label: string, text: string): number | null {
  const inside = label.toLowerCase();
  const wanted = text.toLowerCase().trim();
  if (!wanted) return 0;
  const direct = inside.indexOf(wanted);
  if (direct >= 0) return direct + inside.length / 1000;
  let from = 0;
  let gaps = 0;
  for (const char of wanted) {
    const at = inside.indexOf(char, from);
    if (at < 0) return null;
    gaps += at - from;
    from = at + 1;
  }
  return 100 + gaps + inside.length / 1000;
}

/** Those that fit, the best first; equal ones keep their order. */
export function rank<T>(items: readonly T[], text: string, labelOf: (item: T) => string): T[] {
  return items
    .map((item) => ({ item, score: score(labelOf(item), text) }))
    .filter((each): each is { item: T; score: number } => each.score !== null)
    .sort((a, b) => a.score - b.score)
    .map((each) => each.item);
}
