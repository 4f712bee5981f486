/** A chart as a picture to pass on: with its title and legend, on the ground it was seen on. */

const MARGIN = 12;
const TITLE = 30;
const ROW = 18;
const ROWS = 12;

/** @param chart what is on the screen, without ground. */
export function pictureOf(
  chart: HTMLCanvasElement,
  title: string,
  legend: readonly { label: string; color: string }[],
): HTMLCanvasElement {
  const css = getComputedStyle(document.documentElement);
  const color = (name: string) => css.getPropertyValue(name).trim();
  const scale = chart.width / (chart.clientWidth || chart.width); // pixels of the screen for one of the page
  const width = chart.width / scale + 2 * MARGIN;
  const picture = document.createElement("canvas");
  const pen = picture.getContext("2d");
  if (!pen) return chart;
  const font = color("--font");
  pen.font = `12px ${font}`;
  const places = placesOf(pen, legend, width);
  const rows = (places.at(-1)?.row ?? -1) + 1;
  const below = TITLE + chart.height / scale;
  picture.width = Math.ceil(width * scale);
  picture.height = Math.ceil((below + rows * ROW + MARGIN) * scale);
  pen.fillStyle = color("--surface");
  pen.fillRect(0, 0, picture.width, picture.height);
  pen.drawImage(chart, MARGIN * scale, TITLE * scale);
  pen.scale(scale, scale);
  pen.textBaseline = "middle";
  pen.fillStyle = color("--text");
  pen.font = `600 13px ${font}`;
  pen.fillText(title, MARGIN, TITLE / 2, width - 2 * MARGIN);
  pen.font = `12px ${font}`;
  for (const { label, mark, left, row } of places) {
    const top = below + row * ROW + ROW / 2;
    if (mark) {
      pen.fillStyle = mark;
      pen.fillRect(left, top - 4, 8, 8);
    }
    pen.fillStyle = color("--text");
    pen.fillText(label, left + (mark ? 13 : 0), top, width - left - MARGIN - 13);
  }
  return picture;
}

interface Place {
  label: string;
  mark?: string;
  left: number;
  row: number;
}

/** Where the entries of a legend stand, from left to right in rows; of very many the first ones. */
function placesOf(
  pen: CanvasRenderingContext2D,
  legend: readonly { label: string; color: string }[],
  width: number,
): Place[] {
  const places: Place[] = [];
  let left = MARGIN;
  let row = 0;
  for (const { label, color } of legend) {
    const wide = 13 + pen.measureText(label).width + 16;
    if (left > MARGIN && left + wide > width) {
      left = MARGIN;
      row++;
    }
    if (row === ROWS) return [...places, { label: `and ${legend.length - places.length} more`, left, row }];
    places.push({ label, mark: color, left, row });
    left += wide;
  }
  return places;
}
