import { access, constants, lstat, mkdir, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AgentError, reasonOf } from '../../../state/errors.ts';
import { readMounts } from '../files/mounts.ts';
import { isFolder, readReleaseLink } from './release-link.ts';

/**
 * Sees to it that a link can be put at `place`, and releases beside it; makes the folder for them.
 *
 * @throws {@link ReleasesImpossibleError}
 */
export async function checkPossible(place: string, releases: string): Promise<void> {
  const there = await lstat(place).catch(() => null);
  const isOurLink = (await readReleaseLink(place)) !== null;
  if (there !== null && !there.isDirectory() && !isOurLink) throw new ReleasesImpossibleError(place, 'it is no folder');
  if (!isOurLink && systemFolders.test(await realpath(place).catch(() => place)))
    throw new ReleasesImpossibleError(place, 'it is a folder of the system');
  const mounts = await readMounts();
  if (!isOurLink && (await mounts.has(place))) throw new ReleasesImpossibleError(place, 'it is a mount point');
  try {
    await mkdir(dirname(place), { recursive: true });
    await mkdir(releases).catch(unlessThere);
    await access(dirname(place), constants.W_OK | constants.X_OK);
  } catch (error) {
    impossible(place)(error);
  }
  if (!(await isFolder(releases))) throw new ReleasesImpossibleError(place, `${releases} is no folder`);
  if (await mounts.has(releases)) throw new ReleasesImpossibleError(place, `${releases} is a mount point`);
}

/** For `catch`: what the file system refuses for good becomes a failure that says so; all else is passed on. */
export function impossible(place: string): (error: unknown) => never {
  return (error) => {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EACCES', 'EPERM', 'EROFS', 'EBUSY', 'EXDEV', 'ENOTDIR'].includes(code)) throw error;
    throw new ReleasesImpossibleError(place, reasonOf(error), { cause: error });
  };
}

/** The artifact cannot be a link to a release where APPLICATION_PATH is. */
export class ReleasesImpossibleError extends AgentError {
  override readonly name = 'ReleasesImpossibleError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_RELEASES_IMPOSSIBLE';
  readonly remedy =
    'Set artifact.layout = in-place, or let APPLICATION_PATH be a plain folder inside one that the agent may write to.';

  constructor(path: string, reason: string, options: { cause?: unknown } = {}) {
    super(`cannot keep releases beside ${path}: ${reason}`, { ...options, facts: { path, reason } });
  }
}

/** Without these nothing works any more: what is there before the first release is set aside. */
const systemFolders =
  /^\/((bin|boot|dev|etc|home|lib\d*|libx32|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)|var\/(cache|lib|log|mail|spool|tmp)|(boot|dev|etc|proc|run|sys|usr)\/[^/]+)$/;

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
