/** Tables out of files. */

export interface Table {
  columns: string[];
  rows: string[][];
  /** Whether there is more than what was read. */
  isCut: boolean;
}

export const MAX_ROWS = 1000;

/** The first rows of a CSV or TSV file: quotes, doubled quotes, line breaks inside of quotes. */
export function parseCsv(text: string, separator: string, isWhole: boolean): Table {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let isQuoted = false;
  for (let at = 0; at < text.length && rows.length <= MAX_ROWS; at++) {
    const char = text[at] as string;
    if (isQuoted) {
      if (char !== '"') cell += char;
      else if (text[at + 1] === '"') {
        cell += '"';
        at++;
      } else isQuoted = false;
    } else if (char === '"' && cell === "") isQuoted = true;
    else if (char === separator) {
      row.push(cell);
      cell = "";
    } else if (char === "\n" || char === "\r") {
      if (char === "\r" && text[at + 1] === "\n") at++;
      row.push(cell);
      rows.push(row);
      row = [];
      cell = "";
    } else cell += char;
  }
  if ((cell || row.length) && isWhole && rows.length <= MAX_ROWS) rows.push([...row, cell]);
  const [columns = [], ...rest] = rows;
  return { columns, rows: rest.slice(0, MAX_ROWS), isCut: !isWhole || rest.length > MAX_ROWS };
}

/** A table as `log_table` writes it: `{"columns": [...], "data": [[...]]}`; null for any other JSON. */
export function tableOfJson(value: unknown): Table | null {
  if (typeof value !== "object" || value === null) return null;
  const { columns, data } = value as { columns?: unknown; data?: unknown };
  if (!Array.isArray(columns) || !Array.isArray(data) || !data.every(Array.isArray)) return null;
  return {
    columns: columns.map(String),
    rows: data
      .slice(0, MAX_ROWS)
      .map((row: unknown[]) => row.map((cell) => (typeof cell === "object" ? JSON.stringify(cell) : String(cell)))),
    isCut: data.length > MAX_ROWS,
  };
}
