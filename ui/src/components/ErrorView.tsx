import { ServerError } from "@/queries/client";
import styles from "./ErrorView.module.css";

/** What failed, what is safe, what to do; one button. */
export function ErrorView({ error, reset }: { error: unknown; reset?: () => void }) {
  const message = error instanceof Error ? error.message : String(error);
  const isServer = error instanceof ServerError;
  return (
    <div role="alert" className={styles.box}>
      <strong>
        {isServer ? (error.status === 0 ? "No connection" : "This could not be loaded") : "This page has a fault"}
      </strong>
      <p>{message}</p>
      {!isServer && (
        <p className="muted">Nothing was changed. Load the page again; if it comes back, report it with this text.</p>
      )}
      {reset && (
        <button type="button" className="button" onClick={reset}>
          Try again
        </button>
      )}
    </div>
  );
}
