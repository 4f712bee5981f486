/** Deleted things, each with a way back and a way out. */
import type { ReactNode } from "react";
import { HiddenHeading } from "@/components/parts";
import { act } from "@/components/Toasts";
import styles from "./TrashTable.module.css";

/** One deleted thing. `cells` are those of its line behind the name. */
export interface Item {
  id: string;
  name: string;
  cells: ReactNode[];
}

export function TrashTable(props: {
  title: string;
  headings: readonly string[];
  items: readonly Item[];
  restore: (id: string) => Promise<unknown>;
  purge: (items: readonly Item[]) => void;
}) {
  const { title, headings, items, restore, purge } = props;
  return (
    <section className={styles.section} aria-label={title}>
      <div className="page-head">
        <h2>{title}</h2>
        {items.length > 1 && (
          <button type="button" className="button" data-kind="danger" onClick={() => purge(items)}>
            Delete these {items.length} for good
          </button>
        )}
      </div>
      {items.length === 0 ? (
        <p className="muted">None</p>
      ) : (
        <div className="sideways">
          <table className={`table ${styles.table}`}>
            <thead>
              <tr>
                {headings.map((heading) => (
                  <th key={heading}>{heading}</th>
                ))}
                <HiddenHeading>Actions</HiddenHeading>
              </tr>
            </thead>
            <tbody>
              {items.map((item) => (
                <tr key={item.id}>
                  <td title={item.name}>{item.name}</td>
                  {item.cells.map((cell, at) => (
                    <td key={headings[at + 1]}>{cell}</td>
                  ))}
                  <td className={styles.acts}>
                    <button
                      type="button"
                      className="button"
                      onClick={() => void act(() => restore(item.id), `${item.name} is back`)}
                    >
                      Restore<span className="visually-hidden"> {item.name}</span>
                    </button>{" "}
                    <button type="button" className="button" data-kind="quiet" onClick={() => purge([item])}>
                      Delete for good<span className="visually-hidden"> {item.name}</span>
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
