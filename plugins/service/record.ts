import { accessSync, constants, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Where it is noted which process the service of a member is. The folder is gone with the system's next boot, like the
 * process.
 *
 * @throws when somebody else could write there: we signal whatever it names
 */
export function recordPath(runDir: string | undefined, memberId: string): string {
  const folder = runDir ?? defaultFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { mode, uid } = lstatSync(folder);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0 || (mode & constants.S_IFMT) !== constants.S_IFDIR) {
    throw new Error(`cannot use ${folder}: it is not a folder that only we can write to`);
  }
  return join(folder, `${encodeURIComponent(memberId)}.process`);
}

function defaultFolder(): string {
  try {
    accessSync('/run', constants.W_OK);
    return '/run/cartridge-agent-service';
  } catch {
    return join(tmpdir(), `cartridge-agent-service-${process.getuid?.()}`);
  }
}
