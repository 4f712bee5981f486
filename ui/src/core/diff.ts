/** Which lines of a text are gone and which are new. */

export interface DiffLine {
  kind: "same" | "gone" | "new";
  text: string;
}

const MOST = 2000;

/** The difference by lines (longest common subsequence); of long texts, the first lines. */
export function diffLines(before: string, after: string): DiffLine[] {
  const a = before.split("\n").slice(0, MOST);
  const b = after.split("\n").slice(0, MOST);
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      lengths[i * width + j] =
        a[i] === b[j]
          ? (lengths[(i + 1) * width + j + 1] as number) + 1
          : Math.max(lengths[(i + 1) * width + j] as number, lengths[i * width + j + 1] as number);
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: "same", text: a[i] as string });
      i++;
      j++;
    } else if (
      j >= b.length ||
      (i < a.length && (lengths[(i + 1) * width + j] as number) >= (lengths[i * width + j + 1] as number))
    )
      lines.push({ kind: "gone", text: a[i++] as string });
    else lines.push({ kind: "new", text: b[j++] as string });
  }
  return lines;
}
