import type { HookInstance, LogTopic } from 'cartridge-agent/plugin';

/** Named as the stream of the originals. @see protocol.md section 10 */
export function logTopic({ tenantId, clusterId }: HookInstance): LogTopic {
  const isNobodys = tenantId === null || tenantId === -1 || tenantId === -1234;
  const [alias = ''] = clusterId.split('.');
  // What would be a level or a wildcard of its own.
  return `logs/${isNobodys ? 0 : tenantId}/${alias.replaceAll(/[/+#\0]/g, '_')}`;
}
