/** Versions side by side, by the params and metrics of the runs that made them. */
import { useQueries } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { toRow } from "@/core/columns";
import { comparedAll } from "@/core/compare";
import { run as runOf } from "@/queries/runs";
import type { ModelVersion } from "@/queries/types";
import styles from "./Models.module.css";

export function CompareVersions({ versions }: { versions: readonly ModelVersion[] }) {
  const withRuns = versions.filter((version) => version.run_id);
  const runs = useQueries({ queries: withRuns.map((version) => runOf(version.run_id as string)) });
  const rows = versions.map((version) => {
    const found = runs[withRuns.indexOf(version)]?.data;
    return found ? toRow(found) : undefined;
  });
  const part = (title: string, of: (at: number) => Record<string, string | number>) =>
    comparedAll([...versions.keys()], of).map((line) => (
      <tr key={`${title} ${line.key}`}>
        <th scope="row">{line.key}</th>
        {versions.map((version, at) => (
          <td key={version.version} title={line.cells[at]?.exact}>
            {line.cells[at]?.text ?? "–"}
          </td>
        ))}
      </tr>
    ));
  return (
    <div className={`sideways ${styles.values}`}>
      <table className="table">
        <thead>
          <tr>
            <th>Version</th>
            {versions.map((version) => (
              <th key={version.version}>
                <Link to="/models/$name/$version" params={{ name: version.name, version: version.version }}>
                  version {version.version}
                </Link>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {part("version", (at) => ({
            stage: versions[at]?.current_stage ?? "None",
            run: rows[at]?.name ?? versions[at]?.run_id ?? "",
          }))}
          {part("metric", (at) => rows[at]?.metrics ?? {})}
          {part("param", (at) => rows[at]?.params ?? {})}
        </tbody>
      </table>
    </div>
  );
}
