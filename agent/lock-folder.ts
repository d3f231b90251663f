import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { withSocketPath } from './asks.ts';

/**
 * The folder `state.dir/control`: whose socket is in it has the `state.dir`. A socket gets there by a rename of the folder
 * it was made in, which works only onto an empty one, and its process listens before. So one that refuses connections is
 * that of a dead process, and stays so; as its name is never used again, anybody may remove it, at any time.
 */
export type LockFolder = {
  /** Sockets in it, one at most but for rubbish. Their names begin with the pid of the process that made them. */
  owners(): string[];
  /** Sockets of contenders that have not moved in for long. */
  leftovers(): string[];
  /** For the socket of a process that is dead. */
  remove(socketPath: string): void;
  /** Lets `server` listen in a folder beside it, where nobody looks. Throws the system's error. */
  prepare(server: Server, pid: number): Promise<Contender>;
};

/** A socket that listens, and may become the owner's. */
export type Contender = {
  /** @returns false: there is an owner */
  moveIn(): boolean;
  /** Its socket is where the owner's is looked for. */
  isInPlace(): boolean;
  /** Makes the socket known as `state.dir/control.sock`, unless it is. Only for the owner. Throws the system's error. */
  publish(): void;
  /** Leaves nothing behind. */
  moveOut(): void;
};

/** A contender gets from its folder to its socket in a moment; what takes longer than this has died over it. */
const unfinishedMs = 60_000;

export function lockFolder(stateDir: string): LockFolder {
  const folder = join(stateDir, 'control');
  return {
    owners: () => listed(folder).map((name) => join(folder, name)),
    leftovers: () => leftoversIn(stateDir),
    remove(socketPath) {
      rmSync(socketPath, { recursive: true, force: true });
      if (dirname(socketPath) !== folder) removeIfEmpty(dirname(socketPath));
    },
    async prepare(server, pid) {
      const name = `${pid}-${randomBytes(6).toString('hex')}.sock`;
      const beside = join(stateDir, `claim-${name}`);
      mkdirSync(beside, { mode: 0o700 });
      try {
        await listen(server, join(beside, 'unfinished'));
        renameSync(join(beside, 'unfinished'), join(beside, name));
        return contender(stateDir, { folder, beside, name, inode: statSync(join(beside, name)).ino });
      } catch (cause) {
        rmSync(beside, { recursive: true, force: true });
        throw cause;
      }
    },
  };
}

function contender(
  stateDir: string,
  { folder, beside, name, inode }: { folder: string; beside: string; name: string; inode: number },
): Contender {
  const known = join(stateDir, 'control.sock');
  const isAt = (path: string) => inodeAt(path) === inode;
  return {
    moveIn: () => movedOnto(folder, beside),
    isInPlace: () => isAt(join(folder, name)),
    publish() {
      if (isAt(known)) return;
      const link = join(folder, `${name}.link`);
      linkSync(join(folder, name), link);
      renameSync(link, known);
    },
    moveOut() {
      rmSync(beside, { recursive: true, force: true });
      if (!listed(folder).includes(name)) return; // it is not ours, or not any more
      // The name in the folder is the right to remove the other one; so it goes last.
      rmSync(known, { force: true });
      rmSync(join(folder, name), { force: true });
      removeIfEmpty(folder);
    },
  };
}

/** Null also where it cannot be told: what nobody can see is not there. */
function inodeAt(path: string): number | null {
  try {
    return statSync(path).ino;
  } catch {
    return null;
  }
}

function movedOnto(folder: string, beside: string): boolean {
  try {
    renameSync(beside, folder);
    return true;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : null;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw cause;
  }
}

/** For its own user alone: the folder lets nobody else in before that is so. */
function listen(server: Server, socketPath: string): Promise<void> {
  return withSocketPath(socketPath, async (path) => {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    });
    chmodSync(socketPath, 0o600);
  });
}

/** Their folders go at once if nothing is in them. */
function leftoversIn(stateDir: string): string[] {
  const isOld = (path: string) =>
    Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > unfinishedMs;
  const claims = listed(stateDir).filter((name) => name.startsWith('claim-'));
  return claims
    .map((name) => join(stateDir, name))
    .filter(isOld)
    .flatMap((claim) => {
      removeIfEmpty(claim);
      return listed(claim).map((name) => join(claim, name));
    });
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
    throw cause;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Somebody is in it, or it is gone.
  }
}
