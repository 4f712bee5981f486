/** Which queries show something that was written, by the ids that the server tells. */
import type { LinesRequest } from "@/queries/metrics";

/** Short lists that any change may be in. */
const AREAS = ["experiments", "models", "model", "versions", "history", "children"];

/** Whether a query's answer may have changed.
 *
 * @param touched ids of what was written; null: nobody knows, so anything may have been.
 */
export function isStale(key: readonly unknown[], touched: ReadonlySet<string> | null): boolean {
  const [area, subject] = key;
  if (AREAS.includes(String(area))) return true;
  const has = (ids: readonly unknown[]) => touched === null || ids.some((id) => touched.has(String(id)));
  if (area === "run" || area === "summaries" || area === "experiment") return has([subject]);
  if (area === "runs by id") return has(key.slice(1));
  return area === "lines" && has((subject as LinesRequest).runs);
}

const RUN = /^[0-9a-f]{32}$/;

/** Whether runs may have got metrics, params or tags of new names. A run that was made is told by its experiment, whose id is a number. */
export const mayBringNames = (touched: ReadonlySet<string> | null): boolean =>
  touched === null || [...touched].some((id) => RUN.test(id) || /^\d+$/.test(id));
