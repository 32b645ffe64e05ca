/** A pause that can be cut short: one waiter, many who may ring. */
export class Alarm {
  #ring: (() => void) | undefined;

  /** Until the time is up or somebody rings. */
  async wait(timeMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeMs);
      this.#ring = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#ring = undefined;
  }

  ring(): void {
    this.#ring?.();
  }
}
