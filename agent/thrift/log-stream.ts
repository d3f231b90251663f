import type { StreamDefinition, StreamEvent } from './bundle.ts';

/** Whose logs they are. */
export type LogOwner = { readonly tenantId: number | null; readonly clusterId: string; readonly memberId: string };

export type LogStream = {
  readonly definition: StreamDefinition;
  eventOf(line: string, timestampMs: number): StreamEvent;
};

const text = (name: string) => ({ name, type: 'STRING' }) as const;

/**
 * The stream of one run of the agent: its date is in its name.
 *
 * @param startedAt - the day is that of this machine
 * @see protocol.md section 10
 */
export function createLogStream({ tenantId, clusterId, memberId }: LogOwner, startedAt: Date): LogStream {
  const isNobodys = tenantId === null || tenantId === -1 || tenantId === -1234;
  const tenant = isNobodys ? '0' : String(tenantId);
  const [alias = ''] = clusterId.split('.');
  const day = dayOf(startedAt);
  return {
    definition: {
      name: `logs.${tenant}.${alias}.${day}`,
      version: '1.0.0',
      nickName: 'log entries from instance',
      description: 'Apache Stratos Instance Log Publisher',
      metaData: [text('memberId')],
      payloadData: [
        text('tenantID'),
        text('serverName'),
        text('appName'),
        text('logTime'),
        text('priority'),
        text('message'),
        text('logger'),
        text('ip'),
        text('instance'),
        text('stacktrace'),
      ],
    },
    eventOf: (line, timestampMs) => ({
      timestampMs,
      values: [memberId, tenant, alias, '', day, '', line, '', '', memberId, ''],
    }),
  };
}

/** `2017.02.02` */
function dayOf(date: Date): string {
  const two = (number: number) => String(number).padStart(2, '0');
  return [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('.');
}
