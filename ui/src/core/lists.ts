/** The list with one item taken out, and put in so that it stands at the place `to`. */
export function moved<T>(items: readonly T[], item: T, to: number): T[] {
  const rest = items.filter((each) => each !== item);
  rest.splice(to, 0, item);
  return rest;
}

/** The list with the item at its end, or without it if it was there. */
export const switched = <T>(items: readonly T[], item: T): T[] =>
  items.includes(item) ? items.filter((each) => each !== item) : [...items, item];
