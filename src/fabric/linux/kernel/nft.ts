/**
 * libnftables, called in-process: one context talks to one namespace.
 *
 * A buffer of commands is one transaction: all of it or nothing. What the rules mean is in
 * gates.ts and edge.ts.
 */
import koffi from "koffi";

const CANDIDATES = ["libnftables.so.1", "libnftables.so"];

type Library = {
  readonly create: (flags: number) => unknown;
  readonly free: (context: unknown) => void;
  readonly bufferOutput: (context: unknown) => number;
  readonly bufferError: (context: unknown) => number;
  readonly output: (context: unknown) => string;
  readonly error: (context: unknown) => string;
  readonly run: (context: unknown, commands: string) => number;
  readonly setOutputFlags: (context: unknown, flags: number) => void;
};

let loaded: Library | undefined;

function library(): Library {
  if (loaded !== undefined) return loaded;
  for (const name of CANDIDATES) {
    try {
      const file = koffi.load(name);
      loaded = {
        create: file.func("void *nft_ctx_new(uint32_t flags)"),
        free: file.func("void nft_ctx_free(void *ctx)"),
        bufferOutput: file.func("int nft_ctx_buffer_output(void *ctx)"),
        bufferError: file.func("int nft_ctx_buffer_error(void *ctx)"),
        output: file.func("const char *nft_ctx_get_output_buffer(void *ctx)"),
        error: file.func("const char *nft_ctx_get_error_buffer(void *ctx)"),
        run: file.func("int nft_run_cmd_from_buffer(void *ctx, const char *commands)"),
        setOutputFlags: file.func("void nft_ctx_output_set_flags(void *ctx, uint32_t flags)"),
      };
      return loaded;
    } catch (thrown) {
      if (name === CANDIDATES.at(-1)) throw thrown;
    }
  }
  throw new Error("broken promise: a candidate was tried");
}

const MOST_ATTEMPTS = 5;

export class NftError extends Error {}

export class Nft {
  readonly #context: unknown;

  /** To be called standing in the namespace it shall talk to. */
  constructor() {
    this.#context = library().create(0);
    library().bufferOutput(this.#context);
    library().bufferError(this.#context);
  }

  /** Runs commands as one transaction. One that a signal interrupted has done nothing: again. */
  run(commands: string): string {
    for (let attempt = 1; ; attempt += 1) {
      const status = library().run(this.#context, commands);
      const output = library().output(this.#context);
      if (status === 0) return output;
      const error = library().error(this.#context);
      if (MOST_ATTEMPTS <= attempt || !error.includes("Interrupted system call"))
        throw new NftError(firstLines(error));
    }
  }

  /** Runs a listing command; the answer is nftables' JSON. */
  json(command: string): unknown {
    const JSON_OUTPUT = 1 << 4;
    library().setOutputFlags(this.#context, JSON_OUTPUT);
    try {
      return JSON.parse(this.run(command)) as unknown;
    } finally {
      library().setOutputFlags(this.#context, 0);
    }
  }

  close(): void {
    library().free(this.#context);
  }
}

function firstLines(text: string): string {
  return text.trim().split("\n").slice(0, 3).join(" / ").slice(0, 500);
}
