import { createHash, type Hash } from 'node:crypto';
import { GitError } from '../git/git.ts';
import type { Repository } from '../git/repository.ts';

/**
 * The fingerprint of what a commit holds: SHA-256 over mode, path and content of each of its files, so the same on every
 * machine and for every history that led there. Attributes, line endings and local changes have no part in it.
 *
 * For each file, in git's order (by the bytes of the path), `MODE SHA256<tab>PATH<nul>` is taken: the mode as git has it
 * (100644, 100755; 120000 for a link, whose content is its target), the SHA-256 of the content in lower case, the path as
 * bytes. A submodule (160000) has the id of its commit in the place of the SHA-256. To do the same by hand, in bash:
 *
 * ```sh
 * export LC_ALL=C # Paths are bytes.
 * git ls-tree -r -z --full-tree COMMIT | while IFS= read -r -d '' entry; do
 *   read -r mode type id <<< "${entry%%$'\t'*}"
 *   sum=$id
 *   [ "$type" = commit ] || sum=$(git cat-file blob "$id" | sha256sum | cut -d ' ' -f 1)
 *   printf '%s %s\t%s\0' "$mode" "$sum" "${entry#*$'\t'}"
 * done | sha256sum
 * ```
 *
 * Two processes of git, whatever the number of files; no content is kept in memory.
 *
 * @param commit - or a tree
 * @returns 64 hexadecimal digits
 * @throws GitError - as for an object that is missing
 */
export async function fingerprintOf(repository: Repository, commit: string): Promise<string> {
  const entries = await readTree(repository, commit);
  const fingerprint = createHash('sha256');
  let next = 0;
  const takeEntry = (sum: string): void => {
    const { mode, path } = entries[next++] ?? nothing;
    fingerprint.update(`${mode} ${sum}\t`).update(path).update('\0');
  };
  const takeSubmodules = (): void => {
    for (let entry = entries[next]; entry?.type === 'commit'; entry = entries[next]) takeEntry(entry.id);
  };

  const input = entries.flatMap(({ type, id }) => (type === 'blob' ? [`${id}\n`] : [])).join('');
  takeSubmodules();
  if (input !== '') {
    const contents = createContents((sum) => {
      takeEntry(sum);
      takeSubmodules();
    });
    await repository.run(['cat-file', '--batch', '--buffer'], { input, onOutput: contents.take });
    contents.check();
  }
  if (next !== entries.length) throw new Error(`git told ${next} of ${entries.length} contents`);
  return fingerprint.digest('hex');
}

type Entry = { readonly mode: string; readonly type: string; readonly id: string; readonly path: Buffer };

const nothing: Entry = { mode: '', type: '', id: '', path: Buffer.alloc(0) };

/** In bytes: paths need not be UTF-8. */
async function readTree({ run }: Repository, commit: string): Promise<Entry[]> {
  const pieces: Buffer[] = [];
  const onOutput = (piece: Buffer) => void pieces.push(piece);
  await run(['ls-tree', '-r', '-z', '--full-tree', commit], { onOutput });
  const output = Buffer.concat(pieces);
  const entries: Entry[] = [];
  for (let from = 0, end = output.indexOf(0); end !== -1; from = end + 1, end = output.indexOf(0, from)) {
    const tab = output.indexOf('\t', from);
    const [mode = '', type = '', id = ''] = output.toString('latin1', from, tab).split(' ');
    entries.push({ mode, type, id, path: output.subarray(tab + 1, end) });
  }
  return entries;
}

/**
 * Reads `ID blob SIZE\nCONTENT\n`, again and again, in pieces that begin anywhere.
 *
 * @param onSum - told the SHA-256 of each content
 */
function createContents(onSum: (sum: string) => void): { take(piece: Buffer): void; check(): void } {
  let header = '';
  let hash: Hash | null = null;
  let missingBytes = 0;
  let problem: string | null = null;

  function takeHeader(piece: Buffer): Buffer {
    const end = piece.indexOf('\n');
    header += piece.toString('latin1', 0, end === -1 ? piece.length : end);
    if (end === -1) return piece.subarray(piece.length);
    const size = /^[0-9a-f]+ blob (\d+)$/.exec(header)?.[1];
    if (size === undefined) problem = `cannot read object: ${header.slice(0, 200)}`;
    [header, hash, missingBytes] = ['', createHash('sha256'), Number(size)];
    return piece.subarray(end + 1);
  }

  function takeContent(piece: Buffer, content: Hash): Buffer {
    const part = piece.subarray(0, missingBytes);
    content.update(part);
    missingBytes -= part.length;
    if (part.length === piece.length) return piece.subarray(piece.length);
    onSum(content.digest('hex'));
    hash = null;
    return piece.subarray(part.length + 1); // The line feed after the content.
  }

  return {
    take(piece) {
      for (let rest = piece; rest.length > 0 && problem === null; )
        rest = hash === null ? takeHeader(rest) : takeContent(rest, hash);
    },
    check() {
      if (problem !== null) throw new GitError(problem);
    },
  };
}
