/** Runs side by side: what differs is marked. */
import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { MetricCharts } from "@/components/charts/MetricCharts";
import { ErrorView } from "@/components/ErrorView";
import { Empty, Skeleton, Status, Time, Trail } from "@/components/parts";
import { Tabs } from "@/components/Tabs";
import { text, texts, useAddress } from "@/core/address";
import { durationOf, isSystemTag, type Row, toRow } from "@/core/columns";
import { diffLines } from "@/core/diff";
import { formatDuration, formatNumber } from "@/core/format";
import { type Shown, shownOf } from "@/core/palette";
import { Preview } from "@/pages/run/Preview";
import { content, listing } from "@/queries/artifacts";
import { run as runOf } from "@/queries/runs";
import styles from "./ComparePage.module.css";

export default function ComparePage() {
  const [address, change] = useAddress();
  const ids = texts(address.runs).slice(0, 50);
  const found = useQueries({ queries: ids.map((id) => runOf(id)) });
  const failed = found.find((each) => each.error && !each.data);
  const isReady = found.every((each) => each.data);
  const stamp = found.map((each) => each.dataUpdatedAt).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the stamp says when the runs changed
  const rows = useMemo(() => found.flatMap((each) => (each.data ? [toRow(each.data)] : [])), [stamp]);
  const shown = useMemo(() => shownOf(rows), [rows]);
  if (ids.length === 0)
    return (
      <>
        <Trail parts={[{ label: "Compare" }]} />
        <Empty title="Nothing to compare yet">
          Select runs in a table of runs, then press <kbd>c</kbd> or choose Compare.
        </Empty>
      </>
    );
  if (failed) return <ErrorView error={failed.error} reset={() => void failed.refetch()} />;
  if (!isReady) return <Skeleton rows={10} />;
  const tab = text(address.tab, "table");
  return (
    <div className="filled-page">
      <Trail parts={[{ label: "Experiments", link: { to: "/" } }, { label: `Compare ${rows.length} runs` }]} />
      <div className={styles.head}>
        <h1>Compare {rows.length} runs</h1>
        <label>
          <input
            type="checkbox"
            checked={address.only === true}
            onChange={(event) => change({ only: event.target.checked || undefined })}
          />{" "}
          Only what differs
        </label>
      </div>
      <Tabs
        label="Parts of the comparison"
        current={tab}
        tabs={[
          { id: "table", label: "Params and metrics" },
          { id: "charts", label: "Charts" },
          { id: "artifacts", label: "Artifacts" },
        ]}
      />
      {tab === "charts" ? (
        <Charts rows={rows} runs={shown} />
      ) : tab === "artifacts" ? (
        <Files rows={rows} />
      ) : (
        <Values rows={rows} shown={shown} onlyDifferent={address.only === true} />
      )}
    </div>
  );
}

function Charts({ rows, runs }: { rows: readonly Row[]; runs: readonly Shown[] }) {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row.metrics)))].sort();
  return (
    <div className={styles.scroll}>
      <MetricCharts runs={runs} keys={keys} />
    </div>
  );
}

type LineOf = { key: string; cells: (string | undefined)[]; best?: number };

function Values({
  rows,
  shown,
  onlyDifferent,
}: {
  rows: readonly Row[];
  shown: readonly Shown[];
  onlyDifferent: boolean;
}) {
  const lines = (
    of: (row: Row) => Record<string, string | number>,
    keep: (key: string) => boolean = () => true,
  ): LineOf[] =>
    [...new Set(rows.flatMap((row) => Object.keys(of(row))))]
      .filter(keep)
      .sort()
      .map((key) => ({
        key,
        cells: rows.map((row) => (key in of(row) ? show(of(row)[key] as string | number) : undefined)),
      }));
  return (
    <div className={styles.scroll}>
      <table className={`table ${styles.table}`}>
        <thead>
          <tr>
            <th>Run</th>
            {shown.map((run) => (
              <th key={run.id}>
                <i style={{ background: run.color }} />
                <Link to="/runs/$runId" params={{ runId: run.id }} title={run.label}>
                  {run.label}
                </Link>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Part title="Run" count={rows.length}>
            <Line name="Status" cells={rows.map((row) => <Status key={row.id} status={row.run.info.status} />)} />
            <Line name="Started" cells={rows.map((row) => <Time key={row.id} at={row.run.info.start_time} />)} />
            <Line name="Duration" cells={rows.map((row) => formatDuration(durationOf(row.run)))} />
          </Part>
          <Group title="Params" lines={lines((row) => row.params)} onlyDifferent={onlyDifferent} count={rows.length} />
          <Group
            title="Metrics"
            lines={lines((row) => row.metrics)}
            onlyDifferent={onlyDifferent}
            count={rows.length}
          />
          <Group
            title="Tags"
            lines={lines(
              (row) => row.tags,
              (key) => !isSystemTag(key),
            )}
            onlyDifferent={onlyDifferent}
            count={rows.length}
          />
        </tbody>
      </table>
    </div>
  );
}

const show = (value: string | number): string => (typeof value === "number" ? formatNumber(value) : value);

function Group({
  title,
  lines,
  onlyDifferent,
  count,
}: {
  title: string;
  lines: LineOf[];
  onlyDifferent: boolean;
  count: number;
}) {
  const shown = lines
    .map((line) => ({ ...line, differs: new Set(line.cells).size > 1 }))
    .filter((line) => line.differs || !onlyDifferent);
  if (shown.length === 0) return null;
  return (
    <Part title={title} count={count}>
      {shown.map((line) => (
        <Line key={line.key} name={line.key} cells={line.cells.map((cell) => cell ?? "–")} differs={line.differs} />
      ))}
    </Part>
  );
}

function Part({ title, count, children }: { title: string; count: number; children: ReactNode }) {
  return (
    <>
      <tr className={styles.part}>
        <th colSpan={count + 1} scope="rowgroup">
          {title}
        </th>
      </tr>
      {children}
    </>
  );
}

function Line({ name, cells, differs }: { name: string; cells: ReactNode[]; differs?: boolean }) {
  return (
    <tr data-differs={differs || undefined}>
      <th scope="row" title={name}>
        {name}
        {differs && <span className="visually-hidden"> (differs)</span>}
      </th>
      {cells.map((cell, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: one cell for each run, in their order
        <td key={at} title={typeof cell === "string" ? cell : undefined}>
          {cell}
        </td>
      ))}
    </tr>
  );
}

const PICTURE = /\.(png|jpe?g|gif|webp|svg)$/i;
const TEXT = /\.(txt|md|json|ya?ml|csv|py|log|toml)$|(^|\/)MLmodel$/i;

/** A file that several runs have, next to each other; texts of two runs as a difference. */
function Files({ rows }: { rows: readonly Row[] }) {
  const [address, change] = useAddress();
  const listings = useQueries({ queries: rows.map((row) => listing({ kind: "run", id: row.id }, "")) });
  const names = [
    ...new Set(listings.flatMap((each) => (each.data ?? []).filter((file) => !file.is_dir).map((file) => file.path))),
  ].sort();
  const path = text(address.path) || names.find((name) => PICTURE.test(name)) || names[0] || "";
  if (listings.some((each) => each.isPending)) return <Skeleton />;
  if (names.length === 0) return <Empty title="These runs have no files at their top" />;
  const shown = rows.filter((_, at) => listings[at]?.data?.some((file) => file.path === path));
  return (
    <div className={styles.scroll}>
      <div className={styles.pick}>
        <label>
          File{" "}
          <select className="input" value={path} onChange={(event) => change({ path: event.target.value })}>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </div>
      {TEXT.test(path) && shown.length === 2 ? (
        <Difference left={shown[0] as Row} right={shown[1] as Row} path={path} />
      ) : (
        <div className={styles.pictures}>
          {shown.map((row) => (
            <section key={row.id} className="card" aria-label={row.name}>
              <h2>{row.name}</h2>
              <Preview place={{ kind: "run", id: row.id }} path={path} size={undefined} />
            </section>
          ))}
        </div>
      )}
    </div>
  );
}

function Difference({ left, right, path }: { left: Row; right: Row; path: string }) {
  const { data: before } = useQuery(content({ kind: "run", id: left.id }, path, 1 << 20));
  const { data: after } = useQuery(content({ kind: "run", id: right.id }, path, 1 << 20));
  const lines = useMemo(() => {
    if (!before || !after) return null;
    const decoder = new TextDecoder();
    return diffLines(decoder.decode(before), decoder.decode(after));
  }, [before, after]);
  if (!lines) return <Skeleton />;
  return (
    <section className="card" aria-label={`Difference of ${path}`}>
      <p className={styles.names}>
        <span>− {left.name}</span> <span>+ {right.name}</span>
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className={styles.diff} tabIndex={0}>
        {lines.map((line, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other key
          <span key={at} data-kind={line.kind}>
            {line.kind === "same" ? "  " : line.kind === "gone" ? "− " : "+ "}
            {line.text}
            {"\n"}
          </span>
        ))}
      </pre>
    </section>
  );
}
