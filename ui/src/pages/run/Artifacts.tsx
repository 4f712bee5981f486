/** The files of a run or a model: a tree on the left, a preview on the right. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ErrorView } from "@/components/ErrorView";
import { Icon } from "@/components/Icon";
import { Empty, Skeleton } from "@/components/parts";
import { text, useAddress } from "@/core/address";
import { formatBytes } from "@/core/format";
import { listing, loggedModel, type Place, zipUrl } from "@/queries/artifacts";
import type { FileInfo } from "@/queries/types";
import styles from "./Artifacts.module.css";
import { ImageSteps } from "./ImageSteps";
import { Preview } from "./Preview";

export function Artifacts({ place, models }: { place: Place; models: readonly { model_id: string }[] }) {
  const [address, change] = useAddress();
  const modelId = text(address.model);
  const here: Place = modelId ? { kind: "model", id: modelId } : place;
  const { data, error, refetch } = useQuery(listing(here, ""));
  const path = text(address.path);
  const size = typeof address.size === "number" ? address.size : undefined;
  return (
    <div className={styles.all}>
      <nav className={styles.tree} aria-label="Files">
        {models.length > 0 && (
          <div className={styles.places}>
            <button type="button" aria-pressed={!modelId} onClick={() => change({ model: undefined, path: undefined })}>
              <Icon name="runs" size={13} /> run
            </button>
            {models.map((model) => (
              <ModelButton
                key={model.model_id}
                id={model.model_id}
                isChosen={modelId === model.model_id}
                choose={() => change({ model: model.model_id, path: "MLmodel", size: undefined })}
              />
            ))}
          </div>
        )}
        {error && !data ? (
          <ErrorView error={error} reset={() => void refetch()} />
        ) : !data ? (
          <Skeleton rows={4} />
        ) : (
          <Files
            place={here}
            files={data}
            depth={0}
            chosen={path}
            choose={(file) => change({ path: file.path, size: file.file_size ?? undefined })}
          />
        )}
        {data && data.length > 0 && (
          <a className={styles.zip} href={zipUrl(here, "")} download>
            <Icon name="download" size={13} /> All as zip
          </a>
        )}
      </nav>
      <div className={styles.preview}>
        {path === "images/" ? (
          <ImageSteps place={here} />
        ) : path ? (
          <Preview key={`${here.id} ${path}`} place={here} path={path} size={size} />
        ) : data?.length === 0 ? (
          <Empty title="No artifacts" code={'millstream.log_artifact("report.html")'}>
            Files that the run logs are listed here.
          </Empty>
        ) : (
          <p className="muted">Choose a file to look at it.</p>
        )}
      </div>
    </div>
  );
}

function ModelButton({ id, isChosen, choose }: { id: string; isChosen: boolean; choose: () => void }) {
  const { data } = useQuery(loggedModel(id));
  return (
    <button type="button" aria-pressed={isChosen} onClick={choose}>
      <Icon name="models" size={13} /> {data?.info.name || id}
    </button>
  );
}

interface FilesProps {
  place: Place;
  files: readonly FileInfo[];
  depth: number;
  chosen: string;
  choose: (file: FileInfo) => void;
}

function Files({ place, files, depth, chosen, choose }: FilesProps) {
  return (
    <ul className={styles.files}>
      {files.map((file) =>
        file.is_dir ? (
          <Folder key={file.path} place={place} folder={file} depth={depth} chosen={chosen} choose={choose} />
        ) : (
          <li key={file.path}>
            <button
              type="button"
              aria-current={file.path === chosen || undefined}
              style={{ paddingLeft: 8 + depth * 14 }}
              onClick={() => choose(file)}
              title={file.path}
            >
              <Icon name="file" size={13} />
              <span>{file.path.split("/").at(-1)}</span>
              <span className="muted">{formatBytes(file.file_size)}</span>
            </button>
          </li>
        ),
      )}
    </ul>
  );
}

function Folder({ place, folder, depth, chosen, choose }: Omit<FilesProps, "files"> & { folder: FileInfo }) {
  const [isOpen, setOpen] = useState(chosen.startsWith(`${folder.path}/`));
  const { data } = useQuery({ ...listing(place, folder.path), enabled: isOpen });
  return (
    <li>
      <button
        type="button"
        aria-expanded={isOpen}
        style={{ paddingLeft: 8 + depth * 14 }}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name="folder" size={13} />
        <span>{folder.path.split("/").at(-1)}</span>
      </button>
      {isOpen && folder.path === "images" && (
        <button
          type="button"
          style={{ paddingLeft: 22 + depth * 14 }}
          aria-current={chosen === "images/" || undefined}
          onClick={() => choose({ path: "images/" })}
        >
          <Icon name="eye" size={13} />
          <span>by step</span>
        </button>
      )}
      {isOpen && data && <Files place={place} files={data} depth={depth + 1} chosen={chosen} choose={choose} />}
    </li>
  );
}
