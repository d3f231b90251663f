import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { createSite, type Site } from './local-changes.ts';

export const siteTest = test.extend<{ site: Site }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  site: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'site-'));
    await use(await createSite(folder));
    await rm(folder, { recursive: true, force: true });
  },
});
