/** One run: what went in, what came out, how it went. */
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useCommands } from "@/actions/shortcuts";
import { MetricCharts } from "@/components/charts/MetricCharts";
import { Dialog, TextField } from "@/components/Dialog";
import { ErrorView } from "@/components/ErrorView";
import { Notes } from "@/components/Notes";
import { CopyButton, Skeleton, Status, Time, Trail } from "@/components/parts";
import { Tabs } from "@/components/Tabs";
import { text, useAddress } from "@/core/address";
import { durationOf, isSystemMetric, toRow } from "@/core/columns";
import { formatDuration } from "@/core/format";
import { shownOf } from "@/core/palette";
import { experiment } from "@/queries/experiments";
import { renameRun, run as runOf, tagRuns } from "@/queries/runs";
import { asMap, NOTE, PARENT } from "@/queries/types";
import { Artifacts } from "./Artifacts";
import { Overview } from "./Overview";
import styles from "./RunPage.module.css";

export default function RunPage() {
  const { runId } = useParams({ strict: false }) as { runId: string };
  const [address] = useAddress();
  const { data: run, error, refetch } = useQuery(runOf(runId));
  const { data: parent } = useQuery({ ...experiment(run?.info.experiment_id ?? ""), enabled: run !== undefined });
  const [renaming, setRenaming] = useState(false);
  useCommands(useMemo(() => [{ id: "rename", label: "Rename the run", keys: "e", run: () => setRenaming(true) }], []));
  const row = useMemo(() => (run ? toRow(run) : undefined), [run]);
  const charted = useMemo(() => (row ? shownOf([row]) : []), [row]);
  if (error && !run) return <ErrorView error={error} reset={() => void refetch()} />;
  if (!run || !row) return <Skeleton rows={10} />;
  const { info } = run;
  const tags = asMap(run.data?.tags);
  const metrics = Object.keys(row.metrics).sort();
  const system = metrics.filter(isSystemMetric);
  const tab = text(address.tab, "overview");
  const commit = tags["mlflow.source.git.commit"];
  return (
    <div className="filled-page">
      <Trail
        parts={[
          { label: "Experiments", link: { to: "/" } },
          {
            label: parent?.name ?? info.experiment_id ?? "",
            link: { to: "/experiments/$ids", params: { ids: info.experiment_id ?? "0" } },
          },
          { label: row.name },
        ]}
      />
      <div className={styles.head}>
        <h1 title={row.name}>{row.name}</h1>
        <button type="button" className="button" data-kind="quiet" onClick={() => setRenaming(true)}>
          Rename
        </button>
        <Status status={info.status} />
        <span title="Duration">{formatDuration(durationOf(run))}</span>
        <Time at={info.start_time} />
        <span title="User">{info.user_id}</span>
        {commit && (
          <span className="mono" title={`Commit ${commit}`}>
            {commit.slice(0, 8)}
          </span>
        )}
        {info.lifecycle_stage === "deleted" && <span className="chip">in the trash</span>}
        <span className={styles.id}>
          <code title="Run id">{info.run_id}</code>
          <CopyButton text={info.run_id} label="Copy the run id" />
        </span>
      </div>
      {tags[PARENT] && (
        <p className={styles.parent}>
          Part of{" "}
          <Link to="/runs/$runId" params={{ runId: tags[PARENT] }}>
            its parent run
          </Link>
        </p>
      )}
      <div className={styles.tabs}>
        <Tabs
          label="Parts of the run"
          current={tab}
          tabs={[
            { id: "overview", label: "Overview" },
            { id: "charts", label: "Charts" },
            ...(system.length ? [{ id: "system", label: "System" }] : []),
            { id: "artifacts", label: "Artifacts" },
            { id: "notes", label: "Notes" },
          ]}
        />
      </div>
      <div className={styles.body}>
        {tab === "charts" &&
          (metrics.length > system.length ? (
            <MetricCharts runs={charted} keys={metrics.filter((key) => !isSystemMetric(key))} />
          ) : (
            <p className={styles.none}>This run has logged no metrics.</p>
          ))}
        {tab === "system" && <MetricCharts runs={charted} keys={system} />}
        {tab === "artifacts" && (
          <Artifacts place={{ kind: "run", id: info.run_id }} models={run.outputs?.model_outputs ?? []} />
        )}
        {tab === "notes" && (
          <div className={styles.padded}>
            <Notes
              text={tags[NOTE] ?? ""}
              label="Notes of the run"
              onSave={(note) => tagRuns([info.run_id], NOTE, note)}
            />
          </div>
        )}
        {tab === "overview" && <Overview run={run} row={row} />}
      </div>
      {renaming && <Rename id={info.run_id} name={row.name} close={() => setRenaming(false)} />}
    </div>
  );
}

function Rename({ id, name, close }: { id: string; name: string; close: () => void }) {
  const [next, setNext] = useState(name);
  return (
    <Dialog title="Rename the run" action="Rename" onClose={close} onAct={() => renameRun(id, next)}>
      <TextField label="Name" isMain value={next} onChange={setNext} />
    </Dialog>
  );
}
