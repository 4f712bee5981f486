/** A line chart for long series, on uPlot. Zooming asks for exact detail: whoever uses this fetches the new window. */
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { aligned } from "@/core/align";
import { formatNumber, formatTime } from "@/core/format";
import { inTurn } from "@/core/frames";
import { type Curve, groupsOf, type Look, lonely, meanAndBand, withoutOutliers } from "@/core/lines";
import { nearestIndex } from "@/core/nearest";
import { timeZone } from "@/core/preferences";
import { evenTicks, logTicks, tickLabels, timeLabels } from "@/core/ticks";
import { panned, type Range, zoomByKey } from "@/core/zoom";
import styles from "./LineChart.module.css";

interface Props {
  curves: readonly Curve[];
  look: Look;
  height: number;
  label: string;
  /** Charts with the same key share their cursor. */
  sync: string;
  /** The run that is lifted; the others are dimmed. */
  lifted?: string | undefined;
  zoom: Range | null;
  onZoom: (zoom: Range | null) => void;
  onWidth?: (pixels: number) => void;
}

interface Hover {
  left: number;
  x: number;
  rows: { label: string; color: string; y: number }[];
}

/** What a chart is to show. */
interface Shown {
  curves: readonly Curve[];
  drawn: Drawn;
  lifted: string | undefined;
  zoom: Range | null;
  clip: Range | null;
  size: { width: number; height: number };
  onZoom: (zoom: Range | null) => void;
}

/** What it does show: read whenever something is drawn, so that a chart is made anew only if its parts become others. */
interface Painted extends Shown {
  /** The range while it is moved with the pointer. */
  held: Range | null;
}

/** More curves than this are drawn in hairlines, and only the nearest is marked under the pointer. */
const CROWD = 20;

export function LineChart({ curves, look, height, label, sync, lifted, zoom, onZoom, onWidth }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState<Hover | null>(null);
  const [themes, setThemes] = useState(0);
  const drawn = useMemo(() => tableOf(curves, look, width), [curves, look, width]);
  const clip = useMemo(() => (look.clip ? withoutOutliers(curves) : null), [curves, look.clip]);
  const size = useMemo(() => ({ width, height }), [width, height]);
  const shown: Shown = { curves, drawn, lifted, zoom, clip, size, onZoom };
  const next = useRef(shown);
  next.current = shown;
  const painted = useRef<Painted>({ ...shown, held: null }).current;

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(element);
    const onTheme = () => setThemes((count) => count + 1);
    window.addEventListener("millstream:theme", onTheme);
    return () => {
      observer.disconnect();
      window.removeEventListener("millstream:theme", onTheme);
    };
  }, []);
  useEffect(() => {
    if (width > 0) onWidth?.(width);
  }, [width, onWidth]);

  const isReady = width > 0;
  const { parts } = drawn;
  // biome-ignore lint/correctness/useExhaustiveDependencies: colours are read anew with each theme, all else from `painted`
  useEffect(() => {
    const element = holder.current;
    if (!element || !isReady) return;
    return inTurn(() => {
      const before = plot.current;
      Object.assign(painted, next.current);
      plot.current = new uPlot(optionsOf(painted, look, sync, setHover), painted.drawn.data, element);
      before?.destroy(); // until here it was seen
    });
  }, [isReady, parts, look, sync, themes]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: these are what `repaint` compares
  useEffect(
    () => inTurn(() => plot.current && repaint(plot.current, painted, next.current)),
    [drawn, lifted, zoom, clip, size],
  );
  useEffect(
    () => () => {
      plot.current?.destroy();
      plot.current = null;
    },
    [],
  );

  const onKey = (event: KeyboardEvent) => {
    const { min, max } = plot.current?.scales.x ?? {};
    if (min === undefined || min === null || max === undefined || max === null) return;
    const next = zoomByKey(event.key, [min, max]);
    if (next === undefined || event.metaKey || event.ctrlKey || event.altKey) return;
    onZoom(next);
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className={styles.chart}>
      <div
        ref={holder}
        role="img"
        data-blank={curves.every((curve) => curve.ys.every((y) => y === null))}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: zoomed and moved by keyboard
        tabIndex={0}
        aria-label={describe(label, curves)}
        aria-keyshortcuts="+ - 0 ArrowLeft ArrowRight"
        style={{ height }}
        onKeyDown={onKey}
      />
      {hover && hover.rows.length > 0 && (
        <div className={styles.tip} data-side={hover.left > width / 2 ? "left" : "right"}>
          <div className="muted">
            {look.x === "time"
              ? formatTime(hover.x * 1000, timeZone())
              : `${look.x === "step" ? "step" : "seconds"} ${formatNumber(hover.x)}`}
          </div>
          {hover.rows.slice(0, 12).map((row) => (
            <div key={row.label} className={styles.row}>
              <i style={{ background: row.color }} />
              <span>{row.label}</span>
              <b>{formatNumber(row.y)}</b>
            </div>
          ))}
          {hover.rows.length > 12 && <div className="muted">and {hover.rows.length - 12} more</div>}
        </div>
      )}
    </div>
  );
}

/** Do what brings a chart from what it shows to what it shall show, and no more. */
function repaint(chart: uPlot, painted: Painted, next: Shown): void {
  if (next.drawn.parts !== painted.drawn.parts) return; // is made anew in a moment
  const { drawn, zoom, clip, size, lifted } = painted;
  Object.assign(painted, next);
  if (next.zoom !== zoom) painted.held = null;
  if (next.size !== size) chart.setSize(next.size);
  if (next.drawn !== drawn || next.zoom !== zoom || next.clip !== clip) chart.setData(next.drawn.data);
  else if (next.lifted !== lifted) {
    chart.series.forEach((series, at) => {
      if (at > 0) series.width = next.drawn.widthOf(at - 1, next.lifted);
    });
    chart.redraw(false);
  }
}

/** How the chart is made; what changes often is read from `painted` when it is drawn. */
function optionsOf(painted: Painted, look: Look, sync: string, setHover: (hover: Hover | null) => void): uPlot.Options {
  const css = getComputedStyle(document.documentElement);
  const color = (name: string) => css.getPropertyValue(name).trim();
  const { drawn, curves, size } = painted;
  const isCrowd = curves.length > CROWD;
  const isTime = look.x === "time";
  const isLogX = look.logX && !isTime;
  const zone = timeZone();
  const axis: uPlot.Axis = {
    stroke: color("--muted"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { stroke: color("--line"), width: 1, size: TICK },
    font: `11px ${color("--font")}`,
    gap: TICK,
  };
  const clipped: uPlot.Range.Function = (_, min, max) =>
    painted.clip ?? (min === null ? [null, null] : uPlot.rangeNum(min, max, 0.1, true));
  return {
    ...size,
    ...(zone ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), zone) } : {}),
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: sync },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6, one: isCrowd },
      focus: { prox: 24 },
      bind: {
        mousedown: (self, _, select) => (event) => {
          if (event.button === 0 && event.shiftKey) pan(self, event, painted);
          else select(event);
          return null;
        },
      },
    },
    scales: {
      x: {
        time: isTime,
        distr: isLogX ? 3 : 1,
        range: (self, min, max) =>
          painted.held ?? painted.zoom ?? (isLogX ? uPlot.rangeLog(min, max, 10, true) : aroundOne(self, min, max)),
      },
      y: { distr: look.logY ? 3 : 1, ...(look.clip && !look.logY ? { range: clipped } : {}) },
    },
    axes: [
      isTime
        ? { ...axis, size: 40, space: 84, values: (_, ticks, _axis, _space, step) => timeLabels(ticks, step, zone) }
        : { ...axis, ...marks(isLogX, 64), size: 28 },
      { ...axis, ...marks(look.logY, 30), size: widthOfLabels },
    ],
    series: [
      {},
      ...drawn.parts.map(
        (_, at): uPlot.Series => ({
          stroke: () => painted.drawn.strokeOf(at, painted.lifted),
          width: drawn.widthOf(at, painted.lifted),
          points: {
            show: false,
            filter: () => painted.drawn.dotsOf(at), // drawn all the same
            size: 6,
            fill: () => painted.drawn.strokeOf(at, undefined),
          },
        }),
      ),
    ],
    bands: drawn.bands.map((band, at) => ({ ...band, fill: () => painted.drawn.bands[at]?.fill ?? band.fill })),
    hooks: {
      setSelect: [
        (self) => {
          const { left, width: wide } = self.select;
          if (wide < 4) return;
          painted.onZoom([self.posToVal(left, "x"), self.posToVal(left + wide, "x")]);
          self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      setCursor: [(self) => setHover(hoverOf(self, painted.curves))],
      ready: [
        (self) => {
          self.over.addEventListener("dblclick", () => painted.onZoom(null));
          self.over.addEventListener("mouseleave", () => setHover(null));
        },
      ],
      draw: [
        // What can be seen now, for who measures: curves, points of the window, where it begins and ends.
        (self) => {
          const points = painted.curves.reduce((sum, curve) => sum + curve.count, 0);
          const { min, max } = self.scales.x ?? {};
          self.root.dataset.drawn = [painted.curves.length, points, min, max].join();
        },
      ],
    },
  };
}

const TICK = 4;

/** Marks of an axis of numbers, at least so many pixels apart. uPlot's own have none beyond 1e16. */
function marks(isLog: boolean, space: number): uPlot.Axis {
  return {
    incrs: () => [Number.POSITIVE_INFINITY], // what uPlot would step by; it asks nobody else if it finds none
    splits: (self, at, low, high) => {
      const pixels = (at === 0 ? self.bbox.width : self.bbox.height) / uPlot.pxRatio;
      return (isLog ? logTicks : evenTicks)(low, high, Math.max(2, Math.floor(pixels / space)));
    },
    filter: (_, ticks) => ticks,
    values: (_, ticks) => tickLabels(ticks),
  };
}

/** The width of an axis that its longest label fits in; alike for all charts with short ones. */
function widthOfLabels(self: uPlot, labels: readonly string[] | null, at: number): number {
  const [font = ""] = (self.axes[at]?.font ?? []) as string[];
  self.ctx.font = font; // in pixels of the screen
  const widest = Math.max(0, ...(labels ?? []).map((label) => self.ctx.measureText(label).width));
  return Math.max(52, Math.ceil(widest / uPlot.pxRatio) + 2 * TICK + 4);
}

/** Move the range in view with the pointer until it is let go; the points of the new range are asked for then. */
function pan(self: uPlot, down: MouseEvent, painted: Painted): void {
  const { min, max } = self.scales.x ?? {};
  if (min === undefined || min === null || max === undefined || max === null) return;
  const share = (event: MouseEvent) => (down.clientX - event.clientX) / (self.over.clientWidth || 1);
  const onMove = (event: MouseEvent) => {
    painted.held = panned([min, max], share(event));
    self.redraw();
  };
  const onUp = (event: MouseEvent) => {
    document.removeEventListener("mousemove", onMove);
    document.removeEventListener("mouseup", onUp);
    if (share(event) !== 0) painted.onZoom(panned([min, max], share(event)));
  };
  document.addEventListener("mousemove", onMove);
  document.addEventListener("mouseup", onUp);
}

/** A sentence for those who do not see the chart. */
function describe(label: string, curves: readonly Curve[]): string {
  const parts = curves.slice(0, 5).map((curve) => {
    const last = curve.ys.findLast((y) => y !== null);
    return `${curve.label} ends at ${formatNumber(last ?? null)}`;
  });
  return `${label}, ${curves.length} ${curves.length === 1 ? "curve" : "curves"}. ${parts.join("; ")}.`;
}

/** The range of x; around a single place, one step to each side. */
function aroundOne(self: uPlot, min: number, max: number): Range {
  const places = self.data[0];
  const first = places[0];
  return first !== undefined && first === places.at(-1) ? [first - 1, first + 1] : [min, max];
}

/** Charts that only follow the cursor of another one list their values up to this many, and else would hide under them. */
const ROWS_ELSEWHERE = 3;

function hoverOf(self: uPlot, curves: readonly Curve[]): Hover | null {
  const left = self.cursor.left ?? -1;
  if (left < 0 || (curves.length > ROWS_ELSEWHERE && !self.over.matches(":hover"))) return null;
  const place = self.cursor.idx;
  const x = (place === null || place === undefined ? null : self.data[0][place]) ?? self.posToVal(left, "x");
  const rows = curves.flatMap((curve) => {
    const at = nearestIndex(curve.xs, x);
    const y = at < 0 ? null : ((curve.smoothed ?? curve.ys)[at] ?? null);
    return y === null ? [] : [{ label: curve.label, color: curve.color, y }];
  });
  rows.sort((a, b) => b.y - a.y);
  return { left, x, rows };
}

/** Lines over one common row of places, and how each looks. A chart is made anew if its `parts` are others, by content. */
interface Drawn {
  data: uPlot.AlignedData;
  /** What each line is: of one curve the raw or the main one, of a group the mean or an edge. */
  parts: readonly Part[];
  bands: { series: [number, number]; fill: string }[];
  strokeOf: (at: number, lifted: string | undefined) => string;
  widthOf: (at: number, lifted: string | undefined) => number;
  /** The places that no line leads to. */
  dotsOf: (at: number) => number[];
}

type Part = "raw" | "main" | "mean" | "edge";

const PARTS = new Map<string, readonly Part[]>();

/** The same array for the same parts. */
function sameParts(parts: readonly Part[]): readonly Part[] {
  const name = parts.join();
  const known = PARTS.get(name) ?? parts;
  PARTS.set(name, known);
  return known;
}

/** All curves over one common row of places. `undefined` (no point here) is drawn through, `null` (NaN) is a gap. */
function tableOf(curves: readonly Curve[], look: Look, width: number): Drawn {
  const usable = (xs: readonly number[]) => !look.logX || look.x === "time" || xs.every((x) => x > 0);
  const shown = curves.map((curve) => (usable(curve.xs) ? curve : onlyPositive(curve)));
  if (look.band && shown.length > 1) return bandsOf(shown);
  const tables: uPlot.AlignedData[] = [];
  const parts: Part[] = [];
  const owners: Curve[] = [];
  for (const curve of shown) {
    if (curve.smoothed) {
      tables.push([curve.xs, curve.ys]);
      parts.push("raw");
      owners.push(curve);
    }
    tables.push([curve.xs, curve.smoothed ?? curve.ys]);
    parts.push("main");
    owners.push(curve);
  }
  const wide = shown.length > CROWD ? 1 : 1.5; // hairlines are painted several times as fast
  const data = joined(tables, look, width);
  return {
    data,
    parts: sameParts(parts),
    bands: [],
    strokeOf: (at, lifted) => {
      const owner = owners[at];
      return owner ? fade(owner.color, lifted, owner.id, parts[at] === "raw" ? 0.25 : 1) : "";
    },
    widthOf: (at, lifted) => (parts[at] === "raw" ? 1 : lifted !== undefined && lifted === owners[at]?.id ? 2.5 : wide),
    dotsOf: onceEach((at) => (parts[at] === "main" ? lonely(data[at + 1] ?? []) : [])),
  };
}

function joined(tables: uPlot.AlignedData[], look: Look, width: number): uPlot.AlignedData {
  const [first] = tables;
  if (first === undefined) return [[]];
  if (tables.length === 1) return first;
  const points = tables.reduce((sum, table) => sum + table[0].length, 0);
  return points > MANY_POINTS && !look.logX ? alignedTables(tables, width) : uPlot.join(tables);
}

/** From here on curves are aligned by pixels: a common row with the places of all their points would be many times longer. */
const MANY_POINTS = 5000;

function alignedTables(tables: readonly uPlot.AlignedData[], width: number): uPlot.AlignedData {
  const curves = tables.map((table) => ({ xs: table[0] as number[], ys: table[1] as (number | null)[] }));
  const { xs, ys } = aligned(curves, Math.max(100, width));
  return [xs, ...ys];
}

/** Of each group of curves the mean, in a band from the least to the greatest. */
function bandsOf(curves: readonly Curve[]): Drawn {
  const tables: uPlot.AlignedData[] = [];
  const parts: Part[] = [];
  const colors: string[] = [];
  const bands: Drawn["bands"] = [];
  for (const inside of groupsOf(curves)) {
    const { xs, mean, low, high } = meanAndBand(inside);
    const color = inside[0]?.color ?? "#888888";
    const first = parts.length + 1;
    tables.push([xs, mean, low, high]);
    parts.push("mean", "edge", "edge");
    colors.push(color, `${color}55`, `${color}55`);
    bands.push({ series: [first + 2, first + 1], fill: `${color}26` });
  }
  const only = tables[0] as uPlot.AlignedData;
  const data = tables.length === 1 ? only : uPlot.join(tables);
  return {
    data,
    parts: sameParts(parts),
    bands,
    strokeOf: (at) => colors[at] ?? "",
    widthOf: (at) => (parts[at] === "mean" ? 2 : 1),
    dotsOf: onceEach((at) => lonely(data[at + 1] ?? [])),
  };
}

/** A function of a number that keeps what it found: it is asked at every paint. */
function onceEach<T>(find: (at: number) => T): (at: number) => T {
  const known: T[] = [];
  return (at) => {
    known[at] ??= find(at);
    return known[at];
  };
}

function onlyPositive(curve: Curve): Curve {
  const keep = curve.xs.map((x) => x > 0);
  const pick = <T,>(items: readonly T[]) => items.filter((_, at) => keep[at]);
  return {
    ...curve,
    xs: pick(curve.xs),
    ys: pick(curve.ys),
    logged: pick(curve.logged),
    smoothed: curve.smoothed && pick(curve.smoothed),
  };
}

function fade(color: string, lifted: string | undefined, id: string, strength: number): string {
  const alpha = lifted === undefined || lifted === id ? strength : strength * 0.2;
  return alpha >= 1
    ? color
    : `${color}${Math.round(alpha * 255)
        .toString(16)
        .padStart(2, "0")}`;
}
