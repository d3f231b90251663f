import { lstat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { AgentError } from '../../state/errors.ts';
import { isFolder, readReleaseLink, releasesFolderOf } from './releases/release-link.ts';

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
 * @throws {@link ArtifactPathsOverlapError} when one tenant's folder would be inside that of another
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
  const ofSuperTenant = resolve(join(path, paths.superTenantPath));
  const ofTenants = resolve(join(path, paths.tenantPath));
  if (isWithin(ofSuperTenant, ofTenants)) throw new ArtifactPathsOverlapError(paths);
  const tenants = join(ofTenants, tenantId);
  if (isWithin(tenants, ofSuperTenant)) throw new ArtifactPathsOverlapError(paths);
  return tenantId === superTenant ? ofSuperTenant : tenants;
}

/**
 * Sees to it that the folder of a tenant is where its path says. APPLICATION_PATH itself may be a link, and the last
 * step a link to a release; any other would lead the files of a tenant, or their removal, somewhere else. To be called
 * before each job: whoever may write below APPLICATION_PATH may have put one there meanwhile.
 *
 * @param path - as `artifactPath` returned it
 * @throws {@link ArtifactPathLinkedError}
 */
export async function checkNoLinks(applicationPath: string, path: string): Promise<void> {
  const root = resolve(applicationPath);
  const below = relative(root, resolve(path));
  if (below === '') return;
  if (!isWithin(root, resolve(path))) throw new ArtifactPathLinkedError(path, { link: root });
  const steps = below.split(sep);
  for (const [index] of steps.entries()) {
    const step = join(root, ...steps.slice(0, index + 1));
    if (!(await isLink(step))) continue;
    const isLast = index === steps.length - 1;
    const isRelease = (await readReleaseLink(step)) !== null && (await isFolder(releasesFolderOf(step)));
    if (!isLast || !isRelease) throw new ArtifactPathLinkedError(path, { link: step });
  }
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

/** A folder on the way to that of a tenant is a symbolic link. */
export class ArtifactPathLinkedError extends AgentError {
  override readonly name = 'ArtifactPathLinkedError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_PATH_LINKED';
  readonly remedy = 'Find out who made the link and remove it: below APPLICATION_PATH, the way to a tenant has none.';

  constructor(path: string, { link }: { link: string }) {
    super(`cannot use ${path}: ${link} leads elsewhere`, { facts: { path, link } });
  }
}

/** What is put in place, or removed, for one tenant would change what another one has. */
export class ArtifactPathsOverlapError extends AgentError {
  override readonly name = 'ArtifactPathsOverlapError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_PATHS_OVERLAP';
  readonly remedy = 'Set super.tenant.repository.path and tenant.repository.path so that neither is inside the other.';

  constructor({ superTenantPath, tenantPath }: ArtifactPaths) {
    super(`cannot keep tenants apart in ${superTenantPath} and ${tenantPath}`, {
      facts: { superTenantPath, tenantPath },
    });
  }
}

/** Whether a folder is another one, or inside it. Both absolute, without dots. */
function isWithin(outer: string, path: string): boolean {
  return path === outer || path.startsWith(join(outer, sep));
}

async function isLink(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null))?.isSymbolicLink() === true;
}
