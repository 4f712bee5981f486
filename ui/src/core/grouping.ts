/** Loaded runs as lines of a table: flat, as a tree of parents, or in groups. */

import { PARENT } from "@/queries/types";
import { type ColumnId, type Row, textOf } from "./columns";

export type Line =
  | { kind: "run"; row: Row; depth: number; childCount: number; isOpen: boolean }
  | { kind: "group"; id: string; label: string; rows: Row[]; isOpen: boolean };

/** "" is flat, "parent" the tree, else the id of a column whose values are the groups.
 *
 * @param toggled ids that are not as they are by default (trees open, groups closed).
 */
export function linesOf(rows: readonly Row[], group: string, toggled: ReadonlySet<string>): Line[] {
  if (group === "") return rows.map((row) => line(row, 0, 0, false));
  return group === "parent" ? treeOf(rows, toggled) : groupsOf(rows, group, toggled);
}

const line = (row: Row, depth: number, childCount: number, isOpen: boolean): Line => ({
  kind: "run",
  row,
  depth,
  childCount,
  isOpen,
});

/** Children stand below their parent, in the order of the search; a run whose parent is not loaded stands at the top. */
function treeOf(rows: readonly Row[], toggled: ReadonlySet<string>): Line[] {
  const loaded = new Set(rows.map((row) => row.id));
  const below = new Map<string, Row[]>();
  const tops: Row[] = [];
  for (const row of rows) {
    const parent = row.tags[PARENT];
    if (parent && loaded.has(parent) && parent !== row.id) below.set(parent, [...(below.get(parent) ?? []), row]);
    else tops.push(row);
  }
  const found: Line[] = [];
  const seen = new Set<string>();
  const walk = (row: Row, depth: number, isShown: boolean) => {
    if (seen.has(row.id)) return;
    seen.add(row.id);
    const children = below.get(row.id) ?? [];
    const isOpen = !toggled.has(row.id);
    if (isShown) found.push(line(row, depth, children.length, isOpen));
    for (const child of children) walk(child, depth + 1, isShown && isOpen);
  };
  for (const row of tops) walk(row, 0, true);
  for (const row of rows) walk(row, 0, true); // what is its own ancestor would be nowhere else
  return found;
}

function groupsOf(rows: readonly Row[], column: ColumnId, toggled: ReadonlySet<string>): Line[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const value = textOf(row, column);
    const inside = groups.get(value);
    if (inside) inside.push(row);
    else groups.set(value, [row]);
  }
  return [...groups].flatMap(([value, inside]): Line[] => {
    const id = `group ${value}`;
    const isOpen = toggled.has(id);
    return [
      { kind: "group", id, label: value || "(none)", rows: inside, isOpen },
      ...(isOpen ? inside.map((row) => line(row, 1, 0, false)) : []),
    ];
  });
}

/** Mean, least and greatest of the finite values of a metric; null if there are none. */
export function spreadOf(
  rows: readonly Row[],
  metric: string,
): { least: number; mean: number; greatest: number } | null {
  let least = Number.POSITIVE_INFINITY;
  let greatest = Number.NEGATIVE_INFINITY;
  let sum = 0;
  let count = 0;
  for (const row of rows) {
    const value = row.metrics[metric];
    if (value === undefined || !Number.isFinite(value)) continue;
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
    sum += value;
    count++;
  }
  return count === 0 ? null : { least, mean: sum / count, greatest };
}
