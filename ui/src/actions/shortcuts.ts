/** Keyboard shortcuts: sequences of keys, not while somebody types. */
import { useEffect } from "react";
import type { Command } from "./types";

const registered = new Map<symbol, readonly Command[]>();
let typed = "";
let timer: ReturnType<typeof setTimeout> | undefined;

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** All commands of the pages in view. */
export const allCommands = (): Command[] => [...registered.values()].flat();

function onKey(event: KeyboardEvent): void {
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    isTyping(event.target) ||
    document.querySelector("[role=dialog]")
  )
    return;
  typed = typed ? `${typed} ${event.key}` : event.key;
  clearTimeout(timer);
  timer = setTimeout(() => {
    typed = "";
  }, 900);
  const commands = allCommands();
  const found = commands.find((command) => command.keys === typed);
  if (found) {
    event.preventDefault();
    typed = "";
    found.run();
  } else if (!commands.some((command) => command.keys.startsWith(`${typed} `))) {
    typed = event.key;
    const single = commands.find((command) => command.keys === typed);
    typed = commands.some((command) => command.keys.startsWith(`${event.key} `)) ? event.key : "";
    if (single) {
      event.preventDefault();
      single.run();
    }
  }
}

/** Offer commands while a component is on the page. */
export function useCommands(commands: readonly Command[]): void {
  useEffect(() => {
    const mine = Symbol("commands");
    if (registered.size === 0) window.addEventListener("keydown", onKey);
    registered.set(mine, commands);
    return () => {
      registered.delete(mine);
      if (registered.size === 0) window.removeEventListener("keydown", onKey);
    };
  }, [commands]);
}
