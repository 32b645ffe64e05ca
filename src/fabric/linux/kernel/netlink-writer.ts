/**
 * Bytes of netlink messages: one growing buffer, attributes nested in place.
 *
 * And the way back: attributes of what the kernel says. Which message means what is in
 * nf-tables.ts and conntrack.ts.
 */

export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const NESTED = 0x8000;
const HEADER = 16;

export class NetlinkWriter {
  #bytes = Buffer.allocUnsafe(1 << 16);
  #end = 0;
  #start = 0;
  readonly #constants = new Map<string, Buffer>();

  /** Begins a message of the netfilter family: its header and the four bytes all of them have. */
  begin(type: number, flags: number, family: number, resource = 0): this {
    this.#room(HEADER + 4);
    this.#start = this.#end;
    this.#bytes.writeUInt16LE(type, this.#end + 4);
    this.#bytes.writeUInt16LE(flags | NLM_F_REQUEST, this.#end + 6);
    this.#bytes.writeUInt32LE(0, this.#end + 8);
    this.#bytes.writeUInt32LE(0, this.#end + 12);
    this.#bytes.writeUInt8(family, this.#end + HEADER);
    this.#bytes.writeUInt8(0, this.#end + HEADER + 1);
    this.#bytes.writeUInt16BE(resource, this.#end + HEADER + 2);
    this.#end += HEADER + 4;
    return this;
  }

  /** Ends the message: a copy of its bytes. The writer is empty again. */
  finish(): Buffer {
    this.#bytes.writeUInt32LE(this.#end - this.#start, this.#start);
    const message = Buffer.from(this.#bytes.subarray(this.#start, this.#end));
    this.#end = this.#start = 0;
    return message;
  }

  /** Attributes written meanwhile are inside this one. */
  nest(type: number, write: () => void): this {
    const at = this.#end;
    this.#head(type | NESTED, 0);
    write();
    this.#bytes.writeUInt16LE(this.#end - at, at);
    return this;
  }

  u8(type: number, value: number): this {
    this.#head(type, 1);
    this.#bytes.writeUInt32LE(value, this.#end);
    this.#end += 4;
    return this;
  }

  u16(type: number, value: number): this {
    this.#head(type, 2);
    this.#bytes.writeUInt16BE(value, this.#end);
    this.#bytes.writeUInt16LE(0, this.#end + 2);
    this.#end += 4;
    return this;
  }

  /** Network order, as all numbers of netfilter are. */
  u32(type: number, value: number): this {
    this.#head(type, 4);
    this.#bytes.writeInt32BE(value | 0, this.#end);
    this.#end += 4;
    return this;
  }

  u64(type: number, value: bigint): this {
    this.#head(type, 8);
    this.#bytes.writeBigUInt64BE(value, this.#end);
    this.#end += 8;
    return this;
  }

  /** The machine's own order, as interface groups and marks are. */
  u32Own(type: number, value: number): this {
    this.#head(type, 4);
    this.#bytes.writeInt32LE(value | 0, this.#end);
    this.#end += 4;
    return this;
  }

  /** A number of so many bytes, in network order. */
  number(type: number, value: number, length: number): this {
    this.#head(type, length);
    this.#bytes.writeInt32LE(0, this.#end);
    this.#bytes.writeUIntBE(value, this.#end, length);
    this.#end += 4;
    return this;
  }

  /** Like `nest`, where what is inside takes so many bytes. */
  open(type: number, length: number): this {
    this.#head(type | NESTED, length);
    return this;
  }

  /** Attributes that are the same each time: written once, copied from then on. */
  constant(name: string, write: () => void): this {
    const known = this.#constants.get(name);
    if (known === undefined) {
      const at = this.#end;
      write();
      this.#constants.set(name, Buffer.from(this.#bytes.subarray(at, this.#end)));
    } else {
      this.#room(known.length);
      this.#bytes.set(known, this.#end);
      this.#end += known.length;
    }
    return this;
  }

  text(type: number, value: string): this {
    return this.raw(type, Buffer.from(`${value}\0`));
  }

  raw(type: number, value: Uint8Array): this {
    this.#head(type, value.length);
    if (value.length > 0) this.#bytes.writeInt32LE(0, this.#end + padded(value.length) - 4);
    this.#bytes.set(value, this.#end);
    this.#end += padded(value.length);
    return this;
  }

  #head(type: number, length: number): void {
    this.#room(4 + padded(length));
    this.#bytes.writeUInt16LE(4 + length, this.#end);
    this.#bytes.writeUInt16LE(type, this.#end + 2);
    this.#end += 4;
  }

  #room(length: number): void {
    if (this.#end + length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length + length);
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

export type Attributes = ReadonlyMap<number, Buffer>;

/** Attributes by type; of several with one type the last. */
export function attributesOf(bytes: Buffer): Attributes {
  return new Map(attributeList(bytes));
}

export function attributeList(bytes: Buffer): readonly (readonly [number, Buffer])[] {
  const list: (readonly [number, Buffer])[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = Math.max(4, bytes.readUInt16LE(at));
    list.push([bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length)]);
    at += padded(length);
  }
  return list;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
