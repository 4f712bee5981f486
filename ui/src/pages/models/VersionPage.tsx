/** One version: where it comes from, where it stands, what it takes and gives. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { ErrorView } from "@/components/ErrorView";
import { Notes } from "@/components/Notes";
import { Code, CopyButton, KeyValues, Skeleton, Status, Time, Trail } from "@/components/parts";
import { formatNumber } from "@/core/format";
import { ModelCard } from "@/pages/run/ModelCard";
import { versionFileUrl } from "@/queries/artifacts";
import { describeVersion, version as versionOf } from "@/queries/registry";
import { run as runOf } from "@/queries/runs";
import { asMap, numberOf } from "@/queries/types";
import { AliasDialog, DeleteVersionDialog, DropAliasDialog, StageDialog } from "./actions";
import { History } from "./History";
import styles from "./Models.module.css";

export default function VersionPage() {
  const { name, version: number } = useParams({ strict: false }) as { name: string; version: string };
  const navigate = useNavigate();
  const { data: version, error, refetch } = useQuery(versionOf(name, number));
  const { data: run } = useQuery({ ...runOf(version?.run_id ?? ""), enabled: Boolean(version?.run_id), retry: false });
  const { data: mlmodel } = useQuery({
    queryKey: ["version-mlmodel", name, number],
    queryFn: async ({ signal }) => {
      const answer = await fetch(versionFileUrl(name, number, "MLmodel"), { signal });
      return answer.ok ? answer.text() : "";
    },
  });
  const [asked, setAsked] = useState<"" | "stage" | "alias" | "delete" | `drop ${string}`>("");
  if (error && !version) return <ErrorView error={error} reset={() => void refetch()} />;
  if (!version) return <Skeleton />;
  const close = () => setAsked("");
  const uri = `models:/${name}/${number}`;
  return (
    <div className="page">
      <Trail
        parts={[
          { label: "Models", link: { to: "/models" } },
          { label: name, link: { to: "/models/$name", params: { name } } },
          { label: `version ${number}` },
        ]}
      />
      <div className="page-head">
        <h1>
          {name} <span className="muted">version {number}</span>
        </h1>
        <span className="chip">{version.current_stage ?? "None"}</span>
        {(version.aliases ?? []).map((alias) => (
          <button
            key={alias}
            type="button"
            className="chip"
            title="Remove this alias"
            onClick={() => setAsked(`drop ${alias}`)}
          >
            @{alias} ✕
          </button>
        ))}
        <button type="button" className="button" data-kind="primary" onClick={() => setAsked("stage")}>
          Move to a stage
        </button>
        <button type="button" className="button" onClick={() => setAsked("alias")}>
          Set an alias
        </button>
        <button type="button" className="button" data-kind="danger" onClick={() => setAsked("delete")}>
          Delete
        </button>
      </div>
      <div className={styles.columns}>
        <section className={`card ${styles.box}`} aria-label="Origin">
          <h2>Origin</h2>
          <KeyValues
            rows={[
              ["Created", <Time key="c" at={version.creation_timestamp} />],
              ["Changed", <Time key="u" at={version.last_updated_timestamp} />],
              ["Status", version.status ?? "READY"],
              ["Source", <code key="s">{version.source}</code>],
              [
                "Run",
                version.run_id ? (
                  <span key="r">
                    <Link to="/runs/$runId" params={{ runId: version.run_id }}>
                      {run?.info.run_name || version.run_id}
                    </Link>{" "}
                    {run && <Status status={run.info.status} showWord={false} />}
                  </span>
                ) : (
                  "–"
                ),
              ],
              ...(run?.inputs?.dataset_inputs ?? []).map((input): [string, string] => [
                "Dataset",
                `${input.dataset.name} ${input.dataset.digest}`,
              ]),
              ...Object.entries(asMap(version.tags)),
            ]}
          />
          {(run?.data?.metrics ?? []).length > 0 && <h2>Metrics of the run</h2>}
          {(run?.data?.metrics ?? []).length > 0 && (
            <KeyValues
              filter
              rows={(run?.data?.metrics ?? []).map((metric): [string, string] => [
                metric.key,
                formatNumber(numberOf(metric.value)),
              ])}
            />
          )}
        </section>
        <div className={styles.stack}>
          {mlmodel && <ModelCard text={mlmodel} uri={uri} urlOf={(file) => versionFileUrl(name, number, file)} />}
          <section className={`card ${styles.box}`} aria-label="Use">
            <h2>Use this version</h2>
            <Code>{[`model = millstream.pyfunc.load_model("${uri}")`, "model.predict(inputs)"].join("\n")}</Code>
            <Code>{`millstream models serve -m "${uri}" --port 5001`}</Code>
            <span>
              <code>{uri}</code> <CopyButton text={uri} label="Copy the URI" />
            </span>
          </section>
          <section className={`card ${styles.box}`} aria-label="Description">
            <h2>Description</h2>
            <Notes
              text={version.description ?? ""}
              label="Description of the version"
              onSave={(note) => describeVersion(name, number, note)}
            />
          </section>
        </div>
        <section className={`card ${styles.box}`} aria-label="History">
          <h2>History</h2>
          <History name={name} version={number} />
        </section>
      </div>
      {asked === "stage" && <StageDialog version={version} close={close} />}
      {asked === "alias" && <AliasDialog version={version} close={close} />}
      {asked === "delete" && (
        <DeleteVersionDialog
          version={version}
          close={close}
          done={() => void navigate({ to: "/models/$name", params: { name } })}
        />
      )}
      {asked.startsWith("drop ") && <DropAliasDialog version={version} alias={asked.slice(5)} close={close} />}
    </div>
  );
}
