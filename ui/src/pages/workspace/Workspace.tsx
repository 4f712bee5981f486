/** The workspace of experiments: the table of runs, their charts, the notes. All of its state is in the address. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useCommands } from "@/actions/shortcuts";
import { MetricCharts, type Shown } from "@/components/charts/MetricCharts";
import { PlotsTab } from "@/components/charts/PlotsTab";
import { ErrorView } from "@/components/ErrorView";
import { Notes } from "@/components/Notes";
import { Empty, Skeleton, Status, Trail } from "@/components/parts";
import { Tabs } from "@/components/Tabs";
import { text, texts, useAddress } from "@/core/address";
import { allColumns, type ColumnId, defaultColumns, type Row, textOf, toRow } from "@/core/columns";
import { formatNumber } from "@/core/format";
import { linesOf } from "@/core/grouping";
import { COLOR_TAG, runColor } from "@/core/palette";
import { parseViews } from "@/core/views";
import { ROOT, ServerError } from "@/queries/client";
import { type Keys, keys as keysOf, setExperimentTag } from "@/queries/experiments";
import { runCount, runPages, searchAt } from "@/queries/runs";
import { asMap, type Experiment, NOTE, VIEWS } from "@/queries/types";
import { FilterBox } from "./FilterBox";
import { RunTable, useCursor } from "./RunTable";
import { SelectionBar } from "./SelectionBar";
import { ColumnsButton, GroupSelect, ViewsMenu } from "./TableControls";
import styles from "./Workspace.module.css";

const NO_KEYS: Keys = { metrics: [], params: [], tags: [] };
const CHART_RUNS = 10;

export function Workspace({
  ids,
  experiments,
  title,
}: {
  ids: readonly string[];
  experiments: readonly Experiment[];
  title?: string;
}) {
  const [address, change] = useAddress();
  const navigate = useNavigate();
  const only = ids.length === 1 ? experiments[0] : undefined;
  const tags = useMemo(() => asMap(only?.tags), [only]);
  const views = useMemo(() => parseViews(tags[VIEWS]), [tags]);
  useDefaultView(views, address, change);

  const search = useMemo(
    () => searchAt(ids, { filter: address.filter, order: address.order }),
    [ids, address.filter, address.order],
  );
  const pages = useInfiniteQuery(runPages(search));
  const { data: keys = NO_KEYS } = useQuery(keysOf(ids));
  const rows = useMemo<Row[]>(() => pages.data?.pages.flatMap((page) => page.runs.map(toRow)) ?? [], [pages.data]);
  const first = pages.isPlaceholderData ? undefined : pages.data?.pages[0];
  const { data: count = null } = useQuery({
    ...runCount(search),
    enabled: first !== undefined && first.total === null,
  });
  const total = first?.total ?? count;
  const more = useCallback(() => {
    if (pages.hasNextPage && !pages.isFetchingNextPage) void pages.fetchNextPage();
  }, [pages]);

  const group = text(address.group);
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const lines = useMemo(() => linesOf(rows, group, toggled), [rows, group, toggled]);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [at, move, setAt] = useCursor(lines);

  const chosen = texts(address.cols);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the chosen columns by content
  const columns = useMemo<ColumnId[]>(
    () => (chosen.length ? chosen : defaultColumns(keys, ids.length > 1)),
    [chosen.join(), keys, ids.length],
  );
  const widths = useMemo(
    () =>
      Object.fromEntries(
        Object.entries((address.widths as object | undefined) ?? {}).map(([id, width]) => [id, Number(width)]),
      ),
    [address.widths],
  );

  const isHidden = (id: string, index: number) => (hide.has(id) ? true : show.has(id) ? false : index >= CHART_RUNS);
  const hide = useMemo(() => new Set(texts(address.hide)), [address.hide]);
  const show = useMemo(() => new Set(texts(address.show)), [address.show]);
  const hidden = new Set(rows.filter((row, index) => isHidden(row.id, index)).map((row) => row.id));
  const toggleChart = (id: string) => {
    const index = rows.findIndex((row) => row.id === id);
    const nextHide = new Set(hide);
    const nextShow = new Set(show);
    nextHide.delete(id);
    nextShow.delete(id);
    if (hidden.has(id)) {
      if (index >= CHART_RUNS) nextShow.add(id);
    } else if (index < CHART_RUNS) nextHide.add(id);
    change({ hide: [...nextHide], show: [...nextShow] });
  };
  const shownKey = rows
    .filter((row) => !hidden.has(row.id))
    .map((row) => `${row.id}${row.name}${row.tags[COLOR_TAG] ?? ""}`)
    .join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is drawn changes with these alone
  const inCharts = useMemo<Shown[]>(
    () =>
      rows
        .filter((row) => !hidden.has(row.id))
        .map((row) => ({
          id: row.id,
          label: row.name,
          color: runColor(row.id, row.tags[COLOR_TAG]),
          start: row.run.info.start_time ?? 0,
          group: group && group !== "parent" ? textOf(row, group) : "",
        })),
    [shownKey, group],
  );
  const [lifted, setLifted] = useState<string>();

  const toggleSelect = (id: string) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    setSelected(next);
  };
  useCommands(
    // biome-ignore lint/correctness/useExhaustiveDependencies: they use what is on the page now
    useMemo(
      () => [
        { id: "filter", label: "Filter runs", keys: "/", run: () => document.getElementById("filter")?.focus() },
        { id: "down", label: "Next run", keys: "j", run: () => void move(1) },
        { id: "up", label: "Previous run", keys: "k", run: () => void move(-1) },
        {
          id: "open",
          label: "Open the run",
          keys: "o",
          run: () => at && void navigate({ to: "/runs/$runId", params: { runId: at } }),
        },
        { id: "select", label: "Select the run", keys: "x", run: () => at && toggleSelect(at) },
        { id: "toggle", label: "Show or hide the run in charts", keys: "v", run: () => at && toggleChart(at) },
        {
          id: "compare",
          label: "Compare the selected runs",
          keys: "c",
          run: () => selected.size > 1 && void navigate({ to: "/compare", search: { runs: [...selected] } }),
        },
      ],
      [at, selected, hidden, lines],
    ),
  );

  const filterError = pages.error instanceof ServerError && pages.error.status === 400 ? pages.error.message : "";
  const tab = text(address.tab, "table");
  const name = title ?? (only ? only.name : `${ids.length} experiments`);
  const metrics = keys.metrics.filter((key) => !key.startsWith("system/"));
  if (pages.error && !pages.data && !filterError)
    return <ErrorView error={pages.error} reset={() => void pages.refetch()} />;
  const running = rows.filter((row) => row.run.info.status === "RUNNING").length;
  const selectedRows = rows.filter((row) => selected.has(row.id));
  return (
    <div className={styles.page}>
      <Trail parts={title ? [{ label: title }] : [{ label: "Experiments", link: { to: "/" } }, { label: name }]} />
      <h1 className="visually-hidden">{name}</h1>
      <div className={styles.controls}>
        <FilterBox value={search.filter} keys={keys} error={filterError} onChange={(filter) => change({ filter })} />
        <GroupSelect keys={keys} value={group} onChange={(next) => change({ group: next })} />
        <ColumnsButton all={allColumns(keys)} chosen={columns} onChange={(cols) => change({ cols })} />
        {only && <ViewsMenu experiment={only} views={views} address={address} />}
      </div>
      <div className={styles.tabs}>
        <Tabs
          label="Views of the runs"
          current={tab}
          tabs={[
            { id: "table", label: "Table" },
            { id: "charts", label: "Charts" },
            { id: "plots", label: "Plots" },
            ...(only ? [{ id: "notes", label: "Notes" }] : []),
          ]}
        />
        <span className="muted" role="status">
          {total === null ? "" : `${formatNumber(total)} ${total === 1 ? "run" : "runs"}`}
          {running > 0 && ` · ${running} running`}
          {group && rows.length < (total ?? 0) && ` · grouped by the ${formatNumber(rows.length)} loaded`}
        </span>
      </div>
      {tab === "notes" && only ? (
        <div className={styles.notes}>
          <Notes
            text={tags[NOTE] ?? ""}
            label="Notes of the experiment"
            onSave={(note) => setExperimentTag(only.experiment_id, NOTE, note)}
          />
        </div>
      ) : pages.data === undefined && !filterError ? (
        <Skeleton rows={12} />
      ) : total === 0 && !search.filter ? (
        <Empty title="No runs yet" code={firstRun(only?.name ?? "Default")}>
          These lines record a run in this experiment.
        </Empty>
      ) : tab === "charts" ? (
        <div className={styles.split}>
          <RunList
            rows={rows}
            hidden={hidden}
            metric={metricOf(search.order)}
            onToggle={toggleChart}
            onLift={setLifted}
            onEnd={more}
          />
          <div className={styles.charts}>
            <MetricCharts runs={inCharts} keys={metrics} lifted={lifted} />
          </div>
        </div>
      ) : tab === "plots" ? (
        <PlotsTab rows={rows} keys={keys} total={total ?? 0} />
      ) : (
        <div className={styles.table}>
          {selected.size > 0 && (
            <SelectionBar rows={selectedRows} columns={columns} clear={() => setSelected(new Set())} />
          )}
          <div className={styles.grow}>
            <RunTable
              entries={lines}
              columns={columns}
              widths={widths}
              order={search.order}
              selected={selected}
              hidden={hidden}
              at={at}
              onOrder={(order) => change({ order })}
              onSelect={setSelected}
              onToggleChart={toggleChart}
              onToggleOpen={(id) => {
                const next = new Set(toggled);
                if (!next.delete(id)) next.add(id);
                setToggled(next);
              }}
              onWidth={(id, width) => change({ widths: { ...widths, [id]: width } }, { replace: true })}
              onMove={(id, before) => change({ cols: moved(columns, id, before) })}
              onAt={setAt}
              onEnd={more}
            />
          </div>
          {filterError === "" && total === 0 && <p className={styles.none}>No run matches the filter.</p>}
        </div>
      )}
    </div>
  );
}

const metricOf = (order: string) => /^metrics\.`(.+)` /.exec(order)?.[1];

function moved(columns: readonly ColumnId[], id: ColumnId, before: ColumnId): ColumnId[] {
  if (!id || id === before || !columns.includes(id)) return [...columns];
  const rest = columns.filter((each) => each !== id);
  rest.splice(Math.max(1, rest.indexOf(before)), 0, id);
  return rest;
}

const firstRun = (name: string) =>
  [
    "import millstream",
    "",
    `millstream.set_tracking_uri("${location.origin}${ROOT}")`,
    `millstream.set_experiment(${JSON.stringify(name)})`,
    "with millstream.start_run():",
    '    millstream.log_metric("accuracy", 0.9)',
  ].join("\n");

/** An experiment opened without any state takes its default view. */
function useDefaultView(
  views: ReturnType<typeof parseViews>,
  address: Record<string, unknown>,
  change: (changes: Record<string, unknown>, options?: { replace?: boolean }) => void,
) {
  const isDone = useRef(false);
  useEffect(() => {
    if (isDone.current || views.length === 0) return;
    isDone.current = true;
    const view = views.find((each) => each.isDefault);
    if (view && Object.keys(address).length === 0) change(view.search, { replace: true });
  }, [views, address, change]);
}

/** The runs beside the charts: which are drawn, and how the chosen metric stands. */
function RunList(props: {
  rows: readonly Row[];
  hidden: ReadonlySet<string>;
  metric: string | undefined;
  onToggle: (id: string) => void;
  onLift: (id?: string) => void;
  onEnd: () => void;
}) {
  const { rows, hidden, metric, onToggle, onLift, onEnd } = props;
  return (
    <ul
      className={styles.list}
      aria-label="Runs in charts"
      onScroll={({ currentTarget: box }) => box.scrollHeight - box.scrollTop - box.clientHeight < 300 && onEnd()}
    >
      {rows.slice(0, 500).map((row) => {
        const color = runColor(row.id, row.tags[COLOR_TAG]);
        const isShown = !hidden.has(row.id);
        return (
          <li key={row.id} onMouseEnter={() => onLift(row.id)} onMouseLeave={() => onLift(undefined)}>
            <button
              type="button"
              aria-pressed={isShown}
              onClick={() => onToggle(row.id)}
              onFocus={() => onLift(row.id)}
              onBlur={() => onLift(undefined)}
              title={row.name}
            >
              <i style={isShown ? { background: color, borderColor: color } : { borderColor: color }} />
              <span>{row.name}</span>
              {metric && <b>{formatNumber(row.metrics[metric], 4)}</b>}
              <Status status={row.run.info.status} showWord={false} />
            </button>
          </li>
        );
      })}
    </ul>
  );
}
