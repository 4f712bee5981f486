/** All registered models: what is in production, and behind which alias. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useCommands } from "@/actions/shortcuts";
import { Dialog, TextField } from "@/components/Dialog";
import { ErrorView } from "@/components/ErrorView";
import { Icon } from "@/components/Icon";
import { Empty, Skeleton, Time, Trail } from "@/components/parts";
import { text, useAddress } from "@/core/address";
import { ServerError } from "@/queries/client";
import { createModel, models } from "@/queries/registry";
import type { RegisteredModel } from "@/queries/types";
import styles from "./Models.module.css";

export default function ModelsPage() {
  const [address, change] = useAddress();
  const words = text(address.q);
  const filter = filterOf(words);
  const { data, error, refetch } = useQuery(models(filter));
  const [creating, setCreating] = useState(false);
  useCommands(
    useMemo(
      () => [
        { id: "new-model", label: "New registered model", keys: "n", run: () => setCreating(true) },
        { id: "filter", label: "Filter models", keys: "/", run: () => document.getElementById("filter")?.focus() },
      ],
      [],
    ),
  );
  const isWrong = error instanceof ServerError && error.status === 400;
  if (error && !data && !isWrong) return <ErrorView error={error} reset={() => void refetch()} />;
  return (
    <div className="page">
      <Trail parts={[{ label: "Models" }]} />
      <div className="page-head">
        <h1>Registered models</h1>
        <input
          id="filter"
          className="input"
          type="search"
          placeholder="Name, or tags.team = 'vision'"
          aria-label="Filter models"
          aria-invalid={isWrong}
          value={words}
          onChange={(event) => change({ q: event.target.value }, { replace: true })}
        />
        <button type="button" className="button" data-kind="primary" onClick={() => setCreating(true)}>
          <Icon name="plus" size={14} /> New model
        </button>
      </div>
      {isWrong && (
        <p role="alert" className={styles.error}>
          {error.message}
        </p>
      )}
      {!data ? (
        !isWrong && <Skeleton />
      ) : data.length === 0 ? (
        words ? (
          <p className="muted">No model matches.</p>
        ) : (
          <Empty
            title="Register a first model"
            code={[
              'info = millstream.sklearn.log_model(model, name="model", input_example=rows)',
              'millstream.register_model(info.model_uri, "churn")',
            ].join("\n")}
          >
            A registered model has versions that count up, stages and aliases by which services load it, and a history
            of every change.
          </Empty>
        )
      ) : (
        <div className="sideways">
          <table className="table">
            <thead>
              <tr>
                <th>Name</th>
                <th>Latest</th>
                <th>Production</th>
                <th>Staging</th>
                <th>Aliases</th>
                <th>Changed</th>
              </tr>
            </thead>
            <tbody>
              {data.map((model) => (
                <Row key={model.name} model={model} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {creating && <Create close={() => setCreating(false)} />}
    </div>
  );
}

/** Plain words search names; anything with an operator is a filter of the server's grammar. */
function filterOf(words: string): string {
  if (!words.trim()) return "";
  return /[=<>']/.test(words) ? words : `name ILIKE '%${words.trim().replaceAll("'", "\\'")}%'`;
}

function Row({ model }: { model: RegisteredModel }) {
  const latest = model.latest_versions ?? [];
  const inStage = (stage: string) =>
    latest.filter((version) => version.current_stage === stage).map((version) => version.version);
  const highest = latest.reduce((most, version) => Math.max(most, Number(version.version)), 0);
  return (
    <tr>
      <td className={styles.name}>
        <Link to="/models/$name" params={{ name: model.name }} title={model.name}>
          {model.name}
        </Link>
      </td>
      <td>{highest ? `version ${highest}` : "–"}</td>
      <td>
        {inStage("Production")
          .map((version) => `version ${version}`)
          .join(", ") || "–"}
      </td>
      <td>
        {inStage("Staging")
          .map((version) => `version ${version}`)
          .join(", ") || "–"}
      </td>
      <td>
        {(model.aliases ?? []).map((alias) => (
          <span key={alias.alias} className="chip">
            @{alias.alias} → {alias.version}
          </span>
        ))}
      </td>
      <td>
        <Time at={model.last_updated_timestamp} />
      </td>
    </tr>
  );
}

function Create({ close }: { close: () => void }) {
  const navigate = useNavigate();
  const [name, setName] = useState("");
  return (
    <Dialog
      title="New registered model"
      action="Create"
      onClose={close}
      onAct={async () => {
        await createModel(name);
        await navigate({ to: "/models/$name", params: { name } });
      }}
    >
      <TextField
        label="Name"
        hint="Services load the model by it: models:/name/Production."
        isMain
        maxLength={256}
        value={name}
        onChange={setName}
      />
    </Dialog>
  );
}
