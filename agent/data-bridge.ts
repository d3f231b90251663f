import type { DataBridge, DataBridgeParts } from './thrift/bridge.ts';

/** Loads Thrift, but only where it is configured: it takes memory, and time at the start. @see protocol.md sections 9, 10 */
export async function openDataBridge(parts: DataBridgeParts): Promise<DataBridge> {
  const { health, thrift, monitoring } = parts.config;
  const wantsStatistics = health.enabled && thrift.receivers.length > 0;
  const wantsLogs = monitoring.enabled && monitoring.logFiles.length > 0;
  if (!wantsStatistics && !wantsLogs) return nothing;
  const { startDataBridge } = await import('./thrift/bridge.ts');
  return startDataBridge(parts, { wantsStatistics, wantsLogs });
}

const nothing: DataBridge = { measured: () => {}, status: () => null, [Symbol.asyncDispose]: async () => {} };
