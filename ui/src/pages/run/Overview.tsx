import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { KeyValues, Status, Time } from "@/components/parts";
import { isSystemMetric, isSystemTag, type Row } from "@/core/columns";
import { formatDuration, formatNumber } from "@/core/format";
import { commitUrl } from "@/core/git";
import { loggedModel } from "@/queries/artifacts";
import { summaries } from "@/queries/metrics";
import { versionsOfRun } from "@/queries/registry";
import { childrenOf, children as firstChildren, runCount } from "@/queries/runs";
import { asMap, numberOf, type Run } from "@/queries/types";
import styles from "./RunPage.module.css";

export function Overview({ run, row }: { run: Run; row: Row }) {
  const { info } = run;
  const { data: series } = useQuery(summaries(info.run_id));
  const { data: versions } = useQuery(versionsOfRun(info.run_id));
  const bySeries = new Map((series ?? []).map((each) => [each.key, each]));
  const metrics = Object.keys(row.metrics)
    .filter((key) => !isSystemMetric(key))
    .sort()
    .map((key): [string, ReactNode] => {
      const known = bySeries.get(key);
      const range =
        known?.min && known.max
          ? `least ${formatNumber(numberOf(known.min.value))} at step ${known.min.step ?? 0}, greatest ${formatNumber(numberOf(known.max.value))} at step ${known.max.step ?? 0}, ${known.count} points`
          : "";
      return [
        key,
        <span key={key} title={range} className={styles.metric}>
          <b>{formatNumber(row.metrics[key])}</b>
          {known && known.count > 1 && known.min && known.max && (
            <span className={`muted ${styles.range}`}>
              {formatNumber(numberOf(known.min.value), 4)} … {formatNumber(numberOf(known.max.value), 4)}
            </span>
          )}
        </span>,
      ];
    });
  const params = Object.keys(row.params)
    .sort()
    .map((key): [string, ReactNode] => [key, row.params[key]]);
  const tags = Object.entries(row.tags).filter(([key]) => !isSystemTag(key));
  const link = commitUrl(row.tags["mlflow.source.git.repoURL"], row.tags["mlflow.source.git.commit"]);
  const facts: [string, ReactNode][] = [
    ["Source", row.tags["mlflow.source.name"] ?? "–"],
    ["Type", row.tags["mlflow.source.type"] ?? "–"],
    ["Entry point", row.tags["mlflow.project.entryPoint"]],
    [
      "Commit",
      link ? (
        <a key="commit" href={link} target="_blank" rel="noopener noreferrer">
          {row.tags["mlflow.source.git.commit"]}
        </a>
      ) : (
        row.tags["mlflow.source.git.commit"]
      ),
    ],
    ["Branch", row.tags["mlflow.source.git.branch"]],
    ["Started", <Time key="start" at={info.start_time} />],
    ["Ended", <Time key="end" at={info.end_time} />],
    ["Artifacts", <code key="uri">{info.artifact_uri}</code>],
  ];
  const source = facts.filter(([, value]) => value !== undefined);
  const datasets = run.inputs?.dataset_inputs ?? [];
  const outputs = run.outputs?.model_outputs ?? [];
  return (
    <div className={styles.columns}>
      <section className={`card ${styles.card}`} aria-label="Metrics">
        <h2>Metrics</h2>
        <KeyValues rows={metrics} filter />
      </section>
      <section className={`card ${styles.card}`} aria-label="Params">
        <h2>Params</h2>
        <KeyValues rows={params} filter />
      </section>
      <div className={styles.stack}>
        {(datasets.length > 0 || outputs.length > 0 || (versions ?? []).length > 0) && (
          <section className={`card ${styles.card}`} aria-label="Lineage">
            <h2>Lineage</h2>
            <ul className={styles.rows}>
              {datasets.map((input) => (
                <li key={`${input.dataset.name}${input.dataset.digest}`}>
                  <span className="muted">{asMap(input.tags)["mlflow.data.context"] ?? "input"} →</span> dataset{" "}
                  <b>{input.dataset.name}</b> <code>{input.dataset.digest}</code>{" "}
                  <span className="muted">{shapeOf(input.dataset.profile)}</span>
                </li>
              ))}
              {outputs.map((output) => (
                <ModelLine key={output.model_id} id={output.model_id} />
              ))}
              {(versions ?? []).map((version) => (
                <li key={`${version.name} ${version.version}`}>
                  <span className="muted">registered →</span>{" "}
                  <Link to="/models/$name/$version" params={{ name: version.name, version: version.version }}>
                    {version.name} version {version.version}
                  </Link>{" "}
                  {version.current_stage && version.current_stage !== "None" && (
                    <span className="chip">{version.current_stage}</span>
                  )}
                </li>
              ))}
            </ul>
          </section>
        )}
        <Children of={run} />
        <section className={`card ${styles.card}`} aria-label="Source">
          <h2>Source</h2>
          <KeyValues rows={source} />
          {tags.length > 0 && <h2>Tags</h2>}
          {tags.length > 0 && <KeyValues rows={tags} filter />}
        </section>
      </div>
    </div>
  );
}

/** The first runs below this one, how many there are, and the way to a table of all. */
function Children({ of }: { of: Run }) {
  const search = childrenOf(of);
  const { data: page } = useQuery(firstChildren(of));
  const { data: count } = useQuery({ ...runCount(search), enabled: page !== undefined && page.total === null });
  if (!page || page.runs.length === 0) return null;
  const total = page.total ?? count;
  return (
    <section className={`card ${styles.card}`} aria-label="Child runs">
      <h2>Child runs</h2>
      <p className="muted">
        {page.total !== null
          ? `${formatNumber(total)} ${total === 1 ? "run" : "runs"}`
          : `The first ${formatNumber(page.runs.length)} of ${total === undefined ? "more" : formatNumber(total)} runs`}
        {" · "}
        <Link to="/experiments/$ids" params={{ ids: search.ids.join() }} search={{ filter: search.filter }}>
          show all in a table
        </Link>
      </p>
      <ul className={styles.rows}>
        {page.runs.map((child) => (
          <li key={child.info.run_id}>
            <Status status={child.info.status} showWord={false} />{" "}
            <Link to="/runs/$runId" params={{ runId: child.info.run_id }}>
              {child.info.run_name || child.info.run_id}
            </Link>{" "}
            <span className="muted">
              {child.info.end_time && child.info.start_time
                ? formatDuration(child.info.end_time - child.info.start_time)
                : ""}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function ModelLine({ id }: { id: string }) {
  const { data } = useQuery(loggedModel(id));
  return (
    <li>
      <span className="muted">logged →</span> model{" "}
      <Link to="." search={(before: Record<string, unknown>) => ({ ...before, tab: "artifacts", model: id })}>
        {data?.info.name || id}
      </Link>
    </li>
  );
}

/** "1,257 rows" of a dataset's profile, if it says so. */
function shapeOf(profile: string | null | undefined): string {
  try {
    const found = JSON.parse(profile ?? "{}") as { num_rows?: number };
    return typeof found.num_rows === "number" ? `${found.num_rows.toLocaleString("en-US")} rows` : "";
  } catch {
    return "";
  }
}
