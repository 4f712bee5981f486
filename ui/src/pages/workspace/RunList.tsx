/** The runs beside the charts: which are drawn, and how the chosen metric stands. */
import { Status } from "@/components/parts";
import type { Row } from "@/core/columns";
import { formatNumber } from "@/core/format";
import styles from "./RunList.module.css";

export function RunList(props: {
  rows: readonly Row[];
  hidden: ReadonlySet<string>;
  metric: string | undefined;
  colorOf: (row: Row) => string;
  onToggle: (id: string) => void;
  onLift: (id?: string) => void;
  onEnd: () => void;
}) {
  const { rows, hidden, metric, colorOf, onToggle, onLift, onEnd } = props;
  return (
    <ul
      className={styles.list}
      aria-label="Runs in charts"
      onScroll={({ currentTarget: box }) => box.scrollHeight - box.scrollTop - box.clientHeight < 300 && onEnd()}
    >
      {rows.slice(0, 500).map((row) => {
        const color = colorOf(row);
        const isShown = !hidden.has(row.id);
        return (
          <li key={row.id} onMouseEnter={() => onLift(row.id)} onMouseLeave={() => onLift(undefined)}>
            <button
              type="button"
              aria-pressed={isShown}
              onClick={() => onToggle(row.id)}
              onFocus={() => onLift(row.id)}
              onBlur={() => onLift(undefined)}
              title={row.name}
            >
              <i style={isShown ? { background: color, borderColor: color } : { borderColor: color }} />
              <span>{row.name}</span>
              {metric && <b>{formatNumber(row.metrics[metric], 4)}</b>}
              <Status status={row.run.info.status} showWord={false} />
            </button>
          </li>
        );
      })}
    </ul>
  );
}
