/** Pages of a search that stay current while runs are written, without asking for all of them again. */
import type { Run } from "@/queries/types";

export interface RunPage {
  runs: Run[];
  next: string;
  total: number | null;
}

/** The loaded pages with what is known anew.
 *
 * @param first the first page, asked for again. Runs that it holds leave their former place; those it no longer holds, but that
 *   are not gone, were pushed off it and head the second.
 * @param again the runs among `asked` that still match; the others of `asked` are gone.
 */
export function mergedPages(
  pages: readonly RunPage[],
  first: RunPage,
  again: readonly Run[],
  asked: readonly string[],
) {
  const [old, ...rest] = pages;
  if (!old || rest.length === 0 || !first.next) return [first];
  const onTop = new Set(first.runs.map((run) => run.info.run_id));
  const known = new Map(again.map((run) => [run.info.run_id, run]));
  const gone = new Set(asked.filter((id) => !known.has(id)));
  const current = (runs: readonly Run[]) =>
    runs.flatMap((run) => {
      const id = run.info.run_id;
      return onTop.has(id) || gone.has(id) ? [] : [known.get(id) ?? run];
    });
  return [
    { ...first, next: old.next },
    ...rest.map((page, index) => ({
      ...page,
      runs: [...(index === 0 ? current(old.runs) : []), ...current(page.runs)],
    })),
  ];
}
