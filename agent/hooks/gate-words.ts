import type { GateStatus } from './gate.ts';

/** What a gate says while it is waited for, on its way to people. Disposed of when the gate has ended. */
export type GateWords = Disposable & { readonly take: (status: GateStatus) => void };

/** Most hooks are over before anybody could read what they do. */
const tellEveryMs = 1_000;

/** Why it holds is told at once, and stands until something else is said; what it is doing once a second, the newest of it. */
export function createGateWords(tell: (text: string) => void): GateWords {
  let newest: string | null = null;
  let timer: NodeJS.Timeout | null = null;

  return {
    take({ kind, text }) {
      if (kind === 'status') {
        newest = text;
        timer ??= setTimeout(tellNewest, tellEveryMs).unref();
        return;
      }
      newest = null;
      if (kind === 'held') tell(text); // a failure that is tried again is told among the hooks that ran
    },
    [Symbol.dispose]() {
      if (timer !== null) clearTimeout(timer);
      newest = null;
    },
  };

  function tellNewest(): void {
    timer = null;
    if (newest !== null) tell(newest);
    newest = null;
  }
}
