/** Histories as charts want them: exact windows at pixel resolution, and what is known of each series without reading it. */
import { queryOptions } from "@tanstack/react-query";
import { doubles } from "@/core/doubles";
import { wholeLine } from "@/core/whole";
import { millstream } from "./client";
import { numberOf, type RunId, type SeriesLine, type SeriesSummary } from "./types";

export type Axis = "step" | "time";

export interface LinesRequest {
  runs: readonly RunId[];
  keys: readonly string[];
  width: number;
  axis: Axis;
  start: number | null;
  end: number | null;
  /** For each run where `start` and `end` count from; else from zero. */
  origins?: readonly number[] | undefined;
}

/** One series, ready to be drawn. */
export interface Line {
  run: RunId;
  key: string;
  /** Steps, or milliseconds since 1970 on the axis of time; ascending. */
  places: number[];
  values: number[];
  nanPlaces: readonly number[];
  count: number;
  isExact: boolean;
}

/** The most pixels that lines may be asked for. */
const WIDEST = 10_000;

/** These lines with all of their points: what some lack is asked for, run by run. */
export const fetchWhole = (request: LinesRequest, known: readonly Line[]): Promise<Line[]> =>
  Promise.all(
    known.map((line) => {
      const origin = request.origins?.[request.runs.indexOf(line.run)] ?? 0;
      const bound = (value: number | null) => (value === null ? null : value + origin);
      return wholeLine(line, bound(request.start), bound(request.end), async (start, end) => {
        const part = { runs: [line.run], keys: [line.key], width: WIDEST, axis: request.axis, start, end };
        return (await fetchLines(part))[0];
      });
    }),
  );

async function fetchLines(request: LinesRequest, signal?: AbortSignal): Promise<Line[]> {
  const body = {
    run_ids: request.runs,
    keys: request.keys,
    width: request.width,
    axis: request.axis,
    ...(request.start === null ? {} : { start: Math.floor(request.start) }),
    ...(request.end === null ? {} : { end: Math.ceil(request.end) }),
    ...(request.origins ? { origins: request.origins } : {}),
  };
  const answer = await millstream.post<{ lines?: SeriesLine[] }>("metrics/lines", body, signal);
  return (answer.lines ?? []).map((found) => ({
    run: found.run_id,
    key: found.key,
    places: doubles(found.places ?? ""),
    values: doubles(found.values ?? "").map(numberOf),
    nanPlaces: found.nan_places ?? [],
    count: found.count ?? 0,
    isExact: found.is_exact ?? true,
  }));
}

export const lines = (request: LinesRequest) =>
  queryOptions({
    queryKey: ["lines", request],
    queryFn: ({ signal }) => fetchLines(request, signal),
    enabled: request.runs.length > 0 && request.keys.length > 0,
    structuralSharing: false, // comparing all points with those before costs more than to draw them
  });

export const summaries = (id: RunId) =>
  queryOptions({
    queryKey: ["summaries", id],
    queryFn: async ({ signal }) =>
      (await millstream.get<{ series?: SeriesSummary[] }>("metrics/summaries", { run_id: id }, signal)).series ?? [],
  });
