/** JSON as it was written: numbers keep their digits, which JavaScript's own would lose beyond 2^53 and for 1.0. */

/** A number that is written otherwise than JavaScript would write it. */
class Numeral {
  constructor(
    readonly value: number,
    readonly source: string,
  ) {}
  toString(): string {
    return this.source;
  }
  toJSON(): unknown {
    const { rawJSON } = JSON as { rawJSON?: (text: string) => unknown };
    return rawJSON ? rawJSON(this.source) : this.value;
  }
}

/** The value of a text; numbers become strings or JSON with the digits that they had, where the browser tells (all do since 2025).
 *
 * @throws SyntaxError
 */
export const parseExactly = (text: string): unknown =>
  JSON.parse(text, ((_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && context?.source && context.source !== String(value)
      ? new Numeral(value, context.source)
      : value) as (this: unknown, key: string, value: unknown) => unknown);

/** Strings; what opens, closes, or parts; anything else that is not space. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{},:]|[^\s"[\]{},:]+/g;

/** The same tokens, one to a line, as `JSON.stringify(..., 2)` lays them out.
 *
 * @param text valid JSON.
 */
export function indented(text: string): string {
  const found: string[] = [];
  let depth = 0;
  let before = "";
  const line = () => found.push("\n", "  ".repeat(depth));
  for (const [token] of text.matchAll(TOKENS)) {
    const isOpen = before === "{" || before === "[";
    if (token === "}" || token === "]") {
      depth--;
      if (!isOpen) line();
    } else if (isOpen) line();
    found.push(token);
    if (token === "{" || token === "[") depth++;
    else if (token === ",") line();
    else if (token === ":") found.push(" ");
    before = token;
  }
  return found.join("");
}
