import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect } from 'vitest';
import { askAgent } from '../agent/asks.ts';
import { StateDirTakenError } from '../agent/lock.ts';
import { lockTest as test } from './support/lock.ts';

describe('what is asked', () => {
  test('is answered line by line, by whom the agent named', async ({ lock }) => {
    const claim = await lock.claim();
    const path = join(lock.stateDir, 'control.sock');
    const options = { timeoutMs: 2_000 };
    expect(await askAgent(path, { ask: 'status' }, options)).toMatchObject({ error: { code: 'AGENT_STARTING' } });

    claim.onAsk(async (ask) => ({ youAsked: ask }));

    expect(await askAgent(path, { ask: 'status', more: 1 }, options)).toEqual({ youAsked: { ask: 'status', more: 1 } });
    expect(await askAgent(path, { ask: 'who' }, options)).toMatchObject({ memberId: 'php-1' });
  });

  test('may be anything: it is answered, and the agent goes on', async ({ lock }) => {
    const claim = await lock.claim();
    claim.onAsk(async () => {
      throw new Error('a defect');
    });
    const socket = connect(join(lock.stateDir, 'control.sock'));
    const lines = createInterface({ input: socket });

    socket.end('\nnull\n[]\n{"ask"\n{"ask":"x"}\n');

    const answers: unknown[] = [];
    for await (const line of lines) answers.push(JSON.parse(line));
    const notUnderstood = { error: expect.objectContaining({ code: 'ASK_NOT_UNDERSTOOD' }) };
    const defect = { error: expect.objectContaining({ code: 'DEFECT', message: 'a defect' }) };
    expect(answers).toEqual([notUnderstood, notUnderstood, notUnderstood, notUnderstood, defect]);
  });

  test('without end is not listened to', async ({ lock }) => {
    await lock.claim();
    const socket = connect(join(lock.stateDir, 'control.sock'));
    socket.on('error', () => {});

    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));

    socket.write('x'.repeat(1_000_000));

    await closed;
    await expect(lock.claim()).rejects.toThrow('member php-1');
  });

  test('by too many at once leaves the agent the owner', async ({ lock }) => {
    await lock.claim();
    const path = join(lock.stateDir, 'control.sock');
    const idle = Array.from({ length: 60 }, () => connect(path).on('error', () => {}));

    try {
      await expect(lock.claim('php-2')).rejects.toThrow(StateDirTakenError);
    } finally {
      for (const socket of idle) socket.destroy();
    }
  });

  test('of nobody fails as the system says', async ({ lock }) => {
    const asking = askAgent(join(lock.stateDir, 'control.sock'), { ask: 'who' }, { timeoutMs: 2_000 });

    await expect(asking).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
