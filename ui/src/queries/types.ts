/** Names for what the server's document describes; `schema.ts` is made from it by `make ui-types`. */
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Experiment = Schemas["Experiment"];
export type ExperimentActivity = Schemas["ExperimentActivity"];
export type Run = Schemas["Run"];
export type RunStatus = Schemas["RunStatus"];
export type Metric = Schemas["Metric"];
export type FileInfo = Schemas["FileInfo"];
export type SeriesLine = Schemas["SeriesLine"];
export type SeriesSummary = Schemas["SeriesSummary"];
export type LoggedModel = Schemas["LoggedModel"];
export type RegisteredModel = Schemas["RegisteredModel"];
export type ModelVersion = Schemas["ModelVersion"];
export type Purged = Schemas["Purged"];
export type RegistryChange = NonNullable<Schemas["HistoryPage"]["changes"]>[number];

export type RunId = string;
export type ExperimentId = string;

/** A metric's value as a number; NaN and infinities travel as text. */
export function numberOf(value: number | string | null | undefined): number {
  const number = typeof value === "number" ? value : Number(value ?? Number.NaN);
  return Math.abs(number) === Number.MAX_VALUE ? Math.sign(number) * Number.POSITIVE_INFINITY : number;
}

/** The pairs of the wire as a map. */
export function asMap(pairs: readonly { key: string; value?: string }[] | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const pair of pairs ?? []) found[pair.key] = pair.value ?? "";
  return found;
}

export const NOTE = "mlflow.note.content";
export const PARENT = "mlflow.parentRunId";
export const STAR = "millstream.star";
export const VIEWS = "millstream.views";
