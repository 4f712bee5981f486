/** The table of runs: only the rows and columns in view are in the page, whatever their number. */
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type KeyboardEvent,
  memo,
  type PointerEvent,
  type ReactNode,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { Icon } from "@/components/Icon";
import { Status, Time } from "@/components/parts";
import { type Column, type ColumnId, columnOf, type Row, textOf } from "@/core/columns";
import { formatNumber } from "@/core/format";
import type { Line } from "@/core/grouping";
import { STAR } from "@/queries/types";
import styles from "./RunTable.module.css";

const ROW_HEIGHT = 30;
const CHECK_WIDTH = 64;
/** Rows below the visible ones that are asked for before they are scrolled to. */
const AHEAD = 200;

interface Props {
  lines: readonly Line[];
  columns: readonly ColumnId[];
  widths: Record<string, number>;
  order: string;
  selected: ReadonlySet<string>;
  hidden: ReadonlySet<string>;
  at: string;
  colorOf: (row: Row) => string;
  onOrder: (order: string) => void;
  onSelect: (ids: ReadonlySet<string>) => void;
  onToggleChart: (id: string) => void;
  onToggleOpen: (id: string) => void;
  onWidth: (id: ColumnId, width: number) => void;
  onMove: (id: ColumnId, before: ColumnId) => void;
  onEnd: () => void;
}

export function RunTable(props: Props) {
  const { lines, columns, widths, order, selected, hidden } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const shown = useMemo(
    () => columns.map((id) => ({ ...columnOf(id), width: widths[id] ?? columnOf(id).width })),
    [columns, widths],
  );
  const pinned = shown[0];
  const free = useMemo(() => shown.slice(1), [shown]);
  const rows = useVirtualizer({
    count: lines.length,
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
    if (last >= lines.length - AHEAD) onEnd();
  }, [last, lines.length, onEnd]);
  useEffect(() => {
    const index = lines.findIndex((line) => line.kind === "run" && line.row.id === at);
    if (index >= 0) rows.scrollToIndex(index);
  }, [at, lines, rows]);
  const allIds = useMemo(
    () => lines.flatMap((line) => (line.kind === "run" ? [line.row.id] : line.rows.map((row) => row.id))),
    [lines],
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
  return (
    <div
      ref={scroller}
      className={styles.scroller}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      role="table"
      aria-label="Runs"
      aria-rowcount={lines.length + 1}
    >
      <div className={styles.head} role="row" style={{ width: total }}>
        <div className={styles.pinned} style={{ width: lead }} role="columnheader">
          <input
            type="checkbox"
            aria-label="Select all loaded runs"
            checked={areAllSelected}
            onChange={(event) => acts.toggle(allIds, event.target.checked)}
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
          const line = lines[item.index] as Line;
          const runId = line.kind === "run" ? line.row.id : "";
          return (
            <div
              key={line.kind === "run" ? runId : line.id}
              role="row"
              aria-rowindex={item.index + 2}
              className={styles.row}
              data-selected={selected.has(runId)}
              data-at={runId !== "" && runId === at}
              style={{ transform: `translateY(${item.start}px)`, width: total }}
            >
              {line.kind === "run" ? (
                <RunCells
                  row={line.row}
                  depth={line.depth}
                  childCount={line.childCount}
                  isOpen={line.isOpen}
                  isSelected={selected.has(runId)}
                  isShown={!hidden.has(runId)}
                  color={props.colorOf(line.row)}
                  lead={lead}
                  free={free}
                  inView={inView}
                  acts={acts}
                />
              ) : (
                <GroupCells group={line} selected={selected} lead={lead} free={free} inView={inView} acts={acts} />
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Which cells of a row are in view, and where. */
interface Places {
  lead: number;
  free: readonly Column[];
  inView: readonly { index: number; start: number; size: number }[];
}

/** What the cells of a row do: the same functions as long as the table is there, so that rows are not drawn again. */
interface Acts {
  toggle: (ids: readonly string[], on: boolean) => void;
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
const RunCells = memo(function RunCells(
  props: Places & {
    row: Row;
    depth: number;
    childCount: number;
    isOpen: boolean;
    isSelected: boolean;
    isShown: boolean;
    color: string;
    acts: Acts;
  },
) {
  const { row, depth, childCount, isOpen, isSelected, isShown, color, acts, ...places } = props;
  return (
    <>
      <div className={styles.pinned} style={{ width: places.lead }} role="rowheader">
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
          <OpenButton label={`Runs below ${row.name}`} isOpen={isOpen} onClick={() => acts.toggleOpen(row.id)} />
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
      <Cells {...places}>{(id) => <Cell row={row} id={id} />}</Cells>
    </>
  );
});

/** The cells of a row that are in view; `children` gives what is in the one of a column. */
function Cells({ lead, free, inView, children }: Places & { children: (id: ColumnId) => ReactNode }) {
  return inView.map((item) => {
    const column = free[item.index] as Column;
    return (
      <div
        key={column.id}
        role="cell"
        className={styles.cell}
        data-number={column.isNumber}
        style={{ left: lead + item.start, width: item.size }}
      >
        {children(column.id)}
      </div>
    );
  });
}

function OpenButton({ label, isOpen, onClick }: { label: string; isOpen: boolean; onClick: () => void }) {
  return (
    <button
      type="button"
      className={styles.open}
      data-open={isOpen}
      aria-expanded={isOpen}
      aria-label={label}
      onClick={onClick}
    >
      <Icon name="chevron" size={11} />
    </button>
  );
}

function Cell({ row, id }: { row: Row; id: ColumnId }) {
  if (id === "status") return <Status status={row.run.info.status} />;
  if (id === "start") return <Time at={row.run.info.start_time} />;
  const content = textOf(row, id);
  return <span title={content}>{content}</span>;
}

function GroupCells(
  props: Places & { group: Extract<Line, { kind: "group" }>; selected: ReadonlySet<string>; acts: Acts },
) {
  const { group, selected, acts, ...places } = props;
  const ids = group.rows.map((row) => row.id);
  return (
    <>
      <div className={styles.pinned} style={{ width: places.lead }} role="rowheader">
        <input
          type="checkbox"
          aria-label={`Select the group ${group.label}`}
          checked={ids.every((id) => selected.has(id))}
          onChange={(event) => acts.toggle(ids, event.target.checked)}
        />
        <OpenButton label={`Runs of ${group.label}`} isOpen={group.isOpen} onClick={() => acts.toggleOpen(group.id)} />
        <b className={styles.name} title={group.label}>
          {group.label}
        </b>
        <span className="muted">{group.rows.length}</span>
      </div>
      <Cells {...places}>{(id) => id.startsWith("m.") && <Spread rows={group.rows} metric={id.slice(2)} />}</Cells>
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

/** Where the keyboard is, and a way to move it by so many runs. */
export function useCursor(lines: readonly Line[]): [string, (step: number) => void] {
  const [at, setAt] = useState("");
  const move = (step: number) => {
    const ids = lines.flatMap((line) => (line.kind === "run" ? [line.row.id] : []));
    setAt(ids[Math.max(0, Math.min(ids.length - 1, ids.indexOf(at) + step))] ?? "");
  };
  return [at, move];
}
