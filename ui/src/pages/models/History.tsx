/** Who changed what, when, from what to what, and why. */
import { useQuery } from "@tanstack/react-query";
import { ErrorView } from "@/components/ErrorView";
import { Skeleton, Time } from "@/components/parts";
import { history } from "@/queries/registry";
import type { RegistryChange } from "@/queries/types";
import styles from "./Models.module.css";

export function History({ name, version }: { name: string; version?: string }) {
  const { data, error, refetch } = useQuery(history(name, version));
  if (error && !data) return <ErrorView error={error} reset={() => void refetch()} />;
  if (!data) return <Skeleton rows={4} />;
  if (data.length === 0) return <p className="muted">Nothing has changed since it was made.</p>;
  return (
    <ol className={styles.timeline} reversed>
      {data.map((change) => (
        <li key={change.change_id}>
          <div>{sentence(change)}</div>
          <div className="muted">
            <Time at={change.timestamp} />
            {change.user_id ? ` by ${change.user_id}` : ""}
          </div>
          {change.comment && <blockquote>{change.comment}</blockquote>}
        </li>
      ))}
    </ol>
  );
}

/** A change in words: "version 3: stage None → Production". */
function sentence(change: RegistryChange): string {
  const what = String(change.action).toLowerCase().replaceAll("_", " ");
  const where = change.version ? `Version ${change.version}: ` : "";
  const key = change.key ? ` ${change.key}` : "";
  const cut = (text: string) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
  const from = change.from_value;
  const to = change.to_value;
  const values =
    from !== undefined && from !== null && to !== undefined && to !== null
      ? `: ${cut(from)} → ${cut(to)}`
      : to
        ? `: ${cut(to)}`
        : from
          ? `: ${cut(from)} →`
          : "";
  return `${where}${what}${key}${values}`;
}
