/** All points of a line, where the server sent what a chart of some width needs. */
import type { Line } from "@/queries/metrics";

/** Points that one answer surely has room for. */
const PIECE = 20_000;
/** Deeper than this are points of one place only, more of them than an answer tells apart. */
const DEPTH = 12;

/** A line with every point between `start` and `end` (null is open), asked for piece by piece where some are missing.
 *
 * @param ask for the line between two places of its axis, both included; nothing if it has no points there.
 * @returns a line that may still lack points: `count` says how many there are.
 */
export async function wholeLine(
  line: Line,
  start: number | null,
  end: number | null,
  ask: (start: number | null, end: number | null) => Promise<Line | undefined>,
  depth = 0,
): Promise<Line> {
  const known = line.places.length + line.nanPlaces.length;
  const low = Math.min(line.places[0] ?? Number.POSITIVE_INFINITY, line.nanPlaces[0] ?? Number.POSITIVE_INFINITY);
  const high = Math.max(line.places.at(-1) ?? low, line.nanPlaces.at(-1) ?? low);
  if (known >= line.count || low >= high || depth > DEPTH) return line;
  const pieces = Math.min(high - low + 1, Math.max(2, Math.ceil(line.count / PIECE)));
  const cut = (at: number) => low + Math.floor(((high - low + 1) * at) / pieces);
  const found: Line[] = [];
  for (let at = 0; at < pieces; at++) {
    const from = at === 0 ? start : cut(at);
    const to = at === pieces - 1 ? end : cut(at + 1) - 1;
    const piece = await ask(from, to);
    if (piece) found.push(await wholeLine(piece, from, to, ask, depth + 1));
  }
  return {
    ...line,
    places: found.flatMap((piece) => piece.places),
    values: found.flatMap((piece) => piece.values),
    nanPlaces: found.flatMap((piece) => piece.nanPlaces),
    isExact: found.every((piece) => piece.isExact),
  };
}
