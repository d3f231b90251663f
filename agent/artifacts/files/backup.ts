import { readdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AgentError, reasonOf } from '../../../state/errors.ts';
import { type Faults, noFaults } from '../../faults.ts';
import type { Log } from '../../log.ts';
import { isThere } from '../releases/release-link.ts';
import { copyTree } from './copy.ts';
import { flushFolder, flushTree } from './durable.ts';
import { stagingPrefixOf } from './staging.ts';

/** Where the backup of a path is, or would be. */
export function backupOf(path: string): string {
  return `${resolve(path)}_backup`;
}

/**
 * Copies what lies at `path`, before the artifact is put there for the first time, to `<path>_backup`. A backup that is
 * there is never touched; the new one is complete as soon as it is there. Safe to do twice.
 *
 * @returns the backup made; null when there was nothing to do
 * @throws {@link ArtifactBackupError}, the signal's reason
 * @see protocol.md 8.3
 */
export async function backUp(
  path: string,
  options: { log: Log; signal: AbortSignal; faults?: Faults },
): Promise<string | null> {
  const { log, signal, faults = noFaults } = options;
  const backup = backupOf(path);
  const incoming = join(dirname(backup), `${stagingPrefixOf(path)}-backup`);
  const content = await readdir(path).catch(() => []);
  if (content.length === 0 || (await isThere(backup))) return null;
  try {
    await rm(incoming, { recursive: true, force: true });
    // The path itself may be a link, if the operator wants so; what is copied is where it leads.
    await copyTree(await realpath(path), incoming, { signal, onSkipped: (left) => tellOf(left, log) });
    faults('backup.copied');
    await flushTree(incoming, signal);
    await rename(incoming, backup);
    faults('backup.renamed');
    await flushFolder(dirname(backup));
  } catch (error) {
    await rm(incoming, { recursive: true, force: true }).catch(() => {});
    signal.throwIfAborted();
    throw new ArtifactBackupError(path, { cause: error });
  }
  log.info({ event: 'artifact.backed-up', path, backup }, 'what was there before has been copied');
  return backup;
}

/** What lies where the artifact is to go cannot be copied first, as it was asked for; it is left as it is. */
export class ArtifactBackupError extends AgentError {
  override readonly name = 'ArtifactBackupError';
  override readonly lasting: boolean;
  readonly code = 'ARTIFACT_BACKUP_FAILED';
  readonly remedy: string;

  constructor(path: string, options: { cause: unknown }) {
    const reason = reasonOf(options.cause);
    super(`cannot back up ${path}`, { ...options, facts: { path, backup: backupOf(path), reason } });
    const isFull = /ENOSPC|EDQUOT/.test(reason);
    this.lasting = /EACCES|EPERM|EROFS/.test(reason);
    this.remedy = isFull
      ? 'Free disk space beside APPLICATION_PATH; the agent tries again by itself.'
      : 'Let the agent write beside APPLICATION_PATH, or set enable.initial.artifact.backup = false.';
  }
}

function tellOf(path: string, log: Log): void {
  log.warn({ event: 'artifact.not-backed-up', path }, 'neither file, folder nor link: not in the backup');
}
