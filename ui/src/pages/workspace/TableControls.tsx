/** Which columns, which groups, which saved view. */
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { Dialog, TextField } from "@/components/Dialog";
import { Icon } from "@/components/Icon";
import { Popover } from "@/components/Popover";
import { act } from "@/components/Toasts";
import { type Column, type ColumnId, ownTags } from "@/core/columns";
import { switched } from "@/core/lists";
import { parseViews, searchOfView, type View, withView } from "@/core/views";
import { type Keys, setExperimentTag } from "@/queries/experiments";
import { type Experiment, VIEWS } from "@/queries/types";
import styles from "./TableControls.module.css";

export function GroupSelect({
  keys,
  value,
  onChange,
}: {
  keys: Keys;
  value: string;
  onChange: (group: string) => void;
}) {
  return (
    <select
      className={`input ${styles.group}`}
      aria-label="Group runs"
      value={value}
      onChange={(event) => onChange(event.target.value)}
    >
      <option value="">No groups</option>
      <option value="parent">By parent run</option>
      <option value="status">By status</option>
      <option value="user">By user</option>
      <optgroup label="By param">
        {keys.params.map((key) => (
          <option key={key} value={`p.${key}`}>
            {key}
          </option>
        ))}
      </optgroup>
      <optgroup label="By tag">
        {ownTags(keys).map((key) => (
          <option key={key} value={`t.${key}`}>
            {key}
          </option>
        ))}
      </optgroup>
    </select>
  );
}

interface Columns {
  all: readonly Column[];
  chosen: readonly ColumnId[];
  /** How many of the chosen are pinned; the first is the name. */
  pinned: number;
  onChange: (columns: ColumnId[]) => void;
  onPin: (id: ColumnId) => void;
}

export function ColumnsButton(props: Columns) {
  return (
    <Popover
      label={
        <>
          <Icon name="columns" size={14} /> Columns
        </>
      }
      title="Columns"
    >
      <ColumnPicker {...props} />
    </Popover>
  );
}

function ColumnPicker({ all, chosen, pinned, onChange, onPin }: Columns) {
  const [text, setText] = useState("");
  const wanted = text.toLowerCase();
  const shown = useMemo(
    () => all.filter((column) => column.id !== "name" && column.label.toLowerCase().includes(wanted)),
    [all, wanted],
  );
  const pins = chosen.slice(0, pinned);
  const setGroup = (columns: readonly Column[], on: boolean) => {
    const ids = columns.map((column) => column.id);
    const rest = chosen.filter((id) => !ids.includes(id));
    onChange(on ? [...rest, ...ids] : rest);
  };
  return (
    <div className={styles.picker}>
      <input
        className="input"
        type="search"
        placeholder="Find a column"
        aria-label="Find a column"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <div className={styles.columns}>
        {(["Run", "Metrics", "Params", "Tags"] as const).map((group) => {
          const inside = shown.filter((column) => column.group === group);
          if (inside.length === 0) return null;
          const areAll = inside.every((column) => chosen.includes(column.id));
          return (
            <fieldset key={group}>
              <legend>
                {group}
                <button type="button" className="button" data-kind="quiet" onClick={() => setGroup(inside, !areAll)}>
                  {areAll ? "none" : "all"}
                </button>
              </legend>
              {inside.slice(0, 300).map((column) => (
                <div key={column.id} className={styles.column}>
                  <label title={column.label}>
                    <input
                      type="checkbox"
                      checked={chosen.includes(column.id)}
                      onChange={() => onChange(switched(chosen, column.id))}
                    />{" "}
                    {column.label}
                  </label>
                  {chosen.includes(column.id) && (
                    <button
                      type="button"
                      className="button"
                      data-kind="quiet"
                      aria-pressed={pins.includes(column.id)}
                      aria-label={`Keep ${column.label} in view`}
                      title="Stays in view, beside the name"
                      onClick={() => onPin(column.id)}
                    >
                      <Icon name="pin" size={13} />
                    </button>
                  )}
                </div>
              ))}
              {inside.length > 300 && <p className="muted">and {inside.length - 300} more; type to find them</p>}
            </fieldset>
          );
        })}
      </div>
      <button type="button" className="button" onClick={() => onChange([])}>
        Back to the default columns
      </button>
    </div>
  );
}

export function ViewsMenu({
  experiment,
  views,
  address,
}: {
  experiment: Experiment;
  views: readonly View[];
  address: Record<string, unknown>;
}) {
  const navigate = useNavigate();
  const [naming, setNaming] = useState(false);
  const store = (next: readonly View[]) => setExperimentTag(experiment.experiment_id, VIEWS, JSON.stringify(next));
  return (
    <>
      <Popover label="Views" title="Saved views">
        <div className={styles.views}>
          {views.map((view) => (
            <div key={view.name} className={styles.view}>
              <button
                type="button"
                className="button"
                data-kind="quiet"
                onClick={() => void navigate({ to: ".", search: view.search })}
              >
                {view.name}
              </button>
              {view.isDefault && <span className="chip">default</span>}
              <button
                type="button"
                className="button"
                data-kind="quiet"
                aria-label={`Delete the view ${view.name}`}
                onClick={() =>
                  void act(() => store(views.filter((each) => each !== view)), `The view ${view.name} is deleted`)
                }
              >
                <Icon name="trash" size={13} />
              </button>
            </div>
          ))}
          {views.length === 0 && (
            <p className="muted">
              A view keeps the filter, the order, the columns and the look of the charts. Everybody who opens this
              experiment sees it.
            </p>
          )}
          <button type="button" className="button" onClick={() => setNaming(true)}>
            Save this view
          </button>
        </div>
      </Popover>
      {naming && (
        <NameView
          close={() => setNaming(false)}
          save={(name, isDefault) =>
            store(withView(parseViews(JSON.stringify(views)), { name, isDefault, search: searchOfView(address) }))
          }
        />
      )}
    </>
  );
}

function NameView({
  close,
  save,
}: {
  close: () => void;
  save: (name: string, isDefault: boolean) => Promise<unknown>;
}) {
  const [name, setName] = useState("");
  const [isDefault, setDefault] = useState(false);
  return (
    <Dialog title="Save this view" action="Save" onClose={close} onAct={() => save(name, isDefault)}>
      <TextField
        label="Name"
        hint="A view of the same name is replaced."
        isMain
        maxLength={80}
        value={name}
        onChange={setName}
      />
      <label>
        <input type="checkbox" checked={isDefault} onChange={(event) => setDefault(event.target.checked)} /> Open the
        experiment with this view
      </label>
    </Dialog>
  );
}
