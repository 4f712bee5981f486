/** A line chart as an SVG file, for papers: the curves as they are drawn, axes, and a legend. */
import { formatShort } from "./format";
import type { Curve } from "./lines";

const WIDTH = 900;
const HEIGHT = 480;
const LEFT = 70;
const RIGHT = 220;
const TOP = 40;
const BOTTOM = 40;

const escaped = (text: string) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

export function toSvg(curves: readonly Curve[], title: string): string {
  const xs = curves.flatMap((curve) => curve.xs);
  const ys = curves.flatMap((curve) =>
    (curve.smoothed ?? curve.ys).filter((y): y is number => y !== null && Number.isFinite(y)),
  );
  const [x0, x1] = range(xs);
  const [y0, y1] = range(ys);
  const px = (x: number) => LEFT + ((x - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT);
  const py = (y: number) => HEIGHT - BOTTOM - ((y - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);
  const round = (value: number) => Math.round(value * 100) / 100;
  const grid = Array.from({ length: 5 }, (_, at) => at / 4).map((share) => {
    const x = x0 + share * (x1 - x0);
    const y = y0 + share * (y1 - y0);
    return (
      `<path d="M${round(px(x))} ${TOP}V${HEIGHT - BOTTOM}M${LEFT} ${round(py(y))}H${WIDTH - RIGHT}" stroke="#ddd"/>` +
      `<text x="${round(px(x))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${formatShort(x)}</text>` +
      `<text x="${LEFT - 8}" y="${round(py(y)) + 4}" text-anchor="end">${formatShort(y)}</text>`
    );
  });
  const paths = curves.map((curve) => {
    let isDown = false;
    const values = curve.smoothed ?? curve.ys;
    const d = curve.xs
      .map((x, at) => {
        const y = values[at];
        if (y === null || y === undefined || !Number.isFinite(y)) {
          isDown = false;
          return "";
        }
        const step = `${isDown ? "L" : "M"}${round(px(x))} ${round(py(y))}`;
        isDown = true;
        return step;
      })
      .join("");
    return `<path d="${d}" fill="none" stroke="${curve.color}" stroke-width="1.5"/>`;
  });
  const legend = curves
    .slice(0, 22)
    .map(
      (curve, at) =>
        `<rect x="${WIDTH - RIGHT + 16}" y="${TOP + at * 18}" width="10" height="10" fill="${curve.color}"/><text x="${WIDTH - RIGHT + 32}" y="${TOP + 9 + at * 18}">${escaped(curve.label.slice(0, 28))}</text>`,
    );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="${LEFT}" y="24" font-size="14" font-weight="bold">${escaped(title)}</text>`,
    ...grid,
    ...paths,
    ...legend,
    "</svg>",
  ].join("\n");
}

/** The least and the greatest; a little around a single value. */
function range(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}
