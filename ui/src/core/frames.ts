/** Work that draws, spread over frames: as much in each as leaves the page able to answer. */

const BUDGET_MS = 12;
const waiting = new Set<() => void>();
let isPlanned = false;

/** Do this in one of the next frames, after what was asked before. @returns a way to take it back. */
export function inTurn(task: () => void): () => void {
  waiting.add(task);
  plan();
  return () => waiting.delete(task);
}

function plan(): void {
  if (isPlanned || waiting.size === 0) return;
  isPlanned = true;
  requestAnimationFrame(() => {
    isPlanned = false;
    const begin = performance.now();
    for (const task of waiting) {
      waiting.delete(task);
      task();
      if (performance.now() - begin > BUDGET_MS) break;
    }
    plan();
  });
}
