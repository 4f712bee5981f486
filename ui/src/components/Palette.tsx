/** The command palette: pages, experiments, models and everything that can be done here, by a few letters. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useMemo, useState } from "react";
import { Dialog as AriaDialog, Modal, ModalOverlay } from "react-aria-components";
import { allCommands, useCommands } from "@/actions/shortcuts";
import type { Command } from "@/actions/types";
import { rank } from "@/core/fuzzy";
import { overview } from "@/queries/experiments";
import { models } from "@/queries/registry";
import styles from "./Palette.module.css";

type Mode = "closed" | "search" | "help";

export interface PaletteState {
  mode: Mode;
  open: () => void;
  close: () => void;
}

export function usePalette(toggleTheme: () => void): PaletteState {
  const [mode, setMode] = useState<Mode>("closed");
  const navigate = useNavigate();
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setMode("search");
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  const commands = useMemo<Command[]>(
    () => [
      { id: "go-experiments", label: "Go to experiments", keys: "g e", run: () => void navigate({ to: "/" }) },
      { id: "go-models", label: "Go to models", keys: "g m", run: () => void navigate({ to: "/models" }) },
      { id: "go-runs", label: "Go to runs", keys: "g r", run: () => void navigate({ to: "/runs" }) },
      { id: "go-trash", label: "Go to the trash", keys: "g t", run: () => void navigate({ to: "/trash" }) },
      { id: "theme", label: "Switch between light and dark", keys: "", run: toggleTheme },
      { id: "help", label: "Show keyboard shortcuts", keys: "?", run: () => setMode("help") },
    ],
    [navigate, toggleTheme],
  );
  useCommands(commands);
  return { mode, open: () => setMode("search"), close: () => setMode("closed") };
}

interface Entry {
  id: string;
  label: string;
  kind: string;
  keys: string;
  run: () => void;
}

export function Palette({ state }: { state: PaletteState }) {
  if (state.mode === "closed") return null;
  return (
    <ModalOverlay isOpen isDismissable onOpenChange={(open) => !open && state.close()} className="overlay">
      <Modal className={`modal ${styles.modal}`}>
        <AriaDialog aria-label={state.mode === "help" ? "Keyboard shortcuts" : "Search"}>
          {state.mode === "help" ? <Help /> : <Search close={state.close} />}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

function Search({ close }: { close: () => void }) {
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const { data: experiments } = useQuery(overview());
  const { data: found } = useQuery(models());
  const entries = useMemo<Entry[]>(
    () => [
      ...allCommands().map((command) => ({ ...command, kind: "command" })),
      ...(experiments ?? []).map(({ experiment }) => ({
        id: `e${experiment.experiment_id}`,
        label: experiment.name,
        kind: "experiment",
        keys: "",
        run: () => void navigate({ to: "/experiments/$ids", params: { ids: experiment.experiment_id } }),
      })),
      ...(found ?? []).map((model) => ({
        id: `m${model.name}`,
        label: model.name,
        kind: "model",
        keys: "",
        run: () => void navigate({ to: "/models/$name", params: { name: model.name } }),
      })),
      ...(/^[0-9a-f]{32}$/.test(text)
        ? [
            {
              id: text,
              label: text,
              kind: "run",
              keys: "",
              run: () => void navigate({ to: "/runs/$runId", params: { runId: text } }),
            },
          ]
        : []),
    ],
    [experiments, found, navigate, text],
  );
  const shown = useMemo(() => rank(entries, text, (entry) => entry.label).slice(0, 50), [entries, text]);
  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    close();
    entry.run();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(at + 1, shown.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(at - 1, 0));
    else if (event.key === "Enter") choose(shown[at]);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        // biome-ignore lint/a11y/noAutofocus: the dialog exists for this field
        autoFocus
        className={styles.input}
        placeholder="Search experiments, models, commands, or paste a run id"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={shown[at] ? `palette-${at}` : undefined}
        aria-label="Search"
        value={text}
        onChange={(event) => {
          setText(event.target.value.trim() === "" ? "" : event.target.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <div id="palette-list" role="listbox" className={styles.list} aria-label="Results">
        {shown.map((entry, index) => (
          <div
            key={entry.id}
            id={`palette-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            className={styles.entry}
            onClick={() => choose(entry)}
            onKeyDown={onKey}
            onMouseMove={() => setAt(index)}
          >
            <span className={styles.label}>{entry.label}</span>
            {entry.keys && <kbd>{entry.keys}</kbd>}
            <span className="muted">{entry.kind}</span>
          </div>
        ))}
        {shown.length === 0 && <p className={styles.none}>Nothing matches.</p>}
      </div>
    </>
  );
}

function Help() {
  const commands = allCommands().filter((command) => command.keys);
  return (
    <div className={styles.help}>
      <h2>Keyboard shortcuts</h2>
      <dl>
        <div>
          <dt>⌘K or Ctrl K</dt>
          <dd>Search everything</dd>
        </div>
        {commands.map((command) => (
          <div key={command.id}>
            <dt>{command.keys}</dt>
            <dd>{command.label}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
