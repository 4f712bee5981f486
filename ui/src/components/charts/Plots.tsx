/** Parallel coordinates, scatter, contour, bar, importance and correlation of the loaded runs. */
import { BarChart, HeatmapChart, ParallelChart, ScatterChart } from "echarts/charts";
import { GridComponent, ParallelComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";
import { useEffect, useMemo, useRef, useState } from "react";
import { text, texts, useAddress } from "@/core/address";
import { ownMetrics, type Row } from "@/core/columns";
import { fileName, saveAs } from "@/core/download";
import { formatNumber } from "@/core/format";
import { runColor } from "@/core/palette";
import { correlation, correlations, importance, interpolate } from "@/core/statistics";
import type { Keys } from "@/queries/experiments";
import styles from "./Plots.module.css";

use([
  BarChart,
  HeatmapChart,
  ParallelChart,
  ScatterChart,
  GridComponent,
  ParallelComponent,
  TooltipComponent,
  VisualMapComponent,
  CanvasRenderer,
  SVGRenderer,
]);

const KINDS = [
  { id: "parallel", label: "Parallel coordinates" },
  { id: "scatter", label: "Scatter" },
  { id: "contour", label: "Contour" },
  { id: "bar", label: "Bar" },
  { id: "importance", label: "Param importance" },
  { id: "correlation", label: "Correlation" },
] as const;
type Kind = (typeof KINDS)[number]["id"];

interface Choice {
  x: string;
  y: string;
  metric: string;
  axes: string[];
}

export default function Plots({ rows, keys, total }: { rows: readonly Row[]; keys: Keys; total: number }) {
  const [address, change] = useAddress();
  const kind = KINDS.find((each) => each.id === address.plot)?.id ?? "parallel";
  const metrics = useMemo(() => ownMetrics(keys), [keys]);
  const varying = useMemo(
    // A param that only some runs have tells nothing about the others: two of its values have to be seen.
    () => keys.params.filter((key) => new Set(rows.flatMap((row) => row.params[key] ?? [])).size > 1),
    [keys.params, rows],
  );
  const every = [...varying.map((key) => `p.${key}`), ...metrics.map((key) => `m.${key}`)];
  const all = kind === "contour" ? every.filter((id) => areNumbers(rows, id)) : every; // a surface needs numbers
  const chosen = (id: string, fallback: string) => (all.includes(id) ? id : fallback);
  const choice: Choice = {
    metric: text(address.pm) || metrics[0] || "",
    x: chosen(text(address.px), all[0] ?? ""),
    y: chosen(text(address.py), all[1] ?? `m.${metrics[0] ?? ""}`),
    axes: texts(address.axes).length
      ? texts(address.axes)
      : [...varying.slice(0, 6).map((key) => `p.${key}`), ...metrics.slice(0, 1).map((key) => `m.${key}`)],
  };
  if (metrics.length === 0) return <p className={styles.none}>These runs have no metrics to plot.</p>;
  return (
    <div className={styles.all}>
      <div className={styles.controls} role="toolbar" aria-label="What is plotted">
        <select
          className="input"
          aria-label="Kind of plot"
          value={kind}
          onChange={(event) => change({ plot: event.target.value })}
        >
          {KINDS.map((each) => (
            <option key={each.id} value={each.id}>
              {each.label}
            </option>
          ))}
        </select>
        {(kind === "scatter" || kind === "contour") && (
          <>
            <Select label="X" value={choice.x} options={all} onChange={(px) => change({ px })} />
            <Select label="Y" value={choice.y} options={all} onChange={(py) => change({ py })} />
          </>
        )}
        {kind !== "correlation" && (
          <Select
            label={kind === "scatter" ? "Colour" : "Metric"}
            value={`m.${choice.metric}`}
            options={metrics.map((key) => `m.${key}`)}
            onChange={(id) => change({ pm: id.slice(2) })}
          />
        )}
        {rows.length < total && (
          <span className="muted">of the {formatNumber(rows.length)} loaded runs; scroll the table to load more</span>
        )}
      </div>
      <Plot kind={kind} rows={rows} choice={choice} varying={varying} metrics={metrics} />
    </div>
  );
}

function Select({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: string;
  options: readonly string[];
  onChange: (id: string) => void;
}) {
  return (
    <label>
      {label}{" "}
      <select className="input" value={value} onChange={(event) => onChange(event.target.value)}>
        {options.map((id) => (
          <option key={id} value={id}>
            {id.slice(2)}
          </option>
        ))}
      </select>
    </label>
  );
}

const valueIn = (row: Row, id: string): number | string | undefined => {
  if (id.startsWith("m.")) return row.metrics[id.slice(2)];
  const param = row.params[id.slice(2)];
  return param !== undefined && param !== "" && Number.isFinite(Number(param)) ? Number(param) : param;
};
const areNumbers = (rows: readonly Row[], id: string) =>
  rows.every((row) => typeof (valueIn(row, id) ?? 0) === "number");

function Plot({
  kind,
  rows,
  choice,
  varying,
  metrics,
}: {
  kind: Kind;
  rows: readonly Row[];
  choice: Choice;
  varying: readonly string[];
  metrics: readonly string[];
}) {
  const box = useRef<HTMLDivElement>(null);
  const [themes, setThemes] = useState(0);
  useEffect(() => {
    const onTheme = () => setThemes((count) => count + 1);
    window.addEventListener("millstream:theme", onTheme);
    return () => window.removeEventListener("millstream:theme", onTheme);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of theme draws again
  const option = useMemo(
    () => (kind === "correlation" ? correlationOf(rows, varying, metrics) : optionOf(kind, rows, choice, varying)),
    [kind, rows, JSON.stringify(choice), varying, metrics, themes],
  );
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const chart = init(element, null, { renderer: "canvas" });
    chart.setOption(option);
    const observer = new ResizeObserver(() => chart.resize());
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.dispose();
    };
  }, [option]);
  const save = (type: "png" | "svg") => {
    const holder = document.createElement("div");
    const chart = init(holder, null, { renderer: type === "svg" ? "svg" : "canvas", width: 1200, height: 640 });
    chart.setOption({ ...option, animation: false, backgroundColor: color("--surface") });
    const name = fileName(kind === "correlation" ? kind : `${kind} ${choice.metric}`);
    if (type === "svg") saveAs(`${name}.svg`, chart.renderToSVGString(), "image/svg+xml");
    else holder.querySelector("canvas")?.toBlob((blob) => blob && saveAs(`${name}.png`, blob, "image/png"));
    chart.dispose();
  };
  return (
    <figure className={`card ${styles.plot}`}>
      <div
        ref={box}
        className={styles.canvas}
        role="img"
        aria-label={`${KINDS.find((each) => each.id === kind)?.label} of ${rows.length} runs${kind === "correlation" ? "" : ` by ${choice.metric}`}`}
      />
      <figcaption>
        <button type="button" className="button" onClick={() => save("png")}>
          PNG
        </button>
        <button type="button" className="button" onClick={() => save("svg")}>
          SVG
        </button>
      </figcaption>
    </figure>
  );
}

const color = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const SCALE = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"];

/** Metrics and params, each kind at most so many: more cells than these cannot be read. */
const MOST_CORRELATED = 20;

/** Metrics with each other, and with the params that are numbers. */
function correlationOf(
  rows: readonly Row[],
  varying: readonly string[],
  metrics: readonly string[],
): EChartsCoreOption {
  const params = varying.map((key) => `p.${key}`).filter((id) => areNumbers(rows, id));
  const ids = [...params.slice(0, MOST_CORRELATED), ...metrics.slice(0, MOST_CORRELATED).map((key) => `m.${key}`)];
  const { names, r } = correlations(
    ids.map((id) => ({ name: id.slice(2), values: rows.map((row) => Number(valueIn(row, id) ?? Number.NaN)) })),
  );
  const isNarrow = window.innerWidth < 800;
  const label = { color: color("--muted"), fontSize: 11, width: isNarrow ? 76 : 120, overflow: "truncate" };
  const axis = { type: "category", data: names, splitArea: { show: false }, axisTick: { show: false } };
  return {
    animation: false,
    textStyle: { fontFamily: color("--font") },
    tooltip: {
      confine: true,
      renderMode: "richText",
      formatter: ({ value }: { value: [number, number, number] }) =>
        `${names[value[0]]} × ${names[value[1]]}: ${formatNumber(value[2], 3)}`,
    },
    grid: isNarrow ? { left: 90, right: 10, top: 10, bottom: 90 } : { left: 150, right: 90, top: 20, bottom: 110 },
    xAxis: { ...axis, axisLabel: { ...label, rotate: 45, interval: 0 } },
    yAxis: { ...axis, inverse: true, axisLabel: { ...label, interval: 0 } },
    visualMap: {
      show: !isNarrow,
      min: -1,
      max: 1,
      right: 6,
      top: "middle",
      calculable: true,
      precision: 2,
      inRange: { color: ["#d55e00", color("--sunken"), "#0072b2"] },
      textStyle: { color: color("--muted"), fontSize: 10 },
    },
    series: [
      {
        type: "heatmap",
        data: r.flatMap((line, a) =>
          line.flatMap((value, b) =>
            value === null
              ? []
              : [{ value: [b, a, value], label: { color: Math.abs(value) > 0.5 ? "#ffffff" : color("--text") } }],
          ),
        ),
        itemStyle: { borderColor: color("--surface"), borderWidth: 1 },
        label: {
          show: names.length <= (isNarrow ? 7 : 16),
          fontSize: 10,
          formatter: ({ value }: { value: [number, number, number] }) => value[2].toFixed(2),
        },
      },
    ],
  };
}

function optionOf(kind: Kind, rows: readonly Row[], choice: Choice, varying: readonly string[]): EChartsCoreOption {
  const muted = color("--muted");
  const line = { lineStyle: { color: color("--line") } };
  const axis = {
    axisLine: { lineStyle: { color: color("--line-strong") } },
    axisLabel: { color: muted, fontSize: 11 },
    splitLine: line,
    nameTextStyle: { color: muted },
  };
  const base = {
    animation: false,
    textStyle: { fontFamily: color("--font") },
    tooltip: { confine: true, renderMode: "richText" },
  };
  const grid = { left: 70, right: 90, top: 30, bottom: 50 };
  const values = rows.map((row) => row.metrics[choice.metric] ?? Number.NaN);
  const finite = values.filter(Number.isFinite);
  const visualMap = (dimension?: number) => ({
    min: Math.min(...finite, Number.POSITIVE_INFINITY),
    max: Math.max(...finite, Number.NEGATIVE_INFINITY),
    right: 6,
    top: "middle",
    calculable: true,
    precision: 4,
    inRange: { color: SCALE },
    textStyle: { color: muted, fontSize: 10 },
    ...(dimension === undefined ? {} : { dimension }),
  });
  const scaleOf = (id: string) => (areNumbers(rows, id) ? { type: "value", scale: true } : { type: "category" });
  switch (kind) {
    case "parallel": {
      const axes = choice.axes.includes(`m.${choice.metric}`)
        ? choice.axes
        : [...choice.axes.filter((id) => !id.startsWith("m.")), `m.${choice.metric}`];
      return {
        ...base,
        visualMap: visualMap(axes.indexOf(`m.${choice.metric}`)),
        parallel: {
          left: 60,
          right: 150,
          top: 24,
          bottom: 44,
          parallelAxisDefault: { ...axis, nameLocation: "start", nameGap: 22 },
        },
        parallelAxis: axes.map((id, dim) => ({ dim, name: id.slice(2), ...scaleOf(id) })),
        series: [
          {
            type: "parallel",
            lineStyle: { width: 1.2, opacity: 0.6 },
            data: rows
              .filter((row) => Number.isFinite(row.metrics[choice.metric]))
              .map((row) => ({ name: row.name, value: axes.map((id) => valueIn(row, id) ?? "-") })),
          },
        ],
      };
    }
    case "scatter":
      return {
        ...base,
        grid,
        visualMap: visualMap(2),
        xAxis: { ...axis, ...scaleOf(choice.x), name: choice.x.slice(2), nameLocation: "middle", nameGap: 28 },
        yAxis: { ...axis, ...scaleOf(choice.y), name: choice.y.slice(2) },
        series: [
          {
            type: "scatter",
            symbolSize: 8,
            data: rows
              .map((row) => ({
                name: row.name,
                value: [valueIn(row, choice.x), valueIn(row, choice.y), row.metrics[choice.metric]],
              }))
              .filter((point) => point.value.every((value) => value !== undefined)),
          },
        ],
      };
    case "contour": {
      const points = rows
        .map((row) => [valueIn(row, choice.x), valueIn(row, choice.y), row.metrics[choice.metric]] as const)
        .filter((point): point is readonly [number, number, number] =>
          point.every((value) => typeof value === "number" && Number.isFinite(value)),
        );
      if (points.length < 3) return { ...base, title: { text: "" }, graphic: [] };
      const { x, y, z } = interpolate(points, 40);
      return {
        ...base,
        grid,
        visualMap: visualMap(),
        xAxis: {
          ...axis,
          type: "category",
          data: x.map((value) => formatNumber(value, 3)),
          name: choice.x.slice(2),
          nameLocation: "middle",
          nameGap: 28,
        },
        yAxis: { ...axis, type: "category", data: y.map((value) => formatNumber(value, 3)), name: choice.y.slice(2) },
        series: [
          { type: "heatmap", data: z.flatMap((cells, row) => cells.map((value, column) => [column, row, value])) },
        ],
      };
    }
    case "bar": {
      const shown = rows.filter((row) => Number.isFinite(row.metrics[choice.metric])).slice(0, 100);
      return {
        ...base,
        grid: { ...grid, left: 180, right: 40 },
        xAxis: { ...axis, type: "value", scale: true, name: choice.metric, nameLocation: "middle", nameGap: 28 },
        yAxis: {
          ...axis,
          type: "category",
          inverse: true,
          data: shown.map((row) => row.name),
          axisLabel: { ...axis.axisLabel, width: 160, overflow: "truncate" },
        },
        series: [
          {
            type: "bar",
            data: shown.map((row) => ({
              value: row.metrics[choice.metric],
              itemStyle: { color: runColor(row) },
            })),
          },
        ],
      };
    }
    default: {
      const found = varying
        .map((key) => {
          const params = rows.map((row) => row.params[key]);
          return {
            key,
            share: importance(params, values),
            r: correlation(
              params.map((param) => Number(param === undefined || param === "" ? Number.NaN : param)),
              values,
            ),
          };
        })
        .filter((each) => each.share !== null)
        .sort((a, b) => (b.share as number) - (a.share as number))
        .slice(0, 30);
      const names = found.map((each) => each.key);
      return {
        ...base,
        tooltip: { ...base.tooltip, trigger: "axis" },
        grid: { ...grid, left: 160, right: 40 },
        xAxis: {
          ...axis,
          type: "value",
          min: -1,
          max: 1,
          name: "share of the variance explained · correlation",
          nameLocation: "middle",
          nameGap: 28,
        },
        yAxis: { ...axis, type: "category", inverse: true, data: names },
        series: [
          { name: "importance", type: "bar", data: found.map((each) => each.share), itemStyle: { color: "#0072b2" } },
          { name: "correlation", type: "bar", data: found.map((each) => each.r), itemStyle: { color: "#d55e00" } },
        ],
      };
    }
  }
}
