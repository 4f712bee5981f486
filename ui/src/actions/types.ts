/** A command is an object: menu, palette and shortcut are made from it. */
export interface Command {
  id: string;
  label: string;
  /** Keys pressed one after the other, such as "g e"; "" has none. */
  keys: string;
  run: () => void;
}
