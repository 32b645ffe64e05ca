/**
 * A socket to netfilter of one namespace: sends messages, reads answers and dumps.
 *
 * The kernel works while the message is being sent: when `send` returns, all answers wait.
 */
import { closeSync } from "node:fs";

import { joinGroup, netlinkSocket, receiveWaiting, send, SystemCallError } from "./libc.ts";
import { NetlinkWriter, NLMSG_DONE, NLMSG_ERROR } from "./netlink-writer.ts";

const NETLINK_NETFILTER = 12;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const AF_UNSPEC = 0;
const HEADER = 16;
/** Netlink header and what every netfilter message has before its attributes. */
const ATTRIBUTES_AT = HEADER + 4;

/** Stays below the usual send buffer (212,992 bytes), which nobody without privilege may raise. */
export const MOST_BYTES = 190_000;

const MOST_ATTEMPTS = 5;

export type Heard = { readonly type: number; readonly body: Buffer };

export class NetfilterSocket {
  readonly #fd: number;
  readonly #answer = Buffer.alloc(1 << 18);

  /** To be called standing in the namespace it shall talk to. */
  constructor() {
    this.#fd = netlinkSocket(NETLINK_NETFILTER);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** All of it or nothing, at one instant. What a signal interrupted has done nothing: again. */
  transact(messages: readonly Buffer[]): void {
    if (messages.length === 0) return;
    const batch = Buffer.concat([BATCH_BEGIN, ...messages, BATCH_END]);
    for (let attempt = 1; ; attempt += 1) {
      try {
        send(this.#fd, batch);
        return this.#refusals();
      } catch (thrown) {
        const interrupted = thrown instanceof SystemCallError && thrown.code === "EINTR";
        if (!interrupted || MOST_ATTEMPTS <= attempt) throw thrown;
      }
    }
  }

  /** For what is not in use yet: in as many transactions as it takes. */
  transactInPortions(messages: readonly Buffer[]): void {
    let portion: Buffer[] = [];
    let size = 0;
    for (const message of messages) {
      if (portion.length > 0 && MOST_BYTES < size + message.length) {
        this.transact(portion);
        portion = [];
        size = 0;
      }
      portion.push(message);
      size += message.length;
    }
    this.transact(portion);
  }

  /** Sends messages that are carried out one by one. @param forgiven codes of errors to pass over */
  send(messages: readonly Buffer[], forgiven: readonly string[]): void {
    for (const message of messages) {
      send(this.#fd, message);
      this.#refusals(forgiven);
    }
  }

  /** Attributes of every message that a dump request answers. */
  dump(request: Buffer): readonly Buffer[] {
    send(this.#fd, request);
    const answers: Buffer[] = [];
    for (;;) {
      const length = receiveWaiting(this.#fd, this.#answer);
      if (length === undefined) return answers;
      for (let at = 0; at < length;) {
        const size = this.#answer.readUInt32LE(at);
        const type = this.#answer.readUInt16LE(at + 4);
        if (type === NLMSG_DONE) return answers;
        if (type === NLMSG_ERROR) throw errorAt(this.#answer, at);
        answers.push(Buffer.from(this.#answer.subarray(at + ATTRIBUTES_AT, at + size)));
        at += (size + 3) & ~3;
      }
    }
  }

  /** From now on the socket hears what the kernel tells this group; read it with `heard`. */
  listen(group: number): void {
    joinGroup(this.#fd, group);
  }

  /** What was told since the last call: type and attributes of every message, and what was lost. */
  heard(): { readonly messages: readonly Heard[]; readonly isLossy: boolean } {
    const messages: Heard[] = [];
    let isLossy = false;
    for (;;) {
      let length: number | undefined;
      try {
        length = receiveWaiting(this.#fd, this.#answer);
      } catch (thrown) {
        if (!(thrown instanceof SystemCallError) || thrown.code !== "ENOBUFS") throw thrown;
        isLossy = true;
        continue;
      }
      if (length === undefined) return { messages, isLossy };
      for (let at = 0; at + ATTRIBUTES_AT <= length;) {
        const size = Math.max(ATTRIBUTES_AT, this.#answer.readUInt32LE(at));
        const type = this.#answer.readUInt16LE(at + 4);
        const body = Buffer.from(this.#answer.subarray(at + ATTRIBUTES_AT, at + size));
        messages.push({ type, body });
        at += (size + 3) & ~3;
      }
    }
  }

  #refusals(forgiven: readonly string[] = []): void {
    let first: SystemCallError | undefined;
    for (;;) {
      const length = receiveWaiting(this.#fd, this.#answer);
      if (length === undefined) break;
      for (let at = 0; at < length; at += (this.#answer.readUInt32LE(at) + 3) & ~3) {
        if (this.#answer.readUInt16LE(at + 4) !== NLMSG_ERROR) continue;
        if (this.#answer.readInt32LE(at + HEADER) === 0) continue;
        const error = errorAt(this.#answer, at);
        if (!forgiven.includes(error.code)) first ??= error;
      }
    }
    if (first !== undefined) throw first;
  }
}

function errorAt(bytes: Buffer, at: number): SystemCallError {
  const about = bytes.readUInt16LE(at + HEADER + 4 + 4);
  return new SystemCallError(`netfilter message ${about}`, -bytes.readInt32LE(at + HEADER));
}

const BATCH_BEGIN = new NetlinkWriter()
  .begin(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)
  .finish();
const BATCH_END = new NetlinkWriter()
  .begin(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)
  .finish();
