/** Runs side by side: what differs is marked. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { MetricCharts } from "@/components/charts/MetricCharts";
import { ErrorView } from "@/components/ErrorView";
import { Empty, Skeleton, Status, Time, Trail } from "@/components/parts";
import { Tabs } from "@/components/Tabs";
import { text, texts, useAddress } from "@/core/address";
import { durationOf, isSystemTag, type Row, toRow } from "@/core/columns";
import { type Compared, comparedAll, MOST_COMPARED } from "@/core/compare";
import { diffLines } from "@/core/diff";
import { formatDuration, formatNumber } from "@/core/format";
import { type Shown, shownOf } from "@/core/palette";
import filesStyles from "@/pages/run/Artifacts.module.css";
import { FileTree, IMAGES, useListings } from "@/pages/run/FileTree";
import { ImageSteps } from "@/pages/run/ImageSteps";
import { Preview } from "@/pages/run/Preview";
import { content, type Place } from "@/queries/artifacts";
import { runsById } from "@/queries/runs";
import styles from "./ComparePage.module.css";

/** Runs whose files are listed: each costs a request for every folder. */
const MOST_WITH_FILES = 50;

export default function ComparePage() {
  const [address, change] = useAddress();
  const named = [...new Set(texts(address.runs))];
  const ids = named.slice(0, MOST_COMPARED);
  const chosen = Math.max(named.length, Number(address.of) || 0);
  const { data, error, refetch } = useQuery(runsById(ids));
  const rows = useMemo(() => data?.map(toRow) ?? [], [data]);
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
  if (error && !data) return <ErrorView error={error} reset={() => void refetch()} />;
  if (!data) return <Skeleton rows={10} />;
  const tab = text(address.tab, "table");
  return (
    <div className="filled-page">
      <Trail parts={[{ label: "Experiments", link: { to: "/" } }, { label: `Compare ${rows.length} runs` }]} />
      <div className={styles.head}>
        <h1>Compare {rows.length} runs</h1>
        {chosen > ids.length && (
          <span role="status">
            first {ids.length} of {formatNumber(chosen)}
          </span>
        )}
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

function Values({
  rows,
  shown,
  onlyDifferent,
}: {
  rows: readonly Row[];
  shown: readonly Shown[];
  onlyDifferent: boolean;
}) {
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
          {GROUPS.map(({ title, of }) => (
            <Group
              key={title}
              title={title}
              lines={comparedAll(rows, of)}
              onlyDifferent={onlyDifferent}
              count={rows.length}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

const ownTags = (row: Row) => Object.fromEntries(Object.entries(row.tags).filter(([key]) => !isSystemTag(key)));

const GROUPS: { title: string; of: (row: Row) => Record<string, string | number> }[] = [
  { title: "Params", of: (row) => row.params },
  { title: "Metrics", of: (row) => row.metrics },
  { title: "Tags", of: ownTags },
];

function Group({
  title,
  lines,
  onlyDifferent,
  count,
}: {
  title: string;
  lines: readonly Compared[];
  onlyDifferent: boolean;
  count: number;
}) {
  const shown = lines.filter((line) => line.differs || !onlyDifferent);
  if (shown.length === 0) return null;
  return (
    <Part title={title} count={count}>
      {shown.map((line) => (
        <Line
          key={line.key}
          name={line.key}
          cells={line.cells.map((cell) => cell?.text ?? "–")}
          titles={line.cells.map((cell) => cell?.exact)}
          differs={line.differs}
        />
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

function Line({
  name,
  cells,
  titles,
  differs,
}: {
  name: string;
  cells: readonly ReactNode[];
  titles?: readonly (string | undefined)[];
  differs?: boolean;
}) {
  return (
    <tr data-differs={differs || undefined}>
      <th scope="row" title={name}>
        {name}
        {differs && <span className="visually-hidden"> (differs)</span>}
      </th>
      {cells.map((cell, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: one cell for each run, in their order
        <td key={at} title={titles?.[at]}>
          {cell}
        </td>
      ))}
    </tr>
  );
}

const PICTURE = /\.(png|jpe?g|gif|webp|svg)$/i;
const TEXT = /\.(txt|md|json|ya?ml|csv|py|log|toml)$|(^|\/)MLmodel$/i;

const folderOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/")));

/** A file that several runs have, next to each other; texts of two runs as a difference. */
function Files({ rows: all }: { rows: readonly Row[] }) {
  const [address, change] = useAddress();
  const rows = all.slice(0, MOST_WITH_FILES);
  const places = rows.map((row): Place => ({ kind: "run", id: row.id }));
  const { files, isPending } = useListings(places, "");
  const names = files.filter((file) => !file.is_dir).map((file) => file.path);
  const path = text(address.path) || names.find((name) => PICTURE.test(name)) || names[0] || "";
  if (isPending) return <Skeleton />;
  if (files.length === 0) return <Empty title="These runs have no files" />;
  return (
    <div className={styles.browse}>
      <div className={filesStyles.all}>
        <nav className={filesStyles.tree} aria-label="Files">
          {all.length > rows.length && <p className="muted">Files of the first {rows.length} runs</p>}
          <FileTree places={places} files={files} chosen={path} choose={(file) => change({ path: file.path })} />
        </nav>
        <div className={styles.files}>
          {path ? (
            <SideBySide key={path} rows={rows} path={path} />
          ) : (
            <p className="muted">Choose a file to compare it.</p>
          )}
        </div>
      </div>
    </div>
  );
}

/** What the runs have at a path. */
function SideBySide({ rows, path }: { rows: readonly Row[]; path: string }) {
  const places = rows.map((row): Place => ({ kind: "run", id: row.id }));
  const { listings, isPending } = useListings(places, folderOf(path));
  if (isPending) return <Skeleton />;
  const isOfSteps = path === IMAGES;
  const shown = rows.filter((_, at) => listings[at]?.some((file) => isOfSteps || file.path === path));
  if (shown.length === 0) return <p className="muted">None of these runs has {path}.</p>;
  if (TEXT.test(path) && shown.length === 2)
    return <Difference left={shown[0] as Row} right={shown[1] as Row} path={path} />;
  return (
    <div className={styles.pictures}>
      {shown.map((row) => (
        <section key={row.id} className="card" aria-label={row.name}>
          <h2>{row.name}</h2>
          {isOfSteps ? (
            <ImageSteps place={{ kind: "run", id: row.id }} />
          ) : (
            <Preview place={{ kind: "run", id: row.id }} path={path} size={undefined} />
          )}
        </section>
      ))}
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
