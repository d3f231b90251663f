/** Lets one piece of work at a time happen at a place; the others wait in the order they came. */
export type Turns = <T>(place: string, signal: AbortSignal, work: () => Promise<T>) => Promise<T>;

/** Turns at places that are told apart by name. Who is aborted while waiting leaves the queue at once. */
export function createTurns(): Turns {
  const last = new Map<string, Promise<void>>();
  return async (place, signal, work) => {
    const before = last.get(place) ?? Promise.resolve();
    const { promise: done, resolve: finish } = Promise.withResolvers<void>();
    last.set(
      place,
      before.then(() => done),
    );
    try {
      await turnOf(before, signal);
      return await work();
    } finally {
      finish();
    }
  };
}

async function turnOf(before: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  await Promise.race([before, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}
