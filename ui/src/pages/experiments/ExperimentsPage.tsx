/** All experiments: by folders of their names, with what happens in each. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useCommands } from "@/actions/shortcuts";
import { Dialog, TextField } from "@/components/Dialog";
import { ErrorView } from "@/components/ErrorView";
import { Icon } from "@/components/Icon";
import { Empty, HiddenHeading, IconButton, Skeleton, Time, Trail } from "@/components/parts";
import { act } from "@/components/Toasts";
import { text, useAddress } from "@/core/address";
import { formatNumber } from "@/core/format";
import { rank } from "@/core/fuzzy";
import { toggled } from "@/core/sets";
import { countIn, type Folder, toTree } from "@/core/tree";
import { firstRun } from "@/queries/client";
import {
  createExperiment,
  deleteExperiment,
  overview,
  renameExperiment,
  restoreExperiment,
} from "@/queries/experiments";
import type { ExperimentActivity } from "@/queries/types";
import styles from "./ExperimentsPage.module.css";

type Asked = { kind: "create" } | { kind: "rename" | "delete"; of: ExperimentActivity } | null;

export default function ExperimentsPage() {
  const [address, change] = useAddress();
  const { data, error, refetch } = useQuery(overview());
  const [asked, setAsked] = useState<Asked>(null);
  const filter = text(address.q);
  const commands = useMemo(
    () => [
      { id: "new-experiment", label: "New experiment", keys: "n", run: () => setAsked({ kind: "create" }) },
      { id: "filter", label: "Filter", keys: "/", run: () => document.getElementById("filter")?.focus() },
    ],
    [],
  );
  useCommands(commands);
  const shown = useMemo(
    () => (filter ? rank(data ?? [], filter, (each) => each.experiment.name) : (data ?? [])),
    [data, filter],
  );
  const tree = useMemo(() => toTree(filter ? [] : shown, (each) => each.experiment.name), [filter, shown]);
  if (error && !data) return <ErrorView error={error} reset={() => void refetch()} />;
  const isFresh = data !== undefined && data.length <= 1 && data.every((each) => (each.run_count ?? 0) === 0);
  return (
    <div className="page">
      <Trail parts={[{ label: "Experiments" }]} />
      <div className="page-head">
        <h1>Experiments</h1>
        <input
          id="filter"
          className="input"
          type="search"
          placeholder="Filter by name"
          aria-label="Filter by name"
          value={filter}
          onChange={(event) => change({ q: event.target.value }, { replace: true })}
        />
        <button type="button" className="button" data-kind="primary" onClick={() => setAsked({ kind: "create" })}>
          <Icon name="plus" size={14} /> New experiment
        </button>
      </div>
      {data === undefined ? (
        <Skeleton />
      ) : (
        <div className="sideways">
          <table className="table">
            <thead>
              <tr>
                <th>Name</th>
                <th className="number">Runs</th>
                <th>Last run</th>
                <th>Created</th>
                <HiddenHeading>Actions</HiddenHeading>
              </tr>
            </thead>
            <tbody>
              {filter ? (
                shown.map((each) => (
                  <Row key={each.experiment.experiment_id} of={each} depth={0} isWhole ask={setAsked} />
                ))
              ) : (
                <Folders folder={tree} depth={0} ask={setAsked} />
              )}
            </tbody>
          </table>
          {filter && shown.length === 0 && <p className={styles.none}>No experiment's name matches.</p>}
        </div>
      )}
      {isFresh && (
        <Empty title="Log a first run" code={firstRun("first steps")}>
          These lines record a run here. Code that uses MLflow works as it is, with this address as its tracking URI.
        </Empty>
      )}
      {asked && <Question asked={asked} close={() => setAsked(null)} />}
    </div>
  );
}

function Folders({
  folder,
  depth,
  ask,
}: {
  folder: Folder<ExperimentActivity>;
  depth: number;
  ask: (asked: Asked) => void;
}) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  return (
    <>
      {folder.folders.map((inside) => (
        <FolderRows
          key={inside.path}
          folder={inside}
          depth={depth}
          isOpen={!closed.has(inside.path)}
          toggle={() => setClosed(toggled(closed, inside.path))}
          ask={ask}
        />
      ))}
      {folder.items.map((each) => (
        <Row key={each.experiment.experiment_id} of={each} depth={depth} ask={ask} />
      ))}
    </>
  );
}

function FolderRows(props: {
  folder: Folder<ExperimentActivity>;
  depth: number;
  isOpen: boolean;
  toggle: () => void;
  ask: (asked: Asked) => void;
}) {
  const { folder, depth, isOpen, toggle, ask } = props;
  return (
    <>
      <tr>
        <td colSpan={5} style={{ paddingLeft: 8 + depth * 18 }}>
          <button type="button" className={styles.folder} onClick={toggle} aria-expanded={isOpen}>
            <span className={styles.arrow} data-open={isOpen}>
              <Icon name="chevron" size={12} />
            </span>
            <Icon name="folder" size={14} /> {folder.label} <span className="muted">{countIn(folder)}</span>
          </button>
        </td>
      </tr>
      {isOpen && <Folders folder={folder} depth={depth + 1} ask={ask} />}
    </>
  );
}

function Row({
  of,
  depth,
  isWhole,
  ask,
}: {
  of: ExperimentActivity;
  depth: number;
  isWhole?: boolean;
  ask: (asked: Asked) => void;
}) {
  const { experiment } = of;
  const name = experiment.name || "(no name)";
  return (
    <tr>
      <td style={{ paddingLeft: 8 + depth * 18 }} className={styles.name}>
        <Link to="/experiments/$ids" params={{ ids: experiment.experiment_id }} title={name}>
          {isWhole ? name : name.split("/").filter(Boolean).at(-1) || name}
        </Link>
      </td>
      <td className="number">{formatNumber(of.run_count ?? 0)}</td>
      <td>
        <Time at={of.last_start_time} />
      </td>
      <td>
        <Time at={experiment.creation_time} />
      </td>
      <td className={styles.acts}>
        <IconButton icon="edit" title="Rename" label={`Rename ${name}`} onClick={() => ask({ kind: "rename", of })} />
        <IconButton
          icon="trash"
          title="Move to the trash"
          label={`Move ${name} to the trash`}
          onClick={() => ask({ kind: "delete", of })}
        />
      </td>
    </tr>
  );
}

function Question({ asked, close }: { asked: NonNullable<Asked>; close: () => void }) {
  const navigate = useNavigate();
  const [name, setName] = useState(asked.kind === "create" ? "" : asked.of.experiment.name);
  if (asked.kind === "delete") {
    const { experiment, run_count } = asked.of;
    return (
      <Dialog
        title={`Move ${experiment.name} to the trash?`}
        action="Move to the trash"
        isDangerous
        onClose={close}
        onAct={() =>
          act(
            () => deleteExperiment(experiment.experiment_id),
            `${experiment.name} is in the trash`,
            () => restoreExperiment(experiment.experiment_id),
          )
        }
      >
        <p>
          Its {formatNumber(run_count ?? 0)} runs go with it. All of it can be restored from the trash until somebody
          empties it.
        </p>
      </Dialog>
    );
  }
  const isNew = asked.kind === "create";
  return (
    <Dialog
      title={isNew ? "New experiment" : "Rename experiment"}
      action={isNew ? "Create" : "Rename"}
      onClose={close}
      onAct={async () => {
        if (!isNew) return renameExperiment(asked.of.experiment.experiment_id, name);
        const id = await createExperiment(name);
        return navigate({ to: "/experiments/$ids", params: { ids: id } });
      }}
    >
      <TextField
        label="Name"
        hint="Slashes make folders: vision/resnet."
        isMain
        maxLength={500}
        value={name}
        onChange={setName}
      />
    </Dialog>
  );
}
