/** What was deleted and can be brought back. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { ErrorView } from "@/components/ErrorView";
import { Code, Skeleton, Time, Trail } from "@/components/parts";
import { act } from "@/components/Toasts";
import { overview, restoreExperiment } from "@/queries/experiments";
import { restoreRuns, runPages } from "@/queries/runs";
import styles from "./TrashPage.module.css";

export default function TrashPage() {
  const { data: gone, error, refetch } = useQuery(overview("DELETED_ONLY"));
  const { data: active } = useQuery(overview());
  const ids = (active ?? []).slice(0, 100).map((each) => each.experiment.experiment_id);
  const runs = useInfiniteQuery(
    runPages({ ids, filter: "", order: "attributes.start_time DESC", view: "DELETED_ONLY" }),
  );
  if (error && !gone) return <ErrorView error={error} reset={() => void refetch()} />;
  if (!gone) return <Skeleton />;
  const deleted = runs.data?.pages.flatMap((page) => page.runs) ?? [];
  return (
    <div className="page">
      <Trail parts={[{ label: "Trash" }]} />
      <h1>Trash</h1>
      <p className="muted">What is here can be restored until an operator empties the trash:</p>
      <Code>millstream gc --older-than 30d</Code>
      <h2>Experiments</h2>
      {gone.length === 0 ? (
        <p className="muted">None</p>
      ) : (
        <table className="table">
          <thead>
            <tr>
              <th>Name</th>
              <th>Deleted</th>
              <th>
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {gone.map(({ experiment }) => (
              <tr key={experiment.experiment_id}>
                <td title={experiment.name}>{experiment.name}</td>
                <td>
                  <Time at={experiment.last_update_time} />
                </td>
                <td className={styles.acts}>
                  <button
                    type="button"
                    className="button"
                    onClick={() =>
                      void act(() => restoreExperiment(experiment.experiment_id), `${experiment.name} is back`)
                    }
                  >
                    Restore<span className="visually-hidden"> {experiment.name}</span>
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <h2>Runs of experiments that are not deleted</h2>
      {deleted.length === 0 ? (
        <p className="muted">None</p>
      ) : (
        <table className="table">
          <thead>
            <tr>
              <th>Run</th>
              <th>Experiment</th>
              <th>Started</th>
              <th>
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {deleted.map((run) => (
              <tr key={run.info.run_id}>
                <td>{run.info.run_name || run.info.run_id}</td>
                <td>
                  {active?.find((each) => each.experiment.experiment_id === run.info.experiment_id)?.experiment.name}
                </td>
                <td>
                  <Time at={run.info.start_time} />
                </td>
                <td className={styles.acts}>
                  <button
                    type="button"
                    className="button"
                    onClick={() =>
                      void act(() => restoreRuns([run.info.run_id]), `${run.info.run_name ?? "The run"} is back`)
                    }
                  >
                    Restore<span className="visually-hidden"> {run.info.run_name}</span>
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {runs.hasNextPage && (
        <button type="button" className="button" onClick={() => void runs.fetchNextPage()}>
          Show more
        </button>
      )}
    </div>
  );
}
