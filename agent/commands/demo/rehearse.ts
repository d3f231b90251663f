import { watchSaves } from '../../demo/saves.ts';
import type { CommandIo } from '../command.ts';

/**
 * Lives a life with a plugin, and another one whenever it is saved, until somebody has seen enough. A save in the middle of
 * a life takes its instance down in order: that is seen, too.
 *
 * @param live - one life, taken down when the signal aborts; returns its exit code
 * @returns that of the last life
 * @throws PluginNotWatchedError
 */
export async function rehearse(
  path: string,
  live: (signal: AbortSignal) => Promise<number>,
  { stdout, signal }: CommandIo,
): Promise<number> {
  for (;;) {
    using saves = watchSaves(path);
    const savedOrStopped = AbortSignal.any([signal, saves.signal]);
    const exitCode = await live(savedOrStopped);
    if (!savedOrStopped.aborted) {
      stdout.write(`\nSave ${path} for another life with it; Ctrl-C ends the demo.\n`);
      await aborted(savedOrStopped);
    }
    if (signal.aborted) return exitCode;
    stdout.write(`\n${saves.signal.reason}\n\n`);
  }
}

/** Keeps the process up meanwhile: nothing else may be going on. */
async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const alive = setInterval(() => {}, 60_000);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise.finally(() => clearInterval(alive));
}
