/** @throws the signal's reason when it aborts; whoever does the work goes on, and nobody waits for it */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  return await Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', abort));
}
