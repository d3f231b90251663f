import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, expect } from 'vitest';
import { artifactPath, checkNoLinks } from '../agent/artifacts/paths.ts';
import { failureOf } from './support/artifacts.ts';

const test = base.extend<{ folder: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'paths-'));
    await use(folder);
    await rm(folder, { recursive: true, force: true });
  },
});

const linked = { code: 'ARTIFACT_PATH_LINKED', lasting: true };

test.for([
  { superTenantPath: '/', tenantPath: '/tenants/' },
  { superTenantPath: '/tenants/', tenantPath: '/tenants/' },
  { superTenantPath: '/tenants/5/', tenantPath: '/tenants/' },
  { superTenantPath: '/tenants/5/server/', tenantPath: '/tenants/' },
])('tenant 5 is refused where its folder is mixed up with $superTenantPath', ({ superTenantPath, tenantPath }) => {
  const act = () =>
    artifactPath({ path: '/var/www', superTenantPath, tenantPath }, { multiTenant: true, tenantId: '5' });

  expect(act).toThrow(expect.objectContaining({ code: 'ARTIFACT_PATHS_OVERLAP', lasting: true }));
});

test('names that only begin alike do not overlap', () => {
  const paths = { path: '/var/www', superTenantPath: '/tenants-super/', tenantPath: '/tenants/' };

  expect(artifactPath(paths, { multiTenant: true, tenantId: '5' })).toBe('/var/www/tenants/5');
});

test.for(['5/../..', '../5', '5\n', ' 5', '５', '5.0', '1e3', '0x5', '-0', '05', '5\0', '', '99999999999999999999'])(
  'tenant %j is refused',
  (tenantId) => {
    const paths = { path: '/var/www', superTenantPath: '/server/', tenantPath: '/tenants/' };

    expect(() => artifactPath(paths, { multiTenant: true, tenantId })).toThrow('cannot place artifacts of tenant');
  },
);

test('a way without links, made or not, is fine', async ({ folder }) => {
  await checkNoLinks(folder, folder);
  await checkNoLinks(folder, join(folder, 'tenants', '5'));
  await mkdir(join(folder, 'tenants', '5'), { recursive: true });
  await checkNoLinks(folder, join(folder, 'tenants', '5'));
});

test('APPLICATION_PATH itself may be a link', async ({ folder }) => {
  await mkdir(join(folder, 'real', 'tenants', '5'), { recursive: true });
  await symlink('real', join(folder, 'www'));

  await checkNoLinks(join(folder, 'www'), join(folder, 'www', 'tenants', '5'));
});

test('a link on the way, or at its end, is refused; to nothing, and to where it belongs, too', async ({ folder }) => {
  const path = join(folder, 'tenants', '5');
  for (const to of ['/etc', '.', 'nothing', 'tenants']) {
    await symlink(to, join(folder, 'tenants'));
    expect(await failureOf(checkNoLinks(folder, path))).toMatchObject(linked);
    await rm(join(folder, 'tenants'));
  }
  await mkdir(join(folder, 'tenants'));
  for (const to of ['/etc', '6', 'nothing']) {
    await symlink(to, path);
    expect(await failureOf(checkNoLinks(folder, path))).toMatchObject({ ...linked, facts: { path, link: path } });
    await rm(path);
  }
});

test('a path that is not below APPLICATION_PATH is refused', async ({ folder }) => {
  for (const path of [join(folder, '..'), `${folder}-other`, join(folder, 'tenants/../../other')])
    expect(await failureOf(checkNoLinks(folder, path))).toMatchObject(linked);
});

test('a link to a release is fine at the end, and nothing that looks like one', async ({ folder }) => {
  const [path, commit] = [join(folder, '5'), 'a'.repeat(40)];
  await symlink(`5.releases/${commit}`, path);
  expect(await failureOf(checkNoLinks(folder, path))).toMatchObject(linked);
  await mkdir(join(folder, '5.releases', commit), { recursive: true });

  await checkNoLinks(folder, path);

  expect(await failureOf(checkNoLinks(folder, join(path, 'deeper')))).toMatchObject(linked);
  await rm(join(folder, '5.releases'), { recursive: true });
  await symlink('/etc', join(folder, '5.releases'));
  expect(await failureOf(checkNoLinks(folder, path))).toMatchObject(linked);
  for (const to of [
    `6.releases/${commit}`,
    `5.releases/${commit}/..`,
    '5.releases/repository',
    `/x/5.releases/${commit}`,
  ]) {
    await rm(path);
    await symlink(to, path);
    expect(await failureOf(checkNoLinks(folder, path))).toMatchObject(linked);
  }
});
