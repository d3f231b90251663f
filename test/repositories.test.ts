import { expect, test } from 'vitest';
import { publicUrlOf, repositoriesFor } from '../state/repositories.ts';
import { Secret } from '../state/secret.ts';
import { sampleMessage } from './support/sample-messages.ts';

const shop = { applicationId: 'shop-app', clusterId: 'shop-app.web.php.domain' };

test('a list of sign-ups says of one cluster what its ArtifactUpdated says', () => {
  const event = sampleMessage('ArtifactUpdatedEvent').body;

  const [repository, ...others] = repositoriesFor(shop, sampleMessage('CompleteApplicationSignUpsEvent').body);

  expect(others).toEqual([]);
  expect(repository).toEqual({ ...event, commitEnabled: undefined });
  expect(repository?.repoPassword?.reveal()).toBe(event.repoPassword?.reveal());
});

test.for([
  { summary: 'another application', of: { ...shop, applicationId: 'portal-app' } },
  { summary: 'another cluster', of: { ...shop, clusterId: 'shop-app.db.mysql.domain' } },
  { summary: 'an alias that ends like ours', of: { ...shop, clusterId: 'shop-app.xweb.php.domain' } },
])('$summary has none of it', ({ of }) => {
  expect(repositoriesFor(of, sampleMessage('CompleteApplicationSignUpsEvent').body)).toEqual([]);
});

test.for([
  ['https://git.example.com/shop/web.git', {}, true],
  ['ssh://git@git.example.com/shop/web.git', {}, true],
  ['git@git.example.com:shop/web.git', {}, true],
  ['/srv/git/web.git', {}, true],
  ['https://git.example.com/shop/web.git', { repoUserName: 'deploy' }, false],
  ['https://git.example.com/shop/web.git', { repoPassword: new Secret('x') }, false],
  ['https://token@git.example.com/shop/web.git', {}, false],
  ['ssh://git:pass@git.example.com/web.git', {}, false],
  ['https://git.example.com/web.git?token=x', {}, false],
  ['https://git.example.com/web.git#x', {}, false],
] as const)('%s with %o may be kept: %s', ([repoURL, credential, isPublic]) => {
  const { clusterId, tenantId } = sampleMessage('ArtifactUpdatedEvent').body;
  const nothing = { status: undefined, repoUserName: undefined, repoPassword: undefined, commitEnabled: undefined };

  expect(publicUrlOf({ clusterId, tenantId, ...nothing, repoURL, ...credential })).toBe(isPublic ? repoURL : null);
});
