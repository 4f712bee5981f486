/** One line at the bottom after an act, with its undo. */
import { useSyncExternalStore } from "react";
import { messageOf } from "@/core/errors";
import styles from "./Toasts.module.css";

interface Toast {
  id: number;
  text: string;
  isError: boolean;
  undo?: () => Promise<unknown>;
}

let toasts: readonly Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();

function change(to: readonly Toast[]): void {
  toasts = to;
  for (const listener of listeners) listener();
}

const drop = (id: number) => change(toasts.filter((toast) => toast.id !== id));

export function say(text: string, options: { undo?: () => Promise<unknown>; isError?: boolean } = {}): void {
  const toast: Toast = {
    id: next++,
    text,
    isError: options.isError ?? false,
    ...(options.undo ? { undo: options.undo } : {}),
  };
  change([...toasts.slice(-2), toast]);
  setTimeout(() => drop(toast.id), toast.isError ? 12_000 : 8_000);
}

/** Do something, say how it went. */
export async function act(doing: () => Promise<unknown>, done: string, undo?: () => Promise<unknown>): Promise<void> {
  try {
    await doing();
    say(done, undo ? { undo } : {});
  } catch (problem) {
    say(messageOf(problem), { isError: true });
  }
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className={styles.stack} role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={styles.toast} data-error={toast.isError}>
          <span>{toast.text}</span>
          {toast.undo && (
            <button
              type="button"
              className="button"
              onClick={() => {
                drop(toast.id);
                void act(toast.undo as () => Promise<unknown>, "Undone");
              }}
            >
              Undo
            </button>
          )}
          <button
            type="button"
            className="button"
            data-kind="quiet"
            onClick={() => drop(toast.id)}
            aria-label="Dismiss"
          >
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
