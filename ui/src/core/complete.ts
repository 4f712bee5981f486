/** Completion of filters: `metrics.acc > 0.9 and params.model = 'mlp'`. */
import type { Keys } from "@/queries/experiments";

export interface Completion {
  /** What is put in place of the word at the cursor. */
  insert: string;
  hint: string;
}

const ATTRIBUTES = ["run_name", "status", "start_time", "end_time", "user_id", "run_id"];
const PLAIN = /^[A-Za-z_][\w.]*$/;
const name = (group: string, key: string) => `${group}.${PLAIN.test(key) ? key : `\`${key}\``}`;

/** The word that ends at the cursor: a name, perhaps with an open backquote. */
export function wordAt(text: string, cursor: number): string {
  return /(?:\w+\.)?(?:`[^`]*|[\w./-]*)$/.exec(text.slice(0, cursor))?.[0] ?? "";
}

export function completions(text: string, cursor: number, keys: Keys): Completion[] {
  const word = wordAt(text, cursor);
  const before = text.slice(0, cursor - word.length);
  if (/'[^']*$/.test(before.replaceAll(/'[^']*'/g, ""))) return []; // inside of a text
  const wanted = word.toLowerCase().replaceAll("`", "");
  const found: Completion[] = [
    ...keys.metrics.map((key) => ({ insert: name("metrics", key), hint: "metric" })),
    ...keys.params.map((key) => ({ insert: name("params", key), hint: "param" })),
    ...ATTRIBUTES.map((key) => ({ insert: `attributes.${key}`, hint: "of the run" })),
    ...keys.tags.map((key) => ({ insert: name("tags", key), hint: "tag" })),
    ...["AND", "OR", "NOT", "IN", "LIKE", "IS NULL"].map((each) => ({ insert: each, hint: "operator" })),
  ];
  if (!wanted) return [];
  return found
    .filter(({ insert }) => {
      const plain = insert.toLowerCase().replaceAll("`", "");
      return plain !== wanted && (plain.startsWith(wanted) || plain.slice(plain.indexOf(".") + 1).startsWith(wanted));
    })
    .slice(0, 12);
}
