/** A call that was told to end, and has not yet. */
export type Ending = Disposable & {
  /** Its worker has taken the message: it goes on, but it does not loop. */
  heard(): void;
};

/**
 * Waits for a call to end by itself, and says once what is to be done if it does not.
 *
 * @param options - `graceMs`: how long it may take; `silentMs`: how long its worker may be deaf, for one that waits for a
 * program in a synchronous call listens again; `onLate`: it goes on, and its worker listens; `onDeaf`: that does not
 */
export function watchEnding(options: {
  readonly graceMs: number;
  readonly silentMs: number;
  readonly onLate: () => void;
  readonly onDeaf: () => void;
}): Ending {
  const { graceMs, silentMs, onLate, onDeaf } = options;
  let isHeard = false;
  let isDue = false;
  let timer = setTimeout(takeStock, graceMs);

  return {
    heard() {
      isHeard = true;
      if (isDue) takeStock();
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };

  function takeStock(): void {
    isDue = true;
    clearTimeout(timer);
    if (isHeard) onLate();
    else timer = setTimeout(onDeaf, Math.max(0, silentMs - graceMs));
  }
}
