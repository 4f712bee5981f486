/** Small multiples: a chart for each metric of some runs, in sections by the prefix of their names. */
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ErrorView } from "@/components/ErrorView";
import { Icon } from "@/components/Icon";
import { text, texts, useAddress } from "@/core/address";
import { fileName, saveAs } from "@/core/download";
import { toCsv, toCurve } from "@/core/lines";
import type { Shown } from "@/core/palette";
import type { Smoothing } from "@/core/smoothing";
import { toSvg } from "@/core/svg";
import { windows } from "@/queries/metrics";
import { LineChart, type Look } from "./LineChart";
import styles from "./MetricCharts.module.css";

interface Settings {
  look: Look;
  smoothing: Smoothing;
  strength: number;
}

/** What the address says of how charts look. */
function useSettings(): [Settings, (changes: Record<string, unknown>) => void] {
  const [address, change] = useAddress();
  const x = (["step", "time", "relative"] as const).find((each) => each === address.x) ?? "step";
  const smoothing = (["none", "ema", "gaussian", "mean"] as const).find((each) => each === address.smooth) ?? "none";
  const strength = Math.min(1, Math.max(0, Number(address.strength ?? 0.6) || 0));
  const logX = address.logx === true;
  const logY = address.logy === true;
  const clip = address.clip === true;
  const band = address.band === true;
  const settings = useMemo<Settings>(
    () => ({ look: { x, logX, logY, clip, band }, smoothing, strength }),
    [x, logX, logY, clip, band, smoothing, strength],
  );
  return [settings, change];
}

export function MetricCharts({
  runs,
  keys,
  lifted,
}: {
  runs: readonly Shown[];
  keys: readonly string[];
  lifted?: string | undefined;
}) {
  const [settings, change] = useSettings();
  const [address] = useAddress();
  const wanted = text(address.metrics).toLowerCase();
  const zoom = useZoom();
  const sections = useMemo(() => {
    const shown = wanted ? keys.filter((key) => key.toLowerCase().includes(wanted)) : keys;
    const found = new Map<string, string[]>();
    for (const key of shown) {
      const prefix = key.includes("/") ? key.slice(0, key.lastIndexOf("/")) : "";
      found.set(prefix, [...(found.get(prefix) ?? []), key]);
    }
    return [...found].sort(([a], [b]) => a.localeCompare(b));
  }, [keys, wanted]);
  const closed = texts(address.closed);
  return (
    <div className={styles.all}>
      <Toolbar settings={settings} change={change} metrics={text(address.metrics)} zoom={zoom} />
      {sections.map(([prefix, inside]) => (
        <section key={prefix} aria-label={prefix || "metrics"}>
          {(sections.length > 1 || prefix) && (
            <button
              type="button"
              className={styles.section}
              aria-expanded={!closed.includes(prefix)}
              onClick={() =>
                change({
                  closed: closed.includes(prefix) ? closed.filter((each) => each !== prefix) : [...closed, prefix],
                })
              }
            >
              {prefix || "other"} <span className="muted">{inside.length}</span>
            </button>
          )}
          {!closed.includes(prefix) && (
            <div className={styles.grid}>
              {inside.map((key) => (
                <ChartCard key={key} metric={key} runs={runs} settings={settings} lifted={lifted} zoom={zoom} />
              ))}
            </div>
          )}
        </section>
      ))}
    </div>
  );
}

interface Zoom {
  range: [number, number] | null;
  set: (range: [number, number] | null) => void;
}

/** One zoom for all charts; in the address, so that it can be sent to a colleague. */
function useZoom(): Zoom {
  const [address, change] = useAddress();
  const given = Array.isArray(address.zoom) ? address.zoom.map(Number) : [];
  const [from, to] = given;
  const range = useMemo<[number, number] | null>(
    () => (from !== undefined && to !== undefined && from < to ? [from, to] : null),
    [from, to],
  );
  const set = useCallback((next: [number, number] | null) => change({ zoom: next ?? undefined }), [change]);
  return { range, set };
}

function Toolbar(props: {
  settings: Settings;
  change: (changes: Record<string, unknown>) => void;
  metrics: string;
  zoom: Zoom;
}) {
  const { settings, change, metrics, zoom } = props;
  const { look, smoothing, strength } = settings;
  const toggle = (name: string, on: boolean, label: string) => (
    <label className={styles.check}>
      <input type="checkbox" checked={on} onChange={() => change({ [name]: on ? undefined : true })} /> {label}
    </label>
  );
  return (
    <div className={styles.toolbar} role="toolbar" aria-label="How charts look">
      <input
        className="input"
        type="search"
        placeholder="Filter metrics"
        aria-label="Filter metrics"
        value={metrics}
        onChange={(event) => change({ metrics: event.target.value })}
      />
      <label>
        X axis{" "}
        <select
          className="input"
          value={look.x}
          onChange={(event) =>
            change({ x: event.target.value === "step" ? undefined : event.target.value, zoom: undefined })
          }
        >
          <option value="step">Step</option>
          <option value="time">Wall time</option>
          <option value="relative">Relative time</option>
        </select>
      </label>
      <label>
        Smoothing{" "}
        <select
          className="input"
          value={smoothing}
          onChange={(event) => change({ smooth: event.target.value === "none" ? undefined : event.target.value })}
        >
          <option value="none">None</option>
          <option value="ema">Exponential average</option>
          <option value="gaussian">Gaussian</option>
          <option value="mean">Running mean</option>
        </select>
      </label>
      {smoothing !== "none" && (
        <input
          type="range"
          min={0}
          max={0.99}
          step={0.01}
          value={strength}
          aria-label="Strength of smoothing"
          onChange={(event) => change({ strength: Number(event.target.value) })}
        />
      )}
      {toggle("logy", look.logY, "Log y")}
      {toggle("logx", look.logX, "Log x")}
      {toggle("clip", look.clip, "Clip outliers")}
      {toggle("band", look.band, "Mean and band")}
      {zoom.range && (
        <button type="button" className="button" onClick={() => zoom.set(null)}>
          Reset zoom
        </button>
      )}
    </div>
  );
}

const HEIGHT = 220;
/** More curves than this are read at every second pixel: least and greatest of each stay, half as much is sent. */
const CROWD = 20;

function ChartCard(props: {
  metric: string;
  runs: readonly Shown[];
  settings: Settings;
  lifted?: string | undefined;
  zoom: Zoom;
}) {
  const { metric, runs, settings, lifted, zoom } = props;
  const box = useRef<HTMLElement>(null);
  const isSeen = useSeen(box);
  const [width, setWidth] = useState(0);
  const { look, smoothing, strength } = settings;
  const onWidth = useCallback((pixels: number) => setWidth(Math.max(100, Math.ceil(pixels / 100) * 100)), []);
  const axis = look.x === "step" ? "step" : "time";
  const window = look.x === "relative" || zoom.range === null ? null : zoom.range;
  const scale = look.x === "time" ? 1000 : 1;
  const { data, error, refetch } = useQuery({
    ...windows({
      runs: runs.map((run) => run.id),
      keys: [metric],
      width: runs.length > CROWD ? Math.ceil(width / 2) : width,
      axis,
      start: window ? window[0] * scale : null,
      end: window ? window[1] * scale : null,
    }),
    enabled: isSeen && width > 0 && runs.length > 0,
  });
  const curves = useMemo(() => {
    const byId = new Map(runs.map((run) => [run.id, run]));
    return (data ?? []).flatMap((line) => {
      const run = byId.get(line.run);
      if (!run || line.key !== metric || line.count === 0) return [];
      return [
        toCurve(line, {
          x: look.x,
          origin: run.start,
          smoothing,
          strength,
          label: run.label,
          color: run.color,
          group: run.group,
        }),
      ];
    });
  }, [data, runs, metric, look.x, smoothing, strength]);
  return (
    <figure ref={box} className={`card ${styles.card}`}>
      <figcaption>
        <span title={metric}>{metric}</span>
        {curves.some((curve) => !curve.isExact) && (
          <span className="muted" title="Least and greatest of every pixel are drawn; zoom in for every point">
            {curves.reduce((sum, curve) => sum + curve.count, 0).toLocaleString("en-US")} points
          </span>
        )}
        <button
          type="button"
          className="button"
          data-kind="quiet"
          title="Download as CSV"
          onClick={() => saveAs(`${fileName(metric)}.csv`, toCsv(curves, look.x, metric), "text/csv")}
        >
          <Icon name="download" size={13} />
          <span className="visually-hidden">Download {metric} as CSV</span>
        </button>
        <button
          type="button"
          className="button"
          data-kind="quiet"
          title="Download as SVG"
          onClick={() => saveAs(`${fileName(metric)}.svg`, toSvg(curves, metric), "image/svg+xml")}
        >
          SVG<span className="visually-hidden"> of {metric}</span>
        </button>
        <button
          type="button"
          className="button"
          data-kind="quiet"
          title="Download as PNG"
          onClick={() => savePicture(box.current, `${fileName(metric)}.png`)}
        >
          PNG<span className="visually-hidden"> of {metric}</span>
        </button>
      </figcaption>
      {error && !data ? (
        <ErrorView error={error} reset={() => void refetch()} />
      ) : (
        <LineChart
          curves={curves}
          look={look}
          height={HEIGHT}
          label={metric}
          sync={look.x}
          lifted={lifted}
          zoom={zoom.range}
          onZoom={zoom.set}
          onWidth={onWidth}
        />
      )}
      {isSeen && data && curves.length === 0 && <p className={styles.none}>No points here</p>}
    </figure>
  );
}

function savePicture(box: HTMLElement | null, name: string): void {
  const canvas = box?.querySelector("canvas");
  canvas?.toBlob((blob) => blob && saveAs(name, blob, "image/png"));
}

/** Whether an element has been near the visible part of the page. */
function useSeen(box: React.RefObject<HTMLElement | null>): boolean {
  const [isSeen, setSeen] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (!element || isSeen) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && setSeen(true), {
      rootMargin: "300px",
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [box, isSeen]);
  return isSeen;
}
