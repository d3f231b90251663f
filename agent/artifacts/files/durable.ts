import { execFile } from 'node:child_process';
import { type FileHandle, open, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const filesAtOnce = 16;

/** Returns when the names in `folder` (what was made, renamed, removed there) outlive a power cut. */
export async function flushFolder(folder: string): Promise<void> {
  await flush(folder);
}

/** Returns when all files below `folder` outlive a power cut: by one call to the kernel, or else file by file. */
export async function flushTree(folder: string, signal: AbortSignal): Promise<void> {
  try {
    await execute('sync', ['-f', folder], { signal });
  } catch {
    // There is no such tool, or it failed: what failed is told better by the file it happened to.
    signal.throwIfAborted();
    await flushEach(folder, signal);
  }
}

/** Replaces a small file: whoever reads it, and whatever happens, it is the old one or the new one. Mode 0600. */
export async function writeDurably(path: string, content: string): Promise<void> {
  await using file = await open(`${path}.new`, 'w', 0o600);
  await file.writeFile(content);
  await file.sync();
  await rename(`${path}.new`, path);
  await flushFolder(dirname(path));
}

async function flushEach(folder: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  // Not `recursive`, which follows links, and so leads out of the tree, or round and round in it.
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await flushEach(join(folder, entry.name), signal);
  const files = entries.filter((entry) => entry.isFile()).values();
  const work = async () => {
    for (const file of files) await flush(join(folder, file.name));
  };
  await Promise.all(Array.from({ length: filesAtOnce }, work));
  await flush(folder);
}

async function flush(path: string): Promise<void> {
  await using file: FileHandle = await open(path, 'r');
  await file.sync();
}
