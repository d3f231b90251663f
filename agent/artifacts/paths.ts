import { isAbsolute, join, resolve } from 'node:path';
import { AgentError } from '../../state/errors.ts';

const superTenant = '-1234';

/** Where artifacts go. */
export interface ArtifactPaths {
  /** APPLICATION_PATH; null when the instance was started without. */
  readonly path: string | null;
  /** Below `path`, for the super tenant of a multi-tenant service. */
  readonly superTenantPath: string;
  /** Below `path`, for the other tenants of a multi-tenant service; the tenant's id follows. */
  readonly tenantPath: string;
}

/**
 * The folder that holds the artifact of a tenant.
 *
 * @throws {@link ArtifactPathError} without an absolute APPLICATION_PATH
 * @throws {@link ArtifactTenantError} for a tenant that is no integer: its id is about to become a folder's name
 * @see protocol.md 8.2
 */
export function artifactPath(
  paths: ArtifactPaths,
  { multiTenant, tenantId }: { multiTenant: boolean; tenantId: string },
) {
  if (!/^(0|-?[1-9]\d{0,18})$/.test(tenantId)) throw new ArtifactTenantError(tenantId);
  const { path } = paths;
  if (path === null || !isAbsolute(path) || resolve(path) === '/') throw new ArtifactPathError(path);

  if (!multiTenant) return resolve(path);
  if (tenantId === superTenant) return resolve(join(path, paths.superTenantPath));
  return resolve(join(path, paths.tenantPath, tenantId));
}

/** There is no folder to put artifacts into. */
export class ArtifactPathError extends AgentError {
  override readonly name = 'ArtifactPathError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_PATH_MISSING';
  readonly remedy = 'Set APPLICATION_PATH in launch-params to the absolute path of the folder that is served.';

  constructor(path: string | null) {
    super(`cannot place artifacts: APPLICATION_PATH is ${path === null ? 'not set' : path}`, { facts: { path } });
  }
}

/** An event names a tenant in a way no platform does. */
export class ArtifactTenantError extends AgentError {
  override readonly name = 'ArtifactTenantError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_TENANT_REFUSED';
  readonly remedy = 'Find out who publishes on the topics of the platform: tenant ids are integers.';

  constructor(tenantId: string) {
    const shown = tenantId.slice(0, 80);
    super(`cannot place artifacts of tenant ${JSON.stringify(shown)}`, { facts: { tenantId: shown } });
  }
}
