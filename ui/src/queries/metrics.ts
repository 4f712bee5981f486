/** Histories as charts want them: exact windows at pixel resolution, and what is known of each series without reading it. */
import { queryOptions } from "@tanstack/react-query";
import { millstream } from "./client";
import { numberOf, type RunId, type SeriesSummary, type SeriesWindow } from "./types";

export type Axis = "step" | "time";

export interface WindowRequest {
  runs: readonly RunId[];
  keys: readonly string[];
  width: number;
  axis: Axis;
  start: number | null;
  end: number | null;
}

/** One series, ready to be drawn: numbers only. Of `steps` and `times` the one of the axis is there. */
export interface Line {
  run: RunId;
  key: string;
  steps: number[];
  times: number[];
  values: number[];
  nanSteps: readonly number[];
  count: number;
  isExact: boolean;
}

export const windows = (request: WindowRequest) =>
  queryOptions({
    queryKey: ["windows", request],
    queryFn: async ({ signal }): Promise<Line[]> => {
      const body = {
        run_ids: request.runs,
        keys: request.keys,
        width: request.width,
        axis: request.axis,
        only_axis: true,
        ...(request.start === null ? {} : { start: Math.floor(request.start) }),
        ...(request.end === null ? {} : { end: Math.ceil(request.end) }),
      };
      const answer = await millstream.post<{ windows?: SeriesWindow[] }>("metrics/windows", body, signal);
      return (answer.windows ?? []).map((found) => ({
        run: found.run_id,
        key: found.key,
        steps: [...(found.steps ?? [])],
        times: [...(found.timestamps ?? [])],
        values: numbersOf(found.values ?? []),
        nanSteps: found.nan_steps ?? [],
        count: found.count ?? 0,
        isExact: found.is_exact ?? true,
      }));
    },
    enabled: request.runs.length > 0 && request.keys.length > 0,
    structuralSharing: false, // comparing all points with those before costs more than to draw them
  });

/** Most windows have plain numbers only: those are taken as they are. */
const numbersOf = (values: readonly (number | string | null)[]): number[] =>
  values.every((value) => typeof value === "number" && Math.abs(value) < Number.MAX_VALUE)
    ? (values as number[])
    : values.map(numberOf);

export const summaries = (id: RunId) =>
  queryOptions({
    queryKey: ["summaries", id],
    queryFn: async ({ signal }) =>
      (await millstream.get<{ series?: SeriesSummary[] }>("metrics/summaries", { run_id: id }, signal)).series ?? [],
  });
