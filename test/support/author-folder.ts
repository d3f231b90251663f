import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test as base } from 'vitest';

/** What the compiler says of one line. */
export type Complaint = { readonly file: string; readonly line: number; readonly text: string };

/** A folder such as authors have: elsewhere, with neither node_modules nor types for Node near it. */
export type AuthorFolder = {
  write(file: string, source: string): Promise<void>;
  /** Compiles all of it, with the compiler of this repository. */
  compile(): Promise<Complaint[]>;
};

export const test = base.extend<{ folder: AuthorFolder }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of the fixtures from the pattern
  folder: async ({}, use) => {
    const path = await mkdtemp(join(tmpdir(), 'author-test-'));
    const write = (file: string, source: string) => writeFile(join(path, file), source);
    await write('tsconfig.json', JSON.stringify(tsconfig));
    await use({ write, compile: async () => complaintsIn(await outputOfCompiler(path)) });
    await rm(path, { recursive: true });
  },
});

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const tsconfig = {
  compilerOptions: {
    target: 'esnext',
    lib: ['esnext', 'dom'],
    types: [],
    module: 'nodenext',
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    paths: { 'cartridge-agent/plugin': [root('plugins/contract.ts')], zod: [root('node_modules/zod')] },
  },
};

async function outputOfCompiler(path: string): Promise<string> {
  const args = [root('node_modules/typescript/bin/tsc'), '--project', path, '--pretty', 'false'];
  return await new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: path }, (_, stdout, stderr) => resolve(`${stdout}${stderr}`));
  });
}

/** A complaint that is in no file of the folder is one, too: none is overlooked. */
function complaintsIn(output: string): Complaint[] {
  const lines = output.split('\n').filter((line) => line !== '' && !line.startsWith(' '));
  return lines.map((text) => {
    const [, file = text, line = '0'] = /^(.+?)\((\d+),\d+\): error /.exec(text) ?? [];
    return { file: basename(file), line: Number(line), text };
  });
}
