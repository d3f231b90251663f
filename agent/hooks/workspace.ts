import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../../state/errors.ts';
import type { Log } from '../log.ts';
import type { Spare } from './spare.ts';

/** A private folder for one run, and what is in it as variables that name the files. Disposing of it deletes it. */
export type Workspace = AsyncDisposable & {
  /** Null: there is no room for one. */
  readonly folder: string | null;
  readonly variables: Readonly<Record<string, string>>;
};

/**
 * Never throws: on a full disk the hook is run without the values that were too long for a variable, and the log says so.
 *
 * @param options - `parent`: where the folder is made; `prefix`: begins its name; `spare`: one that is made already; `files`:
 * contents by the variable that is to name the file
 */
export async function createWorkspace(options: {
  readonly parent: string;
  readonly prefix: string;
  readonly spare?: Spare | undefined;
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  readonly log: Log;
}): Promise<Workspace> {
  const report = (thrown: unknown, missing: readonly string[]) => {
    options.log.error({ event: 'hook.valuesMissing', missing, reason: reasonOf(thrown) }, 'hook gets no files');
    return null;
  };
  const make = () =>
    mkdtemp(join(options.parent, options.prefix)).catch((thrown: unknown) => report(thrown, [...options.files.keys()]));
  const spare = (await options.spare?.take()) ?? null;
  const folder = spare !== null && existsSync(spare) ? spare : await make(); // others tidy up temporary files, too
  if (folder === null) return { folder, variables: {}, async [Symbol.asyncDispose]() {} };
  const variables: Record<string, string> = {};
  for (const [index, [variable, content]] of [...options.files].entries()) {
    const path = join(folder, `value-${index}`); // the variable's own name may be no file name
    const written = await writeFile(path, content, { mode: 0o600, flag: 'wx' }).then(
      () => path,
      (thrown: unknown) => report(thrown, [variable]),
    );
    if (written !== null) variables[variable] = written;
  }
  return {
    folder,
    variables,
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true }).catch((thrown: unknown) =>
        options.log.warn({ event: 'hook.leftover', folder, reason: reasonOf(thrown) }, 'cannot delete files of a hook'),
      );
    },
  };
}
