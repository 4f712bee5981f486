/** Columns of the table of runs: `name`, `status`, ... of the run itself, `m.<metric>`, `p.<param>`, `t.<tag>`. */
import type { Keys } from "@/queries/experiments";
import { asMap, numberOf, type Run } from "@/queries/types";
import { formatDuration, formatNumber } from "./format";

export type ColumnId = string;

export interface Column {
  id: ColumnId;
  label: string;
  group: "Run" | "Metrics" | "Params" | "Tags";
  width: number;
  isNumber: boolean;
  /** What `order_by` says for this column; "" cannot be ordered by. */
  order: string;
}

const RUN_COLUMNS: Column[] = [
  { id: "name", label: "Run", group: "Run", width: 220, isNumber: false, order: "attributes.run_name" },
  { id: "status", label: "Status", group: "Run", width: 90, isNumber: false, order: "attributes.status" },
  { id: "start", label: "Started", group: "Run", width: 120, isNumber: false, order: "attributes.start_time" },
  { id: "duration", label: "Duration", group: "Run", width: 90, isNumber: true, order: "" },
  { id: "user", label: "User", group: "Run", width: 100, isNumber: false, order: "attributes.user_id" },
  { id: "experiment", label: "Experiment", group: "Run", width: 110, isNumber: false, order: "" },
  { id: "id", label: "Run id", group: "Run", width: 110, isNumber: false, order: "attributes.run_id" },
];

const quoted = (key: string) => `\`${key.replaceAll("`", "")}\``;

export function columnOf(id: ColumnId): Column {
  const known = RUN_COLUMNS.find((column) => column.id === id);
  if (known) return known;
  const key = id.slice(2);
  if (id.startsWith("m."))
    return { id, label: key, group: "Metrics", width: 110, isNumber: true, order: `metrics.${quoted(key)}` };
  if (id.startsWith("p."))
    return { id, label: key, group: "Params", width: 110, isNumber: false, order: `params.${quoted(key)}` };
  return { id, label: key, group: "Tags", width: 120, isNumber: false, order: `tags.${quoted(key)}` };
}

/** Tags and metrics that the system writes, beside what the user logs. */
export const isSystemTag = (key: string): boolean => key.startsWith("mlflow.") || key.startsWith("millstream.");
export const isSystemMetric = (key: string): boolean => key.startsWith("system/");
export const ownTags = (keys: Keys): string[] => keys.tags.filter((key) => !isSystemTag(key));
export const ownMetrics = (keys: Keys): string[] => keys.metrics.filter((key) => !isSystemMetric(key));

/** Every column there can be. System tags and system metrics come last. */
export function allColumns(keys: Keys): Column[] {
  return [
    ...RUN_COLUMNS,
    ...keys.metrics.map((key) => columnOf(`m.${key}`)),
    ...keys.params.map((key) => columnOf(`p.${key}`)),
    ...[...ownTags(keys), ...keys.tags.filter(isSystemTag)].map((key) => columnOf(`t.${key}`)),
  ];
}

/** The columns shown until somebody chooses: of the run, and the first metrics and params. */
export function defaultColumns(keys: Keys, hasManyExperiments: boolean): ColumnId[] {
  const metrics = ownMetrics(keys).slice(0, 8);
  return [
    "name",
    "status",
    "start",
    "duration",
    ...(hasManyExperiments ? ["experiment"] : []),
    ...metrics.map((key) => `m.${key}`),
    ...keys.params.slice(0, 8).map((key) => `p.${key}`),
  ];
}

/** A run with its lists as maps, made once: pages that come later leave the rows of those before as they are. */
export interface Row {
  run: Run;
  id: string;
  name: string;
  metrics: Record<string, number>;
  params: Record<string, string>;
  tags: Record<string, string>;
}

const MADE = new WeakMap<Run, Row>();

export function toRow(run: Run): Row {
  const known = MADE.get(run);
  if (known) return known;
  const metrics: Record<string, number> = {};
  for (const metric of run.data?.metrics ?? []) metrics[metric.key] = numberOf(metric.value);
  const row = {
    run,
    id: run.info.run_id,
    name: run.info.run_name?.trim() || run.info.run_id.slice(0, 8),
    metrics,
    params: asMap(run.data?.params),
    tags: asMap(run.data?.tags),
  };
  MADE.set(run, row);
  return row;
}

export function durationOf(run: Run, now = Date.now()): number | null {
  const { start_time, end_time, status } = run.info;
  if (start_time === null || start_time === undefined) return null;
  if (end_time) return end_time - start_time;
  return status === "RUNNING" ? now - start_time : null;
}

/** The text of a cell that is plain text or a number. */
export function textOf(row: Row, id: ColumnId): string {
  const key = id.slice(2);
  if (id.startsWith("m.")) return key in row.metrics ? formatNumber(row.metrics[key]) : "";
  if (id.startsWith("p.")) return row.params[key] ?? "";
  if (id.startsWith("t.")) return row.tags[key] ?? "";
  switch (id) {
    case "name":
      return row.name;
    case "status":
      return row.run.info.status ?? "";
    case "start":
      return row.run.info.start_time ? new Date(row.run.info.start_time).toISOString() : "";
    case "duration":
      return formatDuration(durationOf(row.run));
    case "user":
      return row.run.info.user_id ?? "";
    case "experiment":
      return row.run.info.experiment_id ?? "";
    default:
      return row.id;
  }
}

/** The value for a file: numbers in full. */
export function valueIn(row: Row, id: ColumnId): string | number | null {
  if (id.startsWith("m.")) return row.metrics[id.slice(2)] ?? null;
  if (id === "duration") return durationOf(row.run);
  return textOf(row, id) || null;
}

const LONG = { m: "metrics", p: "params", t: "tags" };

/** The columns of a file of runs: the id, then those that are shown, under the names that a search has for them. */
export const fileColumns = (ids: readonly ColumnId[]): { id: ColumnId; name: string }[] => [
  { id: "id", name: "run_id" },
  ...ids
    .filter((id) => id !== "id")
    .map((id) => ({ id, name: id[1] === "." ? `${LONG[id[0] as keyof typeof LONG]}.${id.slice(2)}` : id })),
];

const NUMBER = /^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan)$/i;

/** A CSV file of rows; cells that a spreadsheet would run are quoted as text, numbers are not. */
export function rowsToCsv(rows: readonly Row[], ids: readonly ColumnId[]): string {
  const quote = (value: string | number | null) => {
    if (value === null) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t\r]/.test(value) && !NUMBER.test(value) ? `'${value}` : value;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const columns = fileColumns(ids);
  const cells = (row: Row) => columns.map(({ id }) => quote(valueIn(row, id))).join(",");
  return [columns.map(({ name }) => quote(name)).join(","), ...rows.map(cells), ""].join("\n");
}

/** A JSON file of rows, under the names of the CSV file; what JSON has no number for is text: "NaN", "Infinity", "-Infinity". */
export function rowsToJson(rows: readonly Row[], ids: readonly ColumnId[]): string {
  const columns = fileColumns(ids);
  const value = (row: Row, id: ColumnId) => {
    const found = valueIn(row, id);
    return typeof found === "number" && !Number.isFinite(found) ? String(found) : found;
  };
  return JSON.stringify(
    rows.map((row) => Object.fromEntries(columns.map(({ id, name }) => [name, value(row, id)]))),
    null,
    2,
  );
}
