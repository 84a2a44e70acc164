import { expect, inject, it } from 'vitest';
import { testClient, testNamespace } from './api-testing.ts';
import { EventRecorder } from './events.ts';
import { CONFIGMAPS, EVENTS, NAMESPACES } from './resources.ts';

async function setup() {
  const client = testClient(inject('kubeconfig'));
  const namespace = await testNamespace(client);
  const object = await client.create(CONFIGMAPS, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name: 'a' },
  });
  const recorder = new EventRecorder(client, { controller: 'example.io/test', instance: 'pod-1' });
  const events = async () => (await client.list(EVENTS, { namespace })).items;
  return { client, namespace, object, recorder, events };
}

it('records an event that says what happened to which object', async () => {
  const { object, recorder, events } = await setup();
  recorder.event(object, { type: 'Warning', reason: 'KeyLost', message: 'the key is gone' });
  await recorder.flush();
  expect(await events()).toMatchObject([
    {
      type: 'Warning',
      reason: 'KeyLost',
      note: 'the key is gone',
      action: 'Reconcile',
      reportingController: 'example.io/test',
      reportingInstance: 'pod-1',
      regarding: { kind: 'ConfigMap', name: 'a', uid: object.metadata.uid },
    },
  ]);
});

it('counts a repetition up instead of recording it again, and starts anew when the event has expired', async () => {
  const { client, object, recorder, events, namespace } = await setup();
  const note = { type: 'Normal', reason: 'Created', message: 'made it' } as const;
  for (let time = 0; time < 3; time += 1) {
    recorder.event(object, note);
  }
  await recorder.flush();
  const [only, ...others] = await events();
  expect(others).toEqual([]);
  expect(only).toMatchObject({ series: { count: 3 } });

  await client.delete(EVENTS, { namespace, name: only!.metadata.name });
  recorder.event(object, note);
  await recorder.flush();
  expect(await events()).toHaveLength(1);
});

it('combines more than ten similar messages into one event', async () => {
  const { object, recorder, events } = await setup();
  for (let time = 0; time < 20; time += 1) {
    recorder.event(object, { type: 'Warning', reason: 'Failed', message: `attempt ${time}` });
  }
  await recorder.flush();
  const recorded = await events();
  expect(recorded).toHaveLength(11);
  const combined = recorded.filter(({ note }) => note.startsWith('(combined from similar events): '));
  expect(combined).toMatchObject([{ series: { count: 10 }, note: '(combined from similar events): attempt 10' }]);
});

it('records about cluster-scoped objects in namespace default, cuts long messages, and never throws', async () => {
  const { client, namespace, recorder } = await setup();
  const cluster = (await client.get(NAMESPACES, { name: namespace }))!;
  recorder.event(cluster, { type: 'Normal', reason: 'Long', message: 'ü'.repeat(2_000) });
  recorder.event(
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'does-not-exist', name: 'a' } },
    { type: 'Normal', reason: 'Lost', message: 'nowhere to go' },
  );
  await recorder.flush();
  const { items } = await client.list(EVENTS, { namespace: 'default' });
  const about = items.find(({ regarding }) => regarding?.name === namespace);
  expect(Buffer.byteLength(about!.note)).toBeLessThanOrEqual(1024);
});
