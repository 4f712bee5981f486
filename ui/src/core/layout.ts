/** How the columns of a table stand: the first of them, from the name on, stay in view while the others scroll. */
import { moved } from "./lists";

export interface Layout {
  columns: readonly string[];
  /** How many of the columns are pinned; the first always is. */
  pinned: number;
}

/** The columns with those that are pinned right behind the first. */
export function layoutOf(columns: readonly string[], pins: readonly string[]): Layout {
  const [first, ...rest] = columns;
  if (first === undefined) return { columns, pinned: 0 };
  const there = pins.filter((id) => rest.includes(id));
  return { columns: [first, ...there, ...rest.filter((id) => !there.includes(id))], pinned: 1 + there.length };
}

/** A column takes the place of another one, and is pinned if that one was. The first stays where it is. */
export function movedTo({ columns, pinned }: Layout, id: string, to: string): Layout {
  const from = columns.indexOf(id);
  const target = Math.max(1, columns.indexOf(to));
  if (from < 1 || from === target) return { columns, pinned };
  const change = Number(target < pinned) - Number(from < pinned);
  return { columns: moved(columns, id, target), pinned: pinned + change };
}
