import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePipes } from './channels.ts';

/** A private folder with the pipes of a run in it, made while nobody waits: to start `mkfifo` takes as long as a short script. */
export type Spare = {
  /** Null: there is none, and whoever needs one makes it. It is the caller's from now on. */
  take(): Promise<string | null>;
  /** For the next run. Never throws and never waits. */
  prepare(): void;
  /** Removes it. */
  close(): Promise<void>;
};

/** Whoever waits for the end of the last run is told of it first: starting a process holds up this one. */
const prepareAfterMs = 20;

/** @param options - `parent`: where the folder is made; `prefix`: begins its name */
export function createSpare({ parent, prefix }: { readonly parent: string; readonly prefix: string }): Spare {
  let made: Promise<string | null> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;

  return { take, prepare, close };

  async function take(): Promise<string | null> {
    const taken = made;
    made = null;
    return await taken;
  }

  function prepare(): void {
    if (isClosed || made !== null || timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      made ??= make().catch(() => null); // a full disk: who needs one is told
    }, prepareAfterMs).unref();
  }

  async function close(): Promise<void> {
    isClosed = true;
    if (timer !== null) clearTimeout(timer);
    const left = await take();
    if (left !== null) await rm(left, { recursive: true, force: true }).catch(() => {}); // the next agent does
  }

  async function make(): Promise<string> {
    const folder = await mkdtemp(join(parent, prefix));
    await makePipes(folder);
    return folder;
  }
}
