/** Runs: pages of a search, one run, and what changes them. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { queryClient } from "./cache";
import { mlflow } from "./client";
import type { ExperimentId, Run, RunId } from "./types";

export interface RunSearch {
  ids: readonly ExperimentId[];
  filter: string;
  order: string;
  view?: "ACTIVE_ONLY" | "DELETED_ONLY";
}

export interface RunPage {
  runs: Run[];
  next: string;
  total: number | null;
}

const PAGE = 200;

export async function searchRuns(search: RunSearch, token = "", size = PAGE, signal?: AbortSignal): Promise<RunPage> {
  const body = {
    experiment_ids: search.ids,
    filter: search.filter,
    order_by: search.order ? [search.order] : [],
    run_view_type: search.view ?? "ACTIVE_ONLY",
    max_results: size,
    page_token: token,
    select: ["metrics", "params", "tags"],
    count: token === "",
  };
  const answer = await mlflow.post<{ runs?: Run[]; next_page_token?: string; total_count?: number }>(
    "runs/search",
    body,
    signal,
  );
  return { runs: answer.runs ?? [], next: answer.next_page_token ?? "", total: answer.total_count ?? null };
}

export const runPages = (search: RunSearch) =>
  infiniteQueryOptions({
    queryKey: ["runs", search],
    queryFn: ({ pageParam, signal }) => searchRuns(search, pageParam, PAGE, signal),
    initialPageParam: "",
    getNextPageParam: (last: RunPage) => last.next || undefined,
    enabled: search.ids.length > 0,
  });

export const run = (id: RunId) =>
  queryOptions({
    queryKey: ["run", id],
    queryFn: async ({ signal }) => (await mlflow.get<{ run: Run }>("runs/get", { run_id: id }, signal)).run,
  });

/** Runs below this one. */
export const children = (of: Run) =>
  queryOptions({
    queryKey: ["children", of.info.run_id],
    queryFn: async ({ signal }) => {
      const ids = [of.info.experiment_id ?? "0"];
      const filter = `tags.\`mlflow.parentRunId\` = '${of.info.run_id}'`;
      return (await searchRuns({ ids, filter, order: "attributes.start_time ASC" }, "", PAGE, signal)).runs;
    },
  });

const changed = () =>
  Promise.all(
    ["runs", "run", "children", "experiments"].map((key) => queryClient.invalidateQueries({ queryKey: [key] })),
  );

/** Do the same to many runs, some at a time; all are tried, the first failure is raised at the end. */
async function toEach(ids: readonly RunId[], act: (id: RunId) => Promise<unknown>): Promise<void> {
  const waiting = [...ids];
  const failures: unknown[] = [];
  const worker = async () => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      await act(id).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  await changed();
  if (failures.length > 0) throw failures[0];
}

export const deleteRuns = (ids: readonly RunId[]) => toEach(ids, (run_id) => mlflow.post("runs/delete", { run_id }));
export const restoreRuns = (ids: readonly RunId[]) => toEach(ids, (run_id) => mlflow.post("runs/restore", { run_id }));
export const tagRuns = (ids: readonly RunId[], key: string, value: string) =>
  toEach(ids, (run_id) => mlflow.post("runs/set-tag", { run_id, key, value }));
export const untagRuns = (ids: readonly RunId[], key: string) =>
  toEach(ids, (run_id) => mlflow.post("runs/delete-tag", { run_id, key }));

export async function renameRun(id: RunId, name: string): Promise<void> {
  await mlflow.post("runs/update", { run_id: id, run_name: name });
  await changed();
}
