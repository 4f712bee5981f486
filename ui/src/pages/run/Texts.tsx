/** Files that are read: text, JSON, tables. */
import { useMemo } from "react";
import { indented, parseExactly } from "@/core/json";
import { type Table, tableOfJson } from "@/core/tables";
import styles from "./Artifacts.module.css";

export function Text({ text }: { text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <pre className={styles.text} tabIndex={0}>
      {text}
    </pre>
  );
}

/** JSON with its own tokens: a table if it is one, else laid out; the text as it is if it is no JSON, or only the start of it. */
export function Json({ text, isWhole }: { text: string; isWhole: boolean }) {
  const [table, laidOut] = useMemo(() => {
    if (!isWhole) return [null, text];
    try {
      const found = tableOfJson(parseExactly(text));
      return [found, found ? "" : indented(text)];
    } catch {
      return [null, text];
    }
  }, [text, isWhole]);
  return table ? <Rows table={table} /> : <Text text={laidOut} />;
}

export function Rows({ table }: { table: Table }) {
  return (
    <>
      <div className={styles.tableBox}>
        <table className="table">
          <thead>
            <tr>
              {table.columns.map((column, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: columns may share a name
                <th key={at}>{column}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((row, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: rows have no other key
              <tr key={at}>
                {row.map((cell, index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: cells have no other key
                  <td key={index} title={cell}>
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="muted">
        {table.rows.length.toLocaleString("en-US")} rows{table.isCut ? ", the first of more" : ""}
      </p>
    </>
  );
}
