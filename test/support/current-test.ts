import { AsyncLocalStorage } from 'node:async_hooks';
import { aroundEach, type ExpectStatic, type TestContext, expect as vitestExpect } from 'vitest';

type Own = Pick<TestContext, 'expect' | 'onTestFinished' | 'onTestFailed'>;

const running = new AsyncLocalStorage<Own>();
aroundEach((runTest, { expect, onTestFinished, onTestFailed }) =>
  running.run({ expect, onTestFinished, onTestFailed }, runTest),
);

/**
 * As vitest's own, which belong to the test that began last; these belong to the test that calls them. So for tests that run
 * at the same time, and for all that such tests share.
 */
export const expect: ExpectStatic = new Proxy(vitestExpect, {
  apply: (_expect, _self, given: Parameters<ExpectStatic>) => expectOfTest()(...given),
  get: (_expect, key) => Reflect.get(expectOfTest(), key),
});
export const onTestFinished: Own['onTestFinished'] = (...given) => ownOfTest().onTestFinished(...given);
export const onTestFailed: Own['onTestFailed'] = (...given) => ownOfTest().onTestFailed(...given);

/** In a table of cases there is no test yet. */
function expectOfTest(): ExpectStatic {
  return running.getStore()?.expect ?? vitestExpect;
}

function ownOfTest(): Own {
  const own = running.getStore();
  if (own === undefined) throw new Error('there is a test to finish only while one runs');
  return own;
}
