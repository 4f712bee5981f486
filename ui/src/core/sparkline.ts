/** The course of a metric as a small line beside a run's name. */

/** The path of a line in a box; "" if there are not two finite points. Gaps are drawn through. */
export function sparkline(xs: readonly number[], ys: readonly number[], width: number, height: number): string {
  let x0 = Number.POSITIVE_INFINITY;
  let x1 = Number.NEGATIVE_INFINITY;
  let y0 = Number.POSITIVE_INFINITY;
  let y1 = Number.NEGATIVE_INFINITY;
  const finite: [number, number][] = [];
  xs.forEach((x, at) => {
    const y = ys[at] as number;
    if (!Number.isFinite(y)) return;
    finite.push([x, y]);
    x0 = Math.min(x0, x);
    x1 = Math.max(x1, x);
    y0 = Math.min(y0, y);
    y1 = Math.max(y1, y);
  });
  if (finite.length < 2 || x0 === x1) return "";
  const round = (value: number) => Math.round(value * 10) / 10;
  const px = (x: number) => round(((x - x0) / (x1 - x0)) * width);
  const py = (y: number) => round(y1 === y0 ? height / 2 : height - ((y - y0) / (y1 - y0)) * height);
  return `M${finite.map(([x, y]) => `${px(x)} ${py(y)}`).join("L")}`;
}
