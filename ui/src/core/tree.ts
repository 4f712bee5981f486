/** Names with slashes as a tree of folders. */

export interface Folder<T> {
  /** The whole name up to here; "" is the root. */
  path: string;
  label: string;
  folders: Folder<T>[];
  items: T[];
}

/** Group items by the folders in their names; a folder that holds a single folder and nothing else is joined with it. */
export function toTree<T>(items: readonly T[], nameOf: (item: T) => string): Folder<T> {
  const root: Folder<T> = { path: "", label: "", folders: [], items: [] };
  for (const item of items) {
    let here = root;
    for (const part of nameOf(item).split("/").slice(0, -1)) {
      if (!part) continue;
      const path = here.path ? `${here.path}/${part}` : part;
      let next = here.folders.find((folder) => folder.path === path);
      if (!next) {
        next = { path, label: part, folders: [], items: [] };
        here.folders.push(next);
      }
      here = next;
    }
    here.items.push(item);
  }
  root.folders = root.folders.map(joined);
  return root;
}

function joined<T>(folder: Folder<T>): Folder<T> {
  const only = folder.folders[0];
  if (folder.items.length === 0 && folder.folders.length === 1 && only)
    return joined({ ...only, label: `${folder.label}/${only.label}` });
  return { ...folder, folders: folder.folders.map(joined) };
}

/** How many items are in a folder and below. */
export const countIn = <T>(folder: Folder<T>): number =>
  folder.items.length + folder.folders.reduce((sum, inside) => sum + countIn(inside), 0);
