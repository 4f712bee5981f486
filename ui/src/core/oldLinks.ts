/** MLflow's addresses, which its clients print and people have bookmarked, in ours. */

const PATTERNS: [RegExp, (found: RegExpMatchArray) => string][] = [
  [/^experiments\/([^/]+)\/runs\/([^/?]+)/, (found) => `/runs/${found[2]}`],
  [/^experiments\/([^/?]+)/, (found) => `/experiments/${found[1]}`],
  [/^models\/([^/]+)\/versions\/([^/?]+)/, (found) => `/models/${found[1]}/${found[2]}`],
  [/^models\/([^/?]+)/, (found) => `/models/${found[1]}`],
  [/^models\/?$/, () => "/models"],
  [/^\/?$/, () => "/"],
];

/** The path of ours for a hash of theirs, such as "#/experiments/1/runs/ab"; null for any other hash. */
export function fromHash(hash: string): string | null {
  if (!hash.startsWith("#/")) return null;
  for (const [pattern, target] of PATTERNS) {
    const found = hash.slice(2).match(pattern);
    if (found) return target(found);
  }
  return null;
}
