/** Where the marks of an axis stand and what is written at them. */
import { formatNumber, formatShort, momentOf } from "./format";

/** At most so many round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`. */
export function evenTicks(low: number, high: number, most: number): number[] {
  const least = (high - low) / Math.max(1, most);
  if (!(least > 0) || !Number.isFinite(least)) return [];
  const power = Math.floor(Math.log10(least));
  const step = [1, 2, 5].map((times) => Number(`${times}e${power}`)).find((each) => each >= least * (1 - 1e-9));
  const wide = step ?? Number(`1e${power + 1}`);
  const ticks: number[] = [];
  for (let number = Math.ceil(low / wide - 1e-9); ticks.length <= most; number++) {
    const place = Number((number * wide).toPrecision(15)) + 0; // neither 0.30000000000000004 nor -0
    if (!(place <= high + wide * 1e-9)) break;
    ticks.push(place);
  }
  return ticks;
}

/** At most so many marks of a logarithmic axis: powers of ten, some of them, or steps between them; all positive. */
export function logTicks(low: number, high: number, most: number): number[] {
  if (!(low > 0) || !(high > low) || !Number.isFinite(high)) return [];
  const from = Math.floor(Math.log10(low));
  const to = Math.floor(Math.log10(high) + 1e-9);
  const inside = (value: number) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9);
  const powers = Array.from({ length: to - from + 1 }, (_, at) => from + at);
  const of = (digits: readonly number[]) =>
    powers.flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`))).filter(inside);
  if (powers.length <= most) {
    const found = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1]].map(of).find((ticks) => ticks.length <= most) ?? [];
    return found.length >= 3 || powers.length > 2 ? found : evenTicks(low, high, most);
  }
  const stride = Math.ceil(powers.length / most);
  return powers
    .filter((power) => power % stride === 0)
    .map((power) => Number(`1e${power}`))
    .filter(inside);
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
const TIME_STEPS = [
  ...[0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 30, 90, 365, 3650].map((days) => days * DAY),
];

/** At most so many moments that are round on a clock of the zone; seconds since 1970. */
export function timeTicks(low: number, high: number, most: number, timeZone?: string): number[] {
  const { year, month, day, hour, minute, second } = momentOf(low * 1000, timeZone);
  const shift = Date.UTC(+year, +month - 1, +day, +hour, +minute, +second) / 1000 - Math.floor(low);
  const step = TIME_STEPS.find((each) => each >= (high - low) / most) ?? 36_500 * DAY;
  const ticks: number[] = [];
  for (let number = Math.ceil((low + shift) / step); ticks.length <= most; number++) {
    const place = number * step - shift;
    if (!(place <= high)) break;
    ticks.push(place);
  }
  return ticks;
}

/** Short numbers, with as many digits as tell them apart. */
export function tickLabels(ticks: readonly number[]): string[] {
  let labels: string[] = [];
  for (const digits of [3, 4, 5, 6, 8, 10, 12]) {
    const written = (tick: number) => formatNumber(tick, digits).replaceAll(",", ""); // 1000.0002, not 1.0000002k
    labels = ticks.map((tick) => (digits > 5 ? written(tick) : formatShort(tick, digits)));
    if (new Set(labels).size === ticks.length) break;
  }
  return labels;
}

/** Moments on an axis, 24 hours a day, in a zone; the date stands below where it becomes another.
 *
 * @param seconds ascending, since 1970.
 * @param step between two of them, in seconds.
 */
export function timeLabels(seconds: readonly number[], step: number, timeZone?: string): string[] {
  let before = "";
  return seconds.map((second) => {
    const { year, month, day, hour, minute, second: whole, fraction } = momentOf(second * 1000, timeZone);
    if (step >= 360 * DAY) return year;
    if (step >= 28 * DAY) return `${year}-${month}`;
    const [first, below] =
      step >= DAY
        ? [`${month}-${day}`, year]
        : [
            `${hour}:${minute}${step >= MINUTE ? "" : `:${whole}`}${step >= 1 ? "" : `.${fraction}`}`,
            `${year}-${month}-${day}`,
          ];
    const isNew = below !== before;
    before = below;
    return isNew ? `${first}\n${below}` : first;
  });
}
