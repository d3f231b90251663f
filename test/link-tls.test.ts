import { describe, test } from 'vitest';
import { createAuthority, hasOpenssl } from './support/certificates.ts';
import { expect } from './support/current-test.ts';
import { at, openLink } from './support/link.ts';
import { hasMosquitto, startMosquitto } from './support/mosquitto.ts';

const quick = { backOffMs: 20, stableMs: 100 };

describe.skipIf(!hasMosquitto || !hasOpenssl)('who hangs up before a word is said', () => {
  test('may speak TLS, says the remedy to who does not', async () => {
    const { cert, key } = createAuthority().issue('IP:127.0.0.1');
    await using broker = await startMosquitto(['allow_anonymous true', `certfile ${cert}`, `keyfile ${key}`]);

    const link = openLink({ servers: at(broker.port), timings: quick });
    await expect.poll(() => link.lines('broker.failed').length).toBeGreaterThan(0);

    expect(link.lines('broker.failed')[0]).toMatchObject({
      code: 'BROKER_NOT_REACHED',
      err: { message: expect.stringContaining('hung up before it answered') },
      remedy: expect.stringMatching(/may speak TLS: .*mqtts:\/\/.*mb\.tls = true/),
    });
  });

  test('may not speak TLS, says the remedy to who does', async () => {
    const { ca } = createAuthority();
    await using broker = await startMosquitto();
    const tls = { ca, cert: null, key: null, servername: null };

    const link = openLink({ servers: at(broker.port), tls, timings: quick });
    await expect.poll(() => link.lines('broker.failed').length).toBeGreaterThan(0);

    expect(link.lines('broker.failed')[0]).toMatchObject({
      code: 'BROKER_NOT_REACHED',
      err: { message: expect.stringContaining('hung up before it answered') },
      remedy: expect.stringMatching(/may not speak TLS: .*mqtt:\/\/.*mb\.tls = false/),
    });
  });
});
