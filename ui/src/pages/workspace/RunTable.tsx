/** The table of runs: only the rows and columns in view are in the page, whatever their number. */
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, memo, type PointerEvent, useEffect, useMemo, useRef, useState } from "react";
import { Icon } from "@/components/Icon";
import { Status, Time } from "@/components/parts";
import { type Column, type ColumnId, columnOf, type Row, textOf } from "@/core/columns";
import { formatNumber } from "@/core/format";
import { COLOR_TAG, runColor } from "@/core/palette";
import { STAR } from "@/queries/types";
import styles from "./RunTable.module.css";

const ROW_HEIGHT = 30;
const CHECK_WIDTH = 64;
/** Rows below the visible ones that are asked for before they are scrolled to. */
const AHEAD = 200;

/** A line of the table: a run, or the head of a group of runs. */
export type Entry =
  | { kind: "run"; row: Row; depth: number; childCount: number; isOpen: boolean }
  | { kind: "group"; id: string; label: string; rows: Row[]; isOpen: boolean };

interface Props {
  entries: readonly Entry[];
  columns: readonly ColumnId[];
  widths: Record<string, number>;
  order: string;
  selected: ReadonlySet<string>;
  hidden: ReadonlySet<string>;
  at: string;
  onOrder: (order: string) => void;
  onSelect: (ids: ReadonlySet<string>) => void;
  onToggleChart: (id: string) => void;
  onToggleOpen: (id: string) => void;
  onWidth: (id: ColumnId, width: number) => void;
  onMove: (id: ColumnId, before: ColumnId) => void;
  onAt: (id: string) => void;
  onEnd: () => void;
}

export function RunTable(props: Props) {
  const { entries, columns, widths, order, selected, hidden } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const shown = useMemo(
    () => columns.map((id) => ({ ...columnOf(id), width: widths[id] ?? columnOf(id).width })),
    [columns, widths],
  );
  const pinned = shown[0];
  const free = useMemo(() => shown.slice(1), [shown]);
  const rows = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
  });
  const cells = useVirtualizer({
    horizontal: true,
    count: free.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => free[index]?.width ?? 100,
    overscan: 4,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the widths are read anew when the columns change
  useEffect(() => cells.measure(), [shown, cells]);
  const visible = rows.getVirtualItems();
  const last = visible.at(-1)?.index ?? 0;
  const { onEnd, at } = props;
  useEffect(() => {
    if (last >= entries.length - AHEAD) onEnd();
  }, [last, entries.length, onEnd]);
  useEffect(() => {
    const index = entries.findIndex((entry) => entry.kind === "run" && entry.row.id === at);
    if (index >= 0) rows.scrollToIndex(index);
  }, [at, entries, rows]);
  const allIds = useMemo(
    () => entries.flatMap((entry) => (entry.kind === "run" ? [entry.row.id] : entry.rows.map((row) => row.id))),
    [entries],
  );
  const areAllSelected = useMemo(() => allIds.length > 0 && allIds.every((id) => selected.has(id)), [allIds, selected]);
  const latest = useRef(props);
  latest.current = props;
  const acts = useMemo<Acts>(
    () => ({
      toggle: (ids, on) => {
        const next = new Set(latest.current.selected);
        for (const id of ids) on ? next.add(id) : next.delete(id);
        latest.current.onSelect(next);
      },
      toggleChart: (id) => latest.current.onToggleChart(id),
      toggleOpen: (id) => latest.current.onToggleOpen(id),
    }),
    [],
  );
  if (!pinned) return null;
  const lead = CHECK_WIDTH + pinned.width;
  const total = lead + cells.getTotalSize();
  const inView = cells.getVirtualItems();
  const { toggle } = acts;
  return (
    <div
      ref={scroller}
      className={styles.scroller}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      role="table"
      aria-label="Runs"
      aria-rowcount={entries.length + 1}
    >
      <div className={styles.head} role="row" style={{ width: total }}>
        <div className={styles.pinned} style={{ width: lead }} role="columnheader">
          <input
            type="checkbox"
            aria-label="Select all loaded runs"
            checked={areAllSelected}
            onChange={(event) => toggle(allIds, event.target.checked)}
          />
          <span style={{ width: 34 }} />
          <Head {...props} column={pinned} />
        </div>
        {inView.map((item) => {
          const column = free[item.index] as Column;
          return (
            <div
              key={column.id}
              role="columnheader"
              className={styles.headCell}
              style={{ left: lead + item.start, width: item.size }}
              aria-sort={sortOf(column, order)}
            >
              <Head {...props} column={column} />
            </div>
          );
        })}
      </div>
      <div style={{ height: rows.getTotalSize(), width: total, position: "relative" }}>
        {visible.map((item) => {
          const entry = entries[item.index] as Entry;
          const key = entry.kind === "run" ? entry.row.id : entry.id;
          return (
            <div
              key={key}
              role="row"
              aria-rowindex={item.index + 2}
              className={styles.row}
              data-selected={entry.kind === "run" && selected.has(entry.row.id)}
              data-at={entry.kind === "run" && entry.row.id === at}
              style={{ transform: `translateY(${item.start}px)`, width: total }}
            >
              {entry.kind === "run" ? (
                <RunCells
                  row={entry.row}
                  depth={entry.depth}
                  childCount={entry.childCount}
                  isOpen={entry.isOpen}
                  isSelected={selected.has(entry.row.id)}
                  isShown={!hidden.has(entry.row.id)}
                  lead={lead}
                  free={free}
                  inView={inView}
                  acts={acts}
                />
              ) : (
                <GroupCells entry={entry} lead={lead} free={free} inView={inView} toggle={toggle} {...props} />
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

type Place = { index: number; start: number; size: number };
type Toggle = (ids: readonly string[], on: boolean) => void;

/** What the cells of a row do: the same functions as long as the table is there, so that rows are not drawn again. */
interface Acts {
  toggle: Toggle;
  toggleChart: (id: string) => void;
  toggleOpen: (id: string) => void;
}

const sortOf = (column: Column, order: string) =>
  column.order && order.startsWith(`${column.order} `)
    ? order.endsWith("ASC")
      ? "ascending"
      : "descending"
    : undefined;

function Head({ column, order, onOrder, onWidth, onMove }: Props & { column: Column }) {
  const sorted = sortOf(column, order);
  const start = useRef<{ x: number; width: number } | null>(null);
  const next = sorted === "descending" ? `${column.order} ASC` : sorted === "ascending" ? "" : `${column.order} DESC`;
  const drag = (event: PointerEvent<HTMLSpanElement>) => {
    if (start.current)
      onWidth(column.id, Math.max(50, Math.min(800, start.current.width + event.clientX - start.current.x)));
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowLeft") onWidth(column.id, Math.max(50, column.width - 10));
    else if (event.key === "ArrowRight") onWidth(column.id, Math.min(800, column.width + 10));
    else return;
    event.preventDefault();
  };
  return (
    <>
      <button
        type="button"
        className={styles.headName}
        data-number={column.isNumber}
        title={column.label}
        disabled={!column.order}
        draggable={column.id !== "name"}
        onDragStart={(event) => event.dataTransfer.setData("text/x-column", column.id)}
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => onMove(event.dataTransfer.getData("text/x-column"), column.id)}
        onClick={() => onOrder(next)}
      >
        <span>{column.label}</span>
        {sorted && <span aria-hidden="true">{sorted === "ascending" ? "↑" : "↓"}</span>}
      </button>
      <span
        role="separator"
        tabIndex={0}
        aria-orientation="vertical"
        aria-label={`Width of ${column.label}`}
        aria-valuenow={column.width}
        aria-valuemin={50}
        aria-valuemax={800}
        className={styles.handle}
        onKeyDown={onKey}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          start.current = { x: event.clientX, width: column.width };
        }}
        onPointerMove={drag}
        onPointerUp={() => {
          start.current = null;
        }}
      />
    </>
  );
}

/** The cells of a run, drawn again only if something of it changed: while scrolling, only rows that come into view are. */
const RunCells = memo(function RunCells(props: {
  row: Row;
  depth: number;
  childCount: number;
  isOpen: boolean;
  isSelected: boolean;
  isShown: boolean;
  lead: number;
  free: readonly Column[];
  inView: readonly Place[];
  acts: Acts;
}) {
  const { row, depth, childCount, isOpen, isSelected, isShown, lead, free, inView, acts } = props;
  const color = runColor(row.id, row.tags[COLOR_TAG]);
  return (
    <>
      <div className={styles.pinned} style={{ width: lead }} role="rowheader">
        <input
          type="checkbox"
          aria-label={`Select ${row.name}`}
          checked={isSelected}
          onChange={(event) => acts.toggle([row.id], event.target.checked)}
        />
        <button
          type="button"
          className={styles.dot}
          aria-pressed={isShown}
          aria-label={`${row.name} in charts`}
          title={isShown ? "Shown in charts" : "Hidden in charts"}
          style={isShown ? { background: color, borderColor: color } : { borderColor: color }}
          onClick={() => acts.toggleChart(row.id)}
        />
        <span style={{ width: depth * 16 }} />
        {childCount > 0 ? (
          <button
            type="button"
            className={styles.open}
            data-open={isOpen}
            aria-expanded={isOpen}
            aria-label={`Runs below ${row.name}`}
            onClick={() => acts.toggleOpen(row.id)}
          >
            <Icon name="chevron" size={11} />
          </button>
        ) : (
          <span style={{ width: 14 }} />
        )}
        <Link to="/runs/$runId" params={{ runId: row.id }} className={styles.name} title={row.name}>
          {row.name}
        </Link>
        {row.tags[STAR] === "true" && (
          <span className={styles.star} title="Starred" role="img" aria-label="starred">
            ★
          </span>
        )}
      </div>
      {inView.map((item) => {
        const column = free[item.index] as Column;
        return (
          <div
            key={column.id}
            role="cell"
            className={styles.cell}
            data-number={column.isNumber}
            style={{ left: lead + item.start, width: item.size }}
          >
            <Cell row={row} id={column.id} />
          </div>
        );
      })}
    </>
  );
});

function Cell({ row, id }: { row: Row; id: ColumnId }) {
  if (id === "status") return <Status status={row.run.info.status} />;
  if (id === "start") return <Time at={row.run.info.start_time} />;
  const content = textOf(row, id);
  return <span title={content}>{content}</span>;
}

function GroupCells(
  props: Props & {
    entry: Extract<Entry, { kind: "group" }>;
    lead: number;
    free: readonly Column[];
    inView: readonly Place[];
    toggle: Toggle;
  },
) {
  const { entry, lead, free, inView, selected, toggle, onToggleOpen } = props;
  const ids = entry.rows.map((row) => row.id);
  return (
    <>
      <div className={styles.pinned} style={{ width: lead }} role="rowheader">
        <input
          type="checkbox"
          aria-label={`Select the group ${entry.label}`}
          checked={ids.every((id) => selected.has(id))}
          onChange={(event) => toggle(ids, event.target.checked)}
        />
        <button
          type="button"
          className={styles.open}
          data-open={entry.isOpen}
          aria-expanded={entry.isOpen}
          aria-label={`Runs of ${entry.label}`}
          onClick={() => onToggleOpen(entry.id)}
        >
          <Icon name="chevron" size={11} />
        </button>
        <b className={styles.name} title={entry.label}>
          {entry.label}
        </b>
        <span className="muted">{entry.rows.length}</span>
      </div>
      {inView.map((item) => {
        const column = free[item.index] as Column;
        return (
          <div
            key={column.id}
            role="cell"
            className={styles.cell}
            data-number={column.isNumber}
            style={{ left: lead + item.start, width: item.size }}
          >
            {column.id.startsWith("m.") && <Spread rows={entry.rows} metric={column.id.slice(2)} />}
          </div>
        );
      })}
    </>
  );
}

/** Mean of a metric over a group; least and greatest on hover. */
function Spread({ rows, metric }: { rows: readonly Row[]; metric: string }) {
  const values = rows
    .map((row) => row.metrics[metric])
    .filter((value): value is number => value !== undefined && Number.isFinite(value));
  if (values.length === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const range = `least ${formatNumber(Math.min(...values))}, mean ${formatNumber(mean)}, greatest ${formatNumber(Math.max(...values))}`;
  return <span title={range}>{formatNumber(mean, 4)}</span>;
}

/** Where the keyboard is: `j` and `k` move it. */
export function useCursor(entries: readonly Entry[]): [string, (step: number) => string, (id: string) => void] {
  const [at, setAt] = useState("");
  const move = (step: number) => {
    const ids = entries.flatMap((entry) => (entry.kind === "run" ? [entry.row.id] : []));
    const next = ids[Math.max(0, Math.min(ids.length - 1, ids.indexOf(at) + step))] ?? "";
    setAt(next);
    return next;
  };
  return [at, move, setAt];
}
