import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { artifactPath } from '../agent/artifacts/paths.ts';
import { parseRepositoryUrl, travelsInClear } from '../agent/artifacts/url.ts';
import { type RepositoryEvent, wishOf } from '../agent/artifacts/wish.ts';
import { Secret } from '../state/secret.ts';
import { encryptedPassword, key, password } from './support/artifacts.ts';

const paths = { path: '/var/www', superTenantPath: '/deployment/server/', tenantPath: 'tenants' };
const protocols = ['https', 'ssh', 'http'];

test.for([
  { repoURL: 'https://git.example/a.git', url: 'https://git.example/a.git', repoUrl: 'https://git.example/a.git' },
  { repoURL: ' https://git.example/a ', url: 'https://git.example/a', repoUrl: 'https://git.example/a' },
  { repoURL: 'https://u:p@git.example:81/a', url: 'https://git.example:81/a', repoUrl: 'https://git.example:81/a' },
  { repoURL: 'http://[::1]:80/a', url: 'http://[::1]/a', repoUrl: 'http://[::1]/a' },
  { repoURL: 'https://h/a?token=t', url: 'https://h/a?token=t', repoUrl: 'https://h/a' },
  { repoURL: 'ssh://git@h:22/a', url: 'ssh://git@h:22/a', repoUrl: 'ssh://h:22/a' },
  { repoURL: 'ssh://git:p@h/a', url: 'ssh://git@h/a', repoUrl: 'ssh://h/a' },
  { repoURL: 'git@h:team/a.git', url: 'git@h:team/a.git', repoUrl: 'h:team/a.git' },
  { repoURL: 'git@[::1]:a', url: 'git@[::1]:a', repoUrl: '[::1]:a' },
])('$repoURL is given to git as $url, and shown as $repoUrl', ({ repoURL, url, repoUrl }) => {
  expect(parseRepositoryUrl(repoURL, protocols)).toMatchObject({ url, repoUrl });
});

test.for([
  '',
  '  ',
  '-uexec',
  '--upload-pack=touch x',
  'ext::sh -c id',
  'fd::17',
  'EXT::x',
  'file:///srv/a',
  '/srv/a',
  'a/b',
  'git://h/a',
  'ftp://h/a',
  'https://',
  'http://h/a\nb',
  'ssh://-oProxyCommand=id/a',
  'ssh://%2DoProxyCommand=id/a',
  'ssh://-l@h/a',
  'git@-oProxyCommand=id:a',
  'ssh://git@[-oProxyCommand=id]/a',
  '-oProxyCommand=id:a',
  'hg::https://h/a',
  'ext::ssh://h/a',
  'https://h/a\u0000b',
  'http://h:99999/a',
  '@:a',
])('%j is refused', (repoURL) => {
  const act = () => parseRepositoryUrl(repoURL, protocols);

  expect(act).toThrow(expect.objectContaining({ code: 'ARTIFACT_URL_REFUSED' }));
});

test.for([
  { repoURL: 'http://ann:hunter2@h/a', inClear: true },
  { repoURL: 'HTTP://ann:hunter2@h/a', inClear: true },
  { repoURL: 'https://ann:hunter2@h/a', inClear: false },
  { repoURL: 'http://ann@h/a', inClear: false },
  { repoURL: 'http://h/a', inClear: false },
  { repoURL: 'ssh://ann:hunter2@h/a', inClear: false },
])('that a password can be read on its way to $repoURL is $inClear', ({ repoURL, inClear }) => {
  const event = { repoURL, tenantId: '1' };
  const wish = wishOf(event, { ...paths, protocols, key: null }, { multiTenant: false });

  expect(travelsInClear(wish)).toBe(inClear);
});

test('a URL that is refused is not quoted: it may hold a password', () => {
  const act = () => parseRepositoryUrl('ftp://ann:hunter2@h/a', protocols);

  expect(act).toThrow(expect.not.stringContaining('hunter2'));
});

test.for([
  { repoURL: 'file:///srv/a', allowed: true },
  { repoURL: '/srv/a', allowed: true },
  { repoURL: 'srv/a', allowed: false },
])('with file allowed, $repoURL is $allowed', ({ repoURL, allowed }) => {
  const act = () => parseRepositoryUrl(repoURL, ['file']);

  if (allowed) expect(act().url).toBe(repoURL);
  else expect(act).toThrow();
});

test.for([
  { multiTenant: false, tenantId: '5', path: '/var/www' },
  { multiTenant: true, tenantId: '-1234', path: '/var/www/deployment/server' },
  { multiTenant: true, tenantId: '5', path: '/var/www/tenants/5' },
])('tenant $tenantId, multi-tenant $multiTenant: $path', ({ multiTenant, tenantId, path }) => {
  expect(artifactPath(paths, { multiTenant, tenantId })).toBe(path);
});

test.for(['', '..', '../5', '5/..', '5 ', '05', '-0', '1.0', 'carbon.super', '1e3', '9'.repeat(30)])(
  'tenant %j is refused',
  (tenantId) => {
    for (const multiTenant of [true, false]) {
      const act = () => artifactPath(paths, { multiTenant, tenantId });
      expect(act).toThrow(expect.objectContaining({ code: 'ARTIFACT_TENANT_REFUSED' }));
    }
  },
);

test.for([null, '', 'www', '/', '/x/..'])('application path %j is refused', (path) => {
  const act = () => artifactPath({ ...paths, path }, { multiTenant: false, tenantId: '5' });

  expect(act).toThrow(expect.objectContaining({ code: 'ARTIFACT_PATH_MISSING' }));
});

test.for([
  { summary: 'nothing', event: {}, used: null },
  { summary: 'both', event: { repoUserName: 'ann', repoPassword: encryptedPassword }, used: ['ann', password] },
  { summary: 'a blank password', event: { repoUserName: 'ann', repoPassword: ' ' }, used: ['ann', ''] },
  { summary: 'a password only', event: { repoPassword: encryptedPassword }, used: ['', password] },
  {
    summary: 'a user in the URL',
    event: { repoURL: 'https://bob@h/a', repoUserName: 'ann', repoPassword: encryptedPassword },
    used: ['bob', password],
  },
  {
    summary: 'both in the URL',
    event: { repoURL: 'https://bob:p%40ss@h/a', repoUserName: 'ann', repoPassword: 'unreadable' },
    used: ['bob', 'p@ss'],
  },
  { summary: 'a lone percent sign', event: { repoURL: 'https://bob:100%@h/a' }, used: ['bob', '100%'] },
  { summary: 'ssh', event: { repoURL: 'git@h:a', repoUserName: 'ann', repoPassword: encryptedPassword }, used: null },
])('an event with $summary', ({ event, used }) => {
  const { credential } = wish(event);

  expect(credential === null ? null : [credential.user, credential.password.reveal()]).toEqual(used);
});

test('a wish prints no password', () => {
  const wished = wish({ repoURL: 'https://bob:hunter2@h/a' });

  expect(inspect(wished, { depth: 9 }) + JSON.stringify(wished)).not.toContain('hunter2');
});

function wish(event: Partial<RepositoryEvent>) {
  const config = { ...paths, protocols, key: new Secret(key) };
  return wishOf({ repoURL: 'https://h/a', tenantId: '5', ...event }, config, { multiTenant: false });
}
