import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Scenarios share one cluster, so they run in the order of their names: the last one looks back at what all of them did. */
export default class ByNameSequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isScenario = ({ project }: TestSpecification) => project.name === 'e2e';
    const others = await super.sort(files.filter((file) => !isScenario(file)));
    const byName = (a: TestSpecification, b: TestSpecification) => (a.moduleId < b.moduleId ? -1 : 1);
    return [...others, ...files.filter(isScenario).sort(byName)];
  }
}
