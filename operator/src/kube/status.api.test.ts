import { expect, inject, it } from 'vitest';
import { countRequests, eventually, testClient, testNamespace } from './api-testing.ts';
import type { KubeClient } from './client.ts';
import { CUSTOMRESOURCEDEFINITIONS } from './resources.ts';
import { ignoring, StatusWriter } from './status.ts';
import type { KubeObject, ResourceType } from './types.ts';

const WIDGETS: ResourceType = {
  group: 'status-writer.example.io',
  version: 'v1',
  plural: 'widgets',
  kind: 'Widget',
  namespaced: true,
};

/** A custom resource with a status as ours have it: defaulted observedGeneration and conditions as a map by type. */
async function setup() {
  const client = testClient(inject('kubeconfig'));
  const { group, plural, kind } = WIDGETS;
  const text = { type: 'string' };
  const condition = {
    type: 'object',
    required: ['type'],
    properties: { type: text, status: text, reason: text, lastTransitionTime: text },
  };
  await client.apply(
    CUSTOMRESOURCEDEFINITIONS,
    {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { plural, kind, singular: 'widget' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            subresources: { status: {} },
            schema: {
              openAPIV3Schema: {
                type: 'object',
                properties: {
                  spec: { type: 'object', properties: { size: { type: 'integer' } } },
                  status: {
                    type: 'object',
                    default: { observedGeneration: -1 },
                    properties: {
                      observedGeneration: { type: 'integer' },
                      block: { type: 'integer' },
                      conditions: {
                        type: 'array',
                        'x-kubernetes-list-type': 'map',
                        'x-kubernetes-list-map-keys': ['type'],
                        items: condition,
                      },
                    },
                  },
                },
              },
            },
          },
        ],
      },
    },
    { fieldManager: 'test' },
  );
  const namespace = await testNamespace(client);
  const widget = await eventually(
    () => create(client, namespace).catch(() => undefined),
    'the new resource to be served',
  );
  return { client, namespace, widget, writer: new StatusWriter(client, { fieldManager: 'test-status' }) };
}

const create = (client: KubeClient, namespace: string) =>
  client.create(WIDGETS, {
    apiVersion: 'status-writer.example.io/v1',
    kind: 'Widget',
    metadata: { namespace, name: 'a' },
    spec: { size: 1 },
  });

const condition = (type: string) => ({ type, status: 'True', reason: 'R', lastTransitionTime: '2026-01-01T00:00:00Z' });

it('writes once, then not until something differs', async () => {
  const { client, widget, writer } = await setup();
  expect(widget.status).toEqual({ observedGeneration: -1 });
  const status = { observedGeneration: 1, conditions: [condition('Ready')] };
  const first = await writer.write(WIDGETS, widget, status);
  expect(first.changed).toBe(true);
  expect(first.object.status).toEqual(status);
  expect(first.object.spec).toEqual({ size: 1 });
  expect(first.object.metadata.generation).toBe(1);

  const before = await countRequests(client);
  const again = await writer.write(WIDGETS, first.object, structuredClone(status));
  expect(again.changed).toBe(false);
  expect(await countRequests(client)).toBe(before);
});

it('does not write the same again while the cache has not seen its last write', async () => {
  const { client, widget, writer } = await setup();
  await writer.write(WIDGETS, widget, { observedGeneration: 1 });
  const before = await countRequests(client);
  expect((await writer.write(WIDGETS, widget, { observedGeneration: 1 })).changed).toBe(false);
  expect(await countRequests(client)).toBe(before);
  // Back to what the cache still shows: that is a change all the same.
  expect((await writer.write(WIDGETS, widget, { observedGeneration: -1 })).changed).toBe(true);
});

it('does not mind the order of conditions', async () => {
  const { client, widget, writer } = await setup();
  const [a, b] = [condition('A'), condition('B')];
  const { object } = await writer.write(WIDGETS, widget, { observedGeneration: 1, conditions: [a, b] });
  const before = await countRequests(client);
  const restarted = new StatusWriter(client, { fieldManager: 'test-status' });
  expect((await restarted.write(WIDGETS, object, { observedGeneration: 1, conditions: [b, a] })).changed).toBe(false);
  expect(await countRequests(client)).toBe(before);
});

it('removes conditions and fields that are no longer said', async () => {
  const { widget, writer } = await setup();
  const both = [condition('Ready'), condition('Reconciling')];
  const first = await writer.write(WIDGETS, widget, { observedGeneration: 1, block: 7, conditions: both });
  const second = await writer.write(WIDGETS, first.object, { observedGeneration: 1, conditions: [condition('Ready')] });
  expect(second.object.status).toEqual({ observedGeneration: 1, conditions: [condition('Ready')] });
});

it('does not write for differences that the comparator ignores', async () => {
  const { client, widget, writer } = await setup();
  const { object } = await writer.write(WIDGETS, widget, { observedGeneration: 1, block: 7 });
  const before = await countRequests(client);
  const { changed } = await writer.write(WIDGETS, object, { observedGeneration: 1, block: 8 }, ignoring('block'));
  expect(changed).toBe(false);
  expect(await countRequests(client)).toBe(before);
  expect((await writer.write(WIDGETS, object, { observedGeneration: 2, block: 8 }, ignoring('block'))).changed).toBe(
    true,
  );
});

it('writes by an object that was read before somebody else changed its metadata, but not its spec', async () => {
  const { client, namespace, widget, writer } = await setup();
  const key = { namespace, name: 'a' };
  await client.patch(WIDGETS, key, { metadata: { labels: { touched: 'yes' } } });
  expect((await writer.write(WIDGETS, widget, { observedGeneration: 1 })).changed).toBe(true);
  await client.patch(WIDGETS, key, { spec: { size: 2 } });
  expect((await writer.write(WIDGETS, widget, { observedGeneration: 1, block: 1 })).changed).toBe(false);
  expect((await client.get(WIDGETS, key))?.status).toEqual({ observedGeneration: 1 });
});

it('does not write the status of one object to another that took its name, nor fail when it is gone', async () => {
  const { client, namespace, widget, writer } = await setup();
  const key = { namespace, name: 'a' };
  await client.delete(WIDGETS, key);
  expect((await writer.write(WIDGETS, widget, { observedGeneration: 1 })).changed).toBe(false);
  expect(await client.get(WIDGETS, key)).toBeUndefined();
  await create(client, namespace);
  expect((await writer.write(WIDGETS, widget, { observedGeneration: 1 })).changed).toBe(false);
  expect(((await client.get(WIDGETS, key)) as KubeObject).status).toEqual({ observedGeneration: -1 });
});
