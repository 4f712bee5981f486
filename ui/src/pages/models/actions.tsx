/** Changes to versions that ask first: stage, alias, deletion. */
import { useState } from "react";
import { Dialog, Field, TextField } from "@/components/Dialog";
import { say } from "@/components/Toasts";
import { deleteAlias, deleteVersion, moveToStage, STAGES, type Stage, setAlias } from "@/queries/registry";
import type { ModelVersion } from "@/queries/types";

export function StageDialog({ version, close }: { version: ModelVersion; close: () => void }) {
  const [stage, setStage] = useState<Stage>(version.current_stage === "Production" ? "Archived" : "Production");
  const [archive, setArchive] = useState(true);
  const [comment, setComment] = useState("");
  const isServing = stage === "Production" || stage === "Staging";
  return (
    <Dialog
      title={`Move version ${version.version} of ${version.name}`}
      action={`Move to ${stage}`}
      onClose={close}
      onAct={async () => {
        await moveToStage(version.name, version.version, stage, archive, comment);
        say(`Version ${version.version} is in ${stage}`);
      }}
    >
      <p>
        It is in {version.current_stage ?? "None"} now. Services that load the model by its stage get the other version
        from their next look on.
      </p>
      <Field label="Stage">
        <select className="input" value={stage} onChange={(event) => setStage(event.target.value as Stage)}>
          {STAGES.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </Field>
      {isServing && (
        <label>
          <input type="checkbox" checked={archive} onChange={(event) => setArchive(event.target.checked)} /> Archive the
          versions that are in {stage} now
        </label>
      )}
      <TextField label="Comment" hint="Kept in the history." value={comment} onChange={setComment} />
    </Dialog>
  );
}

export function AliasDialog({ version, close }: { version: ModelVersion; close: () => void }) {
  const [alias, setName] = useState("");
  const [comment, setComment] = useState("");
  return (
    <Dialog
      title={`Alias for version ${version.version} of ${version.name}`}
      action="Set the alias"
      onClose={close}
      onAct={async () => {
        await setAlias(version.name, alias, version.version, comment);
        say(`@${alias} is version ${version.version}`);
      }}
    >
      <TextField
        label="Alias"
        hint={`Services load models:/${version.name}@${alias || "alias"}. An alias that another version has moves here.`}
        isMain
        maxLength={255}
        value={alias}
        onChange={setName}
      />
      <TextField label="Comment" hint="Kept in the history." value={comment} onChange={setComment} />
    </Dialog>
  );
}

export function DropAliasDialog({
  version,
  alias,
  close,
}: {
  version: ModelVersion;
  alias: string;
  close: () => void;
}) {
  return (
    <Dialog
      title={`Remove the alias @${alias}?`}
      action="Remove the alias"
      isDangerous
      onClose={close}
      onAct={() => deleteAlias(version.name, alias)}
    >
      <p>
        Services that load models:/{version.name}@{alias} will find nothing.
      </p>
    </Dialog>
  );
}

export function DeleteVersionDialog({
  version,
  close,
  done,
}: {
  version: ModelVersion;
  close: () => void;
  done?: () => void;
}) {
  return (
    <Dialog
      title={`Delete version ${version.version} of ${version.name}?`}
      action="Delete for good"
      isDangerous
      onClose={close}
      onAct={async () => {
        await deleteVersion(version.name, version.version);
        done?.();
      }}
    >
      <p>The version and its aliases go for good; its number is not used again. The run and its files stay.</p>
    </Dialog>
  );
}
