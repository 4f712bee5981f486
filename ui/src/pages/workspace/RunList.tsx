/** The runs beside the charts: which are drawn, how the chosen metric stands, and its course. */
import { useQueries } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useMemo, useRef } from "react";
import { Status } from "@/components/parts";
import type { Row } from "@/core/columns";
import { formatNumber } from "@/core/format";
import { sparkline } from "@/core/sparkline";
import { type Line, lines } from "@/queries/metrics";
import styles from "./RunList.module.css";

const ROW_HEIGHT = 28;
const OVERSCAN = 8;
const LINE = { width: 44, height: 14 };
/** Runs whose courses are asked for at once; they are those of one stretch of the list, so scrolling asks for no run twice. */
const STRETCH = 25;

export function RunList(props: {
  rows: readonly Row[];
  shown: ReadonlySet<string>;
  metrics: readonly string[];
  metric: string | undefined;
  colorOf: (row: Row) => string;
  onMetric: (metric: string) => void;
  onToggle: (id: string) => void;
  onLift: (id?: string) => void;
  onEnd: () => void;
}) {
  const { rows, shown, metrics, colorOf, onMetric, onToggle, onLift, onEnd } = props;
  const metric = props.metric && metrics.includes(props.metric) ? props.metric : metrics[0];
  const scroller = useRef<HTMLDivElement>(null);
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
  });
  const visible = list.getVirtualItems();
  const first = visible[0]?.index ?? 0;
  const last = visible.at(-1)?.index ?? -1;
  useEffect(() => {
    if (last >= rows.length - STRETCH) onEnd();
  }, [last, rows.length, onEnd]);
  const courses = useCourses(rows, metric, first, last);
  return (
    <div className={styles.side}>
      {metrics.length > 0 && (
        <select
          className="input"
          aria-label="Metric beside the runs"
          value={metric}
          onChange={(event) => onMetric(event.target.value)}
        >
          {metrics.map((key) => (
            <option key={key}>{key}</option>
          ))}
        </select>
      )}
      <div ref={scroller} className={styles.scroller}>
        <ul className={styles.list} aria-label="Runs in charts" style={{ height: list.getTotalSize() }}>
          {visible.map(({ index, start }) => {
            const row = rows[index] as Row;
            const color = colorOf(row);
            const isShown = shown.has(row.id);
            return (
              <li
                key={row.id}
                aria-posinset={index + 1}
                aria-setsize={rows.length}
                style={{ transform: `translateY(${start}px)` }}
                onMouseEnter={() => onLift(row.id)}
                onMouseLeave={() => onLift(undefined)}
              >
                <button
                  type="button"
                  aria-pressed={isShown}
                  onClick={() => onToggle(row.id)}
                  onFocus={() => onLift(row.id)}
                  onBlur={() => onLift(undefined)}
                  title={row.name}
                >
                  <i style={{ borderColor: color, background: isShown ? color : "transparent" }} />
                  <span>{row.name}</span>
                  <Course line={courses.get(row.id)} color={color} />
                  {metric && <b>{formatNumber(row.metrics[metric], 4)}</b>}
                  <Status status={row.run.info.status} showWord={false} />
                </button>
              </li>
            );
          })}
        </ul>
      </div>
    </div>
  );
}

/** The courses of a metric of the runs in view, stretch by stretch. */
function useCourses(
  rows: readonly Row[],
  metric: string | undefined,
  first: number,
  last: number,
): ReadonlyMap<string, Line> {
  const stretches = [];
  for (let at = Math.floor(first / STRETCH) * STRETCH; at <= last; at += STRETCH) {
    const runs = rows.slice(at, at + STRETCH).filter((row) => metric !== undefined && metric in row.metrics);
    stretches.push(runs.map((row) => row.id));
  }
  const found = useQueries({
    queries: stretches.map((runs) =>
      lines({ runs, keys: metric ? [metric] : [], width: LINE.width, axis: "step", start: null, end: null }),
    ),
    combine: joined,
  });
  return useMemo(() => new Map(found.map((line) => [line.run, line])), [found]);
}

const joined = (results: readonly { data: Line[] | undefined }[]): Line[] => results.flatMap(({ data }) => data ?? []);

const Course = memo(function Course({ line, color }: { line: Line | undefined; color: string }) {
  const path = useMemo(() => (line ? sparkline(line.places, line.values, LINE.width, LINE.height) : ""), [line]);
  return (
    <svg {...LINE} aria-hidden="true" className={styles.course}>
      {path && <path d={path} stroke={color} />}
    </svg>
  );
});
