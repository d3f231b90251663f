import { randomBytes } from 'node:crypto';
import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigExistsError, ConfigNotWrittenError } from './failures.ts';

/**
 * Writes a file that is there as a whole, or not at all. What is there already is left alone unless `force` is set.
 *
 * @param options - `isPrivate`: for its owner only, from the beginning
 * @throws ConfigExistsError; ConfigNotWrittenError
 */
export function writeOutFile(
  file: string,
  text: string,
  { isPrivate, force }: { isPrivate: boolean; force: boolean },
): void {
  const path = resolve(file);
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    writeFileSync(draft, text, { flag: 'wx', mode: isPrivate ? 0o600 : 0o644 });
    // A link is refused if there is anything of that name, where a rename would replace it.
    if (force) renameSync(draft, path);
    else linkSync(draft, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw new ConfigExistsError(path);
    throw new ConfigNotWrittenError(`cannot write ${path}`, { cause, facts: { path } });
  } finally {
    rmSync(draft, { force: true });
  }
}
