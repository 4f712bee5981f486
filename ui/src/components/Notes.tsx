/** A Markdown text that can be read and edited in place. */
import { useState } from "react";
import { messageOf } from "@/core/errors";
import { Markdown } from "./Markdown";
import { say } from "./Toasts";

export function Notes({
  text,
  label,
  onSave,
}: {
  text: string;
  label: string;
  onSave: (text: string) => Promise<unknown>;
}) {
  const [draft, setDraft] = useState<string | null>(null);
  const save = async () => {
    try {
      await onSave(draft ?? "");
      setDraft(null);
      say("Saved");
    } catch (problem) {
      say(messageOf(problem), { isError: true });
    }
  };
  if (draft === null)
    return (
      <div style={{ display: "grid", gap: 10, justifyItems: "start" }}>
        {text ? (
          <Markdown text={text} />
        ) : (
          <p className="muted">No notes yet. They are Markdown, and everybody who sees this page sees them.</p>
        )}
        <button type="button" className="button" onClick={() => setDraft(text)}>
          {text ? "Edit" : "Write notes"}
        </button>
      </div>
    );
  return (
    <div style={{ display: "grid", gap: 10 }}>
      <textarea
        className="input"
        rows={14}
        aria-label={label}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        style={{ fontFamily: "var(--mono)", width: "100%" }}
      />
      <div style={{ display: "flex", gap: 8 }}>
        <button type="button" className="button" data-kind="primary" onClick={() => void save()}>
          Save
        </button>
        <button type="button" className="button" onClick={() => setDraft(null)}>
          Cancel
        </button>
      </div>
      {draft && (
        <div className="card" style={{ padding: 12 }}>
          <Markdown text={draft} />
        </div>
      )}
    </div>
  );
}
