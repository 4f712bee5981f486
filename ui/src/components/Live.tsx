import { useLive } from "@/queries/live";
import styles from "./Live.module.css";

const WORDS = {
  connecting: "connecting",
  live: "live",
  lost: "connection lost; what is shown stays, and it is tried again",
};

/** Whether changes arrive by themselves. */
export function Live() {
  const state = useLive();
  return (
    <span className={styles.live} data-state={state} role="status" title={WORDS[state]}>
      <span aria-hidden="true">{state === "lost" ? "○" : "●"}</span>
      <span className={styles.word}>{state === "lost" ? "connection lost" : state}</span>
    </span>
  );
}
