import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type SentBody, type SentEventName, writeMessage } from '../state/messages/topics.ts';
import { errorOf, everythingIn, messageOf, sampleMessage } from './support/sample-messages.ts';

const canary = 'pa55word-canary';

describe('what is written', () => {
  const { body: activated } = sampleMessage('InstanceActivatedEvent');

  test('keys in the order of the platform, whatever order they were given in', () => {
    const reversed = Object.fromEntries(Object.entries({ ...activated, groupId: 'g', instanceId: 'i' }).reverse());

    const keys = Object.keys(JSON.parse(writeMessage('InstanceActivatedEvent', reversed as typeof activated)));

    expect(keys).toEqual([
      'serviceName',
      'clusterId',
      'memberId',
      'instanceId',
      'clusterInstanceId',
      'networkPartitionId',
      'partitionId',
      'groupId',
    ]);
  });

  test('what is null or undefined is left out', () => {
    const text = writeMessage('InstanceMaintenanceModeEvent', {
      serviceName: 's',
      clusterId: 'c',
      memberId: 'm',
      groupId: null,
      partitionId: undefined,
    });

    expect(text).toBe('{"serviceName":"s","clusterId":"c","memberId":"m"}');
  });

  test('a statistic', () => {
    const body = {
      timestamp: 1_486_000_000_000,
      value: 12.5,
      healthDescription: 'load_average',
      partitionId: 'p',
      memberId: 'm',
      networkPartitionId: 'n',
      clusterInstanceId: 'i',
      clusterId: 'c',
    };

    const text = writeMessage('HealthStatisticsEvent', body);

    expect(text).toBe(
      '{"clusterId":"c","clusterInstanceId":"i","networkPartitionId":"n","memberId":"m","partitionId":"p","healthDescription":"load_average","value":12.5,"timestamp":1486000000000}',
    );
    expect(messageOf('HealthStatisticsEvent', text).body).toEqual(body);
  });

  const statistic = { clusterId: 'c', memberId: 'm', healthDescription: 'load_average', value: 1, timestamp: 1 };
  const refused: readonly { summary: string; event: SentEventName; body: unknown }[] = [
    {
      summary: 'a misspelt key',
      event: 'InstanceStartedEvent',
      body: { ...sampleMessage('InstanceStartedEvent').body, memberID: canary },
    },
    {
      summary: 'no application',
      event: 'InstanceStartedEvent',
      body: { ...sampleMessage('InstanceStartedEvent').body, applicationId: undefined },
    },
    { summary: 'a blank cluster', event: 'InstanceActivatedEvent', body: { ...activated, clusterId: '' } },
    { summary: 'a request with content', event: 'CompleteTopologyRequestEvent', body: { why: canary } },
    { summary: 'a value that is no number', event: 'HealthStatisticsEvent', body: { ...statistic, value: Number.NaN } },
    {
      summary: 'an endless value',
      event: 'HealthStatisticsEvent',
      body: { ...statistic, value: Number.POSITIVE_INFINITY },
    },
    { summary: 'a broken time', event: 'HealthStatisticsEvent', body: { ...statistic, timestamp: 1.5 } },
    {
      summary: 'the statistic that means a fault',
      event: 'HealthStatisticsEvent',
      body: { ...statistic, healthDescription: 'ports_not_open' },
    },
  ];

  test.for(refused)('not $summary', ({ event, body }) => {
    const error = errorOf(() => writeMessage(event, body as SentBody<SentEventName>));

    expect(error).toMatchObject({ code: 'MESSAGE_INVALID', message: expect.stringMatching(/^cannot write message/) });
    expect(everythingIn(error)).not.toContain(canary);
  });

  test('all others hear it as it was meant', () => {
    const text = fc.string({ minLength: 1 });
    const ids = fc.record({
      serviceName: text,
      clusterId: text,
      memberId: text,
      partitionId: fc.option(fc.string(), { nil: undefined }),
    });
    fc.assert(
      fc.property(ids, (body) => {
        expect(
          messageOf('InstanceReadyToShutdownEvent', writeMessage('InstanceReadyToShutdownEvent', body)).body,
        ).toEqual(body);
      }),
    );
  });
});
