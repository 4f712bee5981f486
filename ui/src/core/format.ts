/** How values are written for people. Plain functions; nothing here knows of React. */

export type UnixMs = number & { readonly unit?: "ms since the epoch" };

const DASH = "–";

/** Formats are made once: making one costs more than a whole row of cells. */
const WHOLE = new Intl.NumberFormat("en-US");
const MOMENTS = new Map<string, Intl.DateTimeFormat>();

function momentsIn(timeZone: string): Intl.DateTimeFormat {
  const known = MOMENTS.get(timeZone);
  if (known) return known;
  const made = new Intl.DateTimeFormat("en-CA", {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
    ...(timeZone ? { timeZone } : {}),
  });
  MOMENTS.set(timeZone, made);
  return made;
}

/** A number with so many significant digits that neighbours compare; exponents where plain digits would mislead. */
export function formatNumber(value: number | null | undefined, digits = 5): string {
  if (value === null || value === undefined) return DASH;
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e10) return WHOLE.format(value).replace("-", "−");
  const size = Math.abs(value);
  const text = size >= 1e6 || size < 1e-4 ? value.toExponential(digits - 1) : trimZeros(value.toPrecision(digits));
  return text.replace("-", "−").replace("e−", "e-").replace("e+", "e");
}

function trimZeros(text: string): string {
  return text.includes(".") && !text.includes("e") ? text.replace(/\.?0+$/, "") : text;
}

const SI = ["", "k", "M", "G", "T", "P"] as const;

/** A short number for axes and counts: 12.4k, 3M, 1e-10. */
export function formatShort(value: number, digits = 3): string {
  const size = Math.abs(value);
  if (size >= 1e18 || (size < 1e-4 && size > 0)) return formatNumber(value, digits).replace(/\.?0*e/, "e");
  if (size < 1000) return formatNumber(value, digits);
  const power = Math.min(Math.floor(Math.log10(size) / 3), SI.length - 1);
  return `${formatNumber(Number((value / 1000 ** power).toPrecision(digits)), digits)}${SI[power]}`;
}

/** Bytes with binary units: 4.0 KiB. */
export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return DASH;
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return power === 0 ? `${bytes} bytes` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}

/** "3 m 12 s": the two largest units that are not zero. */
export function formatDuration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || ms < 0) return DASH;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor((whole % 86400) / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "m"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** "4 minutes ago". */
export function formatAgo(time: UnixMs | null | undefined, now: UnixMs = Date.now()): string {
  if (time === null || time === undefined) return DASH;
  const seconds = Math.round((now - time) / 1000);
  if (seconds < 5 && seconds > -60) return "just now";
  const steps: [number, string][] = [
    [60, "second"],
    [60, "minute"],
    [24, "hour"],
    [30, "day"],
    [12, "month"],
    [Number.POSITIVE_INFINITY, "year"],
  ];
  let count = Math.abs(seconds);
  for (const [size, unit] of steps) {
    if (count < size) return `${count} ${unit}${count === 1 ? "" : "s"} ${seconds >= 0 ? "ago" : "from now"}`;
    count = Math.floor(count / size);
  }
  return DASH;
}

/** The exact moment in the chosen zone: 2026-11-26 13:05:09 CET. */
export function formatTime(time: UnixMs | null | undefined, timeZone?: string): string {
  if (time === null || time === undefined) return DASH;
  const { year, month, day, hour, minute, second, zone } = momentOf(time, timeZone);
  return `${year}-${month}-${day} ${hour}:${minute}:${second} ${zone}`;
}

/** What a calendar and a clock of the chosen zone show, in the usual number of digits. */
export function momentOf(time: UnixMs, timeZone?: string) {
  const parts = momentsIn(timeZone ?? "").formatToParts(time);
  const of = (type: string) => parts.find((part) => part.type === type)?.value ?? "";
  return {
    year: of("year"),
    month: of("month"),
    day: of("day"),
    hour: of("hour"),
    minute: of("minute"),
    second: of("second"),
    fraction: String(((Math.floor(time) % 1000) + 1000) % 1000).padStart(3, "0"),
    zone: of("timeZoneName"),
  };
}
