import { expect, test } from 'vitest';
import { repositoriesFor } from '../state/repositories.ts';
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
