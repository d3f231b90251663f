import { provideModules } from '../../plugins/resolver.ts';

// Loaded before the tests of an author: what a plugin may import in the agent, it may import in its tests.
provideModules();
