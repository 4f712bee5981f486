/** What a workspace shows: the runs of a search, their table and which are drawn, as the address says. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { texts, useAddress } from "@/core/address";
import { type ColumnId, defaultColumns, type Row, textOf, toRow } from "@/core/columns";
import { type Layout, layoutOf, movedTo } from "@/core/layout";
import { switched } from "@/core/lists";
import { COLOR_TAG, runColor, type Shown, shownOf } from "@/core/palette";
import type { View } from "@/core/views";
import { ServerError } from "@/queries/client";
import { type Keys, keys as keysOf } from "@/queries/experiments";
import { type RunSearch, runCount, runPages, searchAt } from "@/queries/runs";

const NO_KEYS: Keys = { metrics: [], params: [], tags: [] };
/** Runs that are drawn until somebody chooses. */
const CHART_RUNS = 10;

interface Found {
  search: RunSearch;
  keys: Keys;
  /** The runs that are loaded; null until the first are there. */
  rows: readonly Row[] | null;
  /** How many there are; null until it is known. */
  total: number | null;
  /** What the server says of a wrong filter. */
  filterError: string;
  error: Error | null;
  more: () => void;
  refetch: () => void;
}

/** Groups are made of all runs of a search up to this many: their pages are then loaded one after another. */
export const MOST_GROUPED = 10_000;

/** The runs of experiments that the address asks for; all of them if they are `grouped`, else as many as are scrolled to. */
export function useRuns(ids: readonly string[], grouped: boolean): Found {
  const [address] = useAddress();
  const { filter, order } = address;
  const search = useMemo(() => searchAt(ids, { filter, order }), [ids, filter, order]);
  const pages = useInfiniteQuery(runPages(search));
  const { data: keys = NO_KEYS } = useQuery(keysOf(ids));
  const rows = useMemo(() => pages.data?.pages.flatMap((page) => page.runs.map(toRow)) ?? null, [pages.data]);
  const first = pages.isPlaceholderData ? undefined : pages.data?.pages[0];
  const { data: count = null } = useQuery({
    ...runCount(search),
    enabled: first !== undefined && first.total === null,
  });
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = pages;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const loaded = rows?.length ?? 0;
  useEffect(() => {
    if (grouped && loaded < MOST_GROUPED && !isFetchNextPageError && !pages.isPlaceholderData) more();
  }, [grouped, loaded, isFetchNextPageError, pages.isPlaceholderData, more]);
  const wrong = pages.error instanceof ServerError && pages.error.status === 400 ? pages.error : null;
  return {
    search,
    keys,
    rows,
    total: first?.total ?? count,
    filterError: wrong?.message ?? "",
    error: pages.data || wrong ? null : pages.error,
    more,
    refetch: () => void pages.refetch(),
  };
}

export interface Columns extends Layout {
  widths: Record<string, number>;
  choose: (columns: readonly ColumnId[]) => void;
  resize: (id: ColumnId, width: number) => void;
  /** Put a column in the place of another one. */
  move: (id: ColumnId, to: ColumnId) => void;
  /** Keep a column in view, beside the name, or let it scroll again. */
  pin: (id: ColumnId) => void;
}

/** The columns of the table, which of them stay in view, and their widths. */
export function useColumns(keys: Keys, hasManyExperiments: boolean): Columns {
  const [address, change] = useAddress();
  const chosen = texts(address.cols);
  const pins = texts(address.pin);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the chosen columns by content
  const { columns, pinned } = useMemo(
    () => layoutOf(chosen.length ? chosen : defaultColumns(keys, hasManyExperiments), pins),
    [chosen.join(), pins.join(), keys, hasManyExperiments],
  );
  const widths = useMemo(
    () => Object.fromEntries(Object.entries(address.widths ?? {}).map(([id, width]) => [id, Number(width)])),
    [address.widths],
  );
  const choose = (cols: readonly ColumnId[]) => change({ cols });
  return {
    columns,
    pinned,
    widths,
    choose,
    resize: (id, width) => change({ widths: { ...widths, [id]: width } }, { replace: true }),
    move: (id, to) => {
      const next = movedTo({ columns, pinned }, id, to);
      change({ cols: next.columns, pin: next.columns.slice(1, next.pinned) });
    },
    pin: (id) => change({ pin: switched(pins, id) }),
  };
}

interface Drawn {
  ids: ReadonlySet<string>;
  shown: readonly Shown[];
  colorOf: (row: Row) => string;
  toggle: (id: string) => void;
}

/** Which of the loaded runs are in the charts, and in which colours. */
export function useDrawn(rows: readonly Row[], group: string): Drawn {
  const [address, change] = useAddress();
  const hide = useMemo(() => new Set(texts(address.hide)), [address.hide]);
  const show = useMemo(() => new Set(texts(address.show)), [address.show]);
  const drawn = useMemo(
    () => rows.filter((row, at) => !hide.has(row.id) && (at < CHART_RUNS || show.has(row.id))),
    [rows, hide, show],
  );
  const ids = useMemo(() => new Set(drawn.map((row) => row.id)), [drawn]);
  const look = drawn.map((row) => `${row.id}${row.name}${row.tags[COLOR_TAG] ?? ""}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is drawn changes with these alone
  const shown = useMemo(
    () => shownOf(drawn, (row) => (group && group !== "parent" ? textOf(row, group) : "")),
    [look, group],
  );
  const colors = useMemo(() => new Map(shown.map((run) => [run.id, run.color])), [shown]);
  const toggle = (id: string) => {
    const isFirst = rows.slice(0, CHART_RUNS).some((row) => row.id === id);
    const without = (ids: ReadonlySet<string>) => [...ids].filter((each) => each !== id);
    const isHidden = !ids.has(id);
    change({
      hide: isHidden || !isFirst ? without(hide) : [...without(hide), id],
      show: isHidden && !isFirst ? [...without(show), id] : without(show),
    });
  };
  const colorOf = useCallback((row: Row) => colors.get(row.id) ?? runColor(row), [colors]);
  return { ids, shown, colorOf, toggle };
}

/** An experiment opened without any state takes its default view. */
export function useDefaultView(views: readonly View[]): void {
  const [address, change] = useAddress();
  const isDone = useRef(false);
  useEffect(() => {
    if (isDone.current || views.length === 0) return;
    isDone.current = true;
    const view = views.find((each) => each.isDefault);
    if (view && Object.keys(address).length === 0) change(view.search, { replace: true });
  }, [views, address, change]);
}

/** Ids kept in the address: beyond that many it would be too long for servers, and they are kept by the page alone. */
const MOST_KEPT = 200;

/** A set of ids that a reload and a sent address bring back.
 *
 * The page has its own copy, since the address follows a moment later and keys are faster. An address that this did not write (back,
 * forward, a link) is taken over.
 */
export function useKeptIds(name: string): [ReadonlySet<string>, (ids: ReadonlySet<string>) => void] {
  const [address, change] = useAddress();
  const kept = texts(address[name]);
  const stamp = JSON.stringify(kept);
  const [ids, setIds] = useState<ReadonlySet<string>>(() => new Set(kept));
  const written = useRef([stamp]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the ids by content
  useEffect(() => {
    const at = written.current.indexOf(stamp);
    if (at < 0) setIds(new Set(kept));
    written.current = at < 0 ? [stamp] : written.current.slice(at);
  }, [stamp]);
  const keep = (next: ReadonlySet<string>) => {
    const short = next.size <= MOST_KEPT ? [...next] : [];
    written.current.push(JSON.stringify(short));
    setIds(next);
    change({ [name]: short }, { replace: true });
  };
  return [ids, keep];
}
