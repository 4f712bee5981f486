/** What can be done with the selected runs. */
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Dialog, TextField } from "@/components/Dialog";
import { act } from "@/components/Toasts";
import { type ColumnId, type Row, rowsToCsv, rowsToJson } from "@/core/columns";
import { comparisonOf } from "@/core/compare";
import { saveAs } from "@/core/download";
import { formatNumber } from "@/core/format";
import { COLOR_TAG, PALETTE } from "@/core/palette";
import { deleteRuns, restoreRuns, tagRuns, untagRuns } from "@/queries/runs";
import { STAR } from "@/queries/types";
import styles from "./SelectionBar.module.css";

type Asked = "" | "delete" | "tag" | "color";

export function SelectionBar({
  rows,
  others,
  columns,
  clear,
}: {
  rows: readonly Row[];
  /** How many more are selected that the table does not show. */
  others: number;
  columns: readonly ColumnId[];
  clear: () => void;
}) {
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Asked>("");
  const ids = rows.map((row) => row.id);
  const many = `${rows.length} ${rows.length === 1 ? "run" : "runs"}`;
  const areStarred = rows.every((row) => row.tags[STAR] === "true");
  return (
    <div className={styles.bar} role="toolbar" aria-label={`${many} selected`}>
      <b>{many} selected</b>
      {others > 0 && (
        <span className="muted" title="The filter hides them, or they are not loaded: nothing here is done to them.">
          {formatNumber(others)} more not in the table
        </span>
      )}
      <button
        type="button"
        className="button"
        disabled={rows.length < 2}
        onClick={() => void navigate({ to: "/compare", search: comparisonOf(ids) })}
      >
        Compare
      </button>
      <button
        type="button"
        className="button"
        onClick={() =>
          void act(
            () => (areStarred ? untagRuns(ids, STAR) : tagRuns(ids, STAR, "true")),
            areStarred ? "Stars removed" : `${many} starred`,
          )
        }
      >
        {areStarred ? "Unstar" : "Star"}
      </button>
      <button type="button" className="button" onClick={() => setAsked("color")}>
        Colour
      </button>
      <button type="button" className="button" onClick={() => setAsked("tag")}>
        Tag
      </button>
      <button type="button" className="button" onClick={() => saveAs("runs.csv", rowsToCsv(rows, columns), "text/csv")}>
        CSV
      </button>
      <button
        type="button"
        className="button"
        onClick={() => saveAs("runs.json", rowsToJson(rows, columns), "application/json")}
      >
        JSON
      </button>
      <button type="button" className="button" onClick={() => void act(() => saveParquet(rows, columns), "Saved")}>
        Parquet
      </button>
      <button type="button" className="button" data-kind="danger" onClick={() => setAsked("delete")}>
        Move to the trash
      </button>
      <button type="button" className="button" data-kind="quiet" onClick={clear}>
        Clear
      </button>
      {asked === "delete" && (
        <Dialog
          title={`Move ${many} to the trash?`}
          action="Move to the trash"
          isDangerous
          onClose={() => setAsked("")}
          onAct={async () => {
            await act(
              () => deleteRuns(ids),
              `${many} moved to the trash`,
              () => restoreRuns(ids),
            );
            clear();
          }}
        >
          <p>They can be restored from the trash until somebody empties it.</p>
        </Dialog>
      )}
      {asked === "tag" && <TagDialog ids={ids} many={many} close={() => setAsked("")} />}
      {asked === "color" && (
        <Dialog
          title="Colour in charts"
          action="Use the default colours"
          onClose={() => setAsked("")}
          onAct={() => untagColors(rows)}
        >
          <div className={styles.colors}>
            {PALETTE.map((color) => (
              <button
                key={color}
                type="button"
                aria-label={`Colour ${color}`}
                style={{ background: color }}
                onClick={() => {
                  setAsked("");
                  void act(() => tagRuns(ids, COLOR_TAG, color), "Coloured");
                }}
              />
            ))}
          </div>
        </Dialog>
      )}
    </div>
  );
}

async function saveParquet(rows: readonly Row[], columns: readonly ColumnId[]): Promise<void> {
  const { rowsToParquet } = await import("@/core/parquet");
  saveAs("runs.parquet", rowsToParquet(rows, columns), "application/vnd.apache.parquet");
}

const untagColors = (rows: readonly Row[]) =>
  untagRuns(
    rows.filter((row) => COLOR_TAG in row.tags).map((row) => row.id),
    COLOR_TAG,
  );

function TagDialog({ ids, many, close }: { ids: readonly string[]; many: string; close: () => void }) {
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  return (
    <Dialog title={`Tag ${many}`} action="Set the tag" onClose={close} onAct={() => tagRuns(ids, key, value)}>
      <TextField label="Key" isMain maxLength={250} value={key} onChange={setKey} />
      <TextField label="Value" value={value} onChange={setValue} />
    </Dialog>
  );
}
