/** Small parts that many pages use. */
import { Link, type LinkProps } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { createPortal } from "react-dom";
import { formatAgo, formatTime } from "@/core/format";
import { timeZone } from "@/core/preferences";
import type { RunStatus } from "@/queries/types";
import { Icon, type IconName } from "./Icon";
import styles from "./parts.module.css";

/** The page's place in the bar: "Experiments / vision / resnet". Sets the window's title too. */
export function Trail({ parts }: { parts: { label: string; link?: LinkProps }[] }) {
  const [bar, setBar] = useState<HTMLElement | null>(null);
  useEffect(() => setBar(document.getElementById("trail")), []);
  const title = parts.at(-1)?.label ?? "";
  useEffect(() => {
    document.title = title ? `${title} · Millstream` : "Millstream";
  }, [title]);
  if (!bar) return null;
  return createPortal(
    <nav aria-label="Where you are" className={styles.trail}>
      {parts.map((part, at) => (
        <span key={part.label}>
          {at > 0 && <span className="muted"> / </span>}
          {part.link ? (
            <Link {...part.link}>{part.label}</Link>
          ) : (
            <span aria-current="page" title={part.label}>
              {part.label}
            </span>
          )}
        </span>
      ))}
    </nav>,
    bar,
  );
}

const STATUS: Record<string, { mark: string; word: string }> = {
  RUNNING: { mark: "▶", word: "running" },
  SCHEDULED: { mark: "…", word: "scheduled" },
  FINISHED: { mark: "✓", word: "finished" },
  FAILED: { mark: "✕", word: "failed" },
  KILLED: { mark: "■", word: "killed" },
};

/** A run's state, by shape and word as well as by colour. */
export function Status({ status, showWord = true }: { status: RunStatus | string | undefined; showWord?: boolean }) {
  const { mark, word } = STATUS[status ?? ""] ?? { mark: "?", word: status ?? "unknown" };
  return (
    <span className={styles.status} data-status={status} title={word}>
      <span aria-hidden="true">{mark}</span>
      <span className={showWord ? undefined : "visually-hidden"}>{word}</span>
    </span>
  );
}

/** A moment: how long ago, and exactly when on hover.
 *
 * @param isOneOfMany the exact time is written out when the pointer comes, not before: that costs more than all else of a cell.
 */
export function Time({ at, isOneOfMany = false }: { at: number | null | undefined; isOneOfMany?: boolean }) {
  if (at === null || at === undefined) return <span className="muted">–</span>;
  const exact = () => formatTime(at, timeZone());
  return (
    <time
      dateTime={new Date(at).toISOString()}
      title={isOneOfMany ? undefined : exact()}
      onMouseEnter={(event) => {
        event.currentTarget.title = exact();
      }}
    >
      {formatAgo(at)}
    </time>
  );
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <button
      type="button"
      className="button"
      data-kind="quiet"
      title={label}
      onClick={() => void copyText(text).then(() => setDone(true))}
    >
      <Icon name={done ? "check" : "copy"} size={14} />
      <span className="visually-hidden">{done ? "Copied" : label}</span>
    </button>
  );
}

/** Copy where the clipboard may be used; a page served over plain http from elsewhere may not. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** Code to read and to copy. */
export function Code({ children }: { children: string }) {
  return (
    <div className={styles.code}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>{children}</pre>
      <CopyButton text={children} label="Copy the code" />
    </div>
  );
}

/** A button that is a picture, for what is done to one thing of many. */
export function IconButton(props: { icon: IconName; title: string; label: string; onClick: () => void }) {
  return (
    <button type="button" className="button" data-kind="quiet" title={props.title} onClick={props.onClick}>
      <Icon name={props.icon} size={14} />
      <span className="visually-hidden">{props.label}</span>
    </button>
  );
}

/** The heading of a column whose meaning is seen, for those who do not see it. */
export function HiddenHeading({ children }: { children: string }) {
  return (
    <th>
      <span className="visually-hidden">{children}</span>
    </th>
  );
}

/** What to do where there is nothing yet. */
export function Empty({ title, children, code }: { title: string; children?: ReactNode; code?: string }) {
  return (
    <div className={styles.empty}>
      <h2>{title}</h2>
      {children && <div className="muted">{children}</div>}
      {code && <Code>{code}</Code>}
    </div>
  );
}

/** Grey bars in place of what is on its way; only after a moment, so that quick answers do not flicker. */
export function Skeleton({ rows = 6 }: { rows?: number }) {
  return (
    <div className={styles.skeleton} role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: bars have nothing else to tell them apart
        <div key={at} style={{ width: `${90 - ((at * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

/** The two-column list of names and values. */
export function KeyValues({ rows, filter }: { rows: [string, ReactNode][]; filter?: boolean }) {
  const [text, setText] = useState("");
  const wanted = text.toLowerCase();
  const shown = wanted ? rows.filter(([key]) => key.toLowerCase().includes(wanted)) : rows;
  return (
    <div className={styles.keyValues}>
      {filter && rows.length > 8 && (
        <input
          className="input"
          type="search"
          placeholder={`Filter ${rows.length} names`}
          aria-label="Filter names"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      )}
      <dl>
        {shown.map(([key, value]) => (
          <div key={key}>
            <dt title={key}>{key}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {shown.length === 0 && <p className="muted">{rows.length === 0 ? "None" : "No name matches."}</p>}
    </div>
  );
}
