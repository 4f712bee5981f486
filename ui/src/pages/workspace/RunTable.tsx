/** The table of runs: only the rows and columns in view are in the page, whatever their number. */
import { useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type CSSProperties,
  type KeyboardEvent,
  type MouseEvent,
  memo,
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
import { type Line, spreadOf } from "@/core/grouping";
import { ROOT } from "@/queries/client";
import { STAR } from "@/queries/types";
import styles from "./RunTable.module.css";

const ROW_HEIGHT = 30;
const CHECK_WIDTH = 64;
/** Rows above and below the visible ones that are in the page. */
const OVERSCAN = 10;
/** Rows below the visible ones that are asked for before they are scrolled to. */
const AHEAD = 200;

interface Props {
  lines: readonly Line[];
  columns: readonly ColumnId[];
  /** How many of the columns stay in view; the first is the name. */
  pinned: number;
  widths: Record<string, number>;
  order: string;
  selected: ReadonlySet<string>;
  shown: ReadonlySet<string>;
  at: string;
  colorOf: (row: Row) => string;
  onOrder: (order: string) => void;
  onSelect: (ids: ReadonlySet<string>) => void;
  onToggleChart: (id: string) => void;
  onToggleOpen: (id: string) => void;
  onWidth: (id: ColumnId, width: number) => void;
  onMove: (id: ColumnId, to: ColumnId) => void;
  onEnd: () => void;
}

/** Pinned columns take at most this share of the table's width, so that something is left to scroll. */
const PINNED_SHARE = 0.6;

export function RunTable(props: Props) {
  const { lines, columns, pinned, widths, order, selected, shown, at, colorOf, onEnd } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [wide, setWide] = useState(0);
  const { still, free, lead } = useMemo(() => {
    const all = columns.map((id) => ({ ...columnOf(id), width: widths[id] ?? columnOf(id).width }));
    return splitAt(all, pinned, wide > 0 ? wide * PINNED_SHARE : Number.POSITIVE_INFINITY);
  }, [columns, pinned, widths, wide]);
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
  });
  const cells = useVirtualizer({
    horizontal: true,
    count: free.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => free[index]?.width ?? 100,
    overscan: 2,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the widths are read anew when the columns change
  useEffect(() => cells.measure(), [free, cells]);
  const inView = cells.getVirtualItems();
  const places = useMemo<Places>(() => ({ still, lead, free, inView }), [still, lead, free, inView]);
  const viewWidth = cells.scrollRect?.width ?? 0;
  useEffect(() => setWide(viewWidth), [viewWidth]);
  const visible = rows.getVirtualItems();
  const last = visible.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= lines.length - AHEAD) onEnd();
  }, [last, lines.length, onEnd]);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const index = latest.current.lines.findIndex((line) => line.kind === "run" && line.row.id === at);
    if (index >= 0) rows.scrollToIndex(index);
  }, [at, rows]);
  const allIds = useMemo(() => lines.flatMap(idsOf), [lines]);
  const areAllSelected = useMemo(
    () => allIds.length > 0 && selected.size > 0 && allIds.every((id) => selected.has(id)),
    [allIds, selected],
  );
  const navigate = useNavigate();
  const acts = useMemo<Acts>(
    () => ({
      toggle: (ids, on) => {
        const next = new Set(latest.current.selected);
        for (const id of ids) on ? next.add(id) : next.delete(id);
        latest.current.onSelect(next);
      },
      toggleChart: (id) => latest.current.onToggleChart(id),
      toggleOpen: (id) => latest.current.onToggleOpen(id),
      open: (event, runId) => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        void navigate({ to: "/runs/$runId", params: { runId } });
      },
      order: (next) => latest.current.onOrder(next),
      resize: (id, width) => latest.current.onWidth(id, width),
      move: (id, to) => latest.current.onMove(id, to),
    }),
    [navigate],
  );
  const total = lead + cells.getTotalSize();
  // Rows that leave the view give their elements to those that come into it: to change a text is cheaper than to make a row.
  const slots = Math.ceil((rows.scrollRect?.height ?? 0) / ROW_HEIGHT) + 2 * OVERSCAN + 2;
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
      <Heads places={places} total={total} order={order} ids={allIds} areAllSelected={areAllSelected} acts={acts} />
      <div style={{ height: rows.getTotalSize(), width: total, position: "relative" }}>
        {visible.map(({ index, start }) => {
          const line = lines[index] as Line;
          const runId = line.kind === "run" ? line.row.id : "";
          return (
            <div
              key={index % slots}
              role="row"
              aria-rowindex={index + 2}
              className={styles.row}
              data-selected={selected.has(runId)}
              data-at={runId !== "" && runId === at}
              style={{ transform: `translateY(${start}px)`, width: total }}
            >
              {line.kind === "run" ? (
                <RunCells
                  row={line.row}
                  depth={line.depth}
                  childCount={line.childCount}
                  isOpen={line.isOpen}
                  isSelected={selected.has(runId)}
                  isShown={shown.has(runId)}
                  color={colorOf(line.row)}
                  places={places}
                  acts={acts}
                />
              ) : (
                <GroupCells group={line} selected={selected} places={places} acts={acts} />
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

const idsOf = (line: Line): string[] => (line.kind === "run" ? [line.row.id] : line.rows.map((row) => row.id));

/** Which cells of a row are in view, and where: those of `still` always, of `free` those that are scrolled to. */
interface Places {
  still: readonly Column[];
  /** Where the free ones begin. */
  lead: number;
  free: readonly Column[];
  inView: readonly { index: number; start: number; size: number }[];
}

/** The first columns stay, as far as they have room; the name always does. */
function splitAt(all: readonly Column[], pinned: number, room: number): Omit<Places, "inView"> {
  let lead = CHECK_WIDTH + (all[0]?.width ?? 0);
  let count = 1;
  for (const column of all.slice(1, pinned)) {
    if (lead + column.width > room) break;
    lead += column.width;
    count++;
  }
  return { still: all.slice(0, count), free: all.slice(count), lead };
}

/** What can be done in the table: the same functions as long as it is there, so that rows are not drawn again. */
interface Acts {
  toggle: (ids: readonly string[], on: boolean) => void;
  toggleChart: (id: string) => void;
  toggleOpen: (id: string) => void;
  open: (event: MouseEvent, runId: string) => void;
  order: (order: string) => void;
  resize: (id: ColumnId, width: number) => void;
  move: (id: ColumnId, to: ColumnId) => void;
}

const sortOf = (column: Column, order: string) =>
  column.order && order.startsWith(`${column.order} `)
    ? order.endsWith("ASC")
      ? "ascending"
      : "descending"
    : undefined;

/** The line of headings. */
const Heads = memo(function Heads(props: {
  places: Places;
  total: number;
  order: string;
  ids: readonly string[];
  areAllSelected: boolean;
  acts: Acts;
}) {
  const { places, total, order, ids, areAllSelected, acts } = props;
  const { still, lead, free, inView } = places;
  const all = [...still, ...free];
  const head = (column: Column) => {
    const at = all.indexOf(column);
    return <Head column={column} order={order} before={all[at - 1]?.id} after={all[at + 1]?.id} acts={acts} />;
  };
  const [name, ...pins] = still;
  return (
    <div className={styles.head} role="row" style={{ width: total }}>
      <div className={styles.pinned} style={{ width: lead }}>
        <div
          className={styles.first}
          role="columnheader"
          style={{ width: CHECK_WIDTH + (name?.width ?? 0) }}
          aria-sort={name && sortOf(name, order)}
        >
          <input
            type="checkbox"
            aria-label="Select all loaded runs"
            checked={areAllSelected}
            onChange={(event) => acts.toggle(ids, event.target.checked)}
          />
          <span style={{ width: 34 }} />
          {name && head(name)}
        </div>
        {pins.map((column) => (
          <div
            key={column.id}
            role="columnheader"
            className={styles.stillHead}
            style={{ width: column.width }}
            aria-sort={sortOf(column, order)}
          >
            {head(column)}
          </div>
        ))}
      </div>
      {inView.map(({ index, start, size }) => {
        const column = free[index];
        return (
          column && (
            <div
              key={column.id}
              role="columnheader"
              className={styles.headCell}
              style={{ left: lead + start, width: size }}
              aria-sort={sortOf(column, order)}
            >
              {head(column)}
            </div>
          )
        );
      })}
    </div>
  );
});

const LEAST_WIDTH = 50;
const MOST_WIDTH = 800;

/** A heading: a click orders by its column; dragged, or with the shift key and an arrow, it moves. `before` and `after` are its neighbours. */
function Head(props: { column: Column; order: string; before?: ColumnId; after?: ColumnId; acts: Acts }) {
  const { column, order, before, after, acts } = props;
  const sorted = sortOf(column, order);
  const start = useRef<{ x: number; width: number } | null>(null);
  const next = sorted === "descending" ? `${column.order} ASC` : sorted === "ascending" ? "" : `${column.order} DESC`;
  const isName = column.id === "name";
  const resize = (width: number) => acts.resize(column.id, Math.max(LEAST_WIDTH, Math.min(MOST_WIDTH, width)));
  const onHandleKey = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -10, ArrowRight: 10 }[event.key];
    if (step === undefined) return;
    resize(column.width + step);
    event.preventDefault();
  };
  const onKey = (event: KeyboardEvent) => {
    const to = event.shiftKey && !isName ? { ArrowLeft: before, ArrowRight: after }[event.key] : undefined;
    if (to === undefined || to === "name") return;
    acts.move(column.id, to);
    event.preventDefault();
  };
  return (
    <>
      <button
        type="button"
        className={styles.headName}
        data-number={column.isNumber}
        title={column.label}
        aria-disabled={!column.order}
        aria-keyshortcuts={isName ? undefined : "Shift+ArrowLeft Shift+ArrowRight"}
        draggable={!isName}
        onDragStart={(event) => event.dataTransfer.setData("text/x-column", column.id)}
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => acts.move(event.dataTransfer.getData("text/x-column"), column.id)}
        onKeyDown={onKey}
        onClick={() => column.order && acts.order(next)}
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
        aria-valuemin={LEAST_WIDTH}
        aria-valuemax={MOST_WIDTH}
        className={styles.handle}
        onKeyDown={onHandleKey}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          start.current = { x: event.clientX, width: column.width };
        }}
        onPointerMove={(event) => {
          if (start.current) resize(start.current.width + event.clientX - start.current.x);
        }}
        onPointerUp={() => {
          start.current = null;
        }}
      />
    </>
  );
}

/** The cells of a run, drawn again only if something of it changed: while scrolling, only rows that come into view are. */
const RunCells = memo(function RunCells(props: {
  places: Places;
  row: Row;
  depth: number;
  childCount: number;
  isOpen: boolean;
  isSelected: boolean;
  isShown: boolean;
  color: string;
  acts: Acts;
}) {
  const { places, row, depth, childCount, isOpen, isSelected, isShown, color, acts } = props;
  return (
    <Cells places={places} cell={(id, place) => <RunCell key={id} row={row} id={id} {...place} />}>
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
        style={{ borderColor: color, background: isShown ? color : "transparent" }}
        onClick={() => acts.toggleChart(row.id)}
      />
      <span style={{ width: depth * 16 }} />
      {childCount > 0 ? (
        <OpenButton label={`Runs below ${row.name}`} isOpen={isOpen} onClick={() => acts.toggleOpen(row.id)} />
      ) : (
        <span style={{ width: 14 }} />
      )}
      <a
        href={`${ROOT}/runs/${row.id}`}
        className={styles.name}
        title={row.name}
        onClick={(event) => acts.open(event, row.id)}
      >
        {row.name}
      </a>
      {row.tags[STAR] === "true" && (
        <span className={styles.star} title="Starred" role="img" aria-label="starred">
          ★
        </span>
      )}
    </Cells>
  );
});

/** Where a cell stands, ready to be spread over its element. */
interface Place {
  role: string;
  className: string | undefined;
  "data-number": boolean;
  style: CSSProperties;
}

/** The cells of a row: `children` stand in the first one, `cell` makes those of the other columns that are in view. */
function Cells(props: { places: Places; children: ReactNode; cell: (id: ColumnId, place: Place) => ReactNode }) {
  const { places, children, cell } = props;
  const { still, lead, free, inView } = places;
  const [name, ...pins] = still;
  const place = (column: Column, className: string | undefined, style: CSSProperties): Place => ({
    role: "cell",
    className,
    "data-number": column.isNumber,
    style,
  });
  return (
    <>
      <div className={styles.pinned} style={{ width: lead }}>
        <div className={styles.first} role="rowheader" style={{ width: CHECK_WIDTH + (name?.width ?? 0) }}>
          {children}
        </div>
        {pins.map((column) => cell(column.id, place(column, styles.still, { width: column.width })))}
      </div>
      {inView.map(({ index, start, size }) => {
        const column = free[index];
        return column && cell(column.id, place(column, styles.cell, { left: lead + start, width: size }));
      })}
    </>
  );
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

function RunCell({ row, id, ...place }: Place & { row: Row; id: ColumnId }) {
  if (id === "status")
    return (
      <div {...place}>
        <Status status={row.run.info.status} />
      </div>
    );
  if (id === "start")
    return (
      <div {...place}>
        <Time at={row.run.info.start_time} isOneOfMany />
      </div>
    );
  const content = textOf(row, id);
  return (
    <div {...place} title={content}>
      {content}
    </div>
  );
}

function GroupCells(props: {
  places: Places;
  group: Extract<Line, { kind: "group" }>;
  selected: ReadonlySet<string>;
  acts: Acts;
}) {
  const { places, group, selected, acts } = props;
  const ids = idsOf(group);
  return (
    <Cells
      places={places}
      cell={(id, place) => (
        <div key={id} {...place}>
          {id.startsWith("m.") && <Spread rows={group.rows} metric={id.slice(2)} />}
        </div>
      )}
    >
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
      <span className="muted">{formatNumber(group.rows.length)}</span>
    </Cells>
  );
}

/** Mean of a metric over a group; least and greatest on hover. */
function Spread({ rows, metric }: { rows: readonly Row[]; metric: string }) {
  const found = useMemo(() => spreadOf(rows, metric), [rows, metric]);
  if (!found) return null;
  const { least, mean, greatest } = found;
  const range = `least ${formatNumber(least)}, mean ${formatNumber(mean)}, greatest ${formatNumber(greatest)}`;
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
