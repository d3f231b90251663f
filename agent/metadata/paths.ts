import { MetadataInputError } from './failures.ts';

/**
 * The paths of the service, below its base. With a key it is `cluster`, without one `clusters`: so says the service.
 *
 * Each of them throws {@link MetadataInputError} for what cannot be a name: `..` would be taken for the folder above, and
 * delete all there is.
 * @see protocol.md section 11
 */
export function createPaths(applicationId: string) {
  const root = `applications/${segment('the application id', applicationId)}`;
  const within = (folder: 'cluster' | 'clusters', cluster?: string) =>
    cluster === undefined ? root : `${root}/${folder}/${segment('the cluster', cluster)}`;

  return {
    properties: (cluster?: string) => `${within('clusters', cluster)}/properties`,
    property: (key: string, cluster?: string) => `${within('cluster', cluster)}/properties/${segment('the key', key)}`,
    removal: (key: string, value?: string) =>
      `${root}/properties/${segment('the key', key)}${value === undefined ? '' : `/value/${segment('the value', value)}`}`,
  };
}

/** Plugins may be written without types. */
function segment(what: string, text: unknown): string {
  if (typeof text !== 'string' || !text.isWellFormed() || ['', '.', '..'].includes(text))
    throw new MetadataInputError(what, 'text that can be part of a path: not empty, and neither "." nor ".."');
  return encodeURIComponent(text);
}
