/** Small multiples: a chart for each metric of some runs, in sections by the prefix of their names. */
import { useQuery } from "@tanstack/react-query";
import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { ErrorView } from "@/components/ErrorView";
import { Icon } from "@/components/Icon";
import { say } from "@/components/Toasts";
import { text, texts, useAddress } from "@/core/address";
import { fileName, saveAs } from "@/core/download";
import { messageOf } from "@/core/errors";
import { type Curve, type Look, legendOf, shareOf, toCsv, toCurve } from "@/core/lines";
import type { Shown } from "@/core/palette";
import { DEFAULT_SIZE, placed, placedAt, type Size, sizeIn, sizeNear, withSize } from "@/core/panels";
import { timeZone } from "@/core/preferences";
import type { Smoothing } from "@/core/smoothing";
import { toSvg } from "@/core/svg";
import { fetchWhole, type Line, type LinesRequest, lines } from "@/queries/metrics";
import { LineChart } from "./LineChart";
import styles from "./MetricCharts.module.css";
import { pictureOf } from "./picture";

interface Settings {
  look: Look;
  smoothing: Smoothing;
  strength: number;
}

/** What the address says of how charts look. */
function useSettings(): [Settings, ReturnType<typeof useAddress>[1]] {
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
    for (const key of shown) found.set(prefixOf(key), [...(found.get(prefixOf(key)) ?? []), key]);
    return [...found].sort(([a], [b]) => a.localeCompare(b));
  }, [keys, wanted]);
  const closed = texts(address.closed);
  const panels = usePanels(keys);
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
            <Grid
              keys={placed(inside, panels.places)}
              panel={(key, before, after, columns) => (
                <ChartCard
                  key={key}
                  metric={key}
                  runs={runs}
                  settings={settings}
                  lifted={lifted}
                  zoom={zoom}
                  size={panels.sizeOf(key)}
                  columns={columns}
                  before={before}
                  after={after}
                  onMove={panels.move}
                  onSize={panels.resize}
                />
              )}
            />
          )}
        </section>
      ))}
    </div>
  );
}

const prefixOf = (key: string): string => (key.includes("/") ? key.slice(0, key.lastIndexOf("/")) : "");

interface Panels {
  places: readonly string[];
  sizeOf: (key: string) => Size;
  /** Put a panel where another one of its section stands. */
  move: (key: string, to: string) => void;
  resize: (key: string, size: Size) => void;
}

/** Where panels stand and how large they are; in the address, and so in views. */
function usePanels(keys: readonly string[]): Panels {
  const [address, change] = useAddress();
  const places = texts(address.panels);
  return {
    places,
    sizeOf: (key) => sizeIn(address.sizes, key),
    move: (key, to) => {
      const section = keys.filter((each) => prefixOf(each) === prefixOf(key));
      if (key !== to && section.includes(key) && section.includes(to))
        change({ panels: placedAt(section, places, key, to) });
    },
    resize: (key, size) => change({ sizes: withSize(address.sizes, key, size) }),
  };
}

const LEAST_COLUMN = 360;
const GAP = 12;

/** Panels in as many columns as there is room for. */
function Grid(props: {
  keys: readonly string[];
  panel: (key: string, before: string | undefined, after: string | undefined, columns: number) => ReactNode;
}) {
  const { keys, panel } = props;
  const box = useRef<HTMLDivElement>(null);
  const [columns, setColumns] = useState(0); // none before it is known: a panel asks for as many points as it is wide
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => setColumns(Math.max(1, Math.floor((element.clientWidth + GAP) / (LEAST_COLUMN + GAP))));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return (
    <div
      ref={box}
      className={styles.grid}
      style={{ gridTemplateColumns: `repeat(${columns || 1}, minmax(0, 1fr))`, gap: GAP }}
    >
      {columns > 0 && keys.map((key, at) => panel(key, keys[at - 1], keys[at + 1], columns))}
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

function Toolbar(props: { settings: Settings; change: ReturnType<typeof useAddress>[1]; metrics: string; zoom: Zoom }) {
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
        onChange={(event) => change({ metrics: event.target.value }, { replace: true })}
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
          onChange={(event) => change({ strength: Number(event.target.value) }, { replace: true })}
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

/** A file has all points of a chart up to this many, and beyond what is drawn. */
const MOST_SAVED = 200_000;

/** More curves than this are read at every second pixel: least and greatest of each stay, half as much is sent. */
const CROWD = 20;

function ChartCard(props: {
  metric: string;
  runs: readonly Shown[];
  settings: Settings;
  lifted?: string | undefined;
  zoom: Zoom;
  size: Size;
  columns: number;
  /** The panels beside this one. */
  before: string | undefined;
  after: string | undefined;
  onMove: (key: string, to: string) => void;
  onSize: (key: string, size: Size) => void;
}) {
  const { metric, runs, settings, lifted, zoom, columns, before, after, onMove, onSize } = props;
  const [sizing, setSizing] = useState<Size | null>(null);
  const [isTarget, setTarget] = useState(false);
  const { span, height } = sizeNear(sizing ?? props.size, columns);
  const box = useRef<HTMLElement>(null);
  const isSeen = useSeen(box);
  const [width, setWidth] = useState(0);
  const { look, smoothing, strength } = settings;
  const onWidth = useCallback((pixels: number) => setWidth(Math.max(100, Math.ceil(pixels / 100) * 100)), []);
  const scale = look.x === "step" ? 1 : 1000;
  const request: LinesRequest = {
    runs: runs.map((run) => run.id),
    keys: [metric],
    width: runs.length > CROWD ? Math.ceil(width / 2) : width,
    axis: look.x === "step" ? "step" : "time",
    start: zoom.range && zoom.range[0] * scale,
    end: zoom.range && zoom.range[1] * scale,
    origins: zoom.range && look.x === "relative" ? runs.map((run) => run.start) : undefined,
  };
  const { data, error, refetch } = useQuery({ ...lines(request), enabled: width > 0 && runs.length > 0 });
  const curvesOf = useCallback(
    (found: readonly Line[]) => {
      const byId = new Map(runs.map((run) => [run.id, run]));
      return found.flatMap((line) => {
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
    },
    [runs, metric, look.x, smoothing, strength],
  );
  const curves = useMemo(() => curvesOf(data ?? []), [curvesOf, data]);
  const saveCsv = async () => {
    const isLong = shareOf(curves).all > MOST_SAVED;
    const saved = isLong ? curves : curvesOf(await fetchWhole(request, data ?? []));
    const { drawn, all } = shareOf(saved);
    const part = drawn < all ? `-drawn-${drawn}-of-${all}-points` : "";
    saveAs(`${fileName(metric)}${part}.csv`, toCsv(saved, look.x, metric), "text/csv");
  };
  return (
    <figure
      ref={box}
      className={`card ${styles.card}`}
      data-target={isTarget}
      style={{ gridColumn: `span ${span}`, minHeight: height + 36 }}
      onDragOver={(event) => {
        if (!event.dataTransfer.types.includes(PANEL)) return;
        event.preventDefault();
        setTarget(true);
      }}
      onDragLeave={() => setTarget(false)}
      onDrop={(event) => {
        setTarget(false);
        onMove(event.dataTransfer.getData(PANEL), metric);
      }}
    >
      <figcaption>
        <Grip metric={metric} before={before} after={after} onMove={onMove} />
        <span title={metric}>{metric}</span>
        {curves.some((curve) => !curve.isExact) && (
          <span className="muted" title="Least and greatest of every pixel are drawn; zoom in for every point">
            {count(shareOf(curves).all)} points
          </span>
        )}
        <button
          type="button"
          className="button"
          data-kind="quiet"
          title="Download as CSV"
          onClick={() => void saveCsv().catch((problem) => say(messageOf(problem), { isError: true }))}
        >
          <Icon name="download" size={13} />
          <span className="visually-hidden">Download {metric} as CSV</span>
        </button>
        <button
          type="button"
          className="button"
          data-kind="quiet"
          title="Download as SVG"
          onClick={() => {
            const svg = toSvg(curves, metric, { look, zoom: zoom.range, timeZone: timeZone() });
            saveAs(`${fileName(metric)}.svg`, svg, "image/svg+xml");
          }}
        >
          SVG<span className="visually-hidden"> of {metric}</span>
        </button>
        <button
          type="button"
          className="button"
          data-kind="quiet"
          title="Download as PNG"
          onClick={() => savePicture(box.current, metric, legendOf(curves, look))}
        >
          PNG<span className="visually-hidden"> of {metric}</span>
        </button>
      </figcaption>
      {error && !data ? (
        <ErrorView error={error} reset={() => void refetch()} />
      ) : isSeen ? (
        <LineChart
          curves={curves}
          look={look}
          height={height}
          label={metric}
          sync={look.x}
          lifted={lifted}
          zoom={zoom.range}
          onZoom={zoom.set}
          onWidth={onWidth}
        />
      ) : (
        <div style={{ height }} />
      )}
      {data && <Blank curves={curves} />}
      <Corner
        metric={metric}
        size={{ span, height }}
        columns={columns}
        onDrag={setSizing}
        onSize={(size) => {
          setSizing(null);
          onSize(metric, size);
        }}
      />
    </figure>
  );
}

const PANEL = "text/x-panel";

/** What a panel is dragged by, or moved with the arrows. */
function Grip(props: {
  metric: string;
  before: string | undefined;
  after: string | undefined;
  onMove: (key: string, to: string) => void;
}) {
  const { metric, before, after, onMove } = props;
  const button = useRef<HTMLButtonElement>(null);
  const isMoved = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: after its move, as an element that was moved has lost the focus
  useEffect(() => {
    if (isMoved.current) button.current?.focus();
    isMoved.current = false;
  }, [before, after]);
  const onKey = (event: KeyboardEvent) => {
    const to = { ArrowLeft: before, ArrowUp: before, ArrowRight: after, ArrowDown: after }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    isMoved.current = true;
    onMove(metric, to);
  };
  return (
    <button
      ref={button}
      type="button"
      className={`button ${styles.grip}`}
      data-kind="quiet"
      title="Drag to move, or use the arrow keys"
      aria-label={`Move the chart of ${metric}`}
      aria-keyshortcuts="ArrowLeft ArrowRight"
      draggable
      onDragStart={(event) => {
        event.dataTransfer.setData(PANEL, metric);
        const panel = event.currentTarget.closest("figure");
        if (panel) event.dataTransfer.setDragImage(panel, 12, 12);
      }}
      onKeyDown={onKey}
    >
      <Icon name="grip" size={13} />
    </button>
  );
}

/** The corner by which a panel is made larger, also with the arrow keys. */
function Corner(props: {
  metric: string;
  size: Size;
  columns: number;
  onDrag: (size: Size) => void;
  onSize: (size: Size) => void;
}) {
  const { metric, size, columns, onDrag, onSize } = props;
  const drag = useRef<{ x: number; y: number; column: number; size: Size } | null>(null);
  const sizeAt = (event: PointerEvent): Size | null => {
    const from = drag.current;
    return (
      from &&
      sizeNear(
        {
          span: from.size.span + (event.clientX - from.x) / from.column,
          height: from.size.height + event.clientY - from.y,
        },
        columns,
      )
    );
  };
  const onKey = (event: KeyboardEvent) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -20], ArrowDown: [0, 20] }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    onSize(sizeNear({ span: size.span + (by[0] ?? 0), height: size.height + (by[1] ?? 0) }, columns));
  };
  return (
    <button
      type="button"
      className={styles.corner}
      title="Drag to resize, or use the arrow keys; double click for the usual size"
      aria-label={`Size of the chart of ${metric}: ${size.span} of ${columns} columns, ${size.height} pixels high`}
      aria-keyshortcuts="ArrowLeft ArrowRight ArrowUp ArrowDown"
      onKeyDown={onKey}
      onDoubleClick={() => onSize(DEFAULT_SIZE)}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        const wide = event.currentTarget.parentElement?.clientWidth ?? LEAST_COLUMN;
        drag.current = { x: event.clientX, y: event.clientY, column: wide / size.span, size };
      }}
      onPointerMove={(event) => {
        const next = sizeAt(event);
        if (next) onDrag(next);
      }}
      onPointerUp={(event) => {
        const next = sizeAt(event);
        const from = drag.current?.size;
        drag.current = null;
        if (next && (next.span !== from?.span || next.height !== from.height)) onSize(next);
      }}
    />
  );
}

function savePicture(box: HTMLElement | null, metric: string, legend: ReturnType<typeof legendOf>): void {
  const canvas = box?.querySelector("canvas");
  if (!canvas) return;
  const picture = pictureOf(canvas, metric, legend);
  picture.toBlob((blob) => blob && saveAs(`${fileName(metric)}.png`, blob, "image/png"));
}

/** Why a chart is empty, if it is. */
function Blank({ curves }: { curves: readonly Curve[] }) {
  if (curves.some((curve) => curve.ys.some((y) => y !== null))) return null;
  const { all } = shareOf(curves);
  const points =
    all === 0 ? "No points here" : all === 1 ? "1 point, not a number" : `${count(all)} points, none of them a number`;
  return <p className={styles.none}>{points}</p>;
}

const count = (points: number): string => points.toLocaleString("en-US");

/** Whether an element has been near the visible part of the page: of hundreds of charts only those are made that somebody comes by. */
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
