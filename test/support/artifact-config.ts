import type { ArtifactsConfig } from '../../agent/artifacts/artifacts.ts';
import { Secret } from '../../state/secret.ts';

/** CARTRIDGE_KEY, from protocol.md 8.6. */
export const key = 'Xk7pQ2mZ9aLr4TwB';

/** As agent.conf has them, but for what a test has to be quick about. */
export const defaults: Omit<ArtifactsConfig, 'path'> = {
  key: new Secret(key),
  protocols: ['https', 'ssh', 'http'],
  branch: null,
  timeoutMs: 20_000,
  maxBytes: null,
  autoCheckout: true,
  commitEnabled: false,
  commitIdentity: { name: 'cartridge-agent', email: 'cartridge-agent@localhost' },
  drift: 'report',
  verify: { policy: 'none', signersFile: null },
  backup: false,
  layout: 'in-place',
  releasesKept: 3,
  ssh: { key: null, knownHosts: null },
  superTenantPath: '/repository/deployment/server/',
  tenantPath: '/repository/tenants/',
};
