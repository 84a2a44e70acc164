import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rightsOf, rightsPage } from '../../../operator/src/api/rights.ts';
import { CLUSTER_WIDE, PER_NAMESPACE } from '../../../operator/src/informers.ts';
import type { Manifest } from './api-client.ts';
import { CHART, findHelm, helm, REQUIRED, render, renderText, set } from './helm.ts';

const golden = join(import.meta.dirname, 'golden');
const full = ['--values', join(golden, 'full-values.yaml')];

/** Everything but the CRDs, which tests of the schemas cover, and the chart's version, which each release changes. */
function withoutCrds(text: string): string {
  return text
    .split(/^---\n/m)
    .filter((document) => !document.includes('kind: CustomResourceDefinition'))
    .join('---\n');
}

const named = (manifests: Manifest[], kind: string, name = 'quorum-operator') =>
  manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);

describe.skipIf(findHelm() === undefined)('chart, with helm', () => {
  test('lint finds nothing', async () => {
    const result = await helm(['lint', CHART, '--strict', ...set(REQUIRED)]);
    expect(result.stdout).toContain('0 chart(s) failed');
    expect(result.stdout).not.toMatch(/\[(WARNING|ERROR)\]/);
  });

  test('default values render what they did', async () => {
    await expect(withoutCrds(await renderText())).toMatchFileSnapshot(join(golden, 'default.yaml'));
  });

  test('full values render what they did', async () => {
    const text = withoutCrds(await renderText({ args: full }));
    await expect(text).toMatchFileSnapshot(join(golden, 'full.yaml'));
  });

  test('CRDs are templates that stay when the chart goes', async () => {
    const crds = (await render()).filter((manifest) => manifest.kind === 'CustomResourceDefinition');
    expect(crds.map((crd) => crd.spec.names.kind).sort()).toEqual([
      'Consortium',
      'HsmSigner',
      'QuorumNode',
      'TesseraNode',
    ]);
    for (const crd of crds) expect(crd.metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
  });

  test('CRDs can be left out, and can go with the chart', async () => {
    const none = await render({ args: ['--set', 'crds.enabled=false'] });
    expect(named(none, 'CustomResourceDefinition', 'consortiums.quorum-operator.io')).toBeUndefined();
    const loose = named(await render({ args: full }), 'CustomResourceDefinition', 'consortiums.quorum-operator.io');
    expect(loose.metadata.annotations).toBeUndefined();
  });

  test.each([
    ['a misspelled value', ['--set', 'image.operator=x'], /image' not allowed|image is not allowed/],
    ['a nested one', ['--set', 'crds.keeep=true'], /keeep/],
    ['a level that does not exist', ['--set', 'logLevel=loud'], /logLevel/],
    ['a number as text', ['--set-string', 'replicas=two'], /replicas/],
    ['an image that is none', ['--set', 'images.quorum=Not An Image'], /quorum/],
    ['a group that would break out of the policy', ['--set', 'breakGlass.group=a" || true || "'], /group/],
    ['no port of the API server', ['--set-json', 'networkPolicy.apiServer.ports=[]'], /ports/],
  ])('values are refused: %s', async (_, args, message) => {
    const result = await helm(['template', 'quorum-operator', CHART, ...set(REQUIRED), ...args]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(message);
  });

  test.each(['operator', 'sidecar'])('a missing images.%s is asked for by name', async (image) => {
    const { [`images.${image}` as keyof typeof REQUIRED]: _, ...others } = REQUIRED;
    const result = await helm(['template', 'quorum-operator', CHART, ...set(others as Record<string, string>)]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain(`images.${image} must be set`);
  });

  test('no right to Secrets outside of the namespaces that bind the role of organizations', async () => {
    const manifests = await render();
    const cluster = named(manifests, 'ClusterRole');
    const resources = cluster.rules.flatMap((rule: Manifest) => rule.resources);
    expect(resources).not.toContain('secrets');
    expect(resources).not.toContain('*');
    for (const { kind, metadata, rules } of manifests.filter(({ rules }) => rules)) {
      for (const rule of rules) {
        const words = [...rule.apiGroups, ...rule.resources, ...rule.verbs];
        expect(words, `${kind} ${metadata.name}`).not.toContain('*');
      }
    }
    const bindings = manifests.filter(({ kind }) => kind === 'ClusterRoleBinding');
    expect(bindings.map(({ roleRef }) => roleRef.name)).toEqual(['quorum-operator']);
  });

  test.each([
    ['in the cluster', 'quorum-operator', CLUSTER_WIDE],
    ['in organization namespaces', 'quorum-operator-organization', PER_NAMESPACE],
  ])('what the operator follows %s it may read', async (_, role, types) => {
    const { rules } = named(await render(), 'ClusterRole', role);
    for (const { group, plural } of types) {
      const verbs = rules
        .filter((rule: Manifest) => rule.apiGroups.includes(group) && rule.resources.includes(plural))
        .flatMap((rule: Manifest) => rule.verbs);
      expect(verbs, plural).toEqual(expect.arrayContaining(['list', 'watch']));
    }
  });

  test('every rule of a role says why', async () => {
    const text = await renderText();
    const rules = [...text.matchAll(/^(.*)\n {2}- apiGroups: .*\n {4}resources: (.*)$/gm)];
    expect(rules.length).toBeGreaterThan(20);
    expect(rules.filter(([, before]) => !/^ {2}# /.test(before!)).map(([, , resources]) => resources)).toEqual([]);
  });

  test('the page of rights has every rule of every role, verb by verb', async () => {
    const templates = ['cluster-role.yaml', 'organization-role.yaml', 'role.yaml'];
    const told = templates
      .flatMap((name) => rightsOf(readFileSync(join(CHART, 'templates', name), 'utf8')))
      .map(({ role, groups, resources, names, verbs }) => [role, groups, resources, names, verbs].join(' | '));
    const granted = (await render())
      .filter(({ kind }) => /Role$/.test(kind))
      .flatMap(({ kind, metadata, rules }) =>
        rules.map((rule: Manifest) =>
          [
            `${kind} ${metadata.name}`,
            rule.apiGroups.join(', ') || 'core',
            rule.resources.join(', '),
            (rule.resourceNames ?? []).join(', '),
            rule.verbs.join(', '),
          ].join(' | '),
        ),
      );
    expect(told.sort()).toEqual(granted.sort());
    expect(readFileSync(join(CHART, '..', '..', 'docs', 'rights.md'), 'utf8')).toContain(
      rightsPage(templates.flatMap((name) => rightsOf(readFileSync(join(CHART, 'templates', name), 'utf8')))),
    );
  });

  test('a budget only where a drain can still go on', async () => {
    expect(named(await render({ args: ['--set', 'replicas=1'] }), 'PodDisruptionBudget')).toBeUndefined();
    expect(named(await render({ args: ['--set', 'podDisruptionBudget.enabled=false'] }), 'PodDisruptionBudget')).toBe(
      undefined,
    );
    expect(named(await render(), 'PodDisruptionBudget').spec.maxUnavailable).toBe(1);
  });

  test('two replicas by default, which elect a leader and keep apart', async () => {
    const manifests = await render();
    const deployment = named(manifests, 'Deployment');
    const { spec, metadata } = deployment.spec.template;
    expect(deployment.spec.replicas).toBe(2);
    expect(spec.containers[0].env).toContainEqual({ name: 'LEADER_ELECTION', value: 'true' });
    const [zones] = spec.topologySpreadConstraints;
    expect(zones).toMatchObject({ topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' });
    expect(metadata.labels).toMatchObject(zones.labelSelector.matchLabels);
    const [{ podAffinityTerm }] = spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution;
    expect(podAffinityTerm.topologyKey).toBe('kubernetes.io/hostname');
  });

  test('spread is as given, over the pods of the operator', async () => {
    const { spec } = named(await render({ args: full }), 'Deployment').spec.template;
    expect(spec.topologySpreadConstraints).toEqual([
      expect.objectContaining({ topologyKey: 'kubernetes.io/hostname', labelSelector: expect.anything() }),
    ]);
    const alone = named(await render({ args: ['--set', 'replicas=1'] }), 'Deployment').spec.template;
    expect(alone.spec.topologySpreadConstraints).toBeUndefined();
  });
});
