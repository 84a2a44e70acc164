import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Store } from './store.ts';
import type { KubeObject } from './types.ts';

const object = (namespace: string, name: string, colour: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { namespace, name },
  colour,
});

const byColour = (thing: KubeObject) => [thing.colour as string];

describe('Store', () => {
  it('finds objects by key, namespace and index', () => {
    const store = new Store({ colour: byColour });
    store.set(object('n', 'a', 'red'));
    store.set(object('m', 'b', 'red'));
    expect(store.get({ namespace: 'n', name: 'a' })?.colour).toBe('red');
    expect(store.list('m').map(({ metadata }) => metadata.name)).toEqual(['b']);
    expect(store.byIndex('colour', 'red')).toHaveLength(2);
    expect(store.byIndex('colour', 'blue')).toEqual([]);
    expect(() => store.byIndex('size', '1')).toThrow("no index 'size'");
  });

  it('keeps indexes equal to a search through everything, whatever happens, also those added late', () => {
    const change = fc.record({
      namespace: fc.constantFrom('n', 'm'),
      name: fc.constantFrom('a', 'b', 'c'),
      colour: fc.constantFrom('red', 'blue'),
      delete: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change), fc.array(change), (before, after) => {
        const store = new Store();
        const play = (changes: typeof before) => {
          for (const { namespace, name, colour, delete: gone } of changes) {
            if (gone) {
              store.delete({ namespace, name });
            } else {
              store.set(object(namespace, name, colour));
            }
          }
        };
        play(before);
        store.addIndexer('colour', byColour);
        play(after);
        const names = (list: KubeObject[]) =>
          list.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
        for (const colour of ['red', 'blue']) {
          expect(names(store.byIndex('colour', colour))).toEqual(
            names(store.list().filter((thing) => thing.colour === colour)),
          );
        }
        for (const namespace of ['n', 'm']) {
          expect(names(store.list(namespace))).toEqual(
            names(store.list().filter(({ metadata }) => metadata.namespace === namespace)),
          );
        }
      }),
    );
  });
});
