/** Images that were logged over steps: `images/<key>%step%<n>%timestamp%<ms>%<uuid>.png`, or `+` for `%` in older files. */
import type { FileInfo } from "@/queries/types";

export interface StepImage {
  key: string;
  step: number;
  time: number;
  path: string;
}

const NAME = /^(.+?)([%+])step\2(-?\d+)\2timestamp\2(\d+)\2[^%+]+\.(?:png|jpe?g|webp)$/;

/** The images of each key, by step; small copies (`...%<uuid>%compressed.webp`) have a part too many and are left out. */
export function imageSeries(files: readonly FileInfo[]): Map<string, StepImage[]> {
  const found = new Map<string, StepImage[]>();
  for (const file of files) {
    const match = NAME.exec(file.path.split("/").at(-1) ?? "");
    if (!match) continue;
    const key = (match[1] as string).replaceAll("#", "/");
    const image = { key, step: Number(match[3]), time: Number(match[4]), path: file.path };
    found.set(key, [...(found.get(key) ?? []), image]);
  }
  for (const images of found.values()) images.sort((a, b) => a.step - b.step || a.time - b.time);
  return found;
}
