import { describeStore } from "./store.conformance.ts";
import { emptyMemory, openMemoryStore } from "../support/memory-store.ts";

describeStore("the store in memory", () => {
  const memory = emptyMemory();
  return { open: () => openMemoryStore(memory, Date.now), remove: () => undefined };
});
