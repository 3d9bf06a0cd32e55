/** Steps of somebody who installs the meter, with the time that each takes. */
export class Steps {
  private readonly taken: [string, number][] = [];

  /** Carries out a step. */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    const result = await work();
    this.taken.push([name, performance.now() - startedMs]);
    return result;
  }

  /** Prints the steps in their order. */
  print(): void {
    const width = Math.max(0, ...this.taken.map(([name]) => name.length));
    const lines = this.taken.map(([name, ms]) => `${name.padEnd(width)} ${(ms / 1_000).toFixed(1).padStart(6)} s`);
    console.log(lines.join('\n'));
  }
}
