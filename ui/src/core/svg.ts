/** A line chart as an SVG file, for papers: the curves as they are drawn, axes, and a legend. */
import { type Curve, groupsOf, type Look, legendOf, lonely, meanAndBand, withoutOutliers } from "./lines";
import { evenTicks, logTicks, tickLabels, timeLabels, timeTicks } from "./ticks";

const WIDTH = 900;
const HEIGHT = 480;
const LEFT = 70;
const RIGHT = 220;
const TOP = 40;
const BOTTOM = 48;
const PLAIN: Look = { x: "step", logX: false, logY: false, clip: false, band: false };

const escaped = (text: string) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
const round = (value: number) => Math.round(value * 100) / 100;

type Ys = readonly (number | null)[];

interface Stroke {
  xs: readonly number[];
  ys: Ys;
  color: string;
  width: number;
  opacity: number;
}

interface Area {
  xs: readonly number[];
  low: Ys;
  high: Ys;
  color: string;
}

/** A scale from values to pixels. */
interface Scale {
  low: number;
  high: number;
  at: (value: number) => number;
  /** Whether it has a place for this value, inside or outside of its range. */
  has: (value: number) => boolean;
}

/** @param zoom the range of x in view, if not all of it. */
export function toSvg(
  curves: readonly Curve[],
  title: string,
  {
    look = PLAIN,
    zoom = null,
    timeZone,
  }: { look?: Look; zoom?: readonly [number, number] | null; timeZone?: string | undefined } = {},
): string {
  const { strokes, areas } = partsOf(curves, look);
  const isTime = look.x === "time";
  const isLogX = look.logX && !isTime;
  const x = scaleOf(
    zoom ??
      extent(
        strokes.map((each) => each.xs),
        isLogX,
      ),
    isLogX,
    LEFT,
    WIDTH - RIGHT,
  );
  const inView = strokes.map((each) => each.ys.filter((_, at) => isInside(each.xs[at] as number, x)));
  const clip = look.clip && !look.logY ? withoutOutliers(curves) : null;
  const y = scaleOf(clip ?? padded(extent(inView, look.logY), look.logY), look.logY, HEIGHT - BOTTOM, TOP);
  const xTicks = isTime ? timeTicks(x.low, x.high, 6, timeZone) : (isLogX ? logTicks : evenTicks)(x.low, x.high, 8);
  const yTicks = (look.logY ? logTicks : evenTicks)(y.low, y.high, 8);
  const step = (xTicks[1] ?? 0) - (xTicks[0] ?? 0);
  const xLabels = isTime ? timeLabels(xTicks, step, timeZone) : tickLabels(xTicks);
  const yLabels = tickLabels(yTicks);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<clipPath id="plot"><rect x="${LEFT}" y="${TOP}" width="${WIDTH - LEFT - RIGHT}" height="${HEIGHT - TOP - BOTTOM}"/></clipPath>`,
    `<text x="${LEFT}" y="24" font-size="14" font-weight="bold">${escaped(title)}</text>`,
    ...xTicks.map((tick, at) => {
      const place = round(x.at(tick));
      const lines = (xLabels[at] ?? "").split("\n");
      return (
        `<path d="M${place} ${TOP}V${HEIGHT - BOTTOM}" stroke="#ddd"/>` +
        lines
          .map(
            (line, row) =>
              `<text x="${place}" y="${HEIGHT - BOTTOM + 18 + row * 14}" text-anchor="middle">${line}</text>`,
          )
          .join("")
      );
    }),
    ...yTicks.map((tick, at) => {
      const place = round(y.at(tick));
      return (
        `<path d="M${LEFT} ${place}H${WIDTH - RIGHT}" stroke="#ddd"/>` +
        `<text x="${LEFT - 8}" y="${place + 4}" text-anchor="end">${yLabels[at]}</text>`
      );
    }),
    '<g clip-path="url(#plot)">',
    ...areas.map((area) => `<path d="${areaPath(area, x, y)}" fill="${area.color}" fill-opacity="0.15"/>`),
    ...strokes.map((stroke) => drawn(stroke, x, y)),
    "</g>",
    ...legendOf(curves, look)
      .slice(0, 22)
      .map(
        ({ label, color }, at) =>
          `<rect x="${WIDTH - RIGHT + 16}" y="${TOP + at * 18}" width="10" height="10" fill="${color}"/><text x="${WIDTH - RIGHT + 32}" y="${TOP + 9 + at * 18}">${escaped(label.slice(0, 28))}</text>`,
      ),
    "</svg>",
  ].join("\n");
}

/** What there is to draw, as on the screen: lines with the raw ones below, or means in their bands. */
function partsOf(curves: readonly Curve[], look: Look): { strokes: Stroke[]; areas: Area[] } {
  if (look.band && curves.length > 1) {
    const bands = groupsOf(curves).map((inside) => ({ ...meanAndBand(inside), color: inside[0]?.color ?? "#888888" }));
    const strokes = bands.flatMap(({ xs, mean, low, high, color }) => [
      { xs, ys: low, color, width: 1, opacity: 0.33 },
      { xs, ys: high, color, width: 1, opacity: 0.33 },
      { xs, ys: mean, color, width: 2, opacity: 1 },
    ]);
    return { strokes, areas: bands };
  }
  const strokes = curves.flatMap(({ xs, ys, smoothed, color }) => [
    ...(smoothed ? [{ xs, ys, color, width: 1, opacity: 0.25 }] : []),
    { xs, ys: smoothed ?? ys, color, width: 1.5, opacity: 1 },
  ]);
  return { strokes, areas: [] };
}

function drawn({ xs, ys, color, width, opacity }: Stroke, x: Scale, y: Scale): string {
  const shown = ys.map((value, at) => (value !== null && y.has(value) && x.has(xs[at] as number) ? value : null));
  const point = (at: number) => `${round(x.at(xs[at] as number))} ${round(y.at(shown[at] as number))}`;
  const path = stretches(shown).map(([from, to]) => {
    const places = Array.from({ length: to - from + 1 }, (_, at) => point(from + at));
    return `M${places.join("L")}`;
  });
  const dots = lonely(shown).map((at) => {
    const [left, top] = point(at).split(" ");
    return `<circle cx="${left}" cy="${top}" r="3" fill="${color}" fill-opacity="${opacity}"/>`;
  });
  return (
    `<path d="${path.join("")}" fill="none" stroke="${color}" stroke-width="${width}" stroke-opacity="${opacity}"/>` +
    dots.join("")
  );
}

function areaPath({ xs, low, high }: Area, x: Scale, y: Scale): string {
  const shown = low.map((value, at) => (value !== null && y.has(value) && x.has(xs[at] as number) ? value : null));
  return stretches(shown)
    .map(([from, to]) => {
      const places = Array.from({ length: to - from + 1 }, (_, at) => from + at);
      const above = places.map((at) => `${round(x.at(xs[at] as number))} ${round(y.at(high[at] as number))}`);
      const below = places.map((at) => `${round(x.at(xs[at] as number))} ${round(y.at(low[at] as number))}`).reverse();
      return `M${[...above, ...below].join("L")}Z`;
    })
    .join("");
}

/** First and last place of each stretch without a gap. */
function stretches(ys: Ys): [number, number][] {
  const found: [number, number][] = [];
  ys.forEach((y, at) => {
    if (y === null) return;
    const last = found.at(-1);
    if (last && last[1] === at - 1) last[1] = at;
    else found.push([at, at]);
  });
  return found;
}

function scaleOf([low, high]: readonly [number, number], isLog: boolean, from: number, to: number): Scale {
  const on = isLog ? Math.log10 : (value: number) => value;
  const least = isLog && !(low > 0) ? high / 1e6 : low;
  const share = (value: number) => (on(value) - on(least)) / (on(high) - on(least));
  return { low: least, high, at: (value) => from + share(value) * (to - from), has: (value) => !isLog || value > 0 };
}

const isInside = (value: number, { low, high }: Scale) => value >= low && value <= high;

/** The least and the greatest that an axis has a place for; a little around a single value. */
function extent(lists: readonly Ys[], isLog: boolean): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const list of lists)
    for (const value of list) {
      if (value === null || !Number.isFinite(value) || (isLog && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  if (low > high) return isLog ? [1, 10] : [0, 1];
  if (low < high) return [low, high];
  return isLog ? [low / 2, high * 2] : [low - (Math.abs(low) / 10 || 0.5), high + (Math.abs(high) / 10 || 0.5)];
}

function padded([low, high]: readonly [number, number], isLog: boolean): [number, number] {
  if (isLog) return [low / (high / low) ** 0.04, high * (high / low) ** 0.04];
  return [low - (high - low) * 0.04, high + (high - low) * 0.04];
}
