/** The workspace of experiments: the table of runs, their charts, the notes. All of its state is in the address. */
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useCommands } from "@/actions/shortcuts";
import { MetricCharts } from "@/components/charts/MetricCharts";
import { PlotsTab } from "@/components/charts/PlotsTab";
import { ErrorView } from "@/components/ErrorView";
import { Notes } from "@/components/Notes";
import { Empty, Skeleton, Trail } from "@/components/parts";
import { Tabs } from "@/components/Tabs";
import { text, useAddress } from "@/core/address";
import { allColumns, ownMetrics, type Row } from "@/core/columns";
import { comparisonOf } from "@/core/compare";
import { formatNumber } from "@/core/format";
import { linesOf } from "@/core/grouping";
import { toggled } from "@/core/sets";
import { parseViews } from "@/core/views";
import { firstRun } from "@/queries/client";
import { setExperimentTag } from "@/queries/experiments";
import { asMap, type Experiment, NOTE, VIEWS } from "@/queries/types";
import { FilterBox } from "./FilterBox";
import { RunList } from "./RunList";
import { RunTable, useCursor } from "./RunTable";
import { SelectionBar } from "./SelectionBar";
import { MOST_GROUPED, useColumns, useDefaultView, useDrawn, useKeptIds, useRuns } from "./state";
import { ColumnsButton, GroupSelect, ViewsMenu } from "./TableControls";
import styles from "./Workspace.module.css";

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
  const only = ids.length === 1 ? experiments[0] : undefined;
  const tags = useMemo(() => asMap(only?.tags), [only]);
  const views = useMemo(() => parseViews(tags[VIEWS]), [tags]);
  useDefaultView(views);
  const group = text(address.group);
  const { search, keys, rows: loaded, total, filterError, error, more, refetch } = useRuns(ids, group !== "");
  const rows = useMemo(() => loaded ?? [], [loaded]);
  const [turned, setTurned] = useKeptIds("turned");
  const lines = useMemo(() => linesOf(rows, group, turned), [rows, group, turned]);
  const [selected, setSelected] = useKeptIds("selected");
  // What is done is done to runs that are seen: a filter takes those it hides out of it, and gives them back when it goes.
  const chosen = useMemo(() => rows.filter((row) => selected.has(row.id)), [rows, selected]);
  const [at, move] = useCursor(lines);
  const metrics = useMemo(() => ownMetrics(keys), [keys]);
  const table = useColumns(keys, ids.length > 1);
  const drawn = useDrawn(rows, group);
  const [lifted, setLifted] = useState<string>();
  useRunCommands({
    at,
    chosen,
    move,
    select: (id) => setSelected(toggled(selected, id)),
    draw: drawn.toggle,
  });
  const running = useMemo(() => rows.filter((row) => row.run.info.status === "RUNNING").length, [rows]);
  if (error) return <ErrorView error={error} reset={refetch} />;
  const tab = text(address.tab, "table");
  const name = title ?? (only ? only.name : `${ids.length} experiments`);

  const body = () => {
    if (tab === "notes" && only)
      return (
        <div className={styles.notes}>
          <Notes
            text={tags[NOTE] ?? ""}
            label="Notes of the experiment"
            onSave={(note) => setExperimentTag(only.experiment_id, NOTE, note)}
          />
        </div>
      );
    if (loaded === null && !filterError) return <Skeleton rows={12} />;
    if (total === 0 && !search.filter)
      return (
        <Empty title="No runs yet" code={firstRun(only?.name ?? "Default")}>
          These lines record a run in this experiment.
        </Empty>
      );
    if (tab === "plots") return <PlotsTab rows={rows} keys={keys} total={total ?? 0} />;
    if (tab === "charts")
      return (
        <div className={styles.split}>
          <RunList
            rows={rows}
            shown={drawn.ids}
            metrics={metrics}
            metric={text(address.beside) || metricOf(search.order)}
            onMetric={(beside) => change({ beside })}
            colorOf={drawn.colorOf}
            onToggle={drawn.toggle}
            onLift={setLifted}
            onEnd={more}
          />
          <div className={styles.charts}>
            <MetricCharts runs={drawn.shown} keys={metrics} lifted={lifted} />
          </div>
        </div>
      );
    return (
      <div className={styles.table}>
        {chosen.length > 0 && (
          <SelectionBar
            rows={chosen}
            others={selected.size - chosen.length}
            columns={table.columns}
            clear={() => setSelected(new Set())}
          />
        )}
        <div className={styles.grow}>
          <RunTable
            lines={lines}
            columns={table.columns}
            pinned={table.pinned}
            widths={table.widths}
            order={search.order}
            selected={selected}
            shown={drawn.ids}
            at={at}
            colorOf={drawn.colorOf}
            onOrder={(order) => change({ order })}
            onSelect={setSelected}
            onToggleChart={drawn.toggle}
            onToggleOpen={(id) => setTurned(toggled(turned, id))}
            onWidth={table.resize}
            onMove={table.move}
            onEnd={more}
          />
        </div>
        {filterError === "" && total === 0 && <p className={styles.none}>No run matches the filter.</p>}
      </div>
    );
  };

  return (
    <div className="filled-page">
      <Trail parts={title ? [{ label: title }] : [{ label: "Experiments", link: { to: "/" } }, { label: name }]} />
      <h1 className="visually-hidden">{name}</h1>
      <div className={styles.controls}>
        <FilterBox value={search.filter} keys={keys} error={filterError} onChange={(filter) => change({ filter })} />
        <GroupSelect keys={keys} value={group} onChange={(next) => change({ group: next })} />
        <ColumnsButton
          all={allColumns(keys)}
          chosen={table.columns}
          pinned={table.pinned}
          onChange={table.choose}
          onPin={table.pin}
        />
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
          {group && rows.length < (total ?? 0) && ` · ${groupedOf(rows.length)}`}
        </span>
      </div>
      {body()}
    </div>
  );
}

/** What is said while not all runs are in the groups. */
const groupedOf = (loaded: number): string =>
  loaded < MOST_GROUPED
    ? `grouping, ${formatNumber(loaded)} so far`
    : `the groups are of the first ${formatNumber(loaded)} only: filter for fewer`;

const metricOf = (order: string) => /^metrics\.`(.+)` /.exec(order)?.[1];

/** What the keyboard does with runs. */
function useRunCommands(props: {
  at: string;
  chosen: readonly Row[];
  move: (step: number) => void;
  select: (id: string) => void;
  draw: (id: string) => void;
}): void {
  const { at, chosen, move, select, draw } = props;
  const navigate = useNavigate();
  useCommands([
    { id: "filter", label: "Filter runs", keys: "/", run: () => document.getElementById("filter")?.focus() },
    { id: "down", label: "Next run", keys: "j", run: () => move(1) },
    { id: "up", label: "Previous run", keys: "k", run: () => move(-1) },
    {
      id: "open",
      label: "Open the run",
      keys: "o",
      run: () => at && void navigate({ to: "/runs/$runId", params: { runId: at } }),
    },
    { id: "select", label: "Select the run", keys: "x", run: () => at && select(at) },
    { id: "toggle", label: "Show or hide the run in charts", keys: "v", run: () => at && draw(at) },
    {
      id: "compare",
      label: "Compare the selected runs",
      keys: "c",
      run: () =>
        chosen.length > 1 && void navigate({ to: "/compare", search: comparisonOf(chosen.map((row) => row.id)) }),
    },
  ]);
}
