/** The filter with completion; what the server says of a wrong one stands below it. */
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { type Completion, completions, wordAt } from "@/core/complete";
import type { Keys } from "@/queries/experiments";
import styles from "./FilterBox.module.css";

interface Props {
  value: string;
  keys: Keys;
  error: string;
  onChange: (text: string) => void;
}

export function FilterBox({ value, keys, error, onChange }: Props) {
  const [text, setText] = useState(value);
  /** Where the cursor was when the text was typed; null offers nothing. */
  const [cursor, setCursor] = useState<number | null>(null);
  const offered = useMemo(() => (cursor === null ? [] : completions(text, cursor, keys)), [text, cursor, keys]);
  const [at, setAt] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const list = useId();
  useEffect(() => setText(value), [value]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: nothing is picked when other things are offered
  useEffect(() => setAt(-1), [offered]);
  const close = () => setCursor(null);
  const take = (completion: Completion) => {
    const end = input.current?.selectionStart ?? text.length;
    const start = end - wordAt(text, end).length;
    const next = `${text.slice(0, start)}${completion.insert} ${text.slice(end).trimStart()}`;
    flushSync(() => {
      setText(next);
      close();
    }); // at once, so that what is typed next goes behind it
    const place = start + completion.insert.length + 1;
    input.current?.focus();
    input.current?.setSelectionRange(place, place);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" && offered.length) setAt((at + 1) % offered.length);
    else if (event.key === "ArrowUp" && offered.length) setAt((at - 1 + offered.length) % offered.length);
    else if ((event.key === "Enter" || event.key === "Tab") && offered[at]) take(offered[at]);
    else if (event.key === "Enter") {
      close();
      onChange(text.trim());
    } else if (event.key === "Escape") {
      if (offered.length) close();
      else input.current?.blur();
    } else return;
    event.preventDefault();
  };
  return (
    <div className={styles.box}>
      <input
        id="filter"
        ref={input}
        className={`input ${styles.input}`}
        placeholder="Filter runs, such as metrics.loss < 0.2 and params.model = 'mlp'"
        aria-label="Filter runs"
        aria-invalid={error !== ""}
        aria-describedby={error ? `${list}-error` : undefined}
        role="combobox"
        aria-expanded={offered.length > 0}
        aria-controls={list}
        aria-activedescendant={at >= 0 ? `${list}-${at}` : undefined}
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          setCursor(target.selectionStart ?? target.value.length);
        }}
        onKeyDown={onKey}
        onBlur={() => setTimeout(close, 150)}
      />
      {text && (
        <button
          type="button"
          className={`button ${styles.clear}`}
          data-kind="quiet"
          aria-label="Clear the filter"
          onClick={() => {
            setText("");
            onChange("");
          }}
        >
          ✕
        </button>
      )}
      {offered.length > 0 && (
        <div id={list} role="listbox" className={styles.list} aria-label="Completions">
          {offered.map((completion, index) => (
            <div
              key={completion.insert}
              id={`${list}-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === at}
              className={styles.option}
              onMouseDown={(event) => {
                event.preventDefault();
                take(completion);
              }}
            >
              <code>{completion.insert}</code>
              <span className="muted">{completion.hint}</span>
            </div>
          ))}
        </div>
      )}
      {error && (
        <p id={`${list}-error`} role="alert" className={styles.error}>
          {error}
        </p>
      )}
    </div>
  );
}
