/** One registered model: what is in use, its versions, its history. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { Dialog, TextField } from "@/components/Dialog";
import { ErrorView } from "@/components/ErrorView";
import { Notes } from "@/components/Notes";
import { Code, Empty, HiddenHeading, KeyValues, Skeleton, Time, Trail } from "@/components/parts";
import { Tabs } from "@/components/Tabs";
import { text, texts, useAddress } from "@/core/address";
import { deleteModel, describeModel, model as modelOf, versions as versionsOf } from "@/queries/registry";
import { asMap, type ModelVersion } from "@/queries/types";
import { AliasDialog, DeleteVersionDialog, StageDialog } from "./actions";
import { CompareVersions } from "./CompareVersions";
import { History } from "./History";
import styles from "./Models.module.css";

type Asked = { kind: "stage" | "alias" | "delete"; version: ModelVersion } | { kind: "delete-model" } | null;

export default function ModelPage() {
  const { name } = useParams({ strict: false }) as { name: string };
  const [address, change] = useAddress();
  const { data: model, error, refetch } = useQuery(modelOf(name));
  const { data: versions } = useQuery(versionsOf(name));
  const [asked, setAsked] = useState<Asked>(null);
  if (error && !model) return <ErrorView error={error} reset={() => void refetch()} />;
  if (!model || !versions) return <Skeleton />;
  const aliases = model.aliases ?? [];
  const aliasesOf = (version: string) =>
    aliases.filter((alias) => alias.version === version).map((alias) => alias.alias);
  const inUse = [
    ...(["Production", "Staging"] as const).flatMap((stage) =>
      versions
        .filter((version) => version.current_stage === stage)
        .map((version) => ({ label: stage, version: version.version })),
    ),
    ...aliases.map((alias) => ({ label: `@${alias.alias}`, version: alias.version })),
  ];
  const tab = text(address.tab, "versions");
  const compared = texts(address.versions);
  const tags = Object.entries(asMap(model.tags));
  return (
    <div className="page">
      <Trail parts={[{ label: "Models", link: { to: "/models" } }, { label: name }]} />
      <div className="page-head">
        <h1>{name}</h1>
        <button type="button" className="button" data-kind="danger" onClick={() => setAsked({ kind: "delete-model" })}>
          Delete
        </button>
      </div>
      {inUse.length > 0 && (
        <section className={styles.now} aria-label="In use">
          {inUse.map((use) => (
            <div key={`${use.label} ${use.version}`} className="card">
              <span className="muted">{use.label}</span>
              <b>
                <Link to="/models/$name/$version" params={{ name, version: use.version }}>
                  version {use.version}
                </Link>
              </b>
            </div>
          ))}
        </section>
      )}
      <Tabs
        label="Parts of the model"
        current={tab}
        tabs={[
          { id: "versions", label: `Versions ${versions.length}` },
          { id: "history", label: "History" },
          { id: "about", label: "About" },
          ...(compared.length > 1 ? [{ id: "compare", label: "Compare" }] : []),
        ]}
      />
      {tab === "history" && <History name={name} />}
      {tab === "about" && (
        <div className={styles.columns}>
          <Notes
            text={model.description ?? ""}
            label="Description of the model"
            onSave={(note) => describeModel(name, note)}
          />
          <div className={`card ${styles.box}`}>
            <KeyValues
              rows={[
                ["Created", <Time key="c" at={model.creation_timestamp} />],
                ["Changed", <Time key="u" at={model.last_updated_timestamp} />],
                ...tags,
              ]}
            />
          </div>
        </div>
      )}
      {tab === "compare" && (
        <CompareVersions versions={versions.filter((version) => compared.includes(version.version))} />
      )}
      {tab === "versions" &&
        (versions.length === 0 ? (
          <Empty
            title="No versions yet"
            code={`millstream.register_model("models:/<model id>", ${JSON.stringify(name)})`}
          />
        ) : (
          <>
            <div className="sideways">
              <table className="table">
                <thead>
                  <tr>
                    <HiddenHeading>Compare</HiddenHeading>
                    <th>Version</th>
                    <th>Stage</th>
                    <th>Aliases</th>
                    <th>Created</th>
                    <th>Run</th>
                    <th>Description</th>
                    <HiddenHeading>Actions</HiddenHeading>
                  </tr>
                </thead>
                <tbody>
                  {versions.map((version) => (
                    <tr key={version.version}>
                      <td>
                        <input
                          type="checkbox"
                          aria-label={`Compare version ${version.version}`}
                          checked={compared.includes(version.version)}
                          onChange={(event) =>
                            change({
                              versions: event.target.checked
                                ? [...compared, version.version]
                                : compared.filter((each) => each !== version.version),
                            })
                          }
                        />
                      </td>
                      <td>
                        <Link to="/models/$name/$version" params={{ name, version: version.version }}>
                          version {version.version}
                        </Link>
                      </td>
                      <td>
                        {version.current_stage === "None" || !version.current_stage ? (
                          <span className="muted">None</span>
                        ) : (
                          <span className="chip">{version.current_stage}</span>
                        )}
                      </td>
                      <td>
                        {aliasesOf(version.version).map((alias) => (
                          <span key={alias} className="chip">
                            @{alias}
                          </span>
                        ))}
                      </td>
                      <td>
                        <Time at={version.creation_timestamp} />
                      </td>
                      <td>
                        {version.run_id ? (
                          <Link to="/runs/$runId" params={{ runId: version.run_id }} className="mono">
                            {version.run_id.slice(0, 8)}
                          </Link>
                        ) : (
                          "–"
                        )}
                      </td>
                      <td className={styles.name} title={version.description ?? ""}>
                        {version.description}
                      </td>
                      <td className={styles.acts}>
                        <button type="button" className="button" onClick={() => setAsked({ kind: "stage", version })}>
                          Stage<span className="visually-hidden"> of version {version.version}</span>
                        </button>{" "}
                        <button type="button" className="button" onClick={() => setAsked({ kind: "alias", version })}>
                          Alias<span className="visually-hidden"> for version {version.version}</span>
                        </button>{" "}
                        <button
                          type="button"
                          className="button"
                          data-kind="quiet"
                          onClick={() => setAsked({ kind: "delete", version })}
                        >
                          Delete<span className="visually-hidden"> version {version.version}</span>
                        </button>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
            {compared.length > 1 && (
              <button type="button" className="button" onClick={() => change({ tab: "compare" })}>
                Compare {compared.length} versions
              </button>
            )}
            <Code>{`model = millstream.pyfunc.load_model("models:/${name}/${versions[0]?.version}")`}</Code>
          </>
        ))}
      {asked?.kind === "stage" && <StageDialog version={asked.version} close={() => setAsked(null)} />}
      {asked?.kind === "alias" && <AliasDialog version={asked.version} close={() => setAsked(null)} />}
      {asked?.kind === "delete" && <DeleteVersionDialog version={asked.version} close={() => setAsked(null)} />}
      {asked?.kind === "delete-model" && (
        <DeleteModel name={name} count={versions.length} close={() => setAsked(null)} />
      )}
    </div>
  );
}

function DeleteModel({ name, count, close }: { name: string; count: number; close: () => void }) {
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  return (
    <Dialog
      title={`Delete ${name}?`}
      action="Delete for good"
      isDangerous
      onClose={close}
      onAct={async () => {
        if (typed !== name) throw new Error("The name that you typed is another one.");
        await deleteModel(name, () => navigate({ to: "/models" }));
      }}
    >
      <p>The model, its {count} versions, aliases and history go for good. Runs and files stay.</p>
      <TextField label={`Type ${name} to confirm`} value={typed} onChange={setTyped} />
    </Dialog>
  );
}
