/** A line chart for long series, on uPlot. Zooming asks for exact detail: whoever uses this fetches the new window. */
import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { aligned } from "@/core/align";
import { formatNumber, formatShort } from "@/core/format";
import { type Curve, meanAndBand, withoutOutliers, type XAxis } from "@/core/lines";
import { nearestIndex } from "@/core/nearest";
import styles from "./LineChart.module.css";

export interface Look {
  x: XAxis;
  logX: boolean;
  logY: boolean;
  clip: boolean;
  /** Draw the mean of all curves and the band between the least and the greatest. */
  band: boolean;
}

interface Props {
  curves: readonly Curve[];
  look: Look;
  height: number;
  label: string;
  /** Charts with the same key share their cursor. */
  sync: string;
  /** The run that is lifted; the others are dimmed. */
  lifted?: string | undefined;
  zoom: [number, number] | null;
  onZoom: (zoom: [number, number] | null) => void;
  onWidth?: (pixels: number) => void;
}

interface Hover {
  left: number;
  x: number;
  rows: { label: string; color: string; y: number }[];
}

export function LineChart({ curves, look, height, label, sync, lifted, zoom, onZoom, onWidth }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState<Hover | null>(null);
  const [themes, setThemes] = useState(0);
  const zoomed = useRef(onZoom);
  zoomed.current = onZoom;

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

  const drawn = useMemo(() => tableOf(curves, look, width), [curves, look, width]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of theme draws again
  useEffect(() => {
    const element = holder.current;
    if (!element || width === 0) return;
    const css = getComputedStyle(document.documentElement);
    const color = (name: string) => css.getPropertyValue(name).trim();
    const clip = look.clip ? withoutOutliers(curves) : null;
    const axis: uPlot.Axis = {
      stroke: color("--muted"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { stroke: color("--line"), width: 1, size: 4 },
      font: `11px ${color("--font")}`,
      gap: 4,
    };
    const chart = new uPlot(
      {
        width,
        height,
        padding: [8, 10, 0, 0],
        legend: { show: false },
        cursor: {
          sync: { key: sync },
          drag: { x: true, y: false, setScale: false },
          points: { size: 6 },
          focus: { prox: 24 },
        },
        scales: {
          x: {
            time: look.x === "time",
            distr: look.logX && look.x !== "time" ? 3 : 1,
            ...(zoom ? { range: () => zoom } : look.logX && look.x !== "time" ? {} : { range: aroundOne }),
          },
          y: { distr: look.logY ? 3 : 1, ...(clip && !look.logY ? { range: () => clip } : {}) },
        },
        axes: [
          {
            ...axis,
            size: 28,
            ...(look.x === "time"
              ? {}
              : { values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : formatShort(tick))) }),
          },
          { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : formatShort(tick))) },
        ],
        series: [{}, ...drawn.series(lifted)],
        bands: drawn.bands,
        hooks: {
          setSelect: [
            (self) => {
              const { left, width: wide } = self.select;
              if (wide < 4) return;
              zoomed.current([self.posToVal(left, "x"), self.posToVal(left + wide, "x")]);
              self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
          setCursor: [(self) => setHover(hoverOf(self, curves))],
          ready: [
            (self) => {
              self.over.addEventListener("dblclick", () => zoomed.current(null));
              self.over.addEventListener("mouseleave", () => setHover(null));
            },
          ],
        },
      },
      drawn.data,
      element,
    );
    plot.current = chart;
    return () => {
      chart.destroy();
      plot.current = null;
    };
  }, [drawn, curves, width, height, look, sync, lifted, zoom, themes]);

  return (
    <div className={styles.chart}>
      <div ref={holder} role="img" aria-label={describe(label, curves)} style={{ height }} />
      {hover && hover.rows.length > 0 && (
        <div className={styles.tip} data-side={hover.left > width / 2 ? "left" : "right"}>
          <div className="muted">
            {look.x === "time"
              ? new Date(hover.x * 1000).toLocaleString()
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

/** A sentence for those who do not see the chart. */
function describe(label: string, curves: readonly Curve[]): string {
  const parts = curves.slice(0, 5).map((curve) => {
    const last = curve.ys.findLast((y) => y !== null);
    return `${curve.label} ends at ${formatNumber(last ?? null)}`;
  });
  return `${label}, ${curves.length} ${curves.length === 1 ? "curve" : "curves"}. ${parts.join("; ")}.`;
}

/** The range of x; around a single place, one step to each side. */
const aroundOne: uPlot.Range.Function = (self, min, max) => {
  const places = self.data[0];
  const first = places[0];
  return first !== undefined && first === places.at(-1) ? [first - 1, first + 1] : [min, max];
};

/** Charts that only follow the cursor of another one list their values up to this many, and else would hide under them. */
const ROWS_ELSEWHERE = 3;

function hoverOf(self: uPlot, curves: readonly Curve[]): Hover | null {
  const left = self.cursor.left ?? -1;
  if (left < 0) return null;
  const place = self.cursor.idx;
  const x = (place === null || place === undefined ? null : self.data[0][place]) ?? self.posToVal(left, "x");
  const rows = curves.flatMap((curve) => {
    const at = nearestIndex(curve.xs, x);
    const y = at < 0 ? null : ((curve.smoothed ?? curve.ys)[at] ?? null);
    return y === null ? [] : [{ label: curve.label, color: curve.color, y }];
  });
  if (rows.length > ROWS_ELSEWHERE && !self.over.matches(":hover")) return null;
  rows.sort((a, b) => b.y - a.y);
  return { left, x, rows };
}

interface Drawn {
  data: uPlot.AlignedData;
  series: (lifted: string | undefined) => uPlot.Series[];
  bands: uPlot.Band[];
}

/** All curves over one common row of places. `undefined` (no point here) is drawn through, `null` (NaN) is a gap. */
function tableOf(curves: readonly Curve[], look: Look, width: number): Drawn {
  const usable = (xs: readonly number[]) => !look.logX || look.x === "time" || xs.every((x) => x > 0);
  const shown = curves.map((curve) => (usable(curve.xs) ? curve : onlyPositive(curve)));
  if (look.band && shown.length > 1) return bandsOf(shown);
  const tables: uPlot.AlignedData[] = [];
  const makers: ((lifted: string | undefined) => uPlot.Series)[] = [];
  for (const curve of shown) {
    const isPoint = curve.xs.length === 1;
    if (curve.smoothed) {
      tables.push([curve.xs, curve.ys]);
      makers.push((lifted) => ({
        stroke: fade(curve.color, lifted, curve.id, 0.25),
        width: 1,
        points: { show: false },
      }));
    }
    tables.push([curve.xs, curve.smoothed ?? curve.ys]);
    makers.push((lifted) => ({
      stroke: fade(curve.color, lifted, curve.id, 1),
      width: lifted === curve.id ? 2.5 : 1.5,
      points: { show: isPoint, size: 6, fill: curve.color },
    }));
  }
  const first = tables[0];
  const points = tables.reduce((sum, table) => sum + table[0].length, 0);
  const data =
    tables.length > 1 && points > MANY_POINTS && !look.logX
      ? alignedTables(tables, width)
      : first === undefined
        ? ([[], []] as unknown as uPlot.AlignedData)
        : tables.length === 1
          ? first
          : uPlot.join(tables);
  return { data, series: (lifted) => makers.map((make) => make(lifted)), bands: [] };
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
  const series: uPlot.Series[] = [];
  const bands: uPlot.Band[] = [];
  for (const group of new Set(curves.map((curve) => curve.group))) {
    const inside = curves.filter((curve) => curve.group === group);
    const { xs, mean, low, high } = meanAndBand(inside);
    const color = inside[0]?.color ?? "#888888";
    const first = series.length + 1;
    tables.push([xs, mean, low, high]);
    const edge = { stroke: `${color}55`, width: 1, points: { show: false } };
    series.push({ stroke: color, width: 2, points: { show: false } }, edge, { ...edge });
    bands.push({ series: [first + 2, first + 1], fill: `${color}26` });
  }
  const only = tables[0] as uPlot.AlignedData;
  return { data: tables.length === 1 ? only : uPlot.join(tables), series: () => series, bands };
}

function onlyPositive(curve: Curve): Curve {
  const keep = curve.xs.map((x) => x > 0);
  const pick = <T,>(items: readonly T[]) => items.filter((_, at) => keep[at]);
  return { ...curve, xs: pick(curve.xs), ys: pick(curve.ys), smoothed: curve.smoothed && pick(curve.smoothed) };
}

function fade(color: string, lifted: string | undefined, id: string, strength: number): string {
  const alpha = lifted === undefined || lifted === id ? strength : strength * 0.2;
  return alpha >= 1
    ? color
    : `${color}${Math.round(alpha * 255)
        .toString(16)
        .padStart(2, "0")}`;
}
