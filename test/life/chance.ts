/** Chance by a seed (mulberry32): the same seed gives the same choices. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to before 1. */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };

  /** Both ends included. */
  readonly between = (least: number, most: number): number =>
    least + Math.floor(this.next() * (most - least + 1));

  readonly oneOf = <Item>(items: readonly Item[]): Item => {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) throw new Error("broken promise: there is something to choose from");
    return item;
  };
}
