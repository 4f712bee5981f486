/** What was deleted: it can be brought back, or removed for good. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Dialog } from "@/components/Dialog";
import { ErrorView } from "@/components/ErrorView";
import { Code, Skeleton, Time, Trail } from "@/components/parts";
import { say } from "@/components/Toasts";
import { toRow } from "@/core/columns";
import { overview, restoreExperiment } from "@/queries/experiments";
import { restoreRuns, runPages } from "@/queries/runs";
import { type Doomed, purge } from "@/queries/trash";
import { type Item, TrashTable } from "./TrashTable";

export default function TrashPage() {
  const { data: gone, error, refetch } = useQuery(overview("DELETED_ONLY"));
  const { data: active } = useQuery(overview());
  const [asked, setAsked] = useState<{ kind: keyof Doomed; items: readonly Item[] } | null>(null);
  const ids = (active ?? []).slice(0, 100).map((each) => each.experiment.experiment_id);
  const runs = useInfiniteQuery(
    runPages({ ids, filter: "", order: "attributes.start_time DESC", view: "DELETED_ONLY" }),
  );
  if (error && !gone) return <ErrorView error={error} reset={() => void refetch()} />;
  if (!gone) return <Skeleton />;
  const names = new Map(active?.map(({ experiment }) => [experiment.experiment_id, experiment.name]));
  const deleted = runs.data?.pages.flatMap((page) => page.runs.map(toRow)) ?? [];
  return (
    <div className="page">
      <Trail parts={[{ label: "Trash" }]} />
      <h1>Trash</h1>
      <p className="muted">What is here can be restored until it is deleted for good, here or by an operator:</p>
      <Code>millstream gc --older-than 30d</Code>
      <TrashTable
        title="Experiments"
        headings={["Name", "Deleted"]}
        items={gone.map(({ experiment }) => ({
          id: experiment.experiment_id,
          name: experiment.name,
          cells: [<Time key="deleted" at={experiment.last_update_time} />],
        }))}
        restore={restoreExperiment}
        purge={(items) => setAsked({ kind: "experiments", items })}
      />
      <TrashTable
        title="Runs of experiments that are not deleted"
        headings={["Run", "Experiment", "Started"]}
        items={deleted.map(({ id, name, run: { info } }) => ({
          id,
          name,
          cells: [names.get(info.experiment_id ?? ""), <Time key="started" at={info.start_time} />],
        }))}
        restore={(id) => restoreRuns([id])}
        purge={(items) => setAsked({ kind: "runs", items })}
      />
      {runs.hasNextPage && (
        <button type="button" className="button" onClick={() => void runs.fetchNextPage()}>
          Show more
        </button>
      )}
      {asked && <PurgeDialog {...asked} close={() => setAsked(null)} />}
    </div>
  );
}

function PurgeDialog({ kind, items, close }: { kind: keyof Doomed; items: readonly Item[]; close: () => void }) {
  const what = items.length === 1 ? items[0]?.name : `${items.length} ${kind}`;
  return (
    <Dialog
      title={`Delete ${what} for good?`}
      action="Delete for good"
      isDangerous
      onClose={close}
      onAct={async () => {
        const stays = await purge({ runs: [], experiments: [], [kind]: items.map((item) => item.id) });
        if (stays.length === 0) say(`${what} deleted for good`);
        else say(stays.join(" "), { isError: true });
      }}
    >
      <p>
        {kind === "experiments"
          ? "All runs go with it: their metrics, params, tags and files."
          : "Metrics, params, tags and files go with it."}{" "}
        Nothing of this can be restored. Files that a registered version uses stay.
      </p>
    </Dialog>
  );
}
