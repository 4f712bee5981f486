/** A tree of files; a folder is listed when it is opened. */
import { useQueries } from "@tanstack/react-query";
import { useState } from "react";
import { Icon } from "@/components/Icon";
import { formatBytes } from "@/core/format";
import { inOrder, listing, type Place } from "@/queries/artifacts";
import type { FileInfo } from "@/queries/types";
import styles from "./Artifacts.module.css";

/** The path that stands for the images of all steps. */
export const IMAGES = "images/";

/** A folder as it is in several places, and the files that any of them has there. */
export function useListings(places: readonly Place[], path: string, enabled = true) {
  const found = useQueries({ queries: places.map((place) => ({ ...listing(place, path), enabled })) });
  const listings = found.map((each) => each.data);
  const byPath = new Map(listings.flatMap((files) => files ?? []).map((file) => [file.path, file]));
  return { listings, files: inOrder([...byPath.values()]), isPending: found.some((each) => each.isPending) };
}

interface Props {
  /** Runs or models; those of a folder that any of them has are listed once. */
  places: readonly Place[];
  files: readonly FileInfo[];
  depth?: number;
  chosen: string;
  choose: (file: FileInfo) => void;
}

export function FileTree({ places, files, depth = 0, chosen, choose }: Props) {
  return (
    <ul className={styles.files}>
      {files.map((file) =>
        file.is_dir ? (
          <Folder key={file.path} places={places} folder={file} depth={depth} chosen={chosen} choose={choose} />
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

function Folder({ places, folder, depth = 0, chosen, choose }: Omit<Props, "files"> & { folder: FileInfo }) {
  const [isOpen, setOpen] = useState(chosen.startsWith(`${folder.path}/`));
  const { files, isPending } = useListings(places, folder.path, isOpen);
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
          aria-current={chosen === IMAGES || undefined}
          onClick={() => choose({ path: IMAGES })}
        >
          <Icon name="eye" size={13} />
          <span>by step</span>
        </button>
      )}
      {isOpen && !isPending && (
        <FileTree places={places} files={files} depth={depth + 1} chosen={chosen} choose={choose} />
      )}
    </li>
  );
}
