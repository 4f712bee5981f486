/** What is in a file. Nothing in it runs in this page: text is text, HTML and SVG stand in a sandboxed frame of no origin. */
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { ErrorView } from "@/components/ErrorView";
import { Icon } from "@/components/Icon";
import { Markdown } from "@/components/Markdown";
import { Skeleton } from "@/components/parts";
import { formatBytes } from "@/core/format";
import { parseCsv, type Table } from "@/core/tables";
import { content, fileUrl, MAX_PREVIEW, type Place, pageUrl } from "@/queries/artifacts";
import styles from "./Artifacts.module.css";
import { ModelCard } from "./ModelCard";
import { Json, Rows, Text } from "./Texts";

type Kind =
  | "image"
  | "audio"
  | "video"
  | "pdf"
  | "html"
  | "markdown"
  | "json"
  | "csv"
  | "parquet"
  | "mlmodel"
  | "text"
  | "binary";

const BY_ENDING: Record<string, Kind> = {
  png: "image",
  jpg: "image",
  jpeg: "image",
  gif: "image",
  webp: "image",
  bmp: "image",
  avif: "image",
  svg: "image",
  mp3: "audio",
  wav: "audio",
  ogg: "audio",
  flac: "audio",
  m4a: "audio",
  mp4: "video",
  webm: "video",
  mov: "video",
  pdf: "pdf",
  html: "html",
  htm: "html",
  md: "markdown",
  json: "json",
  csv: "csv",
  tsv: "csv",
  parquet: "parquet",
  pkl: "binary",
  pickle: "binary",
  pt: "binary",
  pth: "binary",
  npy: "binary",
  npz: "binary",
  h5: "binary",
  keras: "binary",
  onnx: "binary",
  skops: "binary",
  ubj: "binary",
  zip: "binary",
  gz: "binary",
  safetensors: "binary",
  bin: "binary",
};

const MIME: Record<string, string> = {
  svg: "image/svg+xml",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  bmp: "image/bmp",
  avif: "image/avif",
  mp3: "audio/mpeg",
  wav: "audio/wav",
  ogg: "audio/ogg",
  flac: "audio/flac",
  m4a: "audio/mp4",
  mp4: "video/mp4",
  webm: "video/webm",
  mov: "video/quicktime",
  pdf: "application/pdf",
};

const endingOf = (path: string) => /\.([A-Za-z0-9]+)$/.exec(path)?.[1]?.toLowerCase() ?? "";

function kindOf(path: string): Kind {
  if (path.split("/").at(-1) === "MLmodel") return "mlmodel";
  return BY_ENDING[endingOf(path)] ?? "text";
}

const MAX_MEDIA = 64 << 20;

export function Preview({ place, path, size }: { place: Place; path: string; size: number | undefined }) {
  const kind = kindOf(path);
  const url = fileUrl(place, path);
  const limit = ["image", "audio", "video", "pdf", "parquet"].includes(kind) ? MAX_MEDIA : MAX_PREVIEW;
  return (
    <>
      <div className={styles.bar}>
        <code>{path}</code>
        {size !== undefined && <span className="muted">{formatBytes(size)}</span>}
        <a className="button" href={url} download={path.split("/").at(-1)}>
          <Icon name="download" size={14} /> Download
        </a>
      </div>
      {kind === "binary" ? (
        <p className="muted">This kind of file is not shown. Download it to use it.</p>
      ) : size !== undefined && size > limit && limit === MAX_MEDIA ? (
        <p className="muted">The file is too large to be shown here. Download it.</p>
      ) : (
        <Content kind={kind} place={place} path={path} limit={limit} size={size} />
      )}
    </>
  );
}

function Content({
  kind,
  place,
  path,
  limit,
  size,
}: {
  kind: Kind;
  place: Place;
  path: string;
  limit: number;
  size: number | undefined;
}) {
  const { data, error, refetch } = useQuery(content(place, path, limit));
  if (error && !data) return <ErrorView error={error} reset={() => void refetch()} />;
  if (!data) return <Skeleton rows={4} />;
  const isWhole = data.byteLength < limit;
  const shown = body(kind, data, path, isWhole, place);
  return (
    <>
      {shown}
      {!isWhole && (
        <p className="muted">
          The first {formatBytes(limit)} {size ? `of ${formatBytes(size)} ` : ""}are shown.
        </p>
      )}
    </>
  );
}

function body(kind: Kind, data: ArrayBuffer, path: string, isWhole: boolean, place: Place): ReactNode {
  const text = () => new TextDecoder("utf-8", { fatal: false }).decode(data);
  switch (kind) {
    case "image":
      return (
        <Media data={data} path={path}>
          {(url) => <img className={styles.picture} src={url} alt={path} />}
        </Media>
      );
    case "audio":
      return (
        <Media data={data} path={path}>
          {/* biome-ignore lint/a11y/useMediaCaption: a logged file has no captions */}
          {(url) => <audio controls src={url} />}
        </Media>
      );
    case "video":
      return (
        <Media data={data} path={path}>
          {/* biome-ignore lint/a11y/useMediaCaption: a logged file has no captions */}
          {(url) => <video controls src={url} className={styles.picture} />}
        </Media>
      );
    case "pdf":
      return (
        <Media data={data} path={path}>
          {(url) => <iframe className={styles.frame} src={url} title={path} />}
        </Media>
      );
    case "html":
      return <Page html={text()} path={path} place={place} />;
    case "markdown":
      return <Markdown text={text()} />;
    case "parquet":
      return <Parquet data={data} />;
    case "csv":
      return <Rows table={parseCsv(text(), path.toLowerCase().endsWith(".tsv") ? "\t" : ",", isWhole)} />;
    case "json":
      return <Json text={text()} isWhole={isWhole} />;
    case "mlmodel":
      return (
        <>
          <ModelCard
            text={text()}
            uri={modelUri(place, folderOf(path))}
            urlOf={(file) => fileUrl(place, folderOf(path) ? `${folderOf(path)}/${file}` : file)}
          />
          <Text text={text()} />
        </>
      );
    default:
      return looksBinary(data) ? (
        <p className="muted">This looks like a binary file. Download it to use it.</p>
      ) : (
        <Text text={text()} />
      );
  }
}

const folderOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/")));

/** What a client calls the model in a folder. */
const modelUri = (place: Place, folder: string): string =>
  [place.kind === "run" ? `runs:/${place.id}` : `models:/${place.id}`, ...(folder ? [folder] : [])].join("/");

/** A blob's address lives as long as what shows it. */
function Media({ data, path, children }: { data: ArrayBuffer; path: string; children: (url: string) => ReactNode }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([data], { type: MIME[endingOf(path)] ?? "application/octet-stream" }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [data, path]);
  return url ? children(url) : null;
}

/** Put before a logged page: it loads nothing, from here or elsewhere. */
const QUIET = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:">`;

type Shown = "still" | "running" | "source";

/** HTML: without scripts until its reader lets them run, and then in a frame without origin or connections. */
function Page({ html, path, place }: { html: string; path: string; place: Place }) {
  const [shown, setShown] = useState<Shown>("still");
  const choices: [Shown, string][] = [
    ["still", "Page"],
    ["running", "Page with its scripts"],
    ["source", "Source"],
  ];
  return (
    <>
      <div className={styles.bar} role="toolbar" aria-label="How the page is shown">
        {choices.map(([choice, label]) => (
          <button
            key={choice}
            type="button"
            className="button"
            aria-pressed={shown === choice}
            onClick={() => setShown(choice)}
          >
            {label}
          </button>
        ))}
      </div>
      {shown === "source" && <Text text={html} />}
      {shown === "still" && (
        <iframe className={styles.frame} sandbox="" srcDoc={QUIET + html} title={path} referrerPolicy="no-referrer" />
      )}
      {shown === "running" && (
        <iframe
          className={styles.frame}
          sandbox="allow-scripts"
          src={pageUrl(place, path)}
          title={path}
          referrerPolicy="no-referrer"
        />
      )}
    </>
  );
}

function Parquet({ data }: { data: ArrayBuffer }) {
  const [table, setTable] = useState<Table | null>(null);
  const [error, setError] = useState("");
  useEffect(() => {
    let isGone = false;
    void (async () => {
      try {
        const { parquetReadObjects, parquetMetadata } = await import("hyparquet");
        const metadata = parquetMetadata(data);
        const rows = await parquetReadObjects({ file: data, rowEnd: 1000 });
        const columns = Object.keys(rows[0] ?? {});
        const cells = rows.map((row) => columns.map((column) => String(row[column] ?? "")));
        if (!isGone) setTable({ columns, rows: cells, isCut: Number(metadata.num_rows) > rows.length });
      } catch {
        if (!isGone) setError("The file cannot be read as Parquet here. Download it.");
      }
    })();
    return () => {
      isGone = true;
    };
  }, [data]);
  if (error) return <p className="muted">{error}</p>;
  return table ? <Rows table={table} /> : <Skeleton rows={4} />;
}

function looksBinary(data: ArrayBuffer): boolean {
  return new Uint8Array(data.slice(0, 4096)).some((byte) => byte === 0);
}
