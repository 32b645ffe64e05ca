/**
 * The few calls of the C library that Node has no door to: namespaces and raw sockets.
 *
 * Every call is synchronous and on the calling thread, which is what makes `inNamespace` right: a
 * namespace belongs to a thread. Errors are thrown as `SystemCallError` and become Problems above.
 */
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";

import koffi from "koffi";

import { must } from "../../../base/problem.ts";

const libc = koffi.load("libc.so.6");
const setns = libc.func("int setns(int fd, int type)");
const unshare = libc.func("int unshare(int flags)");
const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const bindCall = libc.func("int bind(int fd, const void *address, uint32_t length)");
const listenCall = libc.func("int listen(int fd, int backlog)");
const setsockopt = libc.func(
  "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)",
);
const sendCall = libc.func("long send(int fd, const void *bytes, size_t length, int flags)");
const recvCall = libc.func("long recv(int fd, _Out_ void *bytes, size_t length, int flags)");

const CLONE_NEWNET = 0x4000_0000;
const SOCK_CLOEXEC = 0o2_000_000;
const SOCK_NONBLOCK = 0o4_000;
const AF_INET = 2;
const AF_NETLINK = 16;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

export class SystemCallError extends Error {
  readonly code: string;

  constructor(call: string, number: number) {
    const code =
      Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ??
      `errno ${number}`;
    super(`${call}: ${code}`);
    this.code = code;
  }
}

/** A network namespace, open for as long as we hold it; gone with its last process and holder. */
export type Namespace = { readonly fd: number };

function checked(call: string, answer: number): number {
  if (answer < 0) throw new SystemCallError(call, koffi.errno());
  return answer;
}

/** The namespace this thread stands in. */
export function currentNamespace(): Namespace {
  return { fd: openSync("/proc/thread-self/ns/net", "r") };
}

/** A new, empty namespace; this thread stays where it is. */
export function createNamespace(home: Namespace): Namespace {
  checked("unshare", unshare(CLONE_NEWNET) as number);
  try {
    return currentNamespace();
  } finally {
    checked("setns", setns(home.fd, CLONE_NEWNET) as number);
  }
}

export function closeNamespace({ fd }: Namespace): void {
  closeSync(fd);
}

/**
 * Does synchronous work standing in a namespace. Sockets opened and processes spawned in there
 * belong to it. Work that goes on later would go on at home, so a promise is a broken promise.
 */
export function inNamespace<Value>(
  namespace: Namespace,
  home: Namespace,
  work: () => Value,
): Value {
  checked("setns", setns(namespace.fd, CLONE_NEWNET) as number);
  try {
    const value = work();
    must(!(value instanceof Promise), "work in a namespace is synchronous");
    return value;
  } finally {
    checked("setns", setns(home.fd, CLONE_NEWNET) as number);
  }
}

/** A TCP socket of the current namespace, bound; `listen` makes it a listener. */
export function tcpSocket(
  bindTo: { readonly address: string; readonly port: number } | undefined,
): number {
  return inetSocket(SOCK_STREAM, bindTo);
}

/** A bound UDP socket of the current namespace. */
export function udpSocket(bindTo: { readonly address: string; readonly port: number }): number {
  return inetSocket(SOCK_DGRAM, bindTo);
}

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;

function inetSocket(
  type: number,
  bindTo: { readonly address: string; readonly port: number } | undefined,
): number {
  const fd = checked(
    "socket",
    socketCall(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) as number,
  );
  if (bindTo === undefined) return fd;
  try {
    const one = Buffer.from([1, 0, 0, 0]);
    if (bindTo.port !== 0)
      checked("setsockopt", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, 4) as number);
    checked("bind", bindCall(fd, socketAddress(bindTo), 16) as number);
    return fd;
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
}

export function listen(fd: number, backlog: number): void {
  checked("listen", listenCall(fd, backlog) as number);
}

function socketAddress({
  address,
  port,
}: {
  readonly address: string;
  readonly port: number;
}): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  address.split(".").forEach((part, index) => bytes.writeUInt8(Number(part), 4 + index));
  return bytes;
}

/** A netlink socket of the current namespace; it keeps talking to that one from anywhere. */
export function netlinkSocket(protocol: number): number {
  const type = 3; // SOCK_RAW
  const fd = checked("socket", socketCall(AF_NETLINK, type | SOCK_CLOEXEC, protocol) as number);
  // Refused without privilege over the host: then the usual buffers must do.
  const size = Buffer.alloc(4);
  size.writeInt32LE(4 << 20);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, size, 4);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size, 4);
  return fd;
}

/** Makes a netlink socket hear what is told to a group; without a name of its own it would not. */
export function joinGroup(fd: number, group: number): void {
  const anyName = Buffer.alloc(12);
  anyName.writeUInt16LE(AF_NETLINK);
  checked("bind", bindCall(fd, anyName, anyName.length) as number);
  const SOL_NETLINK = 270;
  const ADD_MEMBERSHIP = 1;
  const value = Buffer.alloc(4);
  value.writeInt32LE(group);
  checked("setsockopt", setsockopt(fd, SOL_NETLINK, ADD_MEMBERSHIP, value, 4) as number);
}

export function send(fd: number, bytes: Buffer): void {
  checked("send", Number(sendCall(fd, bytes, bytes.length, 0)));
}

/** Blocks until a datagram is there. */
export function receive(fd: number, into: Buffer): number {
  return checked("recv", Number(recvCall(fd, into, into.length, 0)));
}

/** Takes a datagram that is there already; undefined when none is. */
export function receiveWaiting(fd: number, into: Buffer): number | undefined {
  const MSG_DONTWAIT = 0x40;
  const length = Number(recvCall(fd, into, into.length, MSG_DONTWAIT));
  if (length >= 0) return length;
  const error = new SystemCallError("recv", koffi.errno());
  if (error.code === "EAGAIN" || error.code === "EWOULDBLOCK") return undefined;
  throw error;
}
