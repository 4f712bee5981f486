/** Runs: pages of a search, one run, and what changes them. */
import { type InfiniteData, infiniteQueryOptions, type QueryKey, queryOptions } from "@tanstack/react-query";
import { text } from "@/core/address";
import { mergedPages, type RunPage } from "@/core/livePages";
import { queryClient } from "./cache";
import { mlflow } from "./client";
import { overview } from "./experiments";
import type { ExperimentId, Run, RunId } from "./types";

export interface RunSearch {
  ids: readonly ExperimentId[];
  filter: string;
  order: string;
  view?: "ACTIVE_ONLY" | "DELETED_ONLY" | "ALL";
}

/** The search that a workspace's address stands for. */
export const searchAt = (ids: readonly ExperimentId[], address: Record<string, unknown>): RunSearch => ({
  ids,
  filter: text(address.filter),
  order: text(address.order) || "attributes.start_time DESC",
});

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
  };
  const answer = await mlflow.post<{ runs?: Run[]; next_page_token?: string }>("runs/search", body, signal);
  const runs = answer.runs ?? [];
  const next = answer.next_page_token ?? "";
  return { runs, next, total: token || next ? null : runs.length };
}

/** The number of all runs of a search. To count takes longer than to find the first: it is asked for when those are there. */
export const runCount = ({ order: _, ...search }: RunSearch) =>
  queryOptions({
    queryKey: ["count", search],
    queryFn: async ({ signal }) => {
      const body = {
        experiment_ids: search.ids,
        filter: search.filter,
        run_view_type: search.view ?? "ACTIVE_ONLY",
        max_results: 1,
        select: ["tags.mlflow.runName"],
        count: true,
      };
      return (await mlflow.post<{ total_count?: number }>("runs/search", body, signal)).total_count ?? 0;
    },
  });

export const runPages = (search: RunSearch) =>
  infiniteQueryOptions({
    queryKey: ["runs", search],
    queryFn: ({ pageParam, signal }) => searchRuns(search, pageParam, PAGE, signal),
    initialPageParam: "",
    getNextPageParam: (last: RunPage) => last.next || undefined,
    enabled: search.ids.length > 0,
    // To ask again for all pages costs as many requests as are loaded: `refreshRuns` asks for what can have changed.
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });

type Pages = InfiniteData<RunPage, string>;
/** Ids named in one filter; the server takes 10,240 bytes of it. */
const MOST_ASKED = 200;

/** Bring every table of runs up to date, in three requests each, however many pages are loaded.
 *
 * Asked for are the first page (what is new, or came to the top), the number of all, and those of the loaded runs that were touched. Tables that
 * are not on a page now keep their first page only, and ask when they are shown again.
 *
 * @param touched ids of runs; null: nobody knows which, and all loaded pages are asked for.
 */
export async function refreshRuns(touched: ReadonlySet<RunId> | null): Promise<void> {
  const cache = queryClient.getQueryCache();
  void queryClient.invalidateQueries({ queryKey: ["count"], refetchType: "active" });
  await Promise.all(
    cache.findAll({ queryKey: ["runs"] }).map(async (query) => {
      const key = query.queryKey as readonly ["runs", RunSearch];
      if (query.state.fetchStatus === "fetching") await query.fetch().catch(() => undefined);
      const loaded = query.state.data as Pages | undefined;
      if (!loaded) return;
      if (touched === null || !query.isActive()) {
        if (!query.isActive()) cutToFirst(key);
        await queryClient.invalidateQueries({ queryKey: key, exact: true, refetchType: "active" });
      } else await refreshTable(key, loaded, touched);
    }),
  );
}

const cutToFirst = (key: QueryKey) =>
  queryClient.setQueryData<Pages>(
    key,
    (pages) => pages && { pages: pages.pages.slice(0, 1), pageParams: pages.pageParams.slice(0, 1) },
  );

async function refreshTable(key: readonly ["runs", RunSearch], loaded: Pages, touched: ReadonlySet<RunId>) {
  const search = key[1];
  const shown = loaded.pages.flatMap((page) => page.runs.map((each) => each.info.run_id));
  const asked = loaded.pages.length > 1 ? shown.filter((id) => touched.has(id)).slice(0, MOST_ASKED) : [];
  const inIds = `attributes.run_id IN (${asked.map((id) => `'${id}'`).join(", ")})`;
  const filter = search.filter ? `(${search.filter}) AND ${inIds}` : inIds;
  const [first, again] = await Promise.all([
    searchRuns(search),
    asked.length ? searchRuns({ ...search, filter, order: "" }, "", MOST_ASKED) : undefined,
  ]);
  queryClient.setQueryData<Pages>(key, (pages) => {
    if (!pages) return pages;
    const next = mergedPages(pages.pages, first, again?.runs ?? [], asked);
    return { pages: next, pageParams: pages.pageParams.slice(0, next.length) };
  });
}

const getRun = async (id: RunId, signal?: AbortSignal) =>
  (await mlflow.get<{ run: Run }>("runs/get", { run_id: id }, signal)).run;

export const run = (id: RunId) => queryOptions({ queryKey: ["run", id], queryFn: ({ signal }) => getRun(id, signal) });

/** Many runs at once, in the order of their ids; at most `MOST_ASKED`. */
export const runsById = (ids: readonly RunId[]) =>
  queryOptions({
    queryKey: ["runs by id", ...ids],
    queryFn: ({ signal }) => getRuns(ids, signal),
    enabled: ids.length > 0,
  });

/** Runs that are compared are mostly of one experiment: then two requests find them all, else four. Those of deleted experiments, which no
 * search finds, are asked for one by one. */
async function getRuns(ids: readonly RunId[], signal: AbortSignal): Promise<Run[]> {
  const found = new Map<RunId, Run>();
  const note = (runs: readonly Run[]) => {
    for (const each of runs) found.set(each.info.run_id, each);
  };
  const left = () => ids.filter((id) => !found.has(id));
  const searchIn = async (experiments: readonly ExperimentId[]) => {
    const filter = `attributes.run_id IN (${left()
      .map((id) => `'${id.replaceAll("'", "")}'`)
      .join(", ")})`;
    note((await searchRuns({ ids: experiments, filter, order: "", view: "ALL" }, "", MOST_ASKED, signal)).runs);
  };
  const first = await getRun(ids[0] as RunId, signal);
  note([first]);
  if (left().length > 0) await searchIn([first.info.experiment_id ?? "0"]);
  if (left().length > 1)
    await searchIn((await queryClient.ensureQueryData(overview())).map((each) => each.experiment.experiment_id));
  note(await Promise.all(left().map((id) => getRun(id, signal))));
  return ids.flatMap((id) => found.get(id) ?? []);
}

/** The search for the runs below this one. */
export const childrenOf = (of: Run): RunSearch => ({
  ids: [of.info.experiment_id ?? "0"],
  filter: `tags.\`mlflow.parentRunId\` = '${of.info.run_id}'`,
  order: "attributes.start_time ASC",
});

/** The first runs below this one. */
export const children = (of: Run) =>
  queryOptions({
    queryKey: ["children", of.info.run_id],
    queryFn: ({ signal }) => searchRuns(childrenOf(of), "", PAGE, signal),
  });

const changed = (ids: readonly RunId[]) =>
  Promise.all([
    refreshRuns(new Set(ids)),
    ...["run", "runs by id", "children", "experiments"].map((key) =>
      queryClient.invalidateQueries({ queryKey: [key] }),
    ),
  ]);

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
  await changed(ids);
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
  await changed([id]);
}
